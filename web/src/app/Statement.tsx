// A month's statement as a file.
import { useState } from "react";
import { download } from "../api/client";
import { monthLongText } from "../parts/time";
import { Button, Dialog, Field, ProblemNote } from "../parts/ui";
import { app } from "../text/app";
import type { Wallet } from "./data";

const words = app.statement;
const MONTHS = 24;

/** Return this month and those before it, as the API names them. */
export function lastMonths(count: number, now = new Date()): string[] {
  return Array.from({ length: count }, (_, back) =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 1)).toISOString().slice(0, 7),
  );
}

interface StatementProps {
  wallets: Wallet[];
  chosen: Wallet | undefined;
  onClose: () => void;
}

export function StatementDialog({ wallets, chosen, onClose }: StatementProps) {
  const [id, setId] = useState(chosen?.id ?? wallets[0]?.id ?? "");
  const [month, setMonth] = useState(lastMonths(1)[0] ?? "");
  const [format, setFormat] = useState("pdf");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const fetchIt = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await download(`wallets/${id}/statement?month=${month}&format=${format}`, `statement-${month}`);
      onClose();
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={words.title} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void fetchIt();
        }}
      >
        {wallets.length > 1 && (
          <Field label={words.wallet}>
            {(attributes) => (
              <select {...attributes} className="input" value={id} onChange={(event) => setId(event.target.value)}>
                {wallets.map((wallet) => (
                  <option key={wallet.id} value={wallet.id}>
                    {wallet.currency}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
        <Field label={words.month}>
          {(attributes) => (
            <select {...attributes} className="input" value={month} onChange={(event) => setMonth(event.target.value)}>
              {lastMonths(MONTHS).map((each) => (
                <option key={each} value={each}>
                  {monthLongText(each)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <fieldset className="field">
          <legend className="label small strong">{words.format}</legend>
          {words.formats.map(([name, title, what]) => (
            <label key={name} className="option">
              <input type="radio" name="format" checked={format === name} onChange={() => setFormat(name)} />
              <span>
                {title} <span className="quiet small">{what}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <ProblemNote problem={problem} />
        <Button look="main" icon="download" full type="submit" busy={busy}>
          {words.download}
        </Button>
      </form>
    </Dialog>
  );
}
