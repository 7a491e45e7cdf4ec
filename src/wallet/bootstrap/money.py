"""The half of the application that is about money: the one way it moves, and what reads it."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from wallet.application.coalescing import LANES, Coalescer
from wallet.application.directory import Directory
from wallet.application.ledger_writer import LedgerWriter
from wallet.application.recipients import Recipients
from wallet.application.top_ups import TopUps
from wallet.application.transfers import Transfers
from wallet.bootstrap.ground import Ground
from wallet.domain.accounts import STRIPES
from wallet.domain.funding import FundingGateway
from wallet.domain.ledger import Instruction, Outcome, Result
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.pool import Pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.telemetry import Metrics

DRAIN_TIMEOUT_S = 6.0


@dataclass(frozen=True, slots=True)
class MoneyParts:
    """Use cases that move money, and the coalescer that carries them out."""

    transfers: Transfers
    top_ups: TopUps
    coalescer: Coalescer


def money_parts(
    ground: Ground,
    *,
    money_pool: "Pool",
    metrics: Metrics,
    gateway: FundingGateway,
    recipients: Recipients,
) -> MoneyParts:
    """Build the half that is about money; `money_pool` has one connection per lane."""

    def money_unit_of_work() -> PostgresUnitOfWork:
        return PostgresUnitOfWork(money_pool)

    writer = LedgerWriter(money_unit_of_work, observe=_observer(metrics))
    coalescer = Coalescer(writer, first_stripe=os.getpid() * LANES % STRIPES)
    ground.stack.push_async_callback(_drained, coalescer.drain)
    directory = Directory(ground.unit_of_work)
    top_ups = TopUps(
        mover=coalescer,
        gateway=gateway,
        directory=directory,
        unit_of_work=ground.unit_of_work,
        new_id=new_id,
        clock=utc_now,
        report=ground.report,
    )
    # Taken down before the coalescer, which the steps still under way need.
    ground.stack.push_async_callback(_drained, top_ups.drain)
    transfers = Transfers(
        mover=coalescer,
        previewer=LedgerWriter(ground.unit_of_work),
        directory=directory,
        find_recipient=recipients.find,
        look_up_recipient=recipients.look_up,
        unit_of_work=ground.unit_of_work,
        new_id=new_id,
        random_bytes=os.urandom,
    )
    return MoneyParts(transfers, top_ups, coalescer)


async def _drained(drain: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Wait for work under way, but not for ever: what is cut off has its key."""
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            await drain()
    except TimeoutError:
        return


def _observer(metrics: Metrics) -> Callable[[Sequence[Instruction], Sequence[Result]], None]:
    def observe(instructions: Sequence[Instruction], results: Sequence[Result]) -> None:
        metrics.batch(len(instructions))
        for instruction, result in zip(instructions, results, strict=True):
            metrics.instruction(instruction.header.kind.word, _word(result))

    return observe


def _word(result: Result) -> str:
    if isinstance(result, Outcome):
        return "accepted" if result.refusal is None else result.refusal.code
    return getattr(result, "code", "error")
