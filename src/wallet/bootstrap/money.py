"""The half of the application that is about money: the one way it moves, and what reads it."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from wallet.application.coalescing import LANES, Coalescer
from wallet.application.directory import Directory
from wallet.application.ledger_writer import Announce, LedgerWriter
from wallet.application.recipients import Recipients
from wallet.application.safe_mode import GuardedMover, SafeMode
from wallet.application.top_ups import TopUps
from wallet.application.transfer_batches import TransferBatches
from wallet.application.transfers import Transfers
from wallet.bootstrap.ground import Ground
from wallet.domain.accounts import STRIPES
from wallet.domain.funding import FundingGateway
from wallet.domain.ledger import Instruction, Outcome, Result
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.pool import Pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.telemetry import Metrics
from wallet.settings import Settings

DRAIN_TIMEOUT_S = 6.0
# A batch request is a ledger batch of its own; it has its own lane, so that those who send single
# transfers never stand in line behind a thousand of somebody else's.
BATCH_REQUEST_LANES = 1
BATCH_REQUESTS_MAX = 32


def lanes_of(settings: Settings) -> int:
    """Return how many lanes a worker has for single instructions.

    One for each worker where there are several: more of them make smaller batches, which wait for
    each other's locks. Alone, a worker decides in one lane while PostgreSQL writes in the other.
    """
    return LANES if settings.workers == 1 else 1


def money_connections(settings: Settings) -> int:
    """Return how many connections the money path of a worker needs: one for each lane."""
    return lanes_of(settings) + BATCH_REQUEST_LANES


@dataclass(frozen=True, slots=True)
class MoneyParts:
    """Use cases that move money, and the coalescer that carries them out."""

    transfers: Transfers
    transfer_batches: TransferBatches
    top_ups: TopUps
    coalescer: Coalescer
    mover: GuardedMover


def money_parts(
    ground: Ground,
    *,
    money_pool: "Pool",
    metrics: Metrics,
    gateway: FundingGateway,
    recipients: Recipients,
    announce: Announce,
    safe_mode: SafeMode,
) -> MoneyParts:
    """Build the half that is about money; `money_pool` has one connection per lane."""

    def money_unit_of_work() -> PostgresUnitOfWork:
        return PostgresUnitOfWork(money_pool)

    writer = LedgerWriter(money_unit_of_work, observe=_observer(metrics), announce=announce)
    coalescer = Coalescer(
        writer, first_stripe=os.getpid() * LANES % STRIPES, lanes=lanes_of(ground.settings)
    )
    ground.stack.push_async_callback(_drained, coalescer.drain)
    batch_requests = Coalescer(
        writer, lanes=BATCH_REQUEST_LANES, batch_size_max=1, queue_size_max=BATCH_REQUESTS_MAX
    )
    ground.stack.push_async_callback(_drained, batch_requests.drain)
    directory = Directory(ground.reading)
    mover, batch_mover = safe_mode.guard(coalescer), safe_mode.guard(batch_requests)
    top_ups = TopUps(
        mover=mover,
        gateway=gateway,
        directory=directory,
        unit_of_work=ground.reading,
        new_id=new_id,
        clock=utc_now,
        report=ground.report,
    )
    # Taken down before the coalescer, which the steps still under way need.
    ground.stack.push_async_callback(_drained, top_ups.drain)
    transfers = Transfers(
        mover=mover,
        previewer=LedgerWriter(ground.reading),
        directory=directory,
        find_recipient=recipients.find,
        look_up_recipient=recipients.look_up,
        unit_of_work=ground.reading,
        new_id=new_id,
        random_bytes=os.urandom,
    )
    transfer_batches = TransferBatches(
        mover=batch_mover,
        directory=directory,
        find_recipients=recipients.find_many,
        unit_of_work=ground.reading,
        new_id=new_id,
        random_bytes=os.urandom,
    )
    return MoneyParts(transfers, transfer_batches, top_ups, coalescer, mover)


async def _drained(drain: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Wait for work under way, but not for ever: what is cut off has its key."""
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            await drain()
    except TimeoutError:
        return


def _observer(metrics: Metrics) -> Callable[[Sequence[Instruction], Sequence[Result]], None]:
    def observe(instructions: Sequence[Instruction], results: Sequence[Result]) -> None:
        counts = Counter[tuple[str, str]]()
        for instruction, result in zip(instructions, results, strict=True):
            counts[instruction.header.kind.word, _word(result)] += 1
            if isinstance(result, Outcome):
                counts.update((part.header.kind.word, _word(part)) for part in result.parts)
        metrics.batch(counts.total())
        for (kind, word), count in counts.items():
            metrics.instruction(kind, word, count)

    return observe


def _word(result: Result) -> str:
    if isinstance(result, Outcome):
        return "accepted" if result.refusal is None else result.refusal.code
    return getattr(result, "code", "error")
