// Sending money: to whom, how much, confirm; the result is a state of the same page.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, asked, isUnknown, newKey, untilDefinite, type Schemas } from "../api/client";
import { AmountField, exampleOf } from "../parts/amount";
import { Icon } from "../parts/icons";
import { Money, moneyText, parseAmount } from "../parts/money";
import { Link, useQuery as useAddressQuery } from "../parts/router";
import { Avatar, Button, Field, Note, ProblemNote, Skeleton, textOf, useTitle } from "../parts/ui";
import { app } from "../text/app";
import { common } from "../text/common";
import { partyName, recentPeople, useRecentLines, useWallet, type Party, type Wallet } from "./data";
import { Scanner, canScan } from "./Scanner";

const words = app.send;
const NOTE_MAX = 200;
const PENDING = "wallet-pending-payment";
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

type Transfer = Schemas["TransferAnswer"];

interface Payment {
  key: string;
  party: Party;
  body: Schemas["TransferBody"];
}

/** Return the payment whose answer never came, even after a reload: its key makes it safe. */
function pendingPayment(): Payment | null {
  try {
    return JSON.parse(sessionStorage.getItem(PENDING) ?? "null") as Payment | null;
  } catch {
    return null;
  }
}

function remember(payment: Payment | null): void {
  if (payment) sessionStorage.setItem(PENDING, JSON.stringify(payment));
  else sessionStorage.removeItem(PENDING);
}

export async function lookUp(named: string): Promise<Party> {
  const text = named.trim().replace(/^@/, "");
  const query = UUID.test(text) ? { user_id: text } : text.includes("@") ? { email: text } : { handle: text.toLowerCase() };
  return asked(api.GET("/recipients", { params: { query } }));
}

export function Send() {
  const [query, change] = useAddressQuery();
  const { wallet, wallets } = useWallet();
  const [party, setParty] = useState<Party | null>(null);
  const [payment, setPayment] = useState<Payment | null>(null);
  const [left, setLeft] = useState(pendingPayment);
  const [sent, setSent] = useState<Transfer | null>(null);
  useTitle(words.title, app.name);
  // A code or a link names whom to pay.
  const named = useQuery({
    queryKey: ["recipient", query.to],
    queryFn: () => lookUp(query.to ?? ""),
    enabled: Boolean(query.to) && party === null,
    retry: false,
  });
  const who = party ?? (query.to ? (named.data ?? null) : null);
  const again = () => {
    setParty(null);
    setPayment(null);
    setSent(null);
    change({ to: null });
  };
  const step = sent ? 3 : payment ? 2 : who ? 1 : 0;
  if (left) return <Left payment={left} onDone={() => setLeft(null)} />;
  return (
    <div className="narrow-page stack wide">
      <h1>{sent ? words.doneTitle : step === 2 ? words.confirmTitle : words.title}</h1>
      {!sent && <Steps at={step} />}
      {sent && who ? (
        <Done sent={sent} party={who} again={again} />
      ) : payment ? (
        <Confirm payment={payment} back={() => setPayment(null)} onSent={setSent} />
      ) : who && wallet ? (
        <HowMuch wallet={wallet} wallets={wallets} party={who} back={again} next={setPayment} />
      ) : query.to && named.isPending ? (
        <Skeleton height="64px" />
      ) : (
        <Whom failed={named.error} next={setParty} />
      )}
    </div>
  );
}

function Steps({ at }: { at: number }) {
  return (
    <ol className="steps" aria-label={words.title}>
      {words.steps.map((text, index) => (
        <li key={text} className={index <= at ? "reached" : ""} aria-current={index === at ? "step" : undefined}>
          {text}
        </li>
      ))}
    </ol>
  );
}

function Whom({ failed, next }: { failed: unknown; next: (party: Party) => void }) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<unknown>(failed);
  const [busy, setBusy] = useState(false);
  const [scanning, setScanning] = useState(false);
  const recent = useRecentLines();
  const people = recentPeople(recent.data ?? [], 8);
  const find = async (named: string) => {
    setBusy(true);
    setProblem(null);
    try {
      next(await lookUp(named));
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void find(text);
        }}
      >
        <Field label={words.who} hint={words.whoHint} wrong={problem ? textOf(problem) : undefined}>
          {(attributes) => (
            <div className="with-button">
              <input
                {...attributes}
                className="input tall"
                autoFocus
                autoCapitalize="none"
                autoComplete="off"
                spellCheck={false}
                required
                maxLength={254}
                value={text}
                onChange={(event) => setText(event.target.value)}
              />
              {canScan() && (
                <button type="button" className="icon-button" aria-label={words.scan} title={words.scan} onClick={() => setScanning(true)}>
                  <Icon name="qr" size={18} />
                </button>
              )}
            </div>
          )}
        </Field>
        <Button look="main" size="large" full type="submit" busy={busy}>
          {words.find}
        </Button>
      </form>
      {scanning && (
        <Scanner
          onClose={() => setScanning(false)}
          onFound={(named) => {
            setScanning(false);
            void find(named);
          }}
        />
      )}
      <section className="card" aria-label={words.recents}>
        <header>
          <h2>{words.recents}</h2>
        </header>
        {recent.data && people.length === 0 ? (
          <p className="padded-text quiet small">{words.noRecents}</p>
        ) : (
          <ul className="day">
            {people.map((party) => (
              <li key={party.user_id} className="line">
                <button type="button" onClick={() => next(party)}>
                  <Who party={party} />
                </button>
              </li>
            ))}
          </ul>
        )}
      </section>
    </>
  );
}

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

interface HowMuchProps {
  wallet: Wallet;
  wallets: Wallet[];
  party: Party;
  back: () => void;
  next: (payment: Payment) => void;
}

function HowMuch({ wallet, wallets, party, back, next }: HowMuchProps) {
  const [, change] = useAddressQuery();
  const [text, setText] = useState("");
  const [note, setNote] = useState("");
  const [tried, setTried] = useState(false);
  const { currency, available } = wallet;
  const amount = parseAmount(text, currency);
  const tooMuch = amount !== null && amount > available;
  const wrong =
    tooMuch && (tried || amount > available)
      ? words.tooMuch(moneyText(available, currency))
      : tried && amount === null
        ? words.notAmount(exampleOf(currency).replace(/^0/, "12").replace(/00$/, "50"))
        : undefined;
  const hint = amount === null ? words.available(moneyText(available, currency)) : words.remains(moneyText(available - amount, currency));
  const review = () => {
    setTried(true);
    if (amount === null || tooMuch) return;
    const body = { to_user_id: party.user_id, amount, currency, note: note.trim() || null, dry_run: false };
    next({ key: newKey(), party, body });
  };
  return (
    <form
      className="stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        review();
      }}
    >
      <div className="card chosen">
        <Who party={party} />
        <Button look="bare" size="compact" onClick={back}>
          {words.change}
        </Button>
      </div>
      {wallets.length > 1 && (
        <Field label={app.home.wallet}>
          {(attributes) => (
            <select {...attributes} className="input" value={currency} onChange={(event) => change({ currency: event.target.value })}>
              {wallets.map((each) => (
                <option key={each.id} value={each.currency}>
                  {moneyText(each.available, each.currency)}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      <AmountField label={words.amount} currency={currency} value={text} hint={hint} wrong={wrong} onChange={setText} />
      <Field label={words.note}>
        {(attributes) => (
          <input
            {...attributes}
            className="input"
            dir="auto"
            maxLength={NOTE_MAX}
            placeholder={words.notePlaceholder}
            value={note}
            onChange={(event) => setNote(event.target.value)}
          />
        )}
      </Field>
      <Button look="main" size="large" full type="submit">
        {words.review}
      </Button>
    </form>
  );
}

/** Send a payment until the answer is definite; its key outlives a reload. */
function useSending(payment: Payment, onSent: (sent: Transfer) => void) {
  const [busy, setBusy] = useState(false);
  const [waits, setWaits] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const send = async () => {
    setBusy(true);
    setProblem(null);
    remember(payment);
    try {
      const attempt = () =>
        asked(
          api.POST("/wallets/transfer", {
            body: payment.body,
            params: { header: { "Idempotency-Key": payment.key } },
          }),
        );
      const sent = await untilDefinite(attempt, () => setWaits(true));
      remember(null);
      onSent(sent as Transfer);
    } catch (error) {
      if (!isUnknown(error)) remember(null);
      setProblem(error);
    } finally {
      setBusy(false);
      setWaits(false);
    }
  };
  return { busy, waits, problem, send };
}

interface ConfirmProps {
  payment: Payment;
  back: () => void;
  onSent: (sent: Transfer) => void;
}

function Confirm({ payment, back, onSent }: ConfirmProps) {
  const { body, party } = payment;
  const currency = body.currency ?? "";
  const preview = useQuery({
    queryKey: ["preview", payment.key],
    queryFn: async () =>
      (await asked(api.POST("/wallets/transfer", { body: { ...body, dry_run: true } }))) as unknown as Schemas["PreviewAnswer"],
    retry: 1,
    gcTime: 0,
  });
  const { busy, waits, problem, send } = useSending(payment, onSent);
  const refusal = preview.data?.refusal as { code: string; title: string } | null | undefined;
  const after = (preview.data?.transfer as { balance: { available: number } } | null | undefined)?.balance;
  const unknown = isUnknown(problem);
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
          <dd>{after ? <Money amount={after.available} currency={currency} /> : <Skeleton width="6em" />}</dd>
        </dl>
      </div>
      <p className="small quiet">{words.confirmWords}</p>
      {refusal && (
        <Note look="bad" icon="alert">
          {textOf(Object.assign(new Error(refusal.title)))}
        </Note>
      )}
      {waits && <Note icon="clock">{words.stillTrying}</Note>}
      {unknown && !busy ? (
        <Note look="warn" icon="alert">
          <strong>{words.unknownTitle}</strong>
          <p>{words.unknownWords}</p>
        </Note>
      ) : (
        <ProblemNote problem={problem} />
      )}
      <Button look="main" size="large" full busy={busy} disabled={Boolean(refusal)} onClick={() => void send()}>
        {busy ? words.sending : unknown ? words.findOut : words.now(moneyText(body.amount, currency))}
      </Button>
      {!unknown && (
        <Button look="bare" disabled={busy} onClick={back}>
          {words.change}
        </Button>
      )}
    </div>
  );
}

function Done({ sent, party, again }: { sent: Transfer; party: Party; again: () => void }) {
  useEffect(() => document.getElementById("sent")?.focus(), []);
  return (
    <div className="card padded stack done" id="sent" tabIndex={-1} role="status">
      <span className="tick">
        <Icon name="check" size={28} />
      </span>
      <p className="figure">
        <Money amount={sent.amount} currency={sent.currency} />
      </p>
      <p dir="auto">{words.doneWords(moneyText(sent.amount, sent.currency), partyName(party))}</p>
      <dl className="facts">
        <dt>{words.balanceAfter}</dt>
        <dd>
          <Money amount={sent.balance.available} currency={sent.currency} />
        </dd>
      </dl>
      <div className="stack tight full-width">
        <Link className="button main" to="/">
          {words.home}
        </Link>
        <Link className="button plain" to={`/history/${sent.id}`}>
          {app.line.story}
        </Link>
        <Button look="bare" onClick={again}>
          {words.another}
        </Button>
      </div>
    </div>
  );
}

/** A payment that was under way when the page was left: find out, never send anew. */
function Left({ payment, onDone }: { payment: Payment; onDone: () => void }) {
  const [sent, setSent] = useState<Transfer | null>(null);
  const { busy, waits, problem, send } = useSending(payment, setSent);
  const forget = () => {
    remember(null);
    onDone();
  };
  if (sent) {
    return (
      <div className="narrow-page stack wide">
        <h1>{words.doneTitle}</h1>
        <Done sent={sent} party={payment.party} again={forget} />
      </div>
    );
  }
  const amount = moneyText(payment.body.amount, payment.body.currency ?? "");
  return (
    <div className="narrow-page stack">
      <h1>{words.pendingTitle}</h1>
      <Note look="warn" icon="clock">
        {words.pendingWords(amount, partyName(payment.party))}
      </Note>
      <p className="small quiet">{words.unknownWords}</p>
      {waits && <Note icon="clock">{words.stillTrying}</Note>}
      <ProblemNote problem={problem} />
      <Button look="main" size="large" full busy={busy} onClick={() => void send()}>
        {words.findOut}
      </Button>
      <Button look="bare" disabled={busy} onClick={forget}>
        {problem && !isUnknown(problem) ? common.back : words.discard}
      </Button>
    </div>
  );
}
