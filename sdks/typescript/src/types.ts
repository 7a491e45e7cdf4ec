/** The API's types under short names, and what this package makes of some of them. */

import type { components, operations, webhooks } from "./generated/schema.js";
import type { Money } from "./money.js";

type Schemas = components["schemas"];

/** The JSON body that an operation takes. */
export type BodyOf<Operation extends keyof operations> =
  NonNullable<operations[Operation]["requestBody"]> extends {
    content: { "application/json": infer Body };
  }
    ? Body
    : never;

/** The query that an operation takes. */
export type QueryOf<Operation extends keyof operations> = operations[Operation] extends {
  parameters: { query?: infer Query };
}
  ? NonNullable<Query>
  : never;

export type ApiKey = Schemas["ApiKeyAnswer"];
export type ApiKeyPage = Schemas["ApiKeyList"];
export type Balance = Schemas["Balance"];
export type BatchAnswer = Schemas["TransferBatchAnswer"];
export type Checkpoint = Schemas["CheckpointAnswer"];
export type CheckpointPage = Schemas["CheckpointPage"];
export type ConsistencyProof = Schemas["ConsistencyAnswer"];
export type Delivery = Schemas["DeliveryAnswer"];
export type DeliveryPage = Schemas["DeliveryPage"];
export type Enrolment = Schemas["EnrolmentAnswer"];
export type EventPage = Schemas["EventList"];
export type Insight = Schemas["InsightAnswer"];
export type KeySet = Schemas["KeySet"];
export type NewApiKey = Schemas["NewApiKeyAnswer"];
export type PastBalance = Schemas["PastBalance"];
export type PersonalData = Schemas["ExportAnswer"];
export type Preview = Schemas["PreviewAnswer"];
export type ProblemKind = Schemas["ProblemKind"];
export type Profile = Schemas["ProfileAnswer"];
export type Receipt = Schemas["Receipt"];
export type RecipientAnswer = Schemas["RecipientAnswer"];
export type SecondFactorState = Schemas["SecondFactorAnswer"];
export type Session = Schemas["SessionAnswer"];
export type SignatureVerdict = Schemas["SignatureAnswer"];
export type Statement = Schemas["StatementAnswer"];
export type TopUp = Schemas["TopUpAnswer"];
export type Transaction = Schemas["Transaction"];
export type TransactionCount = Schemas["CountAnswer"];
export type TransactionPage = Schemas["TransactionPage"];
export type Transfer = Schemas["TransferAnswer"];
export type WalletAnswer = Schemas["Wallet"];
export type WalletEvent = Schemas["EventAnswer"];
export type WebhookEndpoint = Schemas["EndpointAnswer"];
export type WebhookEndpointWithSecret = Schemas["EndpointWithSecret"];

/**
 * What a webhook brings: `switch (event.type)` narrows it, and its `data` with it. Types that are
 * newer than this package come too, so leave room for them.
 */
export type WebhookEvent = {
  [Type in keyof webhooks]: webhooks[Type] extends {
    post: { requestBody: { content: { "application/json": infer Payload } } };
  }
    ? Payload
    : never;
}[keyof webhooks];

/** An amount: minor units, in the default wallet's currency or another, or `Money`. */
export type Amounted =
  | { readonly amount: number; readonly currency?: string | null }
  | { readonly amount: Money; readonly currency?: never };

/** Whom to pay: by exactly one of these. */
export type Payee =
  | { readonly to_user_id: string; readonly to_email?: never; readonly to_handle?: never }
  | { readonly to_email: string; readonly to_user_id?: never; readonly to_handle?: never }
  | { readonly to_handle: string; readonly to_user_id?: never; readonly to_email?: never };

type WithoutMoney<Body> = Omit<Body, "amount" | "currency">;
type Details = Omit<
  WithoutMoney<Schemas["TransferFields"]>,
  "to_user_id" | "to_email" | "to_handle"
>;

/** A top-up as it is asked for. */
export type NewTopUp = WithoutMoney<BodyOf<"createTopUp">> & Amounted;

/** A transfer as it is asked for. */
export type NewTransfer = Details & Payee & Amounted;

/** Many transfers of one payer as they are asked for. */
export interface NewBatch {
  /** Up to 1,000, carried out in this order. */
  readonly transfers: readonly NewTransfer[];
  /** Whether one refused transfer refuses them all; otherwise each stands alone. */
  readonly atomic?: boolean;
}

type Times = "booked_from" | "booked_to";

/** Whatever is not changed may be given, lists that are constant too. */
type Given<Query> = {
  readonly [Name in keyof Query]: Query[Name] extends (infer Item)[] | undefined
    ? readonly Item[]
    : Query[Name];
};

/** Which lines of history; a line must meet everything that is asked for. */
export type TransactionFilter = Given<
  Omit<QueryOf<"listTransactions">, "cursor" | "count" | "status" | Times>
> & {
  /** Booked at this time or later. */
  readonly booked_from?: string | Date;
  /** Booked before this time. */
  readonly booked_to?: string | Date;
};

/** A calendar month in UTC such as `2026-11`, or both ends of a period (the second not in it). */
export type StatementPeriod =
  | { readonly month: string; readonly booked_from?: never; readonly booked_to?: never }
  | {
      readonly booked_from: string | Date;
      readonly booked_to: string | Date;
      readonly month?: never;
    };

/** A written statement. */
export interface StatementFile {
  readonly content: Uint8Array;
  readonly mediaType: string;
  /** The name the service gives it, such as `statement-USD-2026-11-01-2026-12-01.pdf`. */
  readonly fileName: string | undefined;
}
