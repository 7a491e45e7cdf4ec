"""Webhook endpoints: made, changed, tried out and looked into by their owners."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.application.webhook_courier import SHORT_TIMEOUT_S, Courier
from wallet.domain.events import TEST_EVENT, Happening, known_types
from wallet.domain.guards import Guard, Guards
from wallet.domain.users import AccountClosed
from wallet.domain.webhooks import (
    ENDPOINTS_MAX,
    RESEND_AGE_MAX,
    SECRET_SIZE,
    Cause,
    Delivery,
    DeliveryNotFound,
    DisabledReason,
    Endpoint,
    EndpointLimitReached,
    EndpointNotFound,
    ResendPeriodInvalid,
    secret_text,
    signature_flaw,
)

PAGE = 500
"""How many endpoints are read at a time where all of them are."""
SENDS = Guard("webhook-send", 30, 60)
"""How often a person may have something sent at once, per minute."""
URL_CHECKS = Guard("webhook-url", 30, 60)
"""How often a person may have the address of a host looked up, per minute."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of an endpoint; None leaves a thing as it is."""

    url: str | None = None
    description: str | None = None
    event_types: Sequence[str] | None = None
    enabled: bool | None = None
    skip_missed: bool = False


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The headers and the body of a webhook, as a receiver has got them."""

    event_id: str
    timestamp: str
    signature: str
    body: str


class WebhookEndpoints:
    """What people do with their endpoints."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        reading: UnitOfWorkFactory,
        courier: Courier,
        guards: Guards,
        random_bytes: Callable[[int], bytes],
        poke: Callable[[], None],
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reading = reading
        self._courier = courier
        self._guards = guards
        self._random_bytes = random_bytes
        self._poke = poke

    async def create(self, person_id: UUID, wish: Wish) -> tuple[Endpoint, str]:
        """Make an endpoint; return it and its secret, which is shown this one time.

        Raises `WebhookUrlInvalid`, `EventTypeUnknown`, `GuardTripped` or `EndpointLimitReached`.
        """
        url = await self._checked(person_id, wish.url or "")
        endpoint_id = self._courier.new_id()
        closed, shown = self._secret(endpoint_id)
        endpoint = Endpoint(
            id=endpoint_id,
            owner_id=person_id,
            url=url,
            description=wish.description,
            event_types=known_types(wish.event_types or ()),
            secret=closed,
            created_at=self._courier.clock(),
        )
        async with self._unit_of_work() as work:
            await _lock(work, person_id)
            if len(await work.webhooks.of_owner(person_id)) >= ENDPOINTS_MAX:
                raise EndpointLimitReached(maximum=ENDPOINTS_MAX)
            await work.webhooks.add(endpoint)
            await work.commit()
        self._poke()
        return endpoint, shown

    async def of_person(self, person_id: UUID) -> Sequence[Endpoint]:
        """Return somebody's endpoints, oldest first."""
        async with self._reading() as work:
            return await work.webhooks.of_owner(person_id)

    async def get(self, person_id: UUID, endpoint_id: UUID) -> Endpoint:
        """Return an endpoint; raise `EndpointNotFound`."""
        async with self._reading() as work:
            return await _own(work, person_id, endpoint_id)

    async def update(self, person_id: UUID, endpoint_id: UUID, wish: Wish) -> Endpoint:
        """Change an endpoint; what has not been sent yet goes by the new settings.

        Raises what `create` raises, and `EndpointNotFound`.
        """
        await self.get(person_id, endpoint_id)
        url = None if wish.url is None else await self._checked(person_id, wish.url)
        types = None if wish.event_types is None else known_types(wish.event_types)
        now = self._courier.clock()
        async with self._unit_of_work() as work:
            await _lock(work, person_id)
            endpoint = await _own(work, person_id, endpoint_id)
            changed = replace(
                endpoint,
                url=url or endpoint.url,
                event_types=endpoint.event_types if types is None else types,
                description=endpoint.description
                if wish.description is None
                else wish.description or None,
            )
            if changed != endpoint:
                await work.webhooks.save(changed)
            if wish.enabled is True and not endpoint.enabled:
                await work.webhooks.enable(endpoint_id, now, skip=wish.skip_missed)
            elif wish.enabled is False:
                await work.webhooks.disable(endpoint_id, DisabledReason.OWNER, now)
            changed = await _own(work, person_id, endpoint_id)
            await work.commit()
        self._poke()
        return changed

    async def remove(self, person_id: UUID, endpoint_id: UUID) -> None:
        """Remove an endpoint; raise `EndpointNotFound`."""
        async with self._unit_of_work() as work:
            await _lock(work, person_id)
            await _own(work, person_id, endpoint_id)
            await work.webhooks.remove(endpoint_id)
            await work.commit()

    async def rotate(
        self, person_id: UUID, endpoint_id: UUID, overlap: timedelta
    ) -> tuple[Endpoint, str]:
        """Make a new secret and return it; the one before signs as well for `overlap`.

        Raises `EndpointNotFound`.
        """
        closed, shown = self._secret(endpoint_id)
        now = self._courier.clock()
        async with self._unit_of_work() as work:
            await _lock(work, person_id)
            endpoint = await _own(work, person_id, endpoint_id)
            kept = endpoint.secret if overlap else None
            endpoint = replace(
                endpoint,
                secret=closed,
                previous_secret=kept,
                previous_secret_until=now + overlap if overlap else None,
            )
            await work.webhooks.save(endpoint)
            await work.commit()
        return endpoint, shown

    async def encrypt_again(self) -> int:
        """Encrypt every secret with the present key; return of how many endpoints any changed.

        Raises `SecretUnreadable` for one whose key is not among the settings.
        """
        changed, last = 0, None
        while True:
            async with self._unit_of_work() as work:
                page = await work.webhooks.after(last, PAGE)
            if not page:
                return changed
            last = page[-1].id
            for endpoint in page:
                changed += await self._encrypt(endpoint.owner_id, endpoint.id)

    async def _encrypt(self, owner_id: UUID, endpoint_id: UUID) -> bool:
        async with self._unit_of_work() as work:
            await work.users.lock(owner_id)
            endpoint = await work.webhooks.get(owner_id, endpoint_id)
            if endpoint is None:
                return False
            box, previous = self._courier.box, endpoint.previous_secret
            changed = replace(
                endpoint,
                secret=box.again(endpoint.secret, endpoint_id.bytes),
                previous_secret=previous and box.again(previous, endpoint_id.bytes),
            )
            if changed == endpoint:
                return False
            await work.webhooks.save(changed)
            await work.commit()
        return True

    async def test(self, person_id: UUID, endpoint_id: UUID) -> Delivery:
        """Send a test event now and return the delivery; raise `EndpointNotFound`."""
        endpoint = await self.get(person_id, endpoint_id)
        await self._guards.count(SENDS, str(person_id))
        event = Happening(
            stream_id=self._courier.new_id(),
            version=1,
            type=TEST_EVENT,
            happened_at=self._courier.clock(),
            facts={"endpoint_id": str(endpoint_id)},
        )
        delivery = await self._courier.bring(endpoint, event, Cause.TEST, timeout_s=SHORT_TIMEOUT_S)
        return await self._logged(endpoint, delivery)

    async def resend_since(self, person_id: UUID, endpoint_id: UUID, since: datetime) -> int:
        """Send all events since a time again, in their order; return how many have been sent once.

        Raises `EndpointNotFound` or `ResendPeriodInvalid`.
        """
        now = self._courier.clock()
        async with self._unit_of_work() as work:
            await _lock(work, person_id)
            await _own(work, person_id, endpoint_id)
            if not now - RESEND_AGE_MAX <= since <= now:
                raise ResendPeriodInvalid
            heads = {w.id: w.version for w in await work.wallets.of_owner(person_id)}
            places = await work.events.before(person_id, heads, since)
            count = await work.webhooks.rewind(endpoint_id, places)
            await work.commit()
        self._poke()
        return count

    async def deliveries(
        self,
        person_id: UUID,
        endpoint_id: UUID,
        *,
        before: UUID | None,
        succeeded: bool | None,
        limit: int,
    ) -> Sequence[Delivery]:
        """Return what was sent, the newest first; raise `EndpointNotFound`."""
        async with self._reading() as work:
            await _own(work, person_id, endpoint_id)
            return await work.webhooks.deliveries(
                endpoint_id, before=before, succeeded=succeeded, limit=limit
            )

    async def resend(self, person_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> Delivery:
        """Send what was sent before once more, now, and return the new delivery.

        Raises `EndpointNotFound` or `DeliveryNotFound`.
        """
        async with self._reading() as work:
            endpoint = await _own(work, person_id, endpoint_id)
            earlier = await work.webhooks.delivery(endpoint_id, delivery_id)
        if earlier is None:
            raise DeliveryNotFound
        await self._guards.count(SENDS, str(person_id))
        delivery = await self._courier.bring_again(
            endpoint,
            earlier.event_id,
            earlier.event_type,
            earlier.body.encode(),
            Cause.RESEND,
            timeout_s=SHORT_TIMEOUT_S,
        )
        return await self._logged(endpoint, delivery)

    async def signature_flaw(
        self, person_id: UUID, endpoint_id: UUID, request: SignedRequest
    ) -> str | None:
        """Return what is wrong with a signature, in a word, or None; raise `EndpointNotFound`."""
        endpoint = await self.get(person_id, endpoint_id)
        return signature_flaw(
            self._courier.secrets(endpoint),
            event_id=request.event_id,
            timestamp=request.timestamp,
            signature=request.signature,
            body=request.body.encode(),
            now=self._courier.clock(),
        )

    async def _checked(self, person_id: UUID, url: str) -> str:
        await self._guards.count(URL_CHECKS, str(person_id))
        await self._courier.sender.check(url)
        return url

    async def _logged(self, endpoint: Endpoint, delivery: Delivery) -> Delivery:
        """Keep a delivery; where it succeeded, what waits for its next attempt is tried at once."""
        async with self._unit_of_work() as work:
            await work.webhooks.log(delivery)
            recovered = delivery.answer.succeeded and await work.sendings.recovered(
                endpoint.id, delivery.sent_at
            )
            await work.commit()
        if recovered:
            async with self._unit_of_work() as work:
                await work.webhooks.wake(endpoint.id)
                await work.commit()
            self._poke()
        return delivery

    def _secret(self, endpoint_id: UUID) -> tuple[bytes, str]:
        secret = self._random_bytes(SECRET_SIZE)
        return self._courier.box.close(secret, endpoint_id.bytes), secret_text(secret)


async def _lock(work: UnitOfWork, person_id: UUID) -> None:
    """Lock the person: their endpoints are changed one after the other."""
    person = await work.users.lock(person_id)
    if person is None or person.closed_at is not None:
        raise AccountClosed


async def _own(work: UnitOfWork, person_id: UUID, endpoint_id: UUID) -> Endpoint:
    endpoint = await work.webhooks.get(person_id, endpoint_id)
    if endpoint is None:
        raise EndpointNotFound
    return endpoint
