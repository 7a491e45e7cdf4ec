// Adding money from the payment source.
import { useState } from "react";
import { isUnknown, newKey, type Schemas } from "../api/client";
import { AmountField, sampleOf } from "../parts/amount";
import { Icon } from "../parts/icons";
import { digitsOf, exponentOf, Money, moneyText, parseAmount, wholeDigitsOf } from "../parts/money";
import { Link, useQuery } from "../parts/router";
import { Button, Failure, Field, Note, Skeleton, tell, textOf, useTitle } from "../parts/ui";
import { app } from "../text/app";
import { cannotReceive, useWallet } from "./data";
import { addMoney, usePendingMoney, useRepeated, useUndecidedMoney, type AddedMoney } from "./payments";

const words = app.add;
/** In whole units of a currency that has cents; of one without them a hundred times as much. */
const QUICK = [25, 50, 100, 250];
const inProduction = document.querySelector<HTMLMetaElement>('meta[name="environment"]')?.content === "production";

export function AddMoney() {
  useTitle(words.title, app.name);
  const [, change] = useQuery();
  const { wallet, wallets, failed, retry } = useWallet();
  const { pending, remember, wants } = usePendingMoney();
  const [left, setLeft] = useState(pending);
  const [text, setText] = useState("");
  const [request, setRequest] = useState<AddedMoney>({ key: newKey(), body: { amount: 0, currency: "" } });
  const [tried, setTried] = useState(false);
  const [refusedText, setRefusedText] = useState("");
  const undecided = useUndecidedMoney();
  const [done, setDone] = useState<Schemas["TopUpAnswer"] | null>(null);
  const currency = wallet?.currency ?? "";
  const amount = parseAmount(text, currency);
  const wanted = left ?? request;
  const { busy, waits, problem, send } = useRepeated({
    attempt: () => addMoney(wanted),
    remember: remember(wanted),
    wanted: () => wants(wanted),
    inDoubt: left !== null,
    onDone: (added, here) => {
      setDone(added);
      if (added.status === "pending") undecided.add(wanted);
      const text = moneyText(added.amount, added.currency);
      if (!here) tell(added.status === "completed" ? words.doneWords(text) : words.pending);
    },
    onRefused: (refused, here) => {
      setLeft(null);
      setRefusedText(text);
      setRequest({ ...wanted, key: newKey() });
      if (!here) tell(`${words.notAdded} ${textOf(refused)}`, 10_000);
    },
  });
  // From here on there is one thing to do: to find out.
  if (isUnknown(problem) && !left && pending) setLeft(pending);
  // It was answered to whoever had asked, while this was looked at.
  if (left && !pending && !busy) setLeft(null);
  const write = (next: string, of = currency) => {
    // Another amount is another payment; the same one keeps its key, so that it is charged once.
    setText(next);
    setRequest({ key: newKey(), body: { amount: parseAmount(next, of) ?? 0, currency: of } });
  };
  if (failed && !wallet) return <Failure problem={failed} retry={retry} />;
  if (!wallet) return <Skeleton height="200px" />;
  if (done) return <Added done={done} />;
  if (left) {
    const { body } = left;
    return (
      <div className="narrow-page stack">
        <h1>{words.unknownTitle}</h1>
        <Note look="warn" icon="clock">
          {words.unknownWords(moneyText(body.amount, body.currency))}
        </Note>
        {busy && waits && <Note icon="clock">{isUnknown(waits) ? words.stillTrying : app.send.busy}</Note>}
        <Button look="main" size="large" full busy={busy} onClick={() => void send()}>
          {app.send.findOut}
        </Button>
        <Link className="button plain" to="/history">
          {app.send.lookInHistory}
        </Link>
      </div>
    );
  }
  const unit = 10 ** exponentOf(currency) * (exponentOf(currency) ? 1 : 100);
  return (
    <form
      className="narrow-page stack wide"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (amount !== null) void send();
      }}
    >
      <div className="stack tight">
        <h1>{words.title}</h1>
        <p className="quiet">{words.words}</p>
      </div>
      {cannotReceive(wallet) && (
        <Note look="warn" icon="lock">
          {app.home.frozen[wallet.status === "closed" ? "closed" : "receive"]}
        </Note>
      )}
      {wallets.length > 1 && (
        <Field label={app.home.wallet}>
          {(attributes) => (
            <select
              {...attributes}
              className="input"
              value={currency}
              disabled={busy}
              onChange={(event) => {
                change({ currency: event.target.value });
                write(text, event.target.value);
              }}
            >
              {wallets.map((each) => (
                <option key={each.id}>{each.currency}</option>
              ))}
            </select>
          )}
        </Field>
      )}
      <div className="stack tight">
        <AmountField
          label={words.amount}
          currency={currency}
          value={text}
          readOnly={busy}
          wrong={tried && amount === null ? app.send.notAmount(currency, sampleOf(currency)) : undefined}
          onChange={write}
        />
        <div className="row wrap">
          {QUICK.map((quick) => (
            <Button key={quick} size="compact" disabled={busy} onClick={() => write(digitsOf(quick * unit, currency))}>
              {wholeDigitsOf(quick * unit, currency)}
            </Button>
          ))}
        </div>
      </div>
      {busy && waits && <Note icon="clock">{isUnknown(waits) ? words.stillTrying : app.send.busy}</Note>}
      {problem && !busy && text === refusedText && (
        <Note look="bad" icon="alert">
          <strong>{words.notAdded}</strong>
          <p>{textOf(problem)}</p>
        </Note>
      )}
      <Button look="main" size="large" full type="submit" busy={busy} disabled={wallet.status === "closed"}>
        {amount === null ? words.title : words.now(moneyText(amount, currency))}
      </Button>
      {!inProduction && <Note icon="info">{words.sandbox}</Note>}
    </form>
  );
}

function Added({ done }: { done: Schemas["TopUpAnswer"] }) {
  const complete = done.status === "completed";
  return (
    <div className="narrow-page stack wide">
      <h1>{complete ? words.done : words.title}</h1>
      <div className="card padded stack done" role="status">
        <span className="tick">
          <Icon name={complete ? "check" : "clock"} size={28} />
        </span>
        <p className="figure">
          <Money amount={done.amount} currency={done.currency} />
        </p>
        <p>{complete ? words.doneWords(moneyText(done.amount, done.currency)) : words.pending}</p>
        {done.balance && (
          <dl className="facts">
            <dt>{app.send.balanceAfter}</dt>
            <dd>
              <Money amount={done.balance.available} currency={done.currency} />
            </dd>
          </dl>
        )}
        <Link className="button main large full" to="/">
          {words.home}
        </Link>
      </div>
    </div>
  );
}
