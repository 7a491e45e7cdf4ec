/** How the namespaces call the API: with its types, and with problems thrown as errors. */

import type { Client } from "openapi-fetch";

import type { KeyOutcome } from "./errors.js";
import type { paths } from "./generated/schema.js";
import { problemOfResponse } from "./problems.js";
import type { RequestOptions, Sending, Transport } from "./transport.js";

/** Every operation of the API with its types: what openapi-fetch makes of the document. */
export type RawClient = Client<paths>;

/** What every namespace is made of. */
export class Api {
  readonly raw: RawClient;
  readonly transport: Transport;

  constructor(raw: RawClient, transport: Transport) {
    this.raw = raw;
    this.transport = transport;
  }

  /** Return the part of a raw call's options that sends it with ours and throws its problem. */
  with(options: Sending = {}): { fetch: (request: Request) => Promise<Response> } {
    const fetch = async (request: Request): Promise<Response> => {
      const response = await this.transport.send(request, options);
      if (!response.ok) throw await problemOfResponse(response);
      return response;
    };
    return { fetch };
  }

  /** Ask what a key has come to. */
  outcomeOf(key: string, options?: RequestOptions): Promise<KeyOutcome> {
    const params = { path: { key } };
    return answer(this.raw.GET("/idempotency-keys/{key}", { params, ...this.with(options) }));
  }
}

/** Return what a call was answered with; its problem has been thrown already. */
export async function answer<Data>(
  call: Promise<{ data?: Data; error?: unknown; response: Response }>,
): Promise<Exclude<Data, undefined>> {
  const { data } = await call;
  return data as Exclude<Data, undefined>;
}

/** Wait for a call that is answered with nothing. */
export async function done(call: Promise<{ response: Response }>): Promise<void> {
  await call;
}

type Written<Value> = Value extends Date ? string : Value;

/** Return a query with times as RFC 3339 and without what is undefined. */
export function query<Given extends object>(
  given: Given,
): { [Name in keyof Given]: Written<Given[Name]> } {
  const entries = Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, value instanceof Date ? value.toISOString() : value]);
  return Object.fromEntries(entries) as { [Name in keyof Given]: Written<Given[Name]> };
}
