/** Deadlines, pauses and what ends them early. */

import { DeadlineError } from "./errors.js";

/** How pauses between attempts grow. */
export interface Backoff {
  /** The longest the first pause can be, in milliseconds; each further one may be twice as long. */
  readonly firstMs: number;
  /** No pause is drawn longer than this, in milliseconds. */
  readonly mostMs: number;
}

/**
 * Draw the pause before the next attempt with full jitter: anything from nothing to the most, so
 * that a thousand clients of a restarted service do not come back in the same moment. What the
 * service asked for (`Retry-After`) comes on top, and is never cut short.
 */
export function pauseMs(
  attempt: number,
  backoff: Backoff,
  retryAfterMs: number | undefined,
  random: () => number = Math.random,
): number {
  const most = Math.min(backoff.mostMs, backoff.firstMs * 2 ** Math.min(attempt - 1, 30));
  if (retryAfterMs === undefined) return random() * most;
  return retryAfterMs + random() * Math.min(most, backoff.firstMs);
}

/** Wait so many milliseconds; rejects with the signal's reason as soon as it is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const done = (): void => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    const aborted = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** Wait for a promise, but not beyond the signal; the work itself goes on for whoever shares it. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason);
    if (signal.aborted) {
      // Whoever else waits for it hears of its failure; here nobody listens any more.
      work.catch(() => undefined);
      aborted();
      return;
    }
    signal.addEventListener("abort", aborted, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}

/** A signal that is aborted after a while, or with any of others; `end()` frees its timer. */
export class Deadline {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #followed: readonly AbortSignal[];
  readonly #endsAt: number;
  readonly #follow: () => void;

  constructor(milliseconds: number, ...followed: readonly (AbortSignal | undefined)[]) {
    this.signal = this.#controller.signal;
    this.#endsAt = performance.now() + milliseconds;
    this.#followed = followed.filter((signal) => signal !== undefined);
    this.#follow = () => {
      const aborted = this.#followed.find((signal) => signal.aborted);
      if (aborted) this.#controller.abort(aborted.reason);
    };
    for (const signal of this.#followed) {
      signal.addEventListener("abort", this.#follow, { once: true });
    }
    this.#follow();
    // A timer of more than 24 days would fire at once.
    if (milliseconds < 2 ** 31) {
      const late = new DeadlineError(
        `There was no answer within ${Math.round(milliseconds)} ms.`,
      );
      this.#timer = setTimeout(() => this.#controller.abort(late), Math.max(0, milliseconds));
    }
  }

  /** How long there is, in milliseconds. */
  get leftMs(): number {
    return this.#endsAt - performance.now();
  }

  /** Free the timer and listen no more. */
  end(): void {
    clearTimeout(this.#timer);
    for (const signal of this.#followed) signal.removeEventListener("abort", this.#follow);
  }
}
