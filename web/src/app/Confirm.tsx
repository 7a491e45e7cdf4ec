// The last step of sending: exactly what will happen, and what has happened.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, type MouseEvent } from "react";
import { api, asked, isUnknown, Problem, type Schemas } from "../api/client";
import { Icon } from "../parts/icons";
import { Money, moneyText } from "../parts/money";
import { Link } from "../parts/router";
import { Avatar, Button, Failure, Note, Skeleton, textOf } from "../parts/ui";
import { app } from "../text/app";
import { common } from "../text/common";
import { partyName, type Party, type Wallet } from "./data";
import { sendPayment, useRepeated, type Payment, type Transfer } from "./payments";

const words = app.send;

/** Somebody as far as one may know them: enough to see whether it is the right one. */
export function Who({ party }: { party: Party }) {
  return (
    <>
      <Avatar name={`${party.first_name} ${party.initial}`} seed={party.user_id} />
      <span className="grow">
        <span className="title cut" dir="auto">
          {partyName(party)}
        </span>
        <span className="below cut">{party.handle ? `@${party.handle}` : "\u00a0"}</span>
      </span>
    </>
  );
}

interface Preview {
  refusal: ({ code: string; title: string } & Record<string, unknown>) | null;
  transfer: { balance: { available: number } } | null;
}

/** Ask what would happen, and again whenever the wallet has changed. */
function usePreview(payment: Payment, wallet: Wallet | undefined) {
  return useQuery({
    queryKey: ["preview", payment.body, wallet?.version, wallet?.frozen],
    queryFn: async () => {
      const body = { ...payment.body, dry_run: true };
      const answer = (await asked(api.POST("/wallets/transfer", { body }))) as unknown as Schemas["PreviewAnswer"];
      return answer as unknown as Preview;
    },
    placeholderData: keepPreviousData,
    retry: 1,
    gcTime: 0,
  });
}

interface ConfirmProps {
  payment: Payment;
  wallet: Wallet | undefined;
  remember: (pending: boolean) => void;
  wanted: () => boolean;
  /** It was refused, so its key is used up; `here` is whether it is still being looked at. */
  onRefused: (problem: Problem, here: boolean) => void;
  back: () => void;
  onSent: (sent: Transfer, payment: Payment) => void;
}

export function Confirm({ payment, wallet, remember, wanted, onRefused, back, onSent }: ConfirmProps) {
  const { body, party } = payment;
  const currency = body.currency ?? "";
  const preview = usePreview(payment, wallet);
  const { busy, waits, problem, send } = useRepeated({
    attempt: () => sendPayment(payment),
    remember,
    wanted,
    inDoubt: false,
    onDone: (sent) => onSent(sent, payment),
    onRefused,
  });
  const refusal = problem || busy ? null : preview.data?.refusal;
  // As the books are by now; a preview that was refused tells nothing about afterwards.
  const after = preview.data?.transfer?.balance;
  const unknown = isUnknown(problem);
  const act = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // What has become of it, and what can be done, are seen together, also on a small screen.
    if (problem || waits) act.current?.scrollIntoView({ block: "nearest" });
  }, [problem, waits]);
  return (
    <div className="stack">
      <div className="card padded stack">
        <div className="row">
          <Who party={party} />
        </div>
        <p className="figure">
          <Money amount={body.amount} currency={currency} />
        </p>
        {body.note && (
          <blockquote className="said" dir="auto">
            {body.note}
          </blockquote>
        )}
        <dl className="facts">
          <dt>{words.balanceAfter}</dt>
          <dd>
            {after ? (
              <Money amount={after.available} currency={currency} />
            ) : preview.isPending ? (
              <Skeleton width="6em" />
            ) : (
              words.notKnown
            )}
          </dd>
        </dl>
      </div>
      <p className="small quiet">{words.confirmWords}</p>
      {refusal && <Refused problem={new Problem(422, refusal.code, refusal.title, refusal, 0)} />}
      <div ref={act} className="stack act">
        <Sending waits={waits} problem={problem} busy={busy} />
        <Button
          look="main"
          size="large"
          full
          busy={busy}
          disabled={Boolean(refusal)}
          onClick={once(() => void send())}
        >
          {busy ? words.sending : unknown ? words.findOut : words.now(moneyText(body.amount, currency))}
        </Button>
        {!unknown && (
          <Button look="bare" disabled={busy} onClick={once(back)}>
            {words.change}
          </Button>
        )}
      </div>
    </div>
  );
}

/** The second click of a double click was meant for the step before. */
const once = (act: () => void) => (event: MouseEvent) => {
  if (event.detail < 2) act();
};

/** What becomes of it, while it is under way and if it does not arrive. */
export function Sending({ waits, problem, busy }: { waits: Problem | null; problem: Problem | null; busy: boolean }) {
  if (busy && waits) return <Note icon="clock">{isUnknown(waits) ? words.stillTrying : words.busy}</Note>;
  if (!problem || busy) return null;
  if (!isUnknown(problem)) return <Refused problem={problem} />;
  return (
    <div role="alert">
      <Note look="warn" icon="alert">
        <strong>{words.unknownTitle}</strong>
        <p>{words.unknownWords}</p>
      </Note>
    </div>
  );
}

function Refused({ problem }: { problem: Problem }) {
  return (
    <Note look="bad" icon="alert">
      <strong>{words.notSent}</strong>
      <p>{textOf(problem)}</p>
    </Note>
  );
}

export interface Sent {
  transfer: Transfer;
  party: Party;
}

/** A payment that has been sent; opened anew, its line tells it. */
export function Result({ id, sent }: { id: string; sent: Sent | null }) {
  const known = sent?.transfer.id === id ? sent : null;
  const { data, error, refetch } = useQuery({
    queryKey: ["transaction", id],
    queryFn: () => asked(api.GET("/transactions/{id}", { params: { path: { id } } })),
    enabled: known === null,
    staleTime: Infinity,
  });
  const line = known?.transfer ?? data;
  if (!line) return error ? <Failure problem={error} retry={() => void refetch()} /> : <Skeleton height="320px" />;
  const party = known?.party ?? data?.counterparty;
  return (
    <div className="card padded stack done">
      <span className="tick">
        <Icon name="check" size={28} />
      </span>
      <p className="figure">
        <Money amount={line.amount} currency={line.currency} />
      </p>
      <p id="sent-words" dir="auto">
        {party ? words.doneWords(moneyText(line.amount, line.currency), partyName(party)) : "\u00a0"}
      </p>
      <dl className="facts">
        <dt>{words.balanceAfter}</dt>
        <dd>
          <Money amount={line.balance.available} currency={line.currency} />
        </dd>
      </dl>
      <div className="stack tight full-width">
        <Link className="button main large" to="/">
          {words.home}
        </Link>
        <Link className="button plain" to={`/history/${id}`}>
          {app.line.story}
        </Link>
        <Link className="button bare" to="/send">
          {words.another}
        </Link>
      </div>
    </div>
  );
}

interface LeftProps {
  payment: Payment;
  remember: (pending: boolean) => void;
  wanted: () => boolean;
  onRefused: (problem: Problem, here: boolean) => void;
  onSent: (sent: Transfer, payment: Payment) => void;
  forget: () => void;
}

/** A payment that was under way when the page was left: find out, under its own key. */
export function Left({ payment, remember, wanted, onRefused, onSent, forget }: LeftProps) {
  const { busy, waits, problem, send } = useRepeated({
    attempt: () => sendPayment(payment),
    remember,
    wanted,
    inDoubt: true,
    onDone: (sent) => onSent(sent, payment),
    onRefused,
  });
  const amount = moneyText(payment.body.amount, payment.body.currency ?? "");
  const refused = problem !== null && !isUnknown(problem);
  return (
    <div className="narrow-page stack">
      <h1>{words.pendingTitle}</h1>
      {!refused && (
        <>
          <Note look="warn" icon="clock">
            {words.pendingWords(amount, partyName(payment.party))}
          </Note>
          <p className="small quiet">{words.pendingHow}</p>
        </>
      )}
      <Sending waits={waits} problem={problem} busy={busy} />
      {!refused && (
        <Button look="main" size="large" full busy={busy} onClick={() => void send()}>
          {words.findOut}
        </Button>
      )}
      <Link className="button plain" to="/history">
        {words.lookInHistory}
      </Link>
      <Button look="bare" disabled={busy} onClick={forget}>
        {refused ? common.back : words.discard}
      </Button>
      {!refused && <p className="tiny quieter">{words.discardHow}</p>}
    </div>
  );
}
