// Amounts are whole numbers of minor units, as on the wire; what is shown is never rounded.
import { useEffect, useRef, useState } from "react";

/** Currencies with another number of digits than two (ISO 4217); a test compares this table. */
const EXPONENTS: Readonly<Record<string, number>> = {
  BHD: 3, BIF: 0, CLF: 4, CLP: 0, DJF: 0, GNF: 0, IQD: 3, ISK: 0, JOD: 3, JPY: 0, KMF: 0, KRW: 0,
  KWD: 3, LYD: 3, OMR: 3, PYG: 0, RWF: 0, TND: 3, UGX: 0, UYI: 0, UYW: 4, VND: 0, VUV: 0, XAF: 0,
  XOF: 0, XPF: 0,
};

export const MINUS = "\u2212";
export const exponentOf = (currency: string): number => EXPONENTS[currency] ?? 2;

const formats = new Map<string, Intl.NumberFormat>();

function formatOf(digits: number, compact: boolean): Intl.NumberFormat {
  const name = `${digits}${compact}`;
  let found = formats.get(name);
  if (found === undefined) {
    found = new Intl.NumberFormat(
      navigator.languages as string[],
      compact
        ? { notation: "compact", maximumFractionDigits: 1 }
        : { minimumFractionDigits: digits, maximumFractionDigits: digits },
    );
    formats.set(name, found);
  }
  return found;
}

function decimal(amount: number, digits: number): string {
  const plain = String(Math.abs(amount)).padStart(digits + 1, "0");
  return digits ? `${plain.slice(0, -digits)}.${plain.slice(-digits)}` : plain;
}

/** Return an amount without sign and currency, in the reader's own writing. */
export function digitsOf(amount: number, currency: string): string {
  const digits = exponentOf(currency);
  // As text, not as a float: Intl takes decimal strings exactly.
  return formatOf(digits, false).format(decimal(amount, digits) as unknown as number);
}

/** Return an amount without its decimals, for whole ones. */
export function wholeDigitsOf(amount: number, currency: string): string {
  return formatOf(0, false).format(Math.trunc(amount / 10 ** exponentOf(currency)));
}

export function signOf(amount: number, always = false): string {
  return amount < 0 ? MINUS : always && amount > 0 ? "+" : "";
}

/** Return an amount with its currency, for sentences and labels. */
export function moneyText(amount: number, currency: string, signed = false): string {
  return `${signOf(amount, signed)}${digitsOf(amount, currency)}\u00a0${currency}`;
}

/** Return a short form such as 12.3K, for axes and sparklines. */
export function compactMoney(amount: number, currency: string): string {
  const major = amount / 10 ** exponentOf(currency);
  return `${signOf(amount)}${formatOf(0, true).format(Math.abs(major))}`;
}

interface MoneyProps {
  amount: number;
  currency: string;
  /** Whether incoming money is marked: by sign, colour and a word for those who see neither. */
  signed?: boolean;
  bare?: boolean;
}

export function Money({ amount, currency, signed = false, bare = false }: MoneyProps) {
  const incoming = signed && amount > 0;
  const digits = digitsOf(amount, currency);
  const classes = ["money", incoming && "incoming", digits.length > 11 && "long"].filter(Boolean).join(" ");
  return (
    <span className={classes}>
      {signOf(amount, signed)}
      {digits}
      {!bare && <span className="currency">{currency}</span>}
    </span>
  );
}

/** An amount that counts to its new value, so that one sees that it has changed. */
export function LiveMoney({ amount, currency }: { amount: number; currency: string }) {
  const [shown, setShown] = useState(amount);
  const from = useRef(amount);
  const before = useRef(currency);
  useEffect(() => {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still || document.hidden || before.current !== currency || from.current === amount) {
      from.current = amount;
      before.current = currency;
      setShown(amount);
      return undefined;
    }
    const [start, began, lasts] = [from.current, performance.now(), 550];
    let frame = 0;
    const step = (now: number) => {
      // The time of the first frame may lie before that of the effect: money never counts backwards.
      const part = Math.min(1, Math.max(0, (now - began) / lasts));
      const eased = 1 - (1 - part) ** 4;
      from.current = part === 1 ? amount : Math.round(start + (amount - start) * eased);
      setShown(from.current);
      if (part < 1) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [amount, currency]);
  return (
    <>
      <span aria-hidden="true">
        <Money amount={shown} currency={currency} />
      </span>
      <span className="unseen">{moneyText(amount, currency)}</span>
    </>
  );
}

const parts = new Intl.NumberFormat(navigator.languages as string[]).formatToParts(12345.6);

/** The separator of decimals in the reader's writing. */
const decimalPoint = parts.find((part) => part.type === "decimal")?.value ?? ".";

/** Write every digit as 0 to 9, whatever script it was typed in: ٣ and ３ are 3. */
function plainDigits(text: string): string {
  return text.normalize("NFKC").replace(/\p{Nd}/gu, (digit) => {
    // The ten digits of a script stand one behind the other, beginning with its zero.
    let zero = digit.codePointAt(0) ?? 0;
    const value = zero;
    while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
    return String(value - zero);
  });
}

/** Return the number before the decimals, or null if it is not grouped as anybody writes it. */
function wholeOf(text: string): string | null {
  const [first = "", ...groups] = text.split(/[.,\u066c]/);
  if (groups.length > 0 && !/^[1-9]\d{0,2}$/.test(first)) return null;
  // The last group has three digits everywhere, those before it two in India.
  const sound = groups.every(({ length }, at) => length === 3 || (length === 2 && at < groups.length - 1));
  return sound ? first + groups.join("") : null;
}

/**
 * Return what was typed as minor units, or null if it is no amount of this currency. Every
 * separator is understood where it can mean one thing only; what could mean two is refused.
 */
export function parseAmount(text: string, currency: string): number | null {
  const digits = exponentOf(currency);
  const plain = plainDigits(text.trim()).replace(/[\s'\u2019\u00a0\u202f]/g, "");
  if (!/^[\d.,\u066b\u066c]*\d[\d.,\u066b\u066c]*$/.test(plain)) return null;
  // The reader's own point, and the Arabic one, which is never anything else.
  let at = Math.max(plain.indexOf(decimalPoint), plain.indexOf("\u066b"));
  const foreign = plain.match(/[.,]/g) ?? [];
  if (at < 0 && foreign.length === 1) {
    const mark = plain.search(/[.,]/);
    const behind = plain.length - mark - 1;
    // A single foreign separator is a point, unless three digits follow it: 1,234 may be both.
    if (behind !== 3) at = mark;
    else if (decimalPoint === "\u066b") return null;
  }
  const fraction = at < 0 ? "" : plain.slice(at + 1);
  const whole = wholeOf(at < 0 ? plain : plain.slice(0, at));
  if (whole === null || !/^\d*$/.test(fraction) || fraction.length > digits) return null;
  const amount = Number(`${whole}${fraction.padEnd(digits, "0")}`);
  return Number.isSafeInteger(amount) && amount >= 1 && amount <= 1e15 ? amount : null;
}
