/**
 * How a request reaches the service and its answer comes back: with a token, with a key if it moves
 * money, again if that is safe, and never beyond its deadline.
 */

import {
  ConnectionError,
  DeadlineError,
  OutcomeUnknownError,
  ProblemError,
  WalletError,
  type KeyOutcome,
} from "./errors.js";
import { assertKey, newKey } from "./keys.js";
import { operationOf, type Operation } from "./operations.js";
import { codeOf, problemOfResponse, retryAfterMs } from "./problems.js";
import { Deadline, pause, pauseMs, unlessAborted, type Backoff } from "./waiting.js";

/** What a single request may be given. */
export interface RequestOptions {
  /** Ends the request early. Aborting one that moves money leaves its outcome unknown. */
  readonly signal?: AbortSignal | undefined;
  /** How long it may take in all, with every attempt and pause, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** What a request that moves money may be given besides. */
export interface MoneyOptions extends RequestOptions {
  /**
   * 1 to 255 printable ASCII characters; without one, a random one is made before the first send.
   * Use your own where it has to survive a crash of your process, such as the id of an order.
   */
  readonly idempotencyKey?: string | undefined;
}

/** What happened to one attempt; for logs and metrics. */
export interface Attempt {
  /** The operation's name in the API's document; undefined for a path that is not in it. */
  readonly operationId: string | undefined;
  readonly method: string;
  readonly url: string;
  /** 1 for the first. */
  readonly number: number;
  /** The status of the answer, or undefined if there was none. */
  readonly status: number | undefined;
  /** Names the request in the service's logs. */
  readonly requestId: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly durationMs: number;
  /** How long until the next attempt; undefined if this was the last. */
  readonly retryInMs: number | undefined;
}

/** Where tokens come from. */
export interface Authorization {
  /** Return the value of the header, logging in or refreshing before if need be. */
  current(): Promise<string>;
  /** After a 401: get another value than this one. False if there can be none. */
  renewed(refused: string): Promise<boolean>;
}

/** How a transport is set up. */
export interface TransportSettings {
  readonly baseUrl: string;
  readonly fetch: typeof globalThis.fetch;
  readonly authorization: Authorization;
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  readonly attemptsMax: number;
  readonly backoff: Backoff;
  readonly onAttempt: ((attempt: Attempt) => void) | undefined;
  readonly outcomeOf: (key: string) => Promise<KeyOutcome>;
}

/** How this request differs from what its operation says. */
export interface Sending extends MoneyOptions {
  /** It only asks, whatever its method (a preview): repeat it freely, and never doubt. */
  readonly asking?: boolean;
  /** How many attempts, if not as many as usual. */
  readonly attemptsMax?: number;
}

/** By contract of the API nothing was done where these codes come, so anything may be repeated. */
const NOTHING_DONE = new Set([
  "database-unavailable",
  "deadline-exceeded",
  "not-ready",
  "overloaded",
  "safe-mode",
  "streams-exhausted",
]);
const AGAIN = new Set([408, 500, 502, 503, 504]);
const KEY_HEADER = "Idempotency-Key";

/** What an attempt has come to: an answer, or why there is none. */
type Outcome =
  | { readonly response: Response; readonly code: string | undefined }
  | { readonly failure: unknown; readonly sent: boolean };

/** A request that can be sent more than once. */
interface Parcel {
  readonly request: Request;
  readonly body: ArrayBuffer | undefined;
  readonly operation: Operation | undefined;
  readonly key: string | undefined;
  readonly repeatable: boolean;
}

/** Sends requests; one for all of a client. */
export class Transport {
  readonly settings: TransportSettings;

  constructor(settings: TransportSettings) {
    this.settings = settings;
  }

  /** Return a function like `fetch` that sends with these options. */
  bound(options: Sending = {}): (request: Request) => Promise<Response> {
    return (request) => this.send(request, options);
  }

  /**
   * Send a request until there is an answer that will not change, within its deadline.
   *
   * Answers that are no success are returned. Rejects with `OutcomeUnknownError` if money may have
   * moved, else with `ConnectionError`, `NotLoggedInError`, or the reason of the caller's signal.
   */
  async send(request: Request, options: Sending = {}): Promise<Response> {
    const parcel = await this.#packed(request, options);
    const milliseconds = options.timeoutMs ?? this.settings.timeoutMs;
    const deadline = new Deadline(milliseconds, options.signal, request.signal);
    try {
      const attemptsMax = options.attemptsMax ?? this.settings.attemptsMax;
      return await new Delivery(this, parcel, deadline, attemptsMax).made();
    } finally {
      deadline.end();
    }
  }

  /**
   * Open a stream: one attempt, of which only the head is waited for. The connection's controller
   * ends it, then and later.
   */
  async open(request: Request, connection: AbortController): Promise<Response> {
    const { authorization, attemptTimeoutMs } = this.settings;
    const { signal } = connection;
    const operation = operationOf(request.method, this.#path(request.url));
    const late = new DeadlineError(`There was no answer within ${attemptTimeoutMs} ms.`);
    const timer = setTimeout(() => connection.abort(late), attemptTimeoutMs);
    try {
      for (let number = 1; ; number += 1) {
        const token = await unlessAborted(authorization.current(), signal);
        const began = performance.now();
        const headers = headersWith(request, { Authorization: token });
        const response = await this.fetched(request, headers, undefined, signal);
        this.told(request, operation, number, began, response, undefined, undefined);
        if (response.status !== 401 || number > 1) return response;
        if (!(await unlessAborted(authorization.renewed(token), signal))) return response;
        await response.body?.cancel();
      }
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof WalletError ? error : unreachable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Call `fetch`, without cookies: a token and a cookie together are refused. */
  fetched(
    request: Request,
    headers: Headers,
    body: ArrayBuffer | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const { fetch } = this.settings;
    return fetch(request.url, {
      method: request.method,
      headers,
      body: body ?? null,
      signal,
      credentials: "omit",
      cache: "no-store",
      // Nothing of this API redirects, and a payment must not be led elsewhere.
      redirect: "error",
    });
  }

  /** Tell the listener of an attempt; what it throws is its own affair. */
  told(
    request: Request,
    operation: Operation | undefined,
    number: number,
    began: number,
    response: Response | undefined,
    idempotencyKey: string | undefined,
    retryInMs: number | undefined,
  ): void {
    try {
      this.settings.onAttempt?.({
        operationId: operation?.id,
        method: request.method,
        url: request.url,
        number,
        status: response?.status,
        requestId: response?.headers.get("x-request-id") ?? undefined,
        idempotencyKey,
        durationMs: performance.now() - began,
        retryInMs,
      });
    } catch {
      // A listener that fails must not decide about money.
    }
  }

  async #packed(request: Request, options: Sending): Promise<Parcel> {
    const operation = operationOf(request.method, this.#path(request.url));
    const given = request.headers.get(KEY_HEADER) ?? options.idempotencyKey;
    const keyed = options.asking !== true && (operation?.keyed === true || given !== undefined);
    const key = keyed ? assertKey(given ?? newKey()) : undefined;
    const safe = request.method === "GET" || request.method === "HEAD";
    // Not every browser tells by `request.body` whether there is one.
    const body = safe ? undefined : await request.arrayBuffer();
    return {
      request,
      body: body?.byteLength ? body : undefined,
      operation,
      key,
      repeatable: safe || keyed || options.asking === true,
    };
  }

  #path(url: string): string {
    const { pathname } = new URL(url);
    const root = new URL(this.settings.baseUrl).pathname.replace(/\/$/, "");
    return pathname.startsWith(root) ? pathname.slice(root.length) : pathname;
  }
}

/** One request on its way, with everything that was learned from its attempts. */
class Delivery {
  readonly #transport: Transport;
  readonly #parcel: Parcel;
  readonly #deadline: Deadline;
  readonly #attemptsMax: number;
  /** Whether an attempt was made that may have moved money, for all that is known. */
  #doubt = false;
  #renewed = false;

  constructor(transport: Transport, parcel: Parcel, deadline: Deadline, attemptsMax: number) {
    this.#transport = transport;
    this.#parcel = parcel;
    this.#deadline = deadline;
    this.#attemptsMax = attemptsMax;
  }

  async made(): Promise<Response> {
    try {
      return await this.#attempts();
    } catch (error) {
      throw this.#doubt ? this.#unknown(error) : error;
    }
  }

  async #attempts(): Promise<Response> {
    for (let number = 1; ; number += 1) {
      const began = performance.now();
      const outcome = await this.#attempt();
      const response = "response" in outcome ? outcome.response : undefined;
      const wait = this.#wait(outcome, number);
      const { request, operation, key } = this.#parcel;
      this.#transport.told(request, operation, number, began, response, key, wait);
      if (wait === undefined) return await this.#final(outcome);
      await pause(wait, this.#deadline.signal);
    }
  }

  /** Carry out one attempt, with a second one if only the token was too old. */
  async #attempt(): Promise<Outcome> {
    const { operation } = this.#parcel;
    // A path that is in no document, such as one newer than this package, is sent with a token.
    if (operation !== undefined && !operation.authenticated) return await this.#sent(undefined);
    const { authorization } = this.#transport.settings;
    const { signal } = this.#deadline;
    try {
      const token = await unlessAborted(authorization.current(), signal);
      const outcome = await this.#sent(token);
      if (!("response" in outcome) || outcome.response.status !== 401) return outcome;
      if (this.#renewed) return outcome;
      this.#renewed = true;
      if (!(await unlessAborted(authorization.renewed(token), signal))) return outcome;
      return await this.#sent(await unlessAborted(authorization.current(), signal));
    } catch (error) {
      // Nothing was sent: an outage while a token was asked for is worth another attempt.
      if (!signal.aborted && isPassing(error)) return { failure: error, sent: false };
      throw error;
    }
  }

  async #sent(token: string | undefined): Promise<Outcome> {
    const { request, body, key } = this.#parcel;
    const headers = headersWith(request, { Authorization: token, [KEY_HEADER]: key });
    this.#deadline.signal.throwIfAborted();
    const attempt = new Deadline(
      this.#transport.settings.attemptTimeoutMs,
      this.#deadline.signal,
    );
    const doubtBefore = this.#doubt;
    this.#doubt = key !== undefined;
    try {
      const head = await this.#transport.fetched(request, headers, body, attempt.signal);
      // The body belongs to the answer: one that is cut off is no answer.
      const response = await whole(head);
      const code = await codeOf(response);
      if (settles(response)) this.#doubt = false;
      else if (isNothingDone(response, code)) this.#doubt = doubtBefore;
      return { response, code };
    } catch (error) {
      // What the caller's signal or the whole deadline ended is not tried again.
      this.#deadline.signal.throwIfAborted();
      const failure = attempt.signal.aborted ? attempt.signal.reason : unreachable(error);
      return { failure, sent: true };
    } finally {
      attempt.end();
    }
  }

  /** Return how long to wait before the next attempt, or undefined if there shall be none. */
  #wait(outcome: Outcome, number: number): number | undefined {
    if (!this.#isWorthAnother(outcome) || number >= this.#attemptsMax) return undefined;
    const wait = pauseMs(number, this.#transport.settings.backoff, askedMs(outcome));
    // The deadline would pass in the middle of the pause: better say now what there is to say.
    return wait >= this.#deadline.leftMs ? undefined : wait;
  }

  #isWorthAnother(outcome: Outcome): boolean {
    const { repeatable } = this.#parcel;
    if (!("response" in outcome)) return repeatable || !outcome.sent;
    const { response, code } = outcome;
    if (response.status === 429 || isNamed(NOTHING_DONE, code)) return true;
    return repeatable && (AGAIN.has(response.status) || code === "receipt-not-ready");
  }

  /** Return the answer, unless it leaves in doubt what an attempt has done. */
  async #final(outcome: Outcome): Promise<Response> {
    if (!("response" in outcome)) throw outcome.failure;
    if (this.#doubt) throw await problemOfResponse(outcome.response);
    return outcome.response;
  }

  #unknown(cause: unknown): OutcomeUnknownError {
    const { request, body, key = "" } = this.#parcel;
    const { url, method } = request;
    const headers = headersWith(request, { [KEY_HEADER]: key });
    return new OutcomeUnknownError(key, cause, {
      outcome: () => this.#transport.settings.outcomeOf(key),
      repeat: async () => {
        const again = new Request(url, { method, headers, body: body ?? null });
        const response = await this.#transport.send(again);
        if (!response.ok) throw await problemOfResponse(response);
        return response;
      },
    });
  }
}

/** The first answer under a key, and every refusal that is stored under it. */
function settles(response: Response): boolean {
  return response.ok || response.status === 422;
}

/** Tell whether this attempt did nothing; what earlier ones did is another question. */
function isNothingDone(response: Response, code: string | undefined): boolean {
  return response.status < 500 || isNamed(NOTHING_DONE, code);
}

function isNamed(codes: ReadonlySet<string>, code: string | undefined): boolean {
  return code !== undefined && codes.has(code);
}

/** Tell whether an error goes by itself: no connection, too often, or an outage. */
function isPassing(error: unknown): boolean {
  if (error instanceof ConnectionError) return true;
  return error instanceof ProblemError && (error.status === 429 || error.status >= 500);
}

function askedMs(outcome: Outcome): number | undefined {
  if ("response" in outcome) return retryAfterMs(outcome.response);
  return outcome.failure instanceof ProblemError ? outcome.failure.retryAfterMs : undefined;
}

function unreachable(cause: unknown): ConnectionError {
  const reason = "The service could not be reached, or the connection was cut.";
  return new ConnectionError(reason, { cause });
}

/** Return a response whose body is here. */
async function whole(head: Response): Promise<Response> {
  const body = await head.arrayBuffer();
  const { status, statusText, headers } = head;
  const isEmpty = status === 204 || status === 205 || status === 304;
  return new Response(isEmpty ? null : body, { status, statusText, headers });
}

/** Return the request's headers and some more; what is undefined stays as it is. */
function headersWith(
  request: Request,
  more: Readonly<Record<string, string | undefined>>,
): Headers {
  const headers = new Headers(request.headers);
  for (const [name, value] of Object.entries(more)) {
    if (value !== undefined) headers.set(name, value);
  }
  return headers;
}
