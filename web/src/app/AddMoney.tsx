// Adding money from the payment source.
import { useState } from "react";
import { api, asked, isUnknown, newKey, untilDefinite, type Schemas } from "../api/client";
import { AmountField, exampleOf } from "../parts/amount";
import { Icon } from "../parts/icons";
import { Money, moneyText, parseAmount } from "../parts/money";
import { Link } from "../parts/router";
import { Button, Note, ProblemNote, Skeleton, useTitle } from "../parts/ui";
import { app } from "../text/app";
import { useWallet } from "./data";

const words = app.add;
const QUICK = [2_500, 5_000, 10_000, 25_000];

export function AddMoney() {
  useTitle(words.title, app.name);
  const { wallet } = useWallet();
  const [text, setText] = useState("");
  const [key, setKey] = useState(newKey);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [waits, setWaits] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const [done, setDone] = useState<Schemas["TopUpAnswer"] | null>(null);
  const currency = wallet?.currency ?? "USD";
  const amount = parseAmount(text, currency);
  const enter = (value: string) => {
    // Another amount is another payment; the same one keeps its key, so that it is charged once.
    setText(value);
    setKey(newKey());
    setProblem(null);
  };
  const add = async () => {
    setTried(true);
    if (amount === null) return;
    setBusy(true);
    setProblem(null);
    try {
      const attempt = () =>
        asked(
          api.POST("/wallets/topup", {
            body: { amount, currency },
            params: { header: { "Idempotency-Key": key } },
          }),
        );
      setDone(await untilDefinite(attempt, () => setWaits(true)));
    } catch (error) {
      setProblem(error);
      if (!isUnknown(error)) setKey(newKey());
    } finally {
      setBusy(false);
      setWaits(false);
    }
  };
  if (!wallet) return <Skeleton height="200px" />;
  if (done) return <Added done={done} />;
  return (
    <form
      className="narrow-page stack wide"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void add();
      }}
    >
      <div className="stack tight">
        <h1>{words.title}</h1>
        <p className="quiet">{words.words}</p>
      </div>
      <div className="stack tight">
        <AmountField
          label={words.amount}
          currency={currency}
          value={text}
          wrong={tried && amount === null ? app.send.notAmount(exampleOf(currency)) : undefined}
          onChange={enter}
        />
        <div className="row wrap">
          {QUICK.map((quick) => (
            <Button key={quick} size="compact" onClick={() => enter(String(quick / 100))}>
              {new Intl.NumberFormat(navigator.languages as string[]).format(quick / 100)}
            </Button>
          ))}
        </div>
      </div>
      {waits && <Note icon="clock">{app.send.stillTrying}</Note>}
      <ProblemNote problem={problem} />
      <Button look="main" size="large" full type="submit" busy={busy}>
        {amount === null ? words.title : words.now(moneyText(amount, currency))}
      </Button>
      <Note icon="info">{words.sandbox}</Note>
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
        <Link className="button main full" to="/">
          {words.home}
        </Link>
      </div>
    </div>
  );
}
