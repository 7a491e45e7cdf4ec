/** Reading server-sent events from a response, as the HTML standard says they are written. */

import { unlessAborted } from "./waiting.js";

/** One event as it was sent. */
export interface ServerSentEvent {
  /** Its `event:`; "message" where there was none. */
  readonly name: string;
  readonly data: string;
  /** The `id:` that was sent last, with this event or before it. */
  readonly lastId: string;
}

/** Far more than any event has; what is longer is no event of ours. */
const LENGTH_MAX = 1_000_000;

/**
 * Yield the events of a body, and undefined for whatever else comes (a comment that says the
 * connection is alive). What is cut off in the middle of an event is dropped, as it should be.
 *
 * The signal is heeded here, too: Node.js holds the one given to `fetch` weakly, and after a
 * garbage collection a body that is waited for does not hear of it any more.
 */
export async function* serverSentEvents(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<ServerSentEvent | undefined, void, undefined> {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await unlessAborted(reader.read(), signal);
      if (done) return;
      yield* parser.events(decoder.decode(value, { stream: true }));
      yield undefined;
    }
  } finally {
    // Fails if the connection is gone, which is what it is to bring about.
    await reader.cancel().catch(() => undefined);
  }
}

class EventParser {
  #rest = "";
  #name = "";
  #data: string[] = [];
  #lastId = "";

  *events(text: string): Generator<ServerSentEvent> {
    this.#rest += text;
    if (this.#rest.length > LENGTH_MAX) throw new Error("An event of the stream is too long.");
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    // The last piece is a line that has not ended; a \r at the end may be half of a \r\n.
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = this.#line(line);
      if (event) yield event;
    }
  }

  #line(line: string): ServerSentEvent | undefined {
    if (line === "") return this.#dispatched();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    if (field === "data") this.#data.push(value);
    if (field === "id" && !value.includes("\0")) this.#lastId = value;
    return undefined;
  }

  #dispatched(): ServerSentEvent | undefined {
    const event = {
      name: this.#name || "message",
      data: this.#data.join("\n"),
      lastId: this.#lastId,
    };
    const isEvent = this.#data.length > 0;
    this.#name = "";
    this.#data = [];
    return isEvent ? event : undefined;
  }
}
