import { answer, query, type Api } from "../api.js";
import { Listing } from "../pages.js";
import { Payment, saved, wired, type SavedPayment } from "../payments.js";
import type { MoneyOptions, RequestOptions, Sending } from "../transport.js";
import type { Balance, BodyOf, NewTopUp, PastBalance, TopUp, WalletAnswer } from "../types.js";

/** Wallets: balances, and money from outside. */
export class Wallets {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Return the balance of your default wallet, or of the one in a currency. */
  balance(currency?: string, options?: RequestOptions): Promise<Balance> {
    const params = { query: { currency: currency ?? null } };
    return answer(
      this.#api.raw.GET("/wallets/my-balance", { params, ...this.#api.with(options) }),
    );
  }

  /** Return what a wallet held right before an instant. */
  balanceAt(walletId: string, at: string | Date, options?: RequestOptions): Promise<PastBalance> {
    const params = { path: { id: walletId }, query: query({ at }) as { at: string } };
    return answer(
      this.#api.raw.GET("/wallets/{id}/balance", { params, ...this.#api.with(options) }),
    );
  }

  /** All of your wallets with their balances. */
  list(options?: RequestOptions): Listing<WalletAnswer> {
    return new Listing(() => answer(this.#api.raw.GET("/wallets", this.#api.with(options))));
  }

  /** Open a wallet in another currency. Rejects with `wallet-already-open`. */
  open(currency: string, options?: RequestOptions): Promise<WalletAnswer> {
    const body = { currency };
    return answer(this.#api.raw.POST("/wallets", { body, ...this.#api.with(options) }));
  }

  /**
   * Charge your funding source and credit your wallet. An answer with the status `pending` is not
   * yet decided: send the same payment again later (`prepareTopUp`). Rejects with
   * `top-up-declined`.
   */
  topUp(topUp: NewTopUp, options: MoneyOptions = {}): Promise<TopUp> {
    return this.prepareTopUp(topUp, options).send(options);
  }

  /** Return a top-up with its key, ready to be kept and sent. */
  prepareTopUp(topUp: NewTopUp, options: MoneyOptions = {}): Payment<TopUp> {
    return this.resumeTopUp(saved("top-up", wired(topUp), options));
  }

  /** Return a top-up as it was kept. */
  resumeTopUp(kept: SavedPayment): Payment<TopUp> {
    const send = (body: object, options: Sending): Promise<TopUp> =>
      answer(
        this.#api.raw.POST("/wallets/topup", {
          body: body as BodyOf<"createTopUp">,
          ...this.#api.with(options),
        }),
      );
    return new Payment(kept, send, (key, options) => this.#api.outcomeOf(key, options));
  }
}
