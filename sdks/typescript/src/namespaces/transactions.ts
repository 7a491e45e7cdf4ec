import { answer, query, type Api } from "../api.js";
import type { KeyOutcome } from "../errors.js";
import { Listing } from "../pages.js";
import type { RequestOptions } from "../transport.js";
import type {
  QueryOf,
  Receipt,
  Transaction,
  TransactionCount,
  TransactionFilter,
  TransactionPage,
} from "../types.js";

/** How to list. */
export interface ListOptions extends RequestOptions {
  /** A `next_cursor` that was kept, with the same filter; without it, from the beginning. */
  readonly cursor?: string | undefined;
}

/** So long a receipt is waited for: movements are sealed within seconds. */
const RECEIPT_TIMEOUT_MS = 30_000;

/** Transactions: the lines of your history. */
export class Transactions {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Everything that moved and meets the filter, newest first. */
  list(
    filter: TransactionFilter = {},
    options: ListOptions = {},
  ): Listing<Transaction, TransactionPage> {
    const { cursor: from, ...others } = options;
    return new Listing((cursor) => this.#page({ ...filter, cursor }, others), from);
  }

  /** How many lines meet the filter; more than 10,000 are not counted to the end. */
  async count(
    filter: Omit<TransactionFilter, "limit"> = {},
    options?: RequestOptions,
  ): Promise<TransactionCount> {
    const { count } = await this.#page({ ...filter, limit: 1, count: true }, options);
    return count ?? { lines: 0, exact: false, display: "" };
  }

  /** Return one line by the id that the transfer or top-up was answered with. */
  get(id: string, options?: RequestOptions): Promise<Transaction> {
    const params = { path: { id } };
    return answer(
      this.#api.raw.GET("/transactions/{id}", { params, ...this.#api.with(options) }),
    );
  }

  /** Return the signed receipt of a movement, waiting until it is sealed: a second or so. */
  receipt(id: string, options: RequestOptions = {}): Promise<Receipt> {
    const params = { path: { id } };
    const patient = { timeoutMs: RECEIPT_TIMEOUT_MS, ...options, attemptsMax: Infinity };
    return answer(
      this.#api.raw.GET("/transactions/{id}/receipt", { params, ...this.#api.with(patient) }),
    );
  }

  /** Ask what a key has come to: `unknown` does not say that nothing happened. */
  outcome(idempotencyKey: string, options?: RequestOptions): Promise<KeyOutcome> {
    return this.#api.outcomeOf(idempotencyKey, options);
  }

  #page(asked: object, options?: RequestOptions): Promise<TransactionPage> {
    const params = { query: query(asked) as QueryOf<"listTransactions"> };
    return answer(this.#api.raw.GET("/transactions", { params, ...this.#api.with(options) }));
  }
}
