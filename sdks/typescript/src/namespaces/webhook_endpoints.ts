import { answer, done, query, type Api } from "../api.js";
import { Listing } from "../pages.js";
import type { RequestOptions } from "../transport.js";
import type {
  BodyOf,
  Delivery,
  DeliveryPage,
  QueryOf,
  SignatureVerdict,
  WebhookEndpoint,
  WebhookEndpointWithSecret,
} from "../types.js";
import type { ListOptions } from "./transactions.js";

/** Webhook endpoints: where events are sent. What they get is checked by `verifyWebhook`. */
export class WebhookEndpoints {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Be told of events at a URL. The answer has the secret, which is shown this once. */
  create(
    body: BodyOf<"createWebhookEndpoint">,
    options?: RequestOptions,
  ): Promise<WebhookEndpointWithSecret> {
    return answer(this.#api.raw.POST("/webhook-endpoints", { body, ...this.#api.with(options) }));
  }

  /** All of your endpoints. */
  list(options?: RequestOptions): Listing<WebhookEndpoint> {
    return new Listing(() =>
      answer(this.#api.raw.GET("/webhook-endpoints", this.#api.with(options))),
    );
  }

  /** Return one endpoint, and how sending to it goes. */
  get(id: string, options?: RequestOptions): Promise<WebhookEndpoint> {
    const params = { path: { id } };
    return answer(
      this.#api.raw.GET("/webhook-endpoints/{id}", { params, ...this.#api.with(options) }),
    );
  }

  /** Change an endpoint, or enable one again that was disabled. */
  update(
    id: string,
    body: BodyOf<"updateWebhookEndpoint">,
    options?: RequestOptions,
  ): Promise<WebhookEndpoint> {
    const params = { path: { id } };
    return answer(
      this.#api.raw.PATCH("/webhook-endpoints/{id}", {
        params,
        body,
        ...this.#api.with(options),
      }),
    );
  }

  /** Remove an endpoint. */
  remove(id: string, options?: RequestOptions): Promise<void> {
    const params = { path: { id } };
    return done(
      this.#api.raw.DELETE("/webhook-endpoints/{id}", { params, ...this.#api.with(options) }),
    );
  }

  /** Get a new secret; the one before goes on signing for a while (24 hours by default). */
  rotateSecret(
    id: string,
    body: BodyOf<"rotateWebhookSecret"> = {},
    options?: RequestOptions,
  ): Promise<WebhookEndpointWithSecret> {
    const params = { path: { id } };
    return answer(
      this.#api.raw.POST("/webhook-endpoints/{id}/rotate-secret", {
        params,
        body,
        ...this.#api.with(options),
      }),
    );
  }

  /** Send a test event now, and return what came of it. */
  test(id: string, options?: RequestOptions): Promise<Delivery> {
    const params = { path: { id } };
    return answer(
      this.#api.raw.POST("/webhook-endpoints/{id}/test", { params, ...this.#api.with(options) }),
    );
  }

  /** What was sent and answered, the newest first. */
  deliveries(
    id: string,
    filter: Omit<QueryOf<"listWebhookDeliveries">, "cursor"> = {},
    options: ListOptions = {},
  ): Listing<Delivery, DeliveryPage> {
    const { cursor: from, ...others } = options;
    return new Listing((cursor) => {
      const params = { path: { id }, query: { ...filter, cursor: cursor ?? null } };
      return answer(
        this.#api.raw.GET("/webhook-endpoints/{id}/deliveries", {
          params,
          ...this.#api.with(others),
        }),
      );
    }, from);
  }

  /** Send one event again now, and return what came of it. */
  resend(id: string, deliveryId: string, options?: RequestOptions): Promise<Delivery> {
    const params = { path: { id, delivery_id: deliveryId } };
    return answer(
      this.#api.raw.POST("/webhook-endpoints/{id}/deliveries/{delivery_id}/resend", {
        params,
        ...this.#api.with(options),
      }),
    );
  }

  /** Have everything since a time of the last 30 days sent again; returns how many events. */
  async resendSince(id: string, since: string | Date, options?: RequestOptions): Promise<number> {
    const params = { path: { id } };
    const body = query({ since });
    const { events } = await answer(
      this.#api.raw.POST("/webhook-endpoints/{id}/resend", {
        params,
        body,
        ...this.#api.with(options),
      }),
    );
    return events;
  }

  /** Ask what is wrong with a signature that does not verify. */
  checkSignature(
    id: string,
    body: BodyOf<"checkWebhookSignature">,
    options?: RequestOptions,
  ): Promise<SignatureVerdict> {
    const params = { path: { id } };
    return answer(
      this.#api.raw.POST("/webhook-endpoints/{id}/signature-check", {
        params,
        body,
        ...this.#api.with(options),
      }),
    );
  }
}
