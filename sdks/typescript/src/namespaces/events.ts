import { answer, query, type Api } from "../api.js";
import { Listing } from "../pages.js";
import type { RequestOptions } from "../transport.js";
import type { EventPage, QueryOf, WalletEvent } from "../types.js";

/** Events: everything that happens to you, with the ids of webhooks and live streams. */
export class Events {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * What has happened since a `position` that you have kept (or after an event's id), oldest first;
   * without one, from your first event on. Go through `pages()` and keep the `position` of each.
   */
  list(
    filter: QueryOf<"listEvents"> = {},
    options?: RequestOptions,
  ): Listing<WalletEvent, EventPage> {
    const { after: from, ...others } = filter;
    return new Listing((after) => this.#page({ ...others, after }, options), from ?? undefined);
  }

  /** Return the place behind everything there is: keep it, and `list` from it later. */
  async position(options?: RequestOptions): Promise<string> {
    return (await this.#page({ after: "now" }, options)).position;
  }

  /** Return one event by its id, such as the `webhook-id` of a webhook. */
  get(id: string, options?: RequestOptions): Promise<WalletEvent> {
    const params = { path: { id } };
    return answer(this.#api.raw.GET("/events/{id}", { params, ...this.#api.with(options) }));
  }

  #page(asked: object, options?: RequestOptions): Promise<EventPage> {
    const params = { query: query(asked) as QueryOf<"listEvents"> };
    return answer(this.#api.raw.GET("/events", { params, ...this.#api.with(options) }));
  }
}
