/** Live streams: every entry as it is booked, each once and in order, whatever the network does. */

import { ConnectionError, NotLoggedInError, ProblemError } from "./errors.js";
import { problemOf, problemOfResponse } from "./problems.js";
import { serverSentEvents, type ServerSentEvent } from "./server_sent_events.js";
import type { Transport } from "./transport.js";
import type { Balance, Transaction } from "./types.js";
import { pause, pauseMs } from "./waiting.js";

/** What a stream begins with, each time it is opened: balances as they are. */
export interface LiveReady {
  readonly type: "ready";
  readonly balances: readonly Balance[];
  /** Where this stream stands; give it as `lastEventId` to go on from here. */
  readonly position: string;
}

/** One entry of one wallet. */
export interface LiveEntry {
  readonly type: "entry";
  /** `<wallet>:<version>`; the same on webhooks and everywhere else. */
  readonly id: string;
  /** What it is called on webhooks and in `events`, such as `transfer.received`. */
  readonly event_type: string;
  /** When it was booked. */
  readonly timestamp: string;
  /** The wallet's balance right after it. */
  readonly balance: Balance;
  /** The line of history; null for an entry that only holds or releases money. */
  readonly transaction: Transaction | null;
  /** The last version of every wallet on the stream: keep it, and go on from it another day. */
  readonly position: string;
}

/** What a stream may be asked for. */
export interface LiveOptions {
  /** Some of your wallets; without it, all of them. */
  readonly walletIds?: readonly string[] | undefined;
  /** A `position` (or an entry's `id`) that you have kept: the stream goes on behind it. */
  readonly lastEventId?: string | undefined;
  /** Ends the stream: the loop over it ends with no error. */
  readonly signal?: AbortSignal | undefined;
  /** Told each time the connection is lost, with the pause before the next attempt. */
  readonly onReconnect?: ((why: unknown, inMs: number) => void) | undefined;
}

/** The service says that it is alive every 15 seconds; after three silences it is not. */
const SILENCE_MS = 45_000;

/** Live streams of one client. */
export class Live {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Every entry of your wallets from now on, or from a position that you have kept.
   *
   * The connection is made anew as often as it is lost, for as long as it takes, and goes on where
   * it was: nothing is missing and nothing comes twice. Ends when the signal is aborted or the loop
   * is left; rejects only with what waiting does not mend (nobody is logged in, a position that is
   * not yours). A wallet that is opened meanwhile is watched from the next connection on, from its
   * first entry.
   */
  async *entries(options: LiveOptions = {}): AsyncGenerator<LiveEntry, void, undefined> {
    for await (const event of this.events(options)) if (event.type === "entry") yield event;
  }

  /** Every balance: first those of now, then each one after each of its entries. */
  async *balances(options: LiveOptions = {}): AsyncGenerator<Balance, void, undefined> {
    for await (const event of this.events(options)) {
      if (event.type === "entry") yield event.balance;
      else yield* event.balances;
    }
  }

  /** Entries, and before them a `ready` of each connection with the balances as they are. */
  async *events(
    options: LiveOptions = {},
  ): AsyncGenerator<LiveReady | LiveEntry, void, undefined> {
    const watch = new Watch(this.#transport, options);
    try {
      yield* watch.events();
    } catch (error) {
      if (!options.signal?.aborted) throw error;
    }
  }
}

/** One stream over all of its connections. */
class Watch {
  readonly #transport: Transport;
  readonly #options: LiveOptions;
  /** The last version of each wallet that was handed out or skipped on purpose. */
  readonly #versions = new Map<string, number>();
  #connected = false;
  #failures = 0;

  constructor(transport: Transport, options: LiveOptions) {
    this.#transport = transport;
    this.#options = options;
    for (const place of (options.lastEventId ?? "").split(",")) {
      const [wallet, version] = place.trim().split(":");
      if (wallet && version) this.#versions.set(wallet, Number(version));
    }
  }

  async *events(): AsyncGenerator<LiveReady | LiveEntry, void, undefined> {
    const { signal, onReconnect } = this.#options;
    while (!signal?.aborted) {
      let why: unknown;
      try {
        why = yield* this.#connection();
      } catch (error) {
        if (signal?.aborted || isLasting(error)) throw error;
        why = error;
      }
      this.#failures += 1;
      const asked = why instanceof ProblemError ? why.retryAfterMs : undefined;
      const wait = pauseMs(this.#failures, this.#transport.settings.backoff, asked);
      onReconnect?.(why, wait);
      await pause(wait, signal);
    }
  }

  /** Hand out what one connection brings; returns why it ended. */
  async *#connection(): AsyncGenerator<LiveReady | LiveEntry, unknown, undefined> {
    const connection = new AbortController();
    const { signal } = this.#options;
    const leave = (): void => connection.abort(signal?.reason);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      const response = await this.#transport.open(this.#request(), connection);
      if (!response.ok || !response.body) throw await problemOfResponse(response);
      const silence = new Silence(connection);
      try {
        for await (const event of serverSentEvents(response.body)) {
          // How long the loop takes over an event is no silence of the service.
          silence.end();
          const end = event && (yield* this.#handedOut(event));
          if (end !== undefined) return end;
          silence.heard();
        }
      } finally {
        silence.end();
      }
      return new ConnectionError("The service closed the stream.");
    } catch (error) {
      throw connection.signal.aborted ? connection.signal.reason : error;
    } finally {
      signal?.removeEventListener("abort", leave);
      connection.abort();
    }
  }

  /** Hand out an event; returns why the connection has to end, if it has to. */
  async *#handedOut(
    event: ServerSentEvent,
  ): AsyncGenerator<LiveReady | LiveEntry, unknown, undefined> {
    const document: unknown = JSON.parse(event.data);
    const position = event.lastId;
    if (isReady(document)) {
      const isNew = this.#begin(position);
      if (isNew) return new ConnectionError("A wallet has been opened meanwhile.");
      this.#failures = 0;
      yield { ...document, position };
    } else if (isEntry(document)) {
      const [wallet = "", version = ""] = document.id.split(":");
      const seen = this.#versions.get(wallet) ?? Number(version) - 1;
      if (Number(version) <= seen) return undefined;
      if (Number(version) > seen + 1) {
        return new ConnectionError(`Entry ${seen + 1} of wallet ${wallet} was left out.`);
      }
      this.#versions.set(wallet, Number(version));
      yield { ...document, position };
    } else if (isEnd(document)) {
      // The token has ended, or the session: the next connection finds out which.
      return problemOf(document.problem as ConstructorParameters<typeof ProblemError>[0]);
    }
    return undefined;
  }

  /**
   * Take over where the stream stands. Returns whether there is a wallet that the connection before
   * did not know and that has entries already: those are asked for by connecting once more.
   */
  #begin(position: string): boolean {
    let isNew = false;
    for (const place of position.split(",")) {
      const [wallet, version] = place.split(":");
      if (!wallet || this.#versions.has(wallet)) continue;
      const begin = this.#connected ? 0 : Number(version);
      this.#versions.set(wallet, begin);
      isNew ||= begin < Number(version);
    }
    this.#connected = true;
    return isNew;
  }

  #request(): Request {
    const url = new URL(`${this.#transport.settings.baseUrl}/live/events`);
    for (const id of this.#options.walletIds ?? []) url.searchParams.append("wallet_id", id);
    const headers = new Headers({ Accept: "text/event-stream" });
    const places = [...this.#versions].map(([wallet, version]) => `${wallet}:${version}`);
    if (places.length > 0) headers.set("Last-Event-ID", places.join(","));
    return new Request(url, { headers });
  }
}

/** Ends a connection on which nothing has come for too long. */
class Silence {
  readonly #connection: AbortController;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(connection: AbortController) {
    this.#connection = connection;
    this.heard();
  }

  heard(): void {
    clearTimeout(this.#timer);
    const why = new ConnectionError(`Nothing came on the stream for ${SILENCE_MS} ms.`);
    this.#timer = setTimeout(() => this.#connection.abort(why), SILENCE_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** Tell whether waiting and connecting again would not help. */
function isLasting(error: unknown): boolean {
  if (error instanceof NotLoggedInError) return true;
  if (!(error instanceof ProblemError)) return false;
  return error.status < 500 && error.status !== 408 && error.status !== 429;
}

function typeOf(document: unknown): unknown {
  return typeof document === "object" && document !== null && "type" in document && document.type;
}

function isReady(document: unknown): document is Omit<LiveReady, "position"> {
  return typeOf(document) === "ready";
}

function isEntry(document: unknown): document is Omit<LiveEntry, "position"> {
  return typeOf(document) === "entry";
}

function isEnd(document: unknown): document is { readonly problem: unknown } {
  return typeOf(document) === "problem";
}
