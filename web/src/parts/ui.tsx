// The small parts that every view is put together from.
import { useEffect, useId, useLayoutEffect, useRef, useState, type ButtonHTMLAttributes, type ReactNode } from "react";
import { Problem } from "../api/client";
import { common, problemText } from "../text/common";
import { Icon, type IconName } from "./icons";

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: "main" | "plain" | "bare" | "danger";
  size?: "compact" | "large";
  full?: boolean;
  icon?: IconName;
  busy?: boolean;
};

export function Button({ look = "plain", size, full, icon, busy, children, ...rest }: ButtonProps) {
  const classes = ["button", look, size, full && "full"].filter(Boolean).join(" ");
  return (
    <button type="button" className={classes} {...rest} disabled={rest.disabled || busy}>
      {busy ? <span className="spinner" aria-hidden="true" /> : icon && <Icon name={icon} size={18} />}
      {children}
    </button>
  );
}

export function IconButton({ icon, label, onClick }: { icon: IconName; label: string; onClick: () => void }) {
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} onClick={onClick}>
      <Icon name={icon} size={18} />
    </button>
  );
}

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  wrong?: ReactNode;
  children: (attributes: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ReactNode;
}

/** A labelled field; what is wrong with it is told to whoever cannot see it too. */
export function Field({ label, hint, wrong, children }: FieldProps) {
  const id = useId();
  const described = wrong || hint ? { "aria-describedby": `${id}-words` } : {};
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, ...described, ...(wrong ? { "aria-invalid": true as const } : {}) })}
      {(wrong || hint) && (
        <p id={`${id}-words`} className={wrong ? "wrong" : "hint"} role={wrong ? "alert" : undefined}>
          {wrong || hint}
        </p>
      )}
    </div>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
}

export function Choice<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  return (
    <div className="choice" role="group" aria-label={label}>
      {options.map(([name, text]) => (
        <button key={name} type="button" aria-pressed={name === value} onClick={() => onChange(name)}>
          {text}
        </button>
      ))}
    </div>
  );
}

const TINTS = 6;

/** A person's sign: initials, in a colour that is always the same for the same person. */
export function Avatar({ name, seed, size }: { name: string; seed: string; size?: "large" | "small" }) {
  let sum = 0;
  for (const character of seed) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 9973;
  const words = name.split(/\s+/).filter(Boolean);
  const initials = words.map((word) => Array.from(word)[0]).slice(0, 2).join("");
  return (
    <span className={`avatar tint-${sum % TINTS} ${size ?? ""}`} aria-hidden="true">
      {initials || "?"}
    </span>
  );
}

/** Copy a text, and return whether that worked: browsers may not allow it, and only over https. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** A long id, short, with a way to copy all of it. */
export function Identifier({ id, whole = false }: { id: string; whole?: boolean }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    if (!(await copyText(id))) return;
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <span className="identifier" title={id}>
      {whole ? id : `…${id.slice(-8)}`}
      <IconButton icon={copied ? "check" : "copy"} label={copied ? common.copied : common.copy} onClick={() => void copy()} />
    </span>
  );
}

export function Badge({ look = "", dot, children }: { look?: string; dot?: boolean; children: ReactNode }) {
  return (
    <span className={`badge ${look}`}>
      {dot && <span className="dot" aria-hidden="true" />}
      {children}
    </span>
  );
}

export function Note({ look = "", icon = "info", children }: { look?: string; icon?: IconName; children: ReactNode }) {
  return (
    <div className={`note ${look}`} role={look === "bad" ? "alert" : undefined}>
      <Icon name={icon} size={18} />
      <div className="grow">{children}</div>
    </div>
  );
}

/** Say what a problem means; nothing while there is none. */
export function ProblemNote({ problem }: { problem: unknown }) {
  if (!problem) return null;
  return (
    <Note look="bad" icon="alert">
      {textOf(problem)}
    </Note>
  );
}

export function textOf(problem: unknown): string {
  if (problem instanceof Problem) {
    const said = problemText(problem.code, problem.detail, problem.facts);
    return problem.status === 429 && problem.retryAfterS > 0 ? `${said} ${common.waitFor(problem.retryAfterS)}` : said;
  }
  return problem instanceof Error ? problem.message : String(problem);
}

// The states of a view

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="state">
      <Icon name={icon} size={28} />
      <h3>{title}</h3>
      {children}
    </div>
  );
}

export function Failure({ problem, retry }: { problem: unknown; retry?: () => void }) {
  return (
    <div className="state" role="alert">
      <Icon name="alert" size={28} />
      <p>{textOf(problem)}</p>
      {retry && (
        <Button size="compact" onClick={retry}>
          {common.retry}
        </Button>
      )}
    </div>
  );
}

export function Skeleton({ width = "100%", height, round }: { width?: string; height?: string; round?: boolean }) {
  return <span className={round ? "skeleton round" : "skeleton"} style={{ width, height }} aria-hidden="true" />;
}

// Dialogs: the browser's own, which keeps the focus and closes with Escape

interface DialogProps {
  title: ReactNode;
  side?: boolean;
  /** What is shown is shown once: only its own buttons close it. */
  once?: boolean;
  onClose: () => void;
  children: ReactNode;
}

export function Dialog({ title, side = false, once = false, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Before it leaves the document: only then does the browser give the focus back to what opened it.
  useLayoutEffect(() => {
    const opened = dialog.current;
    if (opened && !opened.open) opened.showModal();
    return () => opened?.close();
  }, []);
  // What was opened from here, and lies above, is closed first.
  const leave = () => !once && !dialog.current?.querySelector("dialog[open]") && onClose();
  return (
    <dialog
      ref={dialog}
      className={side ? "side" : "dialog"}
      aria-labelledby={id}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        // Asked by `cancel`, a browser closes it the second time whatever it is told.
        event.preventDefault();
        event.stopPropagation();
        leave();
      }}
      onCancel={(event) => {
        event.preventDefault();
        event.stopPropagation();
        leave();
      }}
      // Beside a panel one presses to leave it; what is being filled in is not lost to a slip.
      onMouseDown={(event) => side && event.target === dialog.current && onClose()}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {!once && <IconButton icon="close" label={common.close} onClick={onClose} />}
      </header>
      <div className="body">{children}</div>
      <Announced />
    </dialog>
  );
}

// News that comes by itself

export interface Toast {
  id: number;
  content: ReactNode;
}

let toasts: Toast[] = [];
let lastToast = 0;
const toastListeners = new Set<(next: Toast[]) => void>();

function setToasts(next: Toast[]): void {
  toasts = next;
  toastListeners.forEach((listener) => listener(next));
}

/** Show some news for a few seconds. */
export function tell(content: ReactNode, lastsMs = 5000): void {
  const id = ++lastToast;
  setToasts([...toasts.slice(-2), { id, content }]);
  setTimeout(() => setToasts(toasts.filter((toast) => toast.id !== id)), lastsMs);
}

function useToasts(): Toast[] {
  const [shown, setShown] = useState(toasts);
  useEffect(() => {
    toastListeners.add(setShown);
    return () => void toastListeners.delete(setShown);
  }, []);
  return shown;
}

/** What is told, for screen readers: while a dialog is open they hear nothing of the page behind. */
function Announced() {
  return (
    <div className="unseen" role="status">
      {useToasts().map((toast) => (
        <div key={toast.id}>{toast.content}</div>
      ))}
    </div>
  );
}

export function Toasts() {
  const shown = useToasts();
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // As a popover it lies above every dialog that is open by now.
    const layer = place.current;
    if (layer?.matches(":popover-open")) layer.hidePopover();
    if (shown.length > 0) layer?.showPopover();
  }, [shown]);
  return (
    <div ref={place} popover="manual" className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className="toast">
          {toast.content}
        </div>
      ))}
    </div>
  );
}

/** Set the title of the window. */
export function useTitle(title: string, page: string): void {
  useEffect(() => {
    document.title = title ? `${title} · ${page}` : page;
  }, [title, page]);
}

/** Return a value once it has not changed for a while, so that typing does not ask at each letter. */
export function useSettled<T>(value: T, waitMs = 250): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), waitMs);
    return () => clearTimeout(timer);
  }, [value, waitMs]);
  return settled;
}
