"""Who is asking with an API key: looked up once by digest, then recognised from memory.

A secret is kept for as long as an access token lives, then it is read again. Its end is checked at
every request: expiry by the clock, revocation and rotation by what `Revocations` has heard, which
is at most two seconds old. If that is stale, the database is asked each time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from wallet.application.gathering import Gathered
from wallet.application.ports import Clock
from wallet.application.revocations import Revocations
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.api_keys import SECRET_LENGTH, ApiKeyInvalid, KnownSecret, is_well_formed
from wallet.domain.sessions import ACCESS_LIFETIME_MAX, Principal
from wallet.domain.spending import ApiKeyExpired, ApiKeyRevoked

CACHE_SIZE_MAX = 10_000
USES_MAX = 10_000
NOTE_EVERY_S = 5.0
NEVER = datetime.max.replace(tzinfo=UTC)
"""When a credential ends that does not."""


@dataclass(frozen=True, slots=True)
class _Known:
    answer: tuple[Principal, datetime]
    read_again_at: datetime


class KeyAuthentication:
    """Turns API keys into principals; expiry, revocation and rotation are checked every time.

    `reading` is for look-ups and `unit_of_work` for noting when keys were used.
    """

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        reading: UnitOfWorkFactory,
        revocations: Revocations,
        clock: Clock,
        cache_size_max: int = CACHE_SIZE_MAX,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reading = reading
        self._revocations = revocations
        self._clock = clock
        self._cache_size_max = cache_size_max
        self._known: dict[bytes, _Known] = {}
        self._uses: dict[UUID, datetime] = {}
        # Whoever tries many secrets that do not exist shares one statement with everybody else.
        self._look_ups = Gathered(self._find)

    async def authenticate_until(self, secret: str) -> tuple[Principal, datetime]:
        """Return who a secret stands for and when it ends, which may be `NEVER`.

        Raises `ApiKeyInvalid`, `ApiKeyExpired` or `ApiKeyRevoked`, or `Interrupted` if only the
        database could tell and it cannot be reached.
        """
        if len(secret) != SECRET_LENGTH:
            raise ApiKeyInvalid
        now = self._clock()
        digest = sha256(secret.encode("utf-8", "replace")).digest()
        known = self._known.get(digest)
        if known is None or now >= known.read_again_at or self._revocations.is_stale(now):
            known = await self._read(secret, digest, now)
        principal, ends_at = known.answer
        if now >= ends_at:
            self._known.pop(digest, None)
            raise ApiKeyExpired
        if self._revocations.has_ended(principal.session_id, now):
            self._known.pop(digest, None)
            raise ApiKeyRevoked
        if principal.grant is not None:
            self._note(principal.grant.api_key_id, now)
        return known.answer

    async def note_uses(self) -> None:
        """Write when keys were used last; call it every few seconds, and once at the end.

        What cannot be written is tried again the next time; raises `Interrupted` in an outage.
        """
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            async with self._unit_of_work() as work:
                await work.api_keys.used(uses)
                await work.commit()
        except Exception:
            if len(self._uses) + len(uses) <= USES_MAX:
                self._uses = {**uses, **self._uses}
            raise

    async def _read(self, secret: str, digest: bytes, now: datetime) -> _Known:
        self._known.pop(digest, None)
        if not is_well_formed(secret):
            raise ApiKeyInvalid
        found = (await self._look_ups.get([digest])).get(digest)
        if found is None:
            raise ApiKeyInvalid
        _require_live(found, now)
        principal = Principal(found.owner_id, found.id, found.grant)
        known = _Known((principal, found.expires_at or NEVER), now + ACCESS_LIFETIME_MAX)
        if len(self._known) >= self._cache_size_max:
            # The one that came first is forgotten; it only costs another look-up.
            del self._known[next(iter(self._known))]
        self._known[digest] = known
        return known

    async def _find(self, digests: Sequence[bytes]) -> Mapping[bytes, KnownSecret]:
        async with self._reading() as work:
            return await work.api_keys.find(digests)

    def _note(self, api_key_id: UUID, now: datetime) -> None:
        if api_key_id in self._uses or len(self._uses) < USES_MAX:
            self._uses[api_key_id] = now


def _require_live(found: KnownSecret, now: datetime) -> None:
    if found.revoked:
        raise ApiKeyRevoked
    if found.key_expires_at is not None and now >= found.key_expires_at:
        raise ApiKeyExpired
    if found.expires_at is not None and now >= found.expires_at:
        # The key goes on with a newer secret.
        raise ApiKeyRevoked
