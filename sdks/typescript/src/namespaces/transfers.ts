import { answer, type Api } from "../api.js";
import { Payment, saved, wired, type SavedPayment } from "../payments.js";
import type { MoneyOptions, RequestOptions, Sending } from "../transport.js";
import type { BatchAnswer, BodyOf, NewBatch, NewTransfer, Preview, Transfer } from "../types.js";

/** Transfers: one person pays another, or many. */
export class Transfers {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Pay somebody, at once and for good. Repeated with the same key until there is a definite
   * answer; the money moves once. Rejects with `insufficient-funds`, `recipient-not-found`,
   * `recipient-has-no-wallet` and the like, or with `OutcomeUnknownError`.
   */
  create(transfer: NewTransfer, options: MoneyOptions = {}): Promise<Transfer> {
    return this.prepare(transfer, options).send(options);
  }

  /** Return a transfer with its key, ready to be kept and sent. */
  prepare(transfer: NewTransfer, options: MoneyOptions = {}): Payment<Transfer> {
    return this.resume(saved("transfer", wired(transfer), options));
  }

  /** Return a transfer as it was kept. */
  resume(kept: SavedPayment): Payment<Transfer> {
    const send = (body: object, options: Sending): Promise<Transfer> =>
      answer(
        this.#api.raw.POST("/wallets/transfer", {
          body: body as BodyOf<"createTransfer">,
          ...this.#api.with(options),
        }),
      ).then((answered) => answered as Transfer);
    return new Payment(kept, send, (key, options) => this.#api.outcomeOf(key, options));
  }

  /** Ask what a transfer would come to now: the balance after it, or its refusal. */
  preview(transfer: NewTransfer, options?: RequestOptions): Promise<Preview> {
    const body = { ...wired(transfer), dry_run: true } as BodyOf<"createTransfer">;
    return answer(
      this.#api.raw.POST("/wallets/transfer", {
        body,
        ...this.#api.with({ ...options, asking: true }),
      }),
    ).then((answered) => answered as Preview);
  }

  /**
   * Pay up to 1,000 times in one request and in this order. With `atomic`, all or none: rejects
   * with `batch-refused`. Else look into `results`, where each says what became of it.
   */
  createBatch(batch: NewBatch, options: MoneyOptions = {}): Promise<BatchAnswer> {
    return this.prepareBatch(batch, options).send(options);
  }

  /** Return a batch with its key, ready to be kept and sent. */
  prepareBatch(batch: NewBatch, options: MoneyOptions = {}): Payment<BatchAnswer> {
    const body = { ...batch, transfers: batch.transfers.map(wired) };
    return this.resumeBatch(saved("transfer-batch", body, options));
  }

  /** Return a batch as it was kept. */
  resumeBatch(kept: SavedPayment): Payment<BatchAnswer> {
    const send = (body: object, options: Sending): Promise<BatchAnswer> =>
      answer(
        this.#api.raw.POST("/transfers/batch", {
          body: body as BodyOf<"createTransferBatch">,
          ...this.#api.with(options),
        }),
      );
    return new Payment(kept, send, (key, options) => this.#api.outcomeOf(key, options));
  }
}
