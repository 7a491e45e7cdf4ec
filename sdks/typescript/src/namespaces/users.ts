import { answer, done, query, type Api } from "../api.js";
import type { SessionAuthorization } from "../authorization.js";
import type { RequestOptions } from "../transport.js";
import type { BodyOf, PersonalData, Profile, RecipientAnswer } from "../types.js";

/** People: signing up, one's own account, and whom one can pay. */
export class Users {
  readonly #api: Api;
  readonly #session: SessionAuthorization | undefined;

  constructor(api: Api, session: SessionAuthorization | undefined) {
    this.#api = api;
    this.#session = session;
  }

  /**
   * Create an account with a wallet in the default currency. Does not log in. Rejects with
   * `email-taken`, `handle-taken`, `password-too-short` and the like.
   */
  signUp(body: BodyOf<"signUp">, options?: RequestOptions): Promise<Profile> {
    return answer(this.#api.raw.POST("/users", { body, ...this.#api.with(options) }));
  }

  /** Return your account. */
  me(options?: RequestOptions): Promise<Profile> {
    return answer(this.#api.raw.GET("/users/me", this.#api.with(options)));
  }

  /** Change names or handle; what is missing stays as it is. */
  update(body: BodyOf<"updateProfile">, options?: RequestOptions): Promise<Profile> {
    return answer(this.#api.raw.PATCH("/users/me", { body, ...this.#api.with(options) }));
  }

  /** Close your account for good. Rejects with `wallet-not-empty` while there is money left. */
  async close(password: string, options?: RequestOptions): Promise<void> {
    const body = { password };
    await done(this.#api.raw.DELETE("/users/me", { body, ...this.#api.with(options) }));
    await this.#session?.forget();
  }

  /** Return everything that is held about you. */
  export(options?: RequestOptions): Promise<PersonalData> {
    return answer(this.#api.raw.GET("/users/me/export", this.#api.with(options)));
  }

  /**
   * Find whom you would pay, by exactly one of id, verified e-mail address and handle. Rejects with
   * `recipient-not-found`.
   */
  find(
    by: { user_id: string } | { email: string } | { handle: string },
    options?: RequestOptions,
  ): Promise<RecipientAnswer> {
    const params = { query: query(by) };
    return answer(this.#api.raw.GET("/recipients", { params, ...this.#api.with(options) }));
  }

  /** Set a new password; your other sessions end, this one goes on. */
  async changePassword(body: BodyOf<"changePassword">, options?: RequestOptions): Promise<void> {
    const { raw } = this.#api;
    await done(raw.POST("/users/me/password", { body, ...this.#api.with(options) }));
    this.#session?.passwordChanged(body.new_password);
  }

  /** Have the mail that verifies your address sent again. */
  requestEmailVerification(options?: RequestOptions): Promise<void> {
    const { raw } = this.#api;
    return done(raw.POST("/users/me/email-verification", this.#api.with(options)));
  }

  /** Show the token of that mail: from then on you can be paid by e-mail address. */
  verifyEmail(token: string, options?: RequestOptions): Promise<void> {
    const body = { token };
    return done(this.#api.raw.POST("/email-verifications", { body, ...this.#api.with(options) }));
  }

  /** Have a mail sent that lets you set a new password; never says who has an account. */
  requestPasswordReset(email: string, options?: RequestOptions): Promise<void> {
    const body = { email };
    return done(this.#api.raw.POST("/password-resets", { body, ...this.#api.with(options) }));
  }

  /** Show the token of that mail and set a new password; all sessions end. */
  resetPassword(body: BodyOf<"resetPassword">, options?: RequestOptions): Promise<void> {
    return done(
      this.#api.raw.POST("/password-resets/confirm", { body, ...this.#api.with(options) }),
    );
  }
}
