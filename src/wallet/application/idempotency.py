"""Idempotency keys: who scopes them, what is stored of them, and what they came to."""

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.funding import Funding, funding_id_of
from wallet.domain.journal import Kind, canonical
from wallet.domain.ledger import Key, Outcome


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key, or one that the service made for a caller who gave none."""

    text: str
    given: bool = True

    @property
    def digest(self) -> bytes:
        """SHA-256 of the key; the key itself is not stored."""
        return sha256(self.text.encode()).digest()


def person_scope(person_id: UUID) -> str:
    """Return the scope of a person's keys, whatever credential they come with."""
    return f"person:{person_id}"


def system_key(worker: str, text: str) -> Key:
    """Return the deterministic key of a step that the service takes by itself."""
    return (f"system:{worker}", sha256(text.encode()).digest())


def fingerprint(request: object) -> bytes:
    """SHA-256 over the canonical request after defaults, without id, time and stripe."""
    return sha256(canonical(request)).digest()


def digest_of(text: str) -> bytes:
    """Return the same of a request that is canonical JSON already."""
    return sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class KeyOutcome:
    """What a key has come to; `funding` tells how far a top-up is."""

    outcome: Outcome
    funding: Funding | None = None


class IdempotencyKeys:
    """Answers "did it go through?"."""

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def find(self, person_id: UUID, key: str) -> KeyOutcome | None:
        """Return what the person's key has come to, or None: not known (yet)."""
        scoped = (person_scope(person_id), IdempotencyKey(key).digest)
        async with self._unit_of_work() as work:
            outcome = (await work.ledger.outcomes([scoped])).get(scoped)
            if outcome is None:
                return None
            header = outcome.header
            if header.kind is not Kind.TOP_UP_REQUEST or outcome.refusal is not None:
                return KeyOutcome(outcome)
            funding = await work.fundings.get(header.account_id, funding_id_of(header.id))
            return KeyOutcome(outcome, funding)
