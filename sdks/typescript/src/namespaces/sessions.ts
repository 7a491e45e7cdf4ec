import { answer, done, type Api } from "../api.js";
import type { Credentials, SessionAuthorization, Tokens } from "../authorization.js";
import { WalletError } from "../errors.js";
import { Listing } from "../pages.js";
import type { RequestOptions, Sending } from "../transport.js";
import type { Session } from "../types.js";

/** Sessions: log in, stay logged in, log out. */
export class Sessions {
  readonly #api: Api;
  readonly #session: SessionAuthorization | undefined;

  constructor(api: Api, session: SessionAuthorization | undefined) {
    this.#api = api;
    this.#session = session;
  }

  /** The tokens as they are now, or undefined. Whoever has them is you: keep them safe. */
  get tokens(): Tokens | undefined {
    return this.#session?.tokens;
  }

  /**
   * Log in; every request from then on is yours, and tokens renew themselves. The password is not
   * kept. Rejects with `credentials-invalid`, or `log-in-delayed` after too many failures; with
   * `second-factor-required` if the password is right and an `otp` is needed as well, and with
   * `second-factor-wrong`. A code is good once: if the answer is lost, take the next one.
   */
  async logIn(credentials: Credentials, options?: RequestOptions): Promise<Tokens> {
    const session = this.#required();
    const tokens = await loggedIn(this.#api, credentials, options);
    await session.adopt(tokens);
    return tokens;
  }

  /** End the session, here and at the service. */
  async logOut(options?: RequestOptions): Promise<void> {
    const session = this.#required();
    await done(this.#api.raw.POST("/users/logout", this.#api.with(options)));
    await session.forget();
  }

  /** Where you are logged in. */
  list(options?: RequestOptions): Listing<Session> {
    return new Listing(() =>
      answer(this.#api.raw.GET("/users/me/sessions", this.#api.with(options))),
    );
  }

  /** End one of your sessions. */
  revoke(id: string, options?: RequestOptions): Promise<void> {
    const params = { path: { session_id: id } };
    return done(
      this.#api.raw.DELETE("/users/me/sessions/{session_id}", {
        params,
        ...this.#api.with(options),
      }),
    );
  }

  #required(): SessionAuthorization {
    if (this.#session) return this.#session;
    throw new WalletError("This client has an API key, which has no session.");
  }
}

/** Begin a session. */
export async function loggedIn(
  api: Api,
  credentials: Credentials,
  options?: Sending,
): Promise<Tokens> {
  const { email, password, otp } = credentials;
  const body = { email, password, ...(otp === undefined ? {} : { otp }) };
  const began = Date.now();
  return tokensOf(
    await answer(api.raw.POST("/users/login", { body, ...api.with(options) })),
    began,
  );
}

/** Use up a refresh token. */
export async function refreshed(
  api: Api,
  refreshToken: string,
  options?: Sending,
): Promise<Tokens> {
  const body = { refresh_token: refreshToken };
  const began = Date.now();
  return tokensOf(
    await answer(api.raw.POST("/users/refresh", { body, ...api.with(options) })),
    began,
  );
}

function tokensOf(
  given: { access_token: string; refresh_token: string; expires_in: number },
  began: number,
): Tokens {
  return {
    accessToken: given.access_token,
    refreshToken: given.refresh_token,
    // Counted from before the request: its life began at the service some time before now.
    expiresAt: began + given.expires_in * 1000,
  };
}
