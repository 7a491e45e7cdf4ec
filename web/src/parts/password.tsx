import { useState } from "react";
import { common } from "../text/common";
import { Field, IconButton } from "./ui";

interface PasswordProps {
  label?: string;
  value: string;
  isNew?: boolean;
  hint?: string;
  wrong?: string | undefined;
  onChange: (value: string) => void;
}

/** A password that can be looked at, and that password managers understand. */
export function PasswordField({ label = common.password, value, isNew, hint, wrong, onChange }: PasswordProps) {
  const [shown, setShown] = useState(false);
  return (
    <Field label={label} hint={hint} wrong={wrong}>
      {(attributes) => (
        <div className="with-button">
          <input
            {...attributes}
            className="input"
            type={shown ? "text" : "password"}
            autoComplete={isNew ? "new-password" : "current-password"}
            required
            value={value}
            onChange={(event) => onChange(event.target.value)}
          />
          <IconButton
            icon="eye"
            label={shown ? common.hidePassword : common.showPassword}
            onClick={() => setShown(!shown)}
          />
        </div>
      )}
    </Field>
  );
}

interface CodeProps {
  value: string;
  /** Whether only the authenticator's digits will do, and no recovery code. */
  digitsOnly?: boolean;
  wrong?: string | undefined;
  onChange: (value: string) => void;
}

export function CodeField({ value, digitsOnly, wrong, onChange }: CodeProps) {
  return (
    <Field label={common.code} hint={digitsOnly ? common.codeDigits : common.codeHint} wrong={wrong}>
      {(attributes) => (
        <input
          {...attributes}
          className="input code-input"
          autoComplete="one-time-code"
          inputMode={digitsOnly ? "numeric" : "text"}
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          required
          maxLength={32}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}
