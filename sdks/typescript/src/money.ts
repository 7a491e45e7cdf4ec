/** Amounts with their currency, exact to the minor unit. */

import { MoneyError } from "./errors.js";
import { CURRENCY_EXPONENTS } from "./generated/currencies.js";

/** The most that any amount or balance can be, in minor units, with either sign: 9·10^15. */
export const MINOR_UNITS_MAX = 9_000_000_000_000_000;

/** A currency of ISO 4217 that money can be held in. */
export type CurrencyCode = keyof typeof CURRENCY_EXPONENTS;

const DECIMAL = /^([+-]?)([0-9]{1,17})(?:\.([0-9]{1,17}))?$/;

/**
 * An amount of one currency as a whole number of its minor units: 2500 is 25.00 USD, 2500 is also
 * 2500 JPY, and 2.500 KWD. Never changes; sums are new amounts. Everything that would round or mix
 * currencies throws `MoneyError`.
 */
export class Money {
  /** In minor units; negative where money went out. */
  readonly amount: number;
  /** An ISO 4217 code. */
  readonly currency: string;

  private constructor(amount: number, currency: string) {
    this.amount = amount;
    this.currency = currency;
    Object.freeze(this);
  }

  /** Return an amount of minor units: `Money.ofMinor(2500, "USD")` is 25.00 USD. */
  static ofMinor(amount: number, currency: string): Money {
    exponentOf(currency);
    if (!Number.isInteger(amount)) {
      throw new MoneyError(`${amount} is no whole number of minor units.`);
    }
    if (Math.abs(amount) > MINOR_UNITS_MAX) {
      throw new MoneyError(`${amount} minor units are more than there can be.`);
    }
    return new Money(amount === 0 ? 0 : amount, currency);
  }

  /**
   * Return an amount that a person wrote: `Money.parse("25.00", "USD")`. A point and digits, with
   * an optional sign; no spaces, no separators of thousands, and no more decimals than the
   * currency has, because whoever writes 0.005 USD means something that cannot be paid.
   */
  static parse(text: string, currency: string): Money {
    const exponent = exponentOf(currency);
    const [, sign, whole, fraction = ""] = DECIMAL.exec(text) ?? [];
    if (whole === undefined) throw new MoneyError(`"${text}" is no decimal number.`);
    if (fraction.length > exponent) {
      throw new MoneyError(`${currency} has ${exponent} decimals, and "${text}" has more.`);
    }
    const minor = BigInt(whole + fraction.padEnd(exponent, "0"));
    if (minor > BigInt(MINOR_UNITS_MAX)) {
      throw new MoneyError(`"${text}" ${currency} is more than there can be.`);
    }
    return Money.ofMinor(Number(sign === "-" ? -minor : minor), currency);
  }

  /** Return the amount of an answer: a transfer, a line of history, a top-up. */
  static of(answer: { readonly amount: number; readonly currency: string }): Money {
    return Money.ofMinor(answer.amount, answer.currency);
  }

  /** Return a line's amount with its sign: negative where money went out. */
  static ofLine(line: {
    readonly amount: number;
    readonly currency: string;
    readonly direction: string;
  }): Money {
    return line.direction === "out" ? Money.of(line).negated() : Money.of(line);
  }

  /** Return a part of a balance; `available` is what can be spent. */
  static ofBalance(
    balance: {
      readonly posted: number;
      readonly held: number;
      readonly available: number;
      readonly currency: string;
    },
    part: "posted" | "held" | "available" = "available",
  ): Money {
    return Money.ofMinor(balance[part], balance.currency);
  }

  /** Return nothing of a currency, to begin a sum with. */
  static zero(currency: string): Money {
    return Money.ofMinor(0, currency);
  }

  /** Return the sum of amounts, which must all be of this currency. */
  static sum(amounts: Iterable<Money>, currency: string): Money {
    let total = Money.zero(currency);
    for (const amount of amounts) total = total.plus(amount);
    return total;
  }

  /** Return both together. */
  plus(other: Money): Money {
    return Money.ofMinor(this.amount + this.#same(other), this.currency);
  }

  /** Return what is left. */
  minus(other: Money): Money {
    return Money.ofMinor(this.amount - this.#same(other), this.currency);
  }

  /** Return the amount with the other sign. */
  negated(): Money {
    return Money.ofMinor(-this.amount, this.currency);
  }

  /** Return a whole multiple, such as a price times a quantity. */
  times(factor: number): Money {
    if (!Number.isSafeInteger(factor)) throw new MoneyError(`${factor} is no whole factor.`);
    const product = BigInt(this.amount) * BigInt(factor);
    if (product > BigInt(MINOR_UNITS_MAX) || product < -BigInt(MINOR_UNITS_MAX)) {
      throw new MoneyError(`${this} times ${factor} is more than there can be.`);
    }
    return Money.ofMinor(Number(product), this.currency);
  }

  /**
   * Return the amount in `parts` parts that differ by one minor unit at most; together they are the
   * whole again, whatever cannot be divided: 10.00 in three is 3.34, 3.33, 3.33.
   */
  split(parts: number): readonly Money[] {
    if (!Number.isSafeInteger(parts) || parts < 1 || parts > 100_000) {
      throw new MoneyError(`${parts} is no number of parts.`);
    }
    const each = Math.trunc(this.amount / parts);
    const rest = this.amount - each * parts;
    const step = Math.sign(rest);
    return Array.from({ length: parts }, (_, index) =>
      Money.ofMinor(index < Math.abs(rest) ? each + step : each, this.currency),
    );
  }

  /** Return −1, 0 or 1: less than, equal to or more than another amount of the currency. */
  compare(other: Money): -1 | 0 | 1 {
    const amount = this.#same(other);
    return this.amount < amount ? -1 : this.amount > amount ? 1 : 0;
  }

  /** Tell whether amount and currency are the same. */
  equals(other: Money): boolean {
    return this.currency === other.currency && this.amount === other.amount;
  }

  /** Return the number as it is written with a point and all decimals: `"25.00"`. */
  toDecimal(): string {
    const exponent = exponentOf(this.currency);
    const digits = String(Math.abs(this.amount)).padStart(exponent + 1, "0");
    const sign = this.amount < 0 ? "-" : "";
    if (exponent === 0) return sign + digits;
    return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
  }

  /** Return it as the service's `display` says it: `"25.00 USD"`. */
  toString(): string {
    return `${this.toDecimal()} ${this.currency}`;
  }

  /** Return it as people of a place write it: `format("de-DE")` is `"25,00 $"`. */
  format(locales?: string | readonly string[]): string {
    const digits = exponentOf(this.currency);
    const format = new Intl.NumberFormat(locales as string | string[] | undefined, {
      style: "currency",
      currency: this.currency,
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
    // A decimal string is formatted exactly; a number of 17 digits would not be.
    return format.format(this.toDecimal() as Intl.StringNumericLiteral);
  }

  /** Return the two fields of a request. */
  toJSON(): { amount: number; currency: string } {
    return { amount: this.amount, currency: this.currency };
  }

  #same(other: Money): number {
    if (other.currency !== this.currency) {
      throw new MoneyError(`${this.currency} and ${other.currency} cannot be put together.`);
    }
    return other.amount;
  }
}

/** Return how many decimals a currency has; throws `MoneyError` for what is no currency. */
export function exponentOf(currency: string): number {
  if (!Object.hasOwn(CURRENCY_EXPONENTS, currency)) {
    throw new MoneyError(`"${currency}" is no currency of ISO 4217 that can be held.`);
  }
  return CURRENCY_EXPONENTS[currency as CurrencyCode];
}
