import { answer, done, type Api } from "../api.js";
import { Listing } from "../pages.js";
import type { RequestOptions } from "../transport.js";
import type { ApiKey, ApiKeyPage, BodyOf, NewApiKey } from "../types.js";
import type { ListOptions } from "./transactions.js";

/** API keys: what machines show instead of logging in. Only people can make them. */
export class ApiKeys {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Make a key; the answer has its `secret`, which is shown this once. */
  create(body: BodyOf<"createApiKey">, options?: RequestOptions): Promise<NewApiKey> {
    return answer(this.#api.raw.POST("/api-keys", { body, ...this.#api.with(options) }));
  }

  /** All of your keys that are not revoked. */
  list(options: ListOptions = {}): Listing<ApiKey, ApiKeyPage> {
    const { cursor: from, ...others } = options;
    return new Listing((cursor) => {
      const params = { query: { cursor: cursor ?? null } };
      return answer(this.#api.raw.GET("/api-keys", { params, ...this.#api.with(others) }));
    }, from);
  }

  /** Return a key: what it may do, what it has spent, and when it was used last. */
  get(id: string, options?: RequestOptions): Promise<ApiKey> {
    const params = { path: { id } };
    return answer(this.#api.raw.GET("/api-keys/{id}", { params, ...this.#api.with(options) }));
  }

  /** Give a key a new secret; those before go on for `overlap_seconds`. */
  rotate(
    id: string,
    body: BodyOf<"rotateApiKey"> = {},
    options?: RequestOptions,
  ): Promise<NewApiKey> {
    const params = { path: { id } };
    return answer(
      this.#api.raw.POST("/api-keys/{id}/rotate", { params, body, ...this.#api.with(options) }),
    );
  }

  /** Revoke a key: it is dead everywhere within two seconds. */
  revoke(id: string, options?: RequestOptions): Promise<void> {
    const params = { path: { id } };
    return done(this.#api.raw.DELETE("/api-keys/{id}", { params, ...this.#api.with(options) }));
  }
}
