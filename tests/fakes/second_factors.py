"""In-memory twins of second factors, and one-time codes that a test can foresee."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from passlib.totp import TOTP

from wallet.domain.second_factors import SecondFactor

if TYPE_CHECKING:
    from tests.fakes.people import PeopleStore


class MemorySecondFactors:
    """Second factors of one unit of work."""

    def __init__(self, store: "PeopleStore") -> None:
        self._store = store

    async def get(self, user_id: UUID) -> SecondFactor | None:
        return self._store.second_factors.get(user_id)

    async def lock(self, user_id: UUID) -> SecondFactor | None:
        return self._store.second_factors.get(user_id)

    async def put(self, factor: SecondFactor) -> None:
        self._store.second_factors[factor.user_id] = factor

    async def remove(self, user_id: UUID) -> bool:
        self._forget_codes(user_id)
        return self._store.second_factors.pop(user_id, None) is not None

    async def after(self, user_id: UUID | None, limit: int) -> Sequence[SecondFactor]:
        found = sorted(self._store.second_factors.items())
        return [factor for id_, factor in found if user_id is None or id_ > user_id][:limit]

    async def replace_codes(self, user_id: UUID, digests: Sequence[bytes], now: datetime) -> None:
        self._forget_codes(user_id)
        for digest in digests:
            self._store.recovery_codes[user_id, digest] = True

    async def take_code(self, user_id: UUID, digest: bytes, now: datetime) -> bool:
        good = self._store.recovery_codes.get((user_id, digest), False)
        if good:
            self._store.recovery_codes[user_id, digest] = False
        return good

    async def codes_left(self, user_id: UUID) -> int:
        own = [good for (id_, _), good in self._store.recovery_codes.items() if id_ == user_id]
        return sum(own)

    def _forget_codes(self, user_id: UUID) -> None:
        for place in [place for place in self._store.recovery_codes if place[0] == user_id]:
            del self._store.recovery_codes[place]


def code_at(secret: str, time: datetime) -> str:
    """Return what an app shows that has taken in a secret in base 32."""
    return str(TOTP(secret).generate(time).token)
