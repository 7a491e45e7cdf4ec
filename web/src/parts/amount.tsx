import { digitsOf, exponentOf } from "./money";
import { Field } from "./ui";

interface AmountProps {
  label: string;
  currency: string;
  value: string;
  hint?: string | undefined;
  wrong?: string | undefined;
  readOnly?: boolean;
  onChange: (value: string) => void;
}

/** An amount to type, large, with its currency beside it. */
export function AmountField({ label, currency, value, hint, wrong, readOnly, onChange }: AmountProps) {
  return (
    <Field label={label} hint={hint} wrong={wrong}>
      {(attributes) => (
        <div className="amount-field">
          <input
            {...attributes}
            className="input"
            inputMode={exponentOf(currency) ? "decimal" : "numeric"}
            autoComplete="off"
            autoFocus
            placeholder={exampleOf(currency)}
            maxLength={24}
            readOnly={readOnly}
            value={value}
            onChange={(event) => onChange(event.target.value)}
          />
          <span aria-hidden="true">{currency}</span>
        </div>
      )}
    </Field>
  );
}

/** Return nothing of a currency, as it is written here. */
export const exampleOf = (currency: string): string => digitsOf(0, currency);

/** Return an amount of a currency that somebody might type. */
export function sampleOf(currency: string): string {
  const digits = exponentOf(currency);
  return digitsOf(digits ? 125 * 10 ** (digits - 1) : 1_250, currency);
}
