// The API as the pages use it: by cookie, typed by the API document, every error a `Problem`.
import createClient from "openapi-fetch";
import { ROOT } from "../parts/router";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** Why the service did not do it; `code` decides, the texts are for people. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly facts: Readonly<Record<string, unknown>>,
    readonly retryAfterS: number,
  ) {
    super(detail);
  }
}

/** Nothing came back: whether the request arrived is not known. */
export class Unreachable extends Problem {
  constructor() {
    super(0, "unreachable", "", {}, 2);
  }
}

const TIMEOUT_MS = 20_000;
/** A whole export comes over a slow line. */
const DOWNLOAD_TIMEOUT_MS = 600_000;
const SAFE = new Set(["GET", "HEAD"]);
export const CSRF_HEADER = "X-CSRF-Token";

/** Whose requests these are, and the token that a change is asked for with. */
export interface Holder {
  userId: string;
  csrfToken: string;
}

// In memory and nowhere else: a reload asks for it again.
let holder: Holder | null = null;
let turn = 0;
let whenLost: () => void = () => undefined;

/** Say whose requests these are from now on; what runs for anybody else is not asked for again. */
export function setHolder(next: Holder | null): void {
  if (next?.userId !== holder?.userId) ++turn;
  holder = next;
}

export const csrfTokenNow = (): string => holder?.csrfToken ?? "";

/** Return a question: is whoever is logged in now still who it is when it is asked? */
export function sameHolder(): () => boolean {
  const began = turn;
  return () => turn === began;
}

/** Say what to do when the session has ended elsewhere. */
export function onSessionLost(listener: () => void): void {
  whenLost = listener;
}

async function send(request: Request, timeoutMs = TIMEOUT_MS): Promise<Response> {
  if (!SAFE.has(request.method) && holder) request.headers.set(CSRF_HEADER, holder.csrfToken);
  try {
    return await fetch(request, { cache: "no-store", signal: AbortSignal.timeout(timeoutMs) });
  } catch {
    throw new Unreachable();
  }
}

export const api = createClient<paths>({
  baseUrl: ROOT.href.replace(/\/$/, ""),
  credentials: "same-origin",
  fetch: (request) => send(request),
});

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

const ENDED = new Set(["session-revoked", "unauthenticated", "token-expired", "token-invalid"]);

/** Return what was answered, or throw the `Problem`. */
export async function asked<T>(answer: Promise<Answer<T>>): Promise<T> {
  const isTheirs = sameHolder();
  const { data, error, response } = await whole(answer);
  if (response.ok) {
    // These were promised with a body: without it nobody knows what was done.
    if (data === undefined && (response.status === 200 || response.status === 201)) throw new Unreachable();
    return data as T;
  }
  const found = problemOf(response, error);
  if (response.status === 401 && ENDED.has(found.code) && holder && isTheirs()) {
    setHolder(null);
    whenLost();
  }
  throw found;
}

/** An answer that broke off, or was written by something in between, is none. */
async function whole<T>(answer: Promise<Answer<T>>): Promise<Answer<T>> {
  try {
    return await answer;
  } catch (error) {
    throw error instanceof Problem ? error : new Unreachable();
  }
}

export function problemOf(response: Response, error: unknown): Problem {
  const facts = (typeof error === "object" && error !== null ? error : {}) as Record<string, unknown>;
  const code = typeof facts.code === "string" ? facts.code : "unreadable";
  const detail = typeof facts.detail === "string" ? facts.detail : "";
  const wait = Number(response.headers.get("Retry-After") ?? 0);
  return new Problem(response.status, code, detail, facts, wait);
}

/** Download a file that the API answers, under the name that it gives. */
export async function download(path: string, name: string): Promise<void> {
  const address = new URL(path, ROOT);
  const response = await send(new Request(address, { credentials: "same-origin" }), DOWNLOAD_TIMEOUT_MS);
  if (!response.ok) throw problemOf(response, await response.json().catch(() => ({})));
  const given = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
  const link = document.createElement("a");
  const content = await response.blob().catch(() => {
    throw new Unreachable();
  });
  link.href = URL.createObjectURL(content);
  link.download = given?.[1] ?? name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Return a new idempotency key; it is made before the first send and kept through retries. */
export const newKey = (): string => crypto.randomUUID();

const PATIENCE = [0, 1_000, 2_000, 4_000, 8_000];
/** Who is told to wait longer than this decides themselves whether to. */
const WAIT_MAX_S = 10;
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
const mayPass = (found: Problem) =>
  (found.status === 0 || found.status >= 500 || found.status === 429) && found.retryAfterS <= WAIT_MAX_S;

/** With these the service says, or the page knows, that this attempt has done nothing. */
const NOTHING_DONE = new Set([
  ...["database-unavailable", "deadline-exceeded", "not-ready", "not-sent", "overloaded", "safe-mode"],
]);
/** These were said before anybody looked at the key: of an earlier attempt they tell nothing. */
const tellsNothing = (found: Problem) => [0, 401, 403, 408, 429].includes(found.status) || found.status >= 500;

/** Whether it may have been carried out although no answer says so. */
export const isUnknown = (found: unknown): boolean =>
  found instanceof Problem && (found.status === 0 || found.status >= 500) && !NOTHING_DONE.has(found.code);

/** Whether it was refused for good: another attempt would be told the same. */
export const isRefusal = (found: unknown): found is Problem => found instanceof Problem && !tellsNothing(found);

/** Nobody wants it any more, or somebody else is logged in: it is not tried again, nor told. */
export class Discarded extends Error {}

/**
 * Send something that moves money until there is a definite answer. `attempt` must send the same
 * key and the same body each time; `doubt` is what an earlier attempt left unknown, and `wanted`
 * whether it is still to be tried again, else `Discarded` is thrown: also once somebody else is
 * logged in, as whom the next attempt would go. When patience ends, the last problem is thrown, or
 * the doubt as long as nothing has answered it.
 */
export async function untilDefinite<T>(
  attempt: () => Promise<T>,
  waiting: (found: Problem) => void,
  doubt: Problem | null = null,
  wanted: () => boolean = () => true,
): Promise<T> {
  const isTheirs = sameHolder();
  let last: Problem = new Unreachable();
  for (const ms of PATIENCE) {
    // The first attempt begins at once: whoever pressed may leave the page in the same moment.
    if (ms > 0) await pause(Math.max(ms, last.retryAfterS * 1000));
    if (!wanted() || !isTheirs()) throw new Discarded();
    try {
      const done = await attempt();
      if (isTheirs()) return done;
    } catch (error) {
      last = error instanceof Problem ? error : new Unreachable();
      if (isUnknown(last)) doubt = last;
      if (!mayPass(last)) break;
      waiting(last);
    }
  }
  if (!isTheirs()) throw new Discarded();
  throw doubt && tellsNothing(last) ? doubt : last;
}
