/**
 * What can go wrong, as classes:
 *
 * ```text
 * WalletError
 * ├── ProblemError          the service answered with a problem; one subclass per `code`
 * ├── OutcomeUnknownError   money may have moved: repeat with the same key, or ask for its outcome
 * ├── ConnectionError       there was no answer
 * │   └── DeadlineError     … in the time that was given
 * ├── NotLoggedInError      nobody is logged in, and there is nothing to log in with
 * ├── MoneyError            an amount that is none, or amounts of two currencies in one sum
 * └── WebhookError          a message that was not signed with the secret
 * ```
 */

import type { components } from "./generated/schema.js";

/** The body of a problem as it came (RFC 9457). */
export type ProblemDocument = Readonly<components["schemas"]["Problem"]>;

/** What a key has come to: `unknown`, `pending`, `accepted` or `refused`. */
export type KeyOutcome = components["schemas"]["KeyAnswer"];

const OWN_FIELDS = new Set([
  "type",
  "title",
  "status",
  "detail",
  "instance",
  "code",
  "request_id",
]);

/** Everything this package throws on purpose. */
export class WalletError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/**
 * The service answered with a problem. Decide by `code`, never by a text.
 *
 * Every code of the API's document has a class of its own below this one, such as
 * `InsufficientFundsProblem`; a code that is newer than this package comes as `ProblemError`.
 */
export class ProblemError<
  Code extends string = string,
  Facts extends object = Readonly<Record<string, unknown>>,
> extends WalletError {
  /** The stable name of the error. */
  readonly code: Code;
  /** The HTTP status. */
  readonly status: number;
  /** The same for every problem of this code. */
  readonly title: string;
  /** What is particular about this one, for people. */
  readonly detail: string;
  /** Names the request in the service's logs; worth writing down. */
  readonly requestId: string;
  /** The fields that come with this code, such as `available` of `insufficient-funds`. */
  readonly facts: Facts;
  /** What the service asked to wait before the next attempt, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The whole body. */
  readonly document: ProblemDocument;

  constructor(document: ProblemDocument, retryAfterMs?: number) {
    super(`${document.title} (${document.status} ${document.code}, ${document.request_id})`);
    this.code = document.code as Code;
    this.status = document.status;
    this.title = document.title;
    this.detail = document.detail;
    this.requestId = document.request_id;
    const facts = Object.entries(document).filter(([name]) => !OWN_FIELDS.has(name));
    this.facts = Object.fromEntries(facts) as Facts;
    this.retryAfterMs = retryAfterMs;
    this.document = document;
  }
}

/** There was no answer: no connection, or it was cut before the answer had come. */
export class ConnectionError extends WalletError {}

/** There was no answer in the time that was given (`timeoutMs`). */
export class DeadlineError extends ConnectionError {}

/** Nobody is logged in, the session has ended, or its refresh token is lost: log in (again). */
export class NotLoggedInError extends WalletError {}

/** An amount that cannot be, or amounts of different currencies in one sum. */
export class MoneyError extends WalletError {}

/** A webhook's message that is not genuine, or too old. Answer it with 400 and do nothing. */
export class WebhookError extends WalletError {}

/** How an unknown outcome becomes known; given by whoever sent the request. */
export interface Settlement {
  /** Ask what the key has come to. */
  readonly outcome: () => Promise<KeyOutcome>;
  /** Repeat the request with the same key. */
  readonly repeat: () => Promise<unknown>;
}

/**
 * No definite answer came in time to a request that moves money: it may have moved or not.
 *
 * This never means "did not happen". `settle()` repeats the request with the same key, which moves
 * the money once, whatever became of the first attempt; `outcome()` only asks. In another process
 * do the same with the payment that you kept (`transfers.prepare`, `resume`).
 */
export class OutcomeUnknownError extends WalletError {
  /** The key of the request. Keep it until you know. */
  readonly idempotencyKey: string;
  readonly #settlement: Settlement;

  constructor(idempotencyKey: string, cause: unknown, settlement: Settlement) {
    super(
      `It is not known whether the request was carried out; repeat it with its key ` +
        `${idempotencyKey}.`,
      { cause },
    );
    this.idempotencyKey = idempotencyKey;
    this.#settlement = settlement;
  }

  /**
   * Ask what the key has come to (`GET /idempotency-keys/{key}`). `unknown` does not say that
   * nothing happened: the request may still be under way.
   */
  outcome(): Promise<KeyOutcome> {
    return this.#settlement.outcome();
  }

  /**
   * Repeat the request with the same key until there is a definite answer: resolves with the answer
   * the first attempt would have had, rejects with its refusal, or with this error once more.
   */
  settle(): Promise<unknown> {
    return this.#settlement.repeat();
  }

  /** Return the same error with another way to repeat. */
  settledBy(repeat: () => Promise<unknown>): OutcomeUnknownError {
    const { outcome } = this.#settlement;
    return new OutcomeUnknownError(this.idempotencyKey, this.cause, { outcome, repeat });
  }
}
