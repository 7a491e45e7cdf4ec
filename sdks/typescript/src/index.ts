/**
 * The SDK of the wallet service: hold money, pay, and see every movement, from Node.js 20 or newer
 * and from browsers.
 *
 * @packageDocumentation
 */

export type { RawClient } from "./api.js";
export type { Credentials, Tokens, TokenStore } from "./authorization.js";
export { Wallet, type WalletOptions } from "./client.js";
export {
  ConnectionError,
  DeadlineError,
  MoneyError,
  NotLoggedInError,
  OutcomeUnknownError,
  ProblemError,
  WalletError,
  WebhookError,
  type KeyOutcome,
  type ProblemDocument,
} from "./errors.js";
export { OPERATIONS, type OperationId } from "./generated/operations.js";
export * from "./generated/problems.js";
export type { components, operations, paths, webhooks } from "./generated/schema.js";
export { Live, type LiveEntry, type LiveOptions, type LiveReady } from "./live.js";
export { exponentOf, Money, MINOR_UNITS_MAX, type CurrencyCode } from "./money.js";
export { ApiKeys } from "./namespaces/api_keys.js";
export { Events } from "./namespaces/events.js";
export { Proofs } from "./namespaces/proofs.js";
export { SecondFactor } from "./namespaces/second_factor.js";
export { Sessions } from "./namespaces/sessions.js";
export { Statements } from "./namespaces/statements.js";
export { Transactions, type ListOptions } from "./namespaces/transactions.js";
export { Transfers } from "./namespaces/transfers.js";
export { Users } from "./namespaces/users.js";
export { Wallets } from "./namespaces/wallets.js";
export { WebhookEndpoints } from "./namespaces/webhook_endpoints.js";
export { Listing, type Page } from "./pages.js";
export { Payment, type PaymentKind, type SavedPayment } from "./payments.js";
export { isProblem } from "./problems.js";
export type { Attempt, MoneyOptions, RequestOptions } from "./transport.js";
export type * from "./types.js";
export type { Backoff } from "./waiting.js";
export {
  TOLERANCE_S,
  verifyWebhook,
  type WebhookCheck,
  type WebhookHeaders,
  type WebhookMessage,
} from "./webhooks.js";
