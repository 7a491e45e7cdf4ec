// Sending money: to whom, how much, confirm; the result is a state of the same page. Each step has
// an address of its own, so that the browser's back button takes back a step, and never money.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, asked, newKey, Problem } from "../api/client";
import { useSession } from "../api/session";
import { AmountField, sampleOf } from "../parts/amount";
import { Icon } from "../parts/icons";
import { moneyText, parseAmount } from "../parts/money";
import { goBack, isId, navigate, useQuery as useAddressQuery } from "../parts/router";
import { Button, Failure, Field, Note, Skeleton, tell, textOf, useTitle } from "../parts/ui";
import { app } from "../text/app";
import { Confirm, Left, Result, Who, type Sent } from "./Confirm";
import { cannotSend, partyName, recentPeople, useRecentLines, useWallet, type Party, type Wallet } from "./data";
import { paymentOf, useDraft, usePendingPayment, type Draft, type Payment, type Transfer } from "./payments";
import { Scanner, canScan } from "./Scanner";

const words = app.send;
const NOTE_MAX = 200;
const HANDLE_MAX = 30;

/** Find whom a text names; throws what is said of somebody who cannot be paid. */
async function lookUp(named: string, me: string): Promise<Party> {
  // Somebody may paste the link that names them.
  const linked = /\/send\?([^#]*)/.exec(named)?.[1];
  const text = ((linked && new URLSearchParams(linked).get("to")) || named).trim().replace(/^@/, "");
  const query = isId(text) ? { user_id: text } : text.includes("@") ? { email: text } : { handle: text.toLowerCase() };
  const nobody = new Problem(404, "recipient-not-found", "", {}, 0);
  if ((query.handle?.length ?? 0) > HANDLE_MAX) throw nobody;
  try {
    const found = await asked(api.GET("/recipients", { params: { query } }));
    if (found.user_id === me) throw new Problem(422, "self-transfer", "", {}, 0);
    return found;
  } catch (error) {
    throw error instanceof Problem && error.code === "validation-failed" ? nobody : error;
  }
}

const nameOf = (party: Party): string => party.handle ?? party.user_id;

/** Return the address of a step of this page. */
function stepAddress(party: Party, currency: string | undefined, confirm = false): string {
  const query = new URLSearchParams({ to: nameOf(party) });
  if (currency) query.set("currency", currency);
  if (confirm) query.set("step", "confirm");
  return `/send?${query}`;
}

export function Send() {
  const me = useSession().user.id;
  const [query] = useAddressQuery();
  const { wallet, wallets, failed, retry } = useWallet();
  const [draft, setDraft, draftNow] = useDraft();
  const { pending, remember, wants, forget: forgetPending } = usePendingPayment();
  const [left, setLeft] = useState(pending);
  const [leftRefused, setLeftRefused] = useState(false);
  const [sent, setSent] = useState<Sent | null>(null);
  const fits = draft !== null && [draft.party.handle, draft.party.user_id].includes(query.to ?? "");
  // A code or a link names whom to pay.
  const named = useQuery({
    queryKey: ["recipient", query.to],
    queryFn: () => lookUp(query.to ?? "", me),
    enabled: Boolean(query.to) && !fits,
    retry: false,
  });
  const party = fits ? draft.party : query.to ? (named.data ?? null) : null;
  const payment = fits && query.step === "confirm" ? draft.payment : null;
  const sentId = query.sent && isId(query.sent) ? query.sent : "";
  const step = sentId ? 3 : payment ? 2 : party ? 1 : 0;
  const heading = [words.title, words.title, words.confirmTitle, words.doneTitle][step] ?? words.title;
  // Whoever steps back from a payment without an answer has to find out before anything else.
  if (pending && !payment && !left && !sentId) {
    setLeft(pending);
    setLeftRefused(false);
  }
  // It was answered to whoever had sent it, while this was looked at.
  if (left && !pending && !leftRefused) setLeft(null);
  // A link may name somebody otherwise than this page does.
  const elsewhere = named.data && query.to !== nameOf(named.data) && !query.step ? stepAddress(named.data, query.currency) : null;
  useEffect(() => {
    if (elsewhere) navigate(elsewhere, { replace: true });
  }, [elsewhere]);
  useTitle(left ? words.pendingTitle : heading, app.name);
  /** Whether what is typed by now still is this payment; somebody may have begun another. */
  const isDraftOf = ({ key }: Payment) => draftNow()?.payment?.key === key;
  const onSent = (done: Transfer, paid: Payment) => {
    // Who has begun another one goes on with it.
    const another = draftNow() !== null && !isDraftOf(paid);
    if (!another) setDraft(null);
    setLeft(null);
    setSent({ transfer: done, party: paid.party });
    if (isHere() && !another) navigate(`/send?sent=${done.id}`, { replace: true });
    else tell(words.doneWords(moneyText(done.amount, done.currency), partyName(paid.party)));
  };
  const onRefused = (refused: Payment) => (problem: Problem, here: boolean) => {
    const now = draftNow();
    if (now && isDraftOf(refused)) setDraft({ ...now, payment: { ...refused, key: newKey() } });
    if (here) return;
    const amount = moneyText(refused.body.amount, refused.body.currency ?? "");
    tell(words.notSentTo(amount, partyName(refused.party), textOf(problem)), 10_000);
  };
  if (left) {
    const forget = () => {
      forgetPending();
      setLeft(null);
      setDraft(null);
      navigate("/send", { replace: true });
    };
    return (
      <Left
        payment={left}
        remember={remember(left)}
        wanted={() => wants(left)}
        onSent={onSent}
        onRefused={(problem, here) => {
          setLeftRefused(true);
          onRefused(left)(problem, here);
        }}
        forget={forget}
      />
    );
  }
  return (
    <div className="narrow-page stack wide">
      <Heading text={heading} step={step} />
      {step < 3 && <Steps at={step} />}
      {wallet && step < 3 && cannotSend(wallet) && (
        <Note look="warn" icon="lock">
          {wallet.status === "closed" ? app.home.frozen["closed"] : words.frozen}
        </Note>
      )}
      {sentId ? (
        <Result key={sentId} id={sentId} sent={sent} />
      ) : payment ? (
        <Confirm
          payment={payment}
          wallet={wallets.find((each) => each.currency === payment.body.currency)}
          remember={remember(payment)}
          wanted={() => wants(payment)}
          onRefused={onRefused(payment)}
          back={() => goBack(stepAddress(payment.party, payment.body.currency ?? undefined))}
          onSent={onSent}
        />
      ) : party && wallet ? (
        <HowMuch
          key={party.user_id}
          wallet={wallet}
          wallets={wallets}
          party={party}
          draft={fits ? draft : null}
          keep={setDraft}
          back={() => {
            setDraft(null);
            navigate("/send", { replace: true });
          }}
        />
      ) : failed && !wallet ? (
        <Failure problem={failed} retry={retry} />
      ) : query.to && (named.isPending || !wallet) && !named.error ? (
        <Skeleton height="64px" />
      ) : (
        <Whom
          key={query.to ?? ""}
          given={query.to ?? ""}
          failed={query.to ? named.error : null}
          next={(found) => navigate(stepAddress(found, query.currency))}
        />
      )}
    </div>
  );
}

const isHere = (): boolean => location.pathname.endsWith("/app/send");

/** The heading has the focus when a step begins, unless a field has it. */
function Heading({ text, step }: { text: string; step: number }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const before = useRef(step);
  useEffect(() => {
    if (before.current !== step && document.activeElement?.tagName !== "INPUT") heading.current?.focus();
    before.current = step;
  }, [step]);
  return (
    <h1 ref={heading} tabIndex={-1} aria-describedby={step === 3 ? "sent-words" : undefined}>
      {text}
    </h1>
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

function Whom({ given, failed, next }: { given: string; failed: unknown; next: (party: Party) => void }) {
  const me = useSession().user.id;
  const [text, setText] = useState(given);
  const [problem, setProblem] = useState<unknown>(failed);
  const [busy, setBusy] = useState(false);
  const [scanning, setScanning] = useState(false);
  const recent = useRecentLines();
  const people = recentPeople(recent.data ?? [], 8);
  const find = async (named: string) => {
    if (!named.trim()) return;
    setBusy(true);
    setProblem(null);
    try {
      next(await lookUp(named, me));
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
                inputMode="email"
                spellCheck={false}
                required
                maxLength={254}
                value={text}
                onChange={(event) => {
                  setText(event.target.value);
                  setProblem(null);
                }}
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
            setText(named);
            void find(named);
          }}
        />
      )}
      <section className="card" aria-label={words.recents}>
        <header>
          <h2>{words.recents}</h2>
        </header>
        {recent.error && !recent.data ? (
          <p className="padded-text quiet small">{textOf(recent.error)}</p>
        ) : recent.data && people.length === 0 ? (
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

interface HowMuchProps {
  wallet: Wallet;
  wallets: Wallet[];
  party: Party;
  draft: Draft | null;
  keep: (draft: Draft) => void;
  back: () => void;
}

function HowMuch({ wallet, wallets, party, draft, keep, back }: HowMuchProps) {
  const [, change] = useAddressQuery();
  const [tried, setTried] = useState(false);
  const { currency, available } = wallet;
  // An overdraft that was agreed upon can be spent as well.
  const spendable = available + wallet.overdraft_limit;
  const { text, note } = draft ?? { text: "", note: "" };
  const write = (changes: Partial<Draft>) => keep({ party, text, note, currency, ...changes, payment: null });
  const amount = parseAmount(text, currency);
  const tooMuch = amount !== null && amount > spendable;
  const wrong = tooMuch
    ? words.tooMuch(moneyText(Math.max(0, spendable), currency))
    : tried && amount === null
      ? words.notAmount(currency, sampleOf(currency))
      : undefined;
  const hint =
    amount === null || tooMuch ? words.available(moneyText(spendable, currency)) : words.remains(moneyText(available - amount, currency));
  const review = () => {
    setTried(true);
    if (amount === null || tooMuch) {
      document.querySelector<HTMLInputElement>(".amount-field input")?.focus();
      return;
    }
    keep({ party, text, note, currency, payment: paymentOf(party, amount, currency, note) });
    navigate(stepAddress(party, currency, true));
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
        <Button look="bare" size="compact" aria-label={words.changeWho} onClick={back}>
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
      <AmountField label={words.amount} currency={currency} value={text} hint={hint} wrong={wrong} onChange={(next) => write({ text: next })} />
      <Field label={words.note}>
        {(attributes) => (
          <input
            {...attributes}
            className="input"
            dir="auto"
            autoComplete="off"
            maxLength={NOTE_MAX}
            placeholder={words.notePlaceholder}
            value={note}
            onChange={(event) => write({ note: event.target.value })}
          />
        )}
      </Field>
      <Button look="main" size="large" full type="submit" disabled={cannotSend(wallet)}>
        {words.review}
      </Button>
    </form>
  );
}
