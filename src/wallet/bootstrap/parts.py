"""Everything one process needs to serve, built from settings and taken down in order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wallet.application.activity import Activity
from wallet.application.housekeeping import repeat
from wallet.application.idempotency import IdempotencyKeys
from wallet.application.key_authentication import NOTE_EVERY_S
from wallet.application.live import LOOK_EVERY_S
from wallet.application.proofs import Proofs
from wallet.application.second_factors import SecondFactors
from wallet.application.staff import Staff
from wallet.application.statements import Statements
from wallet.application.use_cases import UseCases
from wallet.application.wallets import WalletKeeping
from wallet.bootstrap.ground import Ground, Log
from wallet.bootstrap.live import LiveParts, live_parts
from wallet.bootstrap.money import MoneyParts, money_connections, money_parts
from wallet.bootstrap.people import PeopleParts, people_parts
from wallet.bootstrap.proofs import proof_work, safe_mode_of
from wallet.bootstrap.staff import staff_side, tallying
from wallet.bootstrap.webhooks import WebhookParts, webhook_parts
from wallet.domain.funding import FundingGateway
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.mail import FileMailer
from wallet.infrastructure.postgres.janitor import Janitor
from wallet.infrastructure.postgres.pool import (
    APPLICATION,
    VERIFIER,
    Pool,
    create_pool,
    database_ready,
)
from wallet.infrastructure.sandbox_gateway import SandboxGateway
from wallet.infrastructure.statement_writing import ThreadedStatementWriter
from wallet.infrastructure.telemetry import Metrics
from wallet.settings import Settings

RESUME_EVERY_S = 10.0
PRUNE_EVERY_S = 600.0
SAMPLE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of, once it runs."""

    use_cases: UseCases
    staff: Staff
    second_factors: SecondFactors
    mailbox: FileMailer | None
    ready: Callable[[], Coroutine[Any, Any, Mapping[str, str]]]


@asynccontextmanager
async def running_parts(
    settings: Settings,
    *,
    database_url: str,
    directory: Path,
    metrics: Metrics,
    log: Log,
    log_error: Log,
    gateway: FundingGateway | None = None,
) -> AsyncIterator[Parts]:
    """Open pools and start background work; on leaving, finish what is under way, then close."""

    def report(error: BaseException) -> None:
        log_error("background-failure", exc_info=error)

    async with AsyncExitStack() as stack:
        # Half of the connections can only read, so that what reads cannot write by mistake.
        reading = settings.database_connections // 2
        writing = settings.database_connections - reading
        pool = await _pool(stack, database_url, size_max=writing)
        reading_pool = await _pool(stack, database_url, size_max=reading, read_only=True)
        money_pool = await _pool(
            stack, database_url, size_max=money_connections(settings), generic_plans=True
        )
        ground = Ground(settings, directory, pool, reading_pool, stack, log, report)
        people = people_parts(ground)
        webhook_pool = await _pool(stack, database_url, size_max=2)
        webhooks = webhook_parts(ground, webhook_pool, people, metrics)
        live = live_parts(ground, database_url, people.revocations, webhooks.relay)
        safe_mode = safe_mode_of(ground, metrics, log_error)
        money = money_parts(
            ground,
            money_pool=money_pool,
            metrics=metrics,
            gateway=gateway or SandboxGateway(),
            recipients=people.recipients,
            announce=live.announce,
            safe_mode=safe_mode,
        )
        _keep_house(ground, people, money, live, webhooks, metrics, Janitor(database_url))
        proof_pool = await _pool(stack, database_url, size_max=2)
        audit_pool = await _pool(stack, database_url, size_max=1, role=VERIFIER)
        for work in proof_work(ground, proof_pool, audit_pool, people, money, safe_mode):
            _start(stack, work)
        _start(stack, tallying(ground).run())
        use_cases = _use_cases(ground, people, money, live, webhooks, metrics)

        async def ready() -> Mapping[str, str]:
            books = "ok" if safe_mode.current is None else "safe-mode"
            return {**await database_ready(reading_pool), "books": books}

        yield Parts(use_cases, people.staff, people.second_factors, people.mailbox, ready)


def _use_cases(
    ground: Ground,
    people: PeopleParts,
    money: MoneyParts,
    live: LiveParts,
    webhooks: WebhookParts,
    metrics: Metrics,
) -> UseCases:
    return UseCases(
        people=people.people,
        credentials=people.credentials,
        log_in=people.log_in,
        browser_sessions=people.browser_sessions,
        live_tickets=people.live_tickets,
        second_factors=people.second_factors,
        api_keys=people.api_keys,
        recipients=people.recipients,
        wallets=WalletKeeping(
            unit_of_work=ground.unit_of_work, reading=ground.reading, new_id=new_id, clock=utc_now
        ),
        transfers=money.transfers,
        transfer_batches=money.transfer_batches,
        top_ups=money.top_ups,
        activity=Activity(unit_of_work=ground.reading),
        statements=Statements(
            unit_of_work=ground.reading, writer=_statement_writer(ground), clock=utc_now
        ),
        live=live.hub,
        idempotency_keys=IdempotencyKeys(ground.reading),
        proofs=Proofs(unit_of_work=ground.reading, signer=people.signer, clock=utc_now),
        staff_side=staff_side(ground, people, money, metrics),
        webhooks=webhooks.endpoints,
        event_log=webhooks.event_log,
    )


def _statement_writer(ground: Ground) -> ThreadedStatementWriter:
    writer = ThreadedStatementWriter()
    ground.stack.callback(writer.close)
    return writer


def _keep_house(
    ground: Ground,
    people: PeopleParts,
    money: MoneyParts,
    live: LiveParts,
    webhooks: WebhookParts,
    metrics: Metrics,
    janitor: Janitor,
) -> None:
    """Start what each process does again and again; it ends before anything it needs does."""
    pools = (ground.pool, ground.reading_pool)

    async def sample() -> None:
        metrics.flush()
        metrics.queue_depth(money.coalescer.queue_length)
        metrics.live_streams(live.hub.streams_count)
        metrics.webhook_endpoints_busy(webhooks.relay.runs_count)
        idle = sum(pool.get_idle_size() for pool in pools)
        metrics.pool(sum(pool.get_size() for pool in pools) - idle, idle)

    for work in (
        people.revocations.run(),
        live.hub.run(),
        live.hints.run(),
        webhooks.relay.run(),
        repeat(live.hub.look, every_s=LOOK_EVERY_S, report=ground.report),
        repeat(money.top_ups.resume_pending, every_s=RESUME_EVERY_S, report=ground.report),
        repeat(people.key_authentication.note_uses, every_s=NOTE_EVERY_S, report=ground.report),
        repeat(janitor.prune, every_s=PRUNE_EVERY_S, report=ground.report),
        repeat(sample, every_s=SAMPLE_EVERY_S, report=ground.report),
    ):
        _start(ground.stack, work)


async def _pool(
    stack: AsyncExitStack,
    url: str,
    *,
    size_max: int,
    generic_plans: bool = False,
    read_only: bool = False,
    role: str = APPLICATION,
) -> "Pool":
    # No connection is needed to start: a worker that comes up during an outage waits it out.
    pool = await create_pool(
        url,
        role=role,
        size_min=0,
        size_max=size_max,
        generic_plans=generic_plans,
        read_only=read_only,
    )
    stack.push_async_callback(_close, pool)
    return pool


async def _close(pool: "Pool") -> None:
    try:
        async with asyncio.timeout(2):
            await pool.close()
    except TimeoutError:
        pool.terminate()


def _start(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)

    async def end() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(end)
