"""What proves the books beside serving: sealing, on a connection of its own."""

from collections.abc import Coroutine, Iterator
from typing import Any

from wallet.application.sealing import Sealer
from wallet.bootstrap.ground import Ground
from wallet.bootstrap.money import MoneyParts
from wallet.bootstrap.people import PeopleParts
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.pool import Pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork


def proof_work(
    ground: Ground, pool: "Pool", people: PeopleParts, money: MoneyParts
) -> Iterator[Coroutine[Any, Any, None]]:
    """Return what runs until the process ends; `pool` has a connection for each."""

    def unit_of_work() -> PostgresUnitOfWork:
        return PostgresUnitOfWork(pool)

    def busy() -> bool:
        return money.coalescer.queue_length > 0

    if ground.settings.sealing:
        yield Sealer(
            unit_of_work=unit_of_work,
            signer=people.signer,
            clock=utc_now,
            new_id=new_id,
            report=ground.report,
            busy=busy,
        ).run()
