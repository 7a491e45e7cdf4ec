"""Proofs: receipts for the people in them, and for everybody the log that they are checked by."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from wallet.application.ports import Clock
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.accounts import GENESIS_HASH
from wallet.domain.history import TransactionNotFound
from wallet.domain.journal import Entry, microseconds
from wallet.domain.merkle import Subtree, Tiles, consistency_proof, inclusion_proof, places_of
from wallet.domain.proofs import (
    Checkpoint,
    CheckpointNotFound,
    ConsistencyInvalid,
    Log,
    PublicKey,
    ReceiptNotReady,
    Signer,
    signed_receipt,
)
from wallet.domain.receipts import receipt_document

NOT_READY_S = 2.0
"""When to ask again for a receipt: sealing takes a second or so."""


class Proofs:
    """Makes receipts and proofs; reads only, and in an order that needs no snapshot.

    A checkpoint is read before the tiles: the log only grows, and its beginning never changes.
    """

    def __init__(self, *, unit_of_work: UnitOfWorkFactory, signer: Signer, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._signer = signer
        self._clock = clock

    async def receipt(self, person_id: UUID, transaction_id: UUID) -> dict[str, Any]:
        """Return the signed receipt of a person's own line.

        Raises `TransactionNotFound`, or `ReceiptNotReady` until the entry is sealed.
        """
        async with self._unit_of_work() as work:
            line = await work.history.line(person_id, transaction_id)
            if line is None:
                raise TransactionNotFound
            entry = line.entry
            position = await work.log.position(entry.account_id, entry.version)
            checkpoint = await work.log.latest()
            if position is None or checkpoint is None or position >= checkpoint.tree_size:
                raise ReceiptNotReady(retry_after_s=NOT_READY_S)
            size = checkpoint.tree_size
            path = await _proof(work.log, lambda subtree: inclusion_proof(position, size, subtree))
            previous_hash = await _previous_hash(work.log, entry)
            holder = await work.users.get(person_id)
            keys = await work.log.keys()
        document = receipt_document(
            line,
            holder,
            previous_hash=previous_hash,
            position=position,
            path=path,
            checkpoint=checkpoint,
            keys=keys,
            signer=self._signer.public_key(),
            issued_at_us=microseconds(self._clock()),
        )
        return {**document, "signature": self._signer.sign(signed_receipt(document)).hex()}

    async def latest(self) -> Checkpoint:
        """Return the newest checkpoint; raise `CheckpointNotFound` before the first one."""
        async with self._unit_of_work() as work:
            return _there(await work.log.latest())

    async def at(self, tree_size: int) -> Checkpoint:
        """Return the checkpoint of a size; raise `CheckpointNotFound`."""
        async with self._unit_of_work() as work:
            return _there(await work.log.at(tree_size))

    async def checkpoints(self, before: int | None, limit: int) -> Sequence[Checkpoint]:
        """Return checkpoints of sizes below `before`, the largest first."""
        async with self._unit_of_work() as work:
            return await work.log.checkpoints(before, limit)

    async def keys(self) -> Sequence[PublicKey]:
        """Return the key that signs now and every one that has signed a checkpoint."""
        async with self._unit_of_work() as work:
            known = await work.log.keys()
        return list(dict.fromkeys((self._signer.public_key(), *known)))

    async def consistency(self, first: int, second: int) -> Sequence[bytes]:
        """Return the proof that the log of `second` leaves begins with that of `first`.

        Raises `ConsistencyInvalid`, or `CheckpointNotFound` if the log is not that large.
        """
        if first > second:
            raise ConsistencyInvalid
        async with self._unit_of_work() as work:
            latest = _there(await work.log.latest())
            if second > latest.tree_size:
                raise CheckpointNotFound
            return await _proof(work.log, lambda subtree: consistency_proof(first, second, subtree))


def _there(checkpoint: Checkpoint | None) -> Checkpoint:
    if checkpoint is None:
        raise CheckpointNotFound
    return checkpoint


async def _proof(log: Log, prove: Callable[[Subtree], list[bytes]]) -> list[bytes]:
    """Make a proof of the few tiles that it needs."""
    tiles = await log.tiles(sorted(places_of(prove)))
    return prove(Tiles(tiles).subtree)


async def _previous_hash(log: Log, entry: Entry) -> bytes:
    if entry.version == 1:
        return GENESIS_HASH
    found = await log.entry_hash(entry.account_id, entry.version - 1)
    return GENESIS_HASH if found is None else found
