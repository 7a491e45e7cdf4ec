/** Checking that a message came from the service, after the Standard Webhooks specification. */

import { WebhookError } from "./errors.js";
import type { WebhookEvent } from "./types.js";

/** So old, or so far ahead, may a message's time be. */
export const TOLERANCE_S = 300;

/** Headers as frameworks hand them out. */
export type WebhookHeaders =
  Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/** What to check a message against. */
export interface WebhookCheck {
  /** The endpoint's secret (`whsec_…`); during a rotation the old and the new one. */
  readonly secret: string | readonly string[];
  /** By how many seconds the message's time may differ from ours. */
  readonly toleranceS?: number;
  /** The time in milliseconds since 1970; now, unless a test says otherwise. */
  readonly now?: number;
}

/** A message that is genuine. */
export interface WebhookMessage {
  /** The same for every delivery of an event: remember it, and do an event's work once. */
  readonly id: string;
  /** When this delivery was signed. */
  readonly sentAt: Date;
  /** What was sent, parsed. */
  readonly event: WebhookEvent;
}

/**
 * Return a webhook's message, or throw `WebhookError` if it was not signed with the secret or is
 * not of these minutes. Give the body as it came, before anything has parsed it: a single space
 * less and the signature is wrong.
 *
 * ```ts
 * const { id, event } = await verifyWebhook(await request.text(), request.headers, { secret });
 * ```
 */
export async function verifyWebhook(
  body: string | Uint8Array,
  headers: WebhookHeaders,
  check: WebhookCheck,
): Promise<WebhookMessage> {
  const id = required(headers, "webhook-id");
  const timestamp = required(headers, "webhook-timestamp");
  const signatures = required(headers, "webhook-signature");
  const sentAt = timeOf(timestamp, check);
  const bytes = typeof body === "string" ? encoded(body) : body;
  const signed = joined(encoded(`${id}.${timestamp}.`), bytes);
  const secrets = typeof check.secret === "string" ? [check.secret] : check.secret;
  if (!(await isSigned(signed, signatures, secrets))) {
    throw new WebhookError("No signature of the message is by the endpoint's secret.");
  }
  return { id, sentAt, event: parsed(bytes) };
}

async function isSigned(
  signed: Uint8Array<ArrayBuffer>,
  signatures: string,
  secrets: readonly string[],
): Promise<boolean> {
  const given = signatures
    .split(" ")
    .filter((signature) => signature.startsWith("v1,"))
    .slice(0, 10)
    .map((signature) => fromBase64(signature.slice("v1,".length)));
  for (const secret of secrets) {
    const key = await keyOf(secret);
    for (const signature of given) {
      // Comparing is left to WebCrypto, which takes the same time wherever they differ.
      if (signature && (await crypto.subtle.verify("HMAC", key, signature, signed))) return true;
    }
  }
  return false;
}

async function keyOf(secret: string): Promise<CryptoKey> {
  const bytes = fromBase64(secret.startsWith("whsec_") ? secret.slice(6) : secret);
  // An empty key would take a signature that anybody can make.
  if (!bytes?.length) throw new WebhookError("The secret is none: it looks like whsec_….");
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", bytes, algorithm, false, ["verify"]);
}

function timeOf(timestamp: string, check: WebhookCheck): Date {
  if (!/^[0-9]{1,12}$/.test(timestamp)) throw new WebhookError("The message's time is none.");
  const tolerance = check.toleranceS ?? TOLERANCE_S;
  const age = (check.now ?? Date.now()) / 1000 - Number(timestamp);
  if (age > tolerance) throw new WebhookError("The message is too old.");
  if (age < -tolerance) throw new WebhookError("The message is from the future.");
  return new Date(Number(timestamp) * 1000);
}

function required(headers: WebhookHeaders, name: string): string {
  const value = isHeaders(headers) ? headers.get(name) : valueOf(headers, name);
  if (!value) throw new WebhookError(`The header ${name} is missing.`);
  return value;
}

/** Frameworks bring classes of their own that look like `Headers`. */
function isHeaders(headers: WebhookHeaders): headers is Headers {
  return typeof headers.get === "function";
}

function valueOf(headers: Exclude<WebhookHeaders, Headers>, name: string): string | undefined {
  const found = Object.entries(headers).filter(([key]) => key.toLowerCase() === name);
  const values = found.flatMap(([, value]) => value ?? []);
  if (values.length > 1) throw new WebhookError(`The header ${name} is there more than once.`);
  return values[0];
}

function parsed(body: Uint8Array): WebhookEvent {
  try {
    // Whoever has the secret is the service, and the service writes what its document says.
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as WebhookEvent;
  } catch (cause) {
    throw new WebhookError("The message is genuine but no JSON.", { cause });
  }
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const characters = atob(text);
    return Uint8Array.from(characters, (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function encoded(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
