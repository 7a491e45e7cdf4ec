import { answer, done, type Api } from "../api.js";
import type { RequestOptions } from "../transport.js";
import type { BodyOf, Enrolment, SecondFactorState } from "../types.js";

/**
 * The second factor: what logging in takes besides the password.
 *
 * An `otp` is six digits of an authenticator app, or a recovery code; each is good once.
 */
export class SecondFactor {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Return whether logging in takes a code, and how many recovery codes are left. */
  state(options?: RequestOptions): Promise<SecondFactorState> {
    return answer(this.#api.raw.GET("/users/me/second-factor", this.#api.with(options)));
  }

  /**
   * Get a secret for the app: as text, address and QR code (SVG). It counts once a first code is
   * confirmed, within 30 minutes. Rejects with `second-factor-already-on`, or `password-wrong`.
   */
  begin(password: string, options?: RequestOptions): Promise<Enrolment> {
    const { raw } = this.#api;
    // Another secret takes the place of one that nobody has seen, so it may be asked for again.
    const sending = { ...options, asking: true };
    const body = { password };
    return answer(raw.POST("/users/me/second-factor", { body, ...this.#api.with(sending) }));
  }

  /**
   * Turn it on by a first code of the app; all of your other sessions end. Returns the recovery
   * codes, this once. Rejects with `otp-wrong`, or `second-factor-off` if none was begun in time.
   */
  async confirm(otp: string, options?: RequestOptions): Promise<readonly string[]> {
    const { raw } = this.#api;
    const call = raw.POST("/users/me/second-factor/confirm", {
      body: { otp },
      ...this.#api.with(options),
    });
    return (await answer(call)).recovery_codes;
  }

  /** Get new recovery codes; the old ones are worth nothing any more. Rejects with `otp-wrong`. */
  async replaceRecoveryCodes(
    body: BodyOf<"replaceRecoveryCodes">,
    options?: RequestOptions,
  ): Promise<readonly string[]> {
    const { raw } = this.#api;
    const call = raw.POST("/users/me/second-factor/recovery-codes", {
      body,
      ...this.#api.with(options),
    });
    return (await answer(call)).recovery_codes;
  }

  /** Take it off: the password alone logs in again. Rejects with `otp-wrong`. */
  disable(body: BodyOf<"disableSecondFactor">, options?: RequestOptions): Promise<void> {
    const { raw } = this.#api;
    return done(raw.DELETE("/users/me/second-factor", { body, ...this.#api.with(options) }));
  }
}
