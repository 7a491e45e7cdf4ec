"""What proves the books beside serving: sealing, safe mode and the self-audit."""

from collections.abc import Coroutine, Iterator
from time import monotonic
from typing import Any

from wallet.application.load import Load
from wallet.application.safe_mode import SafeMode
from wallet.application.sealing import Sealer
from wallet.application.self_audit import SelfAudit
from wallet.bootstrap.ground import Ground, Log
from wallet.bootstrap.money import MoneyParts
from wallet.bootstrap.people import PeopleParts
from wallet.domain.safe_mode import SafeModeEntered
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.audits import PostgresSlices
from wallet.infrastructure.postgres.pool import Pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.telemetry import Metrics


def safe_mode_of(ground: Ground, metrics: Metrics, log_error: Log) -> SafeMode:
    """Return the flag of this process, which tells log and metrics when it changes."""

    def alarm(entered: SafeModeEntered | None) -> None:
        metrics.safe_mode(entered is not None)
        if entered is None:
            log_error("safe-mode-left")
        else:
            log_error(
                "safe-mode-entered", reason=entered.reason, since=entered.entered_at.isoformat()
            )

    return SafeMode(
        unit_of_work=ground.unit_of_work,
        clock=utc_now,
        new_id=new_id,
        report=ground.report,
        alarm=alarm,
    )


def proof_work(
    ground: Ground,
    pool: "Pool",
    audit_pool: "Pool",
    people: PeopleParts,
    money: MoneyParts,
    safe_mode: SafeMode,
) -> Iterator[Coroutine[Any, Any, None]]:
    """Return what runs until the process ends.

    `pool` has a connection for sealing and one for the audit's progress; `audit_pool` reads.
    """

    def unit_of_work() -> PostgresUnitOfWork:
        return PostgresUnitOfWork(pool)

    load = Load(lambda: money.coalescer.taken, monotonic)

    yield safe_mode.run()
    if ground.settings.sealing:
        yield Sealer(
            unit_of_work=unit_of_work,
            signer=people.signer,
            clock=utc_now,
            new_id=new_id,
            report=ground.report,
            busy=load.is_high,
        ).run()
    if ground.settings.audit_entries_per_second:
        yield SelfAudit(
            unit_of_work=unit_of_work,
            slices=PostgresSlices(audit_pool),
            safe_mode=safe_mode,
            holder=new_id(),
            clock=utc_now,
            report=ground.report,
            entries_per_second=ground.settings.audit_entries_per_second,
            busy=load.is_high,
        ).run()
