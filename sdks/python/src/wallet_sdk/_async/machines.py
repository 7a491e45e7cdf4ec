"""What machines need: API keys, webhook endpoints, and the events that both are told of."""

from collections.abc import Sequence
from typing import Literal

from wallet_sdk._arguments import Id, Instant, given, instant_of
from wallet_sdk._async.namespace import AsyncMethod, AsyncNamespace
from wallet_sdk._async.pages import AsyncPages
from wallet_sdk._generated.api.api_keys import (
    create_api_key,
    get_api_key,
    list_api_keys,
    revoke_api_key,
    rotate_api_key,
)
from wallet_sdk._generated.api.events import get_event, list_events
from wallet_sdk._generated.api.webhooks import (
    check_webhook_signature,
    create_webhook_endpoint,
    delete_webhook_endpoint,
    get_webhook_endpoint,
    list_webhook_deliveries,
    list_webhook_endpoints,
    resend_webhook_delivery,
    resend_webhooks,
    rotate_webhook_secret,
    test_webhook_endpoint,
    update_webhook_endpoint,
)
from wallet_sdk.models import (
    ApiKeyAnswer,
    ApiKeyBody,
    ApiKeyList,
    DeliveryAnswer,
    DeliveryPage,
    EndpointAnswer,
    EndpointChangeBody,
    EndpointWithSecret,
    EventAnswer,
    EventList,
    NewApiKeyAnswer,
    NewEndpointBody,
    ResendBody,
    RotateBody,
    RotationBody,
    SpendingBody,
)

ApiKeyPages = AsyncPages[ApiKeyAnswer, ApiKeyList]
DeliveryPages = AsyncPages[DeliveryAnswer, DeliveryPage]
EventPages = AsyncPages[EventAnswer, EventList]


class AsyncApiKeys(AsyncNamespace):
    """Keys that machines act with; only a person who has logged in may make and change them."""

    get = AsyncMethod(get_api_key.operation)
    revoke = AsyncMethod(revoke_api_key.operation)

    async def create(
        self,
        *,
        name: str,
        scopes: Sequence[str],
        expires_at: Instant | None = None,
        spending: SpendingBody | None = None,
    ) -> NewApiKeyAnswer:
        """Make a key; its `secret` is shown in this answer and never again.

        With `spending`, what it may pay is bounded: budget, cap of a payment, payees, interval.
        """
        body = ApiKeyBody(
            name=name,
            scopes=list(scopes),  # type: ignore[arg-type]
            expires_at=instant_of(expires_at),
            spending=given(spending),
        )
        return await self._call(create_api_key.operation(body=body))

    def list(self, *, page_size: int = 50) -> ApiKeyPages:
        """Return the keys, the newest first, as an iterable that fetches lazily."""

        async def page(cursor: str | None) -> ApiKeyList:
            return await self._call(list_api_keys.operation(limit=page_size, cursor=given(cursor)))

        return AsyncPages(page, lambda found: found.items)

    async def rotate(self, api_key_id: Id, *, overlap_s: int = 0) -> NewApiKeyAnswer:
        """Get a new secret; those before are good for `overlap_s` seconds more."""
        body = RotateBody(overlap_seconds=overlap_s)
        return await self._call(rotate_api_key.operation(str(api_key_id), body=body))


class AsyncWebhooks(AsyncNamespace):
    """Endpoints that are told of events; `wallet_sdk.Webhook` checks what they get."""

    get = AsyncMethod(get_webhook_endpoint.operation)
    delete = AsyncMethod(delete_webhook_endpoint.operation)
    test = AsyncMethod(test_webhook_endpoint.operation)
    check_signature = AsyncMethod(check_webhook_signature.operation)
    resend_delivery = AsyncMethod(resend_webhook_delivery.operation)

    async def create(
        self, url: str, *, events: Sequence[str] = (), description: str | None = None
    ) -> EndpointWithSecret:
        """Add an endpoint for some types of events (all without `events`).

        Its `secret` is shown in this answer and never again.
        """
        body = NewEndpointBody(url=url, events=list(events), description=given(description))
        return await self._call(create_webhook_endpoint.operation(body=body))

    async def list(self) -> "list[EndpointAnswer]":
        """Return the endpoints, the oldest first."""
        return (await self._call(list_webhook_endpoints.operation())).items

    async def update(
        self,
        endpoint_id: Id,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
        missed: Literal["send", "skip"] | None = None,
    ) -> EndpointAnswer:
        """Change an endpoint, or disable and enable it; what is not given stays as it is.

        Enabled again it goes on where it stopped; `missed="skip"` begins with what happens now.
        """
        body = EndpointChangeBody(
            url=given(url),
            description=given(description),
            events=given(None if events is None else [*events]),
            enabled=given(enabled),
            missed=given(missed),
        )
        return await self._call(update_webhook_endpoint.operation(str(endpoint_id), body=body))

    async def rotate_secret(
        self, endpoint_id: Id, *, overlap_s: int | None = None
    ) -> EndpointWithSecret:
        """Get a new secret; for a day, or `overlap_s` seconds, both of them sign."""
        body = RotationBody(overlap_s=given(overlap_s))
        return await self._call(rotate_webhook_secret.operation(str(endpoint_id), body=body))

    async def resend(self, endpoint_id: Id, *, since: Instant) -> int:
        """Have everything since a time sent again, in order; return how many events that is."""
        body = ResendBody(since=instant_of(since) or "")
        return (await self._call(resend_webhooks.operation(str(endpoint_id), body=body))).events

    def deliveries(
        self,
        endpoint_id: Id,
        *,
        status: Literal["succeeded", "failed"] | None = None,
        page_size: int = 50,
    ) -> DeliveryPages:
        """Return requests and answers of 15 days, newest first, fetched lazily."""

        async def page(cursor: str | None) -> DeliveryPage:
            return await self._call(
                list_webhook_deliveries.operation(
                    str(endpoint_id),
                    status=given(status),
                    limit=page_size,
                    cursor=given(cursor),
                )
            )

        return AsyncPages(page, lambda found: found.items)


class AsyncEvents(AsyncNamespace):
    """What has happened, with the ids that webhooks and live streams have."""

    get = AsyncMethod(get_event.operation)

    def list(
        self, *, after: str | None = None, types: Sequence[str] = (), page_size: int = 100
    ) -> EventPages:
        """Return events, the oldest first, as an iterable that fetches lazily.

        `after` is the id of the last event that was seen, a `position` of an earlier page, or
        `now`. Keep a page's `position` to learn later what has happened since.
        """

        async def page(cursor: str | None) -> EventList:
            place = after if cursor is None else cursor
            return await self._call(
                list_events.operation(after=given(place), types=list(types), limit=page_size)
            )

        return AsyncPages(page, lambda found: found.items)
