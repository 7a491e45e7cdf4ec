"""An office for contracts: a world with people in it, in memory or on PostgreSQL."""

from dataclasses import dataclass

from tests.fakes.ledger import MemoryStore
from tests.fakes.people import PeopleStore
from tests.fakes.unit_of_work import MemoryUnitOfWork
from tests.stories.world import World, person

from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.money import Currency
from wallet.domain.users import Role, User
from wallet.infrastructure.identifiers import utc_now
from wallet.infrastructure.postgres.pool import Pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork


@dataclass
class Office:
    """A world of its own with people in it, and a hand that makes them older."""

    unit_of_work: UnitOfWorkFactory
    world: World

    async def add(
        self,
        name: str,
        last_name: str = "Tester",
        role: Role = Role.USER,
        first_name: str | None = None,
    ) -> None:
        user = User(
            id=person(name),
            first_name=first_name or name.title(),
            last_name=last_name,
            email=f"{name}@example.com",
            handle=name,
            password_hash="unusable",
            default_currency=Currency("USD"),
            created_at=utc_now(),
            role=role,
        )
        async with self.unit_of_work() as work:
            await work.users.add(user)
            await work.commit()


def office_in_memory() -> Office:
    store = MemoryStore()
    people = PeopleStore(store.clock)

    def in_memory() -> MemoryUnitOfWork:
        return MemoryUnitOfWork(store, people)

    return Office(in_memory, World(in_memory, adjusts=True))


def office_on_postgres(pool: Pool) -> Office:
    def on_postgres() -> PostgresUnitOfWork:
        return PostgresUnitOfWork(pool)

    return Office(on_postgres, World(on_postgres, adjusts=True))


STORY = """
    open alice USD
    open bob USD
    request alice 1000 as=f1 -> accepted
    settle alice f1 of=1000 -> accepted
    send alice bob 100 key=k1 ref=INV-1 -> accepted
    send alice bob 50 key=k2 ref=INV-11 -> accepted
    refund k1 of=40 -> accepted
    send bob alice 500 -> insufficient-funds
"""


async def told(office: Office) -> Office:
    await office.add("alice")
    await office.add("bob", "Builder")
    await office.world.tell(STORY)
    return office
