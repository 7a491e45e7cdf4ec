/** Who is asking: a session whose tokens renew themselves, or an API key. */

import { ConnectionError, NotLoggedInError, ProblemError } from "./errors.js";
import type { Authorization } from "./transport.js";

/** What a log-in hands out. */
export interface Tokens {
  readonly accessToken: string;
  /** Good for one refresh: using it a second time ends the session. */
  readonly refreshToken: string;
  /** When the access token ends, in milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * How to log in.
 *
 * `otp` is for who has a second factor: six digits of the app, or a recovery code. Each is good for
 * one log-in; to stay logged in for longer than a session lasts, give a function that gets another.
 */
export interface Credentials {
  readonly email: string;
  readonly password: string;
  readonly otp?: string | undefined;
}

/**
 * Where tokens are kept between runs, and shared by several tabs or processes.
 *
 * A refresh token is good once. Who shares tokens must therefore refresh one at a time:
 * `exclusively` runs the work while nobody else does, such as under a lock of the browser
 * (`navigator.locks`) or of the database; after it has begun, the tokens are loaded again, and
 * those that another has got are taken over.
 */
export interface TokenStore {
  /** Return what is kept, or undefined. */
  load(): Promise<Tokens | undefined> | Tokens | undefined;
  /** Keep these; undefined after logging out. */
  save(tokens: Tokens | undefined): Promise<void> | void;
  /** Run the work while nobody else does. Without it, nobody else must use the same tokens. */
  exclusively?<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** The two requests that answer tokens. */
export interface TokenRequests {
  logIn(credentials: Credentials): Promise<Tokens>;
  refresh(refreshToken: string): Promise<Tokens>;
}

/** How a session is set up. */
export interface SessionSettings {
  readonly requests: TokenRequests;
  readonly tokens: Tokens | undefined;
  readonly credentials: Credentials | (() => Promise<Credentials>) | undefined;
  readonly store: TokenStore | undefined;
}

/** So long before its end an access token is not used any more; clocks and networks are slow. */
const LEEWAY_MS = 10_000;
/** At most this part of a token's life: one of 15 seconds must not be renewed all the time. */
const LEEWAY_PART = 0.2;

/** A session: its tokens are renewed before they end, once for however many requests. */
export class SessionAuthorization implements Authorization {
  readonly #requests: TokenRequests;
  readonly #store: TokenStore | undefined;
  #credentials: SessionSettings["credentials"];
  #tokens: Tokens | undefined;
  #staleAt = Infinity;
  #loading: Promise<void> | undefined;
  #renewing: Promise<void> | undefined;

  constructor(settings: SessionSettings) {
    this.#requests = settings.requests;
    this.#store = settings.store;
    this.#credentials = settings.credentials;
    this.#take(settings.tokens);
  }

  /** The tokens as they are now, or undefined before the first log-in. */
  get tokens(): Tokens | undefined {
    return this.#tokens;
  }

  async current(): Promise<string> {
    await this.#loaded();
    if (this.#tokens === undefined || Date.now() >= this.#staleAt) await this.#renew();
    return bearer(this.#tokens);
  }

  async renewed(refused: string): Promise<boolean> {
    // Another request may have seen to it while this one was on its way.
    if (this.#tokens !== undefined && bearer(this.#tokens) !== refused) return true;
    await this.#renew();
    return true;
  }

  /** Use these tokens from now on, and keep them; undefined ends the session here. */
  async adopt(tokens: Tokens | undefined): Promise<void> {
    this.#loading ??= Promise.resolve();
    this.#take(tokens);
    await this.#store?.save(tokens);
  }

  /** Forget the session, and how to begin another one. */
  async forget(): Promise<void> {
    this.#credentials = undefined;
    await this.adopt(undefined);
  }

  /** Log in with another password from now on, where this session was given one. */
  passwordChanged(password: string): void {
    if (typeof this.#credentials !== "object") return;
    this.#credentials = { ...this.#credentials, password };
  }

  #loaded(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #load(): Promise<void> {
    if (this.#tokens === undefined) this.#take(await this.#store?.load());
  }

  /** Renew once for all who ask meanwhile. */
  #renew(): Promise<void> {
    this.#renewing ??= this.#exclusively(() => this.#exchange()).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  #exclusively(work: () => Promise<void>): Promise<void> {
    return this.#store?.exclusively ? this.#store.exclusively(work) : work();
  }

  async #exchange(): Promise<void> {
    const stored = await this.#store?.load();
    if (stored !== undefined && stored.accessToken !== this.#tokens?.accessToken) {
      this.#take(stored);
      if (Date.now() < this.#staleAt) return;
    }
    await this.adopt(await this.#newTokens());
  }

  async #newTokens(): Promise<Tokens> {
    const refreshToken = this.#tokens?.refreshToken;
    if (refreshToken === undefined) return this.#logInAgain(undefined);
    try {
      return await this.#requests.refresh(refreshToken);
    } catch (error) {
      if (error instanceof ProblemError && error.status === 401) return this.#logInAgain(error);
      if (!isInDoubt(error)) throw error;
      // The answer was lost, and with it perhaps the next refresh token. With credentials that is
      // no loss. Without, the same token is tried at the next request: if it was not used the
      // session goes on, and if it was, its successor is lost anyway.
      if (this.#credentials === undefined) throw error;
      return this.#logInAgain(error);
    }
  }

  async #logInAgain(cause: unknown): Promise<Tokens> {
    const given = this.#credentials;
    if (given === undefined) {
      const reason = cause === undefined ? "Nobody is logged in." : "The session has ended.";
      throw new NotLoggedInError(`${reason} Log in.`, { cause });
    }
    if (typeof given === "function") return this.#requests.logIn(await given());
    try {
      const tokens = await this.#requests.logIn(given);
      this.#codeUsed(given);
      return tokens;
    } catch (error) {
      if (isInDoubt(error)) this.#codeUsed(given);
      throw error;
    }
  }

  /** Never send a code again that is used up: then the service says that one is needed. */
  #codeUsed(given: Credentials): void {
    if (this.#credentials !== given || given.otp === undefined) return;
    this.#credentials = { email: given.email, password: given.password };
  }

  #take(tokens: Tokens | undefined): void {
    this.#tokens = tokens;
    const life = tokens === undefined ? 0 : tokens.expiresAt - Date.now();
    this.#staleAt = (tokens?.expiresAt ?? 0) - Math.min(LEEWAY_MS, life * LEEWAY_PART);
  }
}

/** A key of a machine: always the same, and never renewed. */
export class KeyAuthorization implements Authorization {
  readonly #value: string;

  constructor(apiKey: string) {
    this.#value = `Bearer ${apiKey}`;
  }

  current(): Promise<string> {
    return Promise.resolve(this.#value);
  }

  renewed(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

/** Tell whether a request may have been carried out although it failed. */
function isInDoubt(error: unknown): boolean {
  if (error instanceof ConnectionError) return true;
  if (!(error instanceof ProblemError)) return false;
  return error.status === 500 || error.code === "outcome-unknown";
}

function bearer(tokens: Tokens | undefined): string {
  if (tokens === undefined) throw new NotLoggedInError("Nobody is logged in. Log in.");
  return `Bearer ${tokens.accessToken}`;
}
