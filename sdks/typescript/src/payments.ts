/** Requests that move money, under a key that is there before the first send. */

import { OutcomeUnknownError, type KeyOutcome } from "./errors.js";
import { assertKey, newKey } from "./keys.js";
import { Money } from "./money.js";
import type { MoneyOptions, RequestOptions, Sending } from "./transport.js";
import type { Amounted } from "./types.js";

/** What kind of payment was saved. */
export type PaymentKind = "top-up" | "transfer" | "transfer-batch";

/** A payment as it can be kept: plain JSON. */
export interface SavedPayment {
  readonly kind: PaymentKind;
  readonly idempotencyKey: string;
  readonly body: object;
}

/**
 * A payment that is ready to be sent, with its key. Keep it (`JSON.stringify(payment)`) before you
 * send it, and your process may crash whenever it likes: `wallet.resume(saved).send()` afterwards
 * pays exactly once.
 */
export class Payment<Answer> {
  readonly kind: PaymentKind;
  readonly idempotencyKey: string;
  readonly body: object;
  readonly #send: (body: object, options: Sending) => Promise<Answer>;
  readonly #outcome: (key: string, options: RequestOptions) => Promise<KeyOutcome>;

  constructor(
    saved: SavedPayment,
    send: (body: object, options: Sending) => Promise<Answer>,
    outcome: (key: string, options: RequestOptions) => Promise<KeyOutcome>,
  ) {
    this.kind = saved.kind;
    this.idempotencyKey = assertKey(saved.idempotencyKey);
    this.body = saved.body;
    this.#send = send;
    this.#outcome = outcome;
  }

  /**
   * Send it, as often as you like: the money moves once, and every answer is the first one. Rejects
   * with the refusal's problem, or with `OutcomeUnknownError`: then send it again.
   */
  async send(options: RequestOptions = {}): Promise<Answer> {
    const { signal, timeoutMs } = options;
    const idempotencyKey = this.idempotencyKey;
    try {
      return await this.#send(this.body, { signal, timeoutMs, idempotencyKey });
    } catch (error) {
      // Repeated with a deadline of its own: the one of the caller is what was exceeded.
      throw error instanceof OutcomeUnknownError ? error.settledBy(() => this.send()) : error;
    }
  }

  /** Ask what became of it, without sending it. */
  outcome(options: RequestOptions = {}): Promise<KeyOutcome> {
    return this.#outcome(this.idempotencyKey, options);
  }

  /** Return what to keep. */
  toJSON(): SavedPayment {
    return { kind: this.kind, idempotencyKey: this.idempotencyKey, body: this.body };
  }
}

/** Return a new payment's plain form. */
export function saved(kind: PaymentKind, body: object, options: MoneyOptions): SavedPayment {
  return { kind, idempotencyKey: assertKey(options.idempotencyKey ?? newKey()), body };
}

/** Return a body with `Money` written as the two fields of the wire. */
export function wired<Body extends Amounted>(
  body: Body,
): Omit<Body, "amount" | "currency"> & { amount: number; currency?: string | null } {
  const { amount } = body;
  return amount instanceof Money ? { ...body, ...amount.toJSON() } : { ...body, amount };
}
