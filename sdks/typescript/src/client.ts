import createClient from "openapi-fetch";

import { Api, type RawClient } from "./api.js";
import {
  KeyAuthorization,
  SessionAuthorization,
  type Credentials,
  type TokenRequests,
  type TokenStore,
  type Tokens,
} from "./authorization.js";
import type { paths } from "./generated/schema.js";
import { Live } from "./live.js";
import { ApiKeys } from "./namespaces/api_keys.js";
import { Events } from "./namespaces/events.js";
import { Proofs } from "./namespaces/proofs.js";
import { SecondFactor } from "./namespaces/second_factor.js";
import { loggedIn, refreshed, Sessions } from "./namespaces/sessions.js";
import { Statements } from "./namespaces/statements.js";
import { Transactions } from "./namespaces/transactions.js";
import { Transfers } from "./namespaces/transfers.js";
import { Users } from "./namespaces/users.js";
import { Wallets } from "./namespaces/wallets.js";
import { WebhookEndpoints } from "./namespaces/webhook_endpoints.js";
import type { Payment, SavedPayment } from "./payments.js";
import { Transport, type Attempt } from "./transport.js";
import type { BatchAnswer, TopUp, Transfer } from "./types.js";
import type { Backoff } from "./waiting.js";

/** How a client is set up. Without a way to log in, call `sessions.logIn`. */
export interface WalletOptions {
  /** Where the service is, such as `https://wallet.example`. */
  readonly baseUrl: string;
  /** The key of a machine (`wk_…`), instead of a person's session. */
  readonly apiKey?: string | undefined;
  /** Log in with these when it is needed, as often as it is needed; or ask a vault for them. */
  readonly credentials?: Credentials | (() => Promise<Credentials>) | undefined;
  /** Go on with a session that was begun before. */
  readonly tokens?: Tokens | undefined;
  /** Where tokens are kept between runs. */
  readonly tokenStore?: TokenStore | undefined;
  /** How long a call may take in all, with every attempt and pause: 60,000 ms by default. */
  readonly timeoutMs?: number | undefined;
  /** How long one attempt may take: 15,000 ms by default. The service gives up after five. */
  readonly attemptTimeoutMs?: number | undefined;
  /** How many attempts a call may make: 8 by default; 1 never repeats anything. */
  readonly attemptsMax?: number | undefined;
  /** How pauses grow: drawn from up to 250 ms, doubling, up to 8 s. */
  readonly backoff?: Backoff | undefined;
  /** Told of every attempt, for logs and metrics. */
  readonly onAttempt?: ((attempt: Attempt) => void) | undefined;
  /** Another `fetch`, for tests and proxies. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

const BACKOFF: Backoff = { firstMs: 250, mostMs: 8_000 };

/**
 * A client of the wallet service, for one person or one machine.
 *
 * ```ts
 * const wallet = new Wallet({ baseUrl, credentials: { email, password } });
 * await wallet.transfers.create({ to_handle: "bob", amount: Money.parse("25.00", "USD") });
 * ```
 *
 * Every call resolves with the API's answer as it is written in the document (`snake_case`), and
 * rejects with a `WalletError` or the reason of your signal.
 */
export class Wallet {
  readonly users: Users;
  readonly sessions: Sessions;
  readonly secondFactor: SecondFactor;
  readonly wallets: Wallets;
  readonly transfers: Transfers;
  readonly transactions: Transactions;
  readonly statements: Statements;
  readonly proofs: Proofs;
  readonly live: Live;
  readonly events: Events;
  readonly webhookEndpoints: WebhookEndpoints;
  readonly apiKeys: ApiKeys;
  /**
   * Every operation of the API, typed from its document (openapi-fetch), with the same tokens,
   * keys and attempts. Problems are returned as `error`, not thrown; what has no answer rejects.
   */
  readonly raw: RawClient;

  constructor(options: WalletOptions) {
    const baseUrl = checkedUrl(options.baseUrl);
    // The request that waits for a token is what is attempted again.
    const once = { attemptsMax: 1 };
    const requests: TokenRequests = {
      logIn: (credentials) => loggedIn(api, credentials, once),
      refresh: (token) => refreshed(api, token, once),
    };
    const session: SessionAuthorization | undefined =
      options.apiKey === undefined
        ? new SessionAuthorization({
            requests,
            credentials: options.credentials,
            tokens: options.tokens,
            store: options.tokenStore,
          })
        : undefined;
    const transport: Transport = new Transport({
      baseUrl,
      // Called without an object: browsers refuse a fetch that belongs to another one.
      fetch: options.fetch ?? ((...request) => globalThis.fetch(...request)),
      authorization: session ?? new KeyAuthorization(options.apiKey ?? ""),
      timeoutMs: options.timeoutMs ?? 60_000,
      attemptTimeoutMs: options.attemptTimeoutMs ?? 15_000,
      attemptsMax: options.attemptsMax ?? 8,
      backoff: options.backoff ?? BACKOFF,
      onAttempt: options.onAttempt,
      outcomeOf: (key) => api.outcomeOf(key),
    });
    this.raw = createClient<paths>({ baseUrl, fetch: transport.bound() });
    const api: Api = new Api(this.raw, transport);
    this.users = new Users(api, session);
    this.sessions = new Sessions(api, session);
    this.secondFactor = new SecondFactor(api);
    this.wallets = new Wallets(api);
    this.transfers = new Transfers(api);
    this.transactions = new Transactions(api);
    this.statements = new Statements(api);
    this.proofs = new Proofs(api);
    this.live = new Live(transport);
    this.events = new Events(api);
    this.webhookEndpoints = new WebhookEndpoints(api);
    this.apiKeys = new ApiKeys(api);
  }

  /** Return a payment as it was kept (`JSON.parse`), with the key it was made with. */
  resume(kept: SavedPayment & { readonly kind: "top-up" }): Payment<TopUp>;
  resume(kept: SavedPayment & { readonly kind: "transfer" }): Payment<Transfer>;
  resume(kept: SavedPayment & { readonly kind: "transfer-batch" }): Payment<BatchAnswer>;
  resume(kept: SavedPayment): Payment<TopUp | Transfer | BatchAnswer>;
  resume(kept: SavedPayment): Payment<TopUp | Transfer | BatchAnswer> {
    if (kept.kind === "top-up") return this.wallets.resumeTopUp(kept);
    if (kept.kind === "transfer") return this.transfers.resume(kept);
    return this.transfers.resumeBatch(kept);
  }
}

function checkedUrl(baseUrl: string): string {
  const url = new URL(baseUrl);
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new TypeError(`${baseUrl} is no address of a service.`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}
