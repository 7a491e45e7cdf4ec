import { decimalPoint, exponentOf } from "./money";
import { Field } from "./ui";

interface AmountProps {
  label: string;
  currency: string;
  value: string;
  hint?: string | undefined;
  wrong?: string | undefined;
  onChange: (value: string) => void;
}

/** An amount to type, large, with its currency beside it. */
export function AmountField({ label, currency, value, hint, wrong, onChange }: AmountProps) {
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
            value={value}
            onChange={(event) => onChange(event.target.value)}
          />
          <span aria-hidden="true">{currency}</span>
        </div>
      )}
    </Field>
  );
}

export function exampleOf(currency: string): string {
  const digits = exponentOf(currency);
  return digits ? `0${decimalPoint}${"0".repeat(digits)}` : "0";
}
