"""Staff as API tests know them: people whose role stands in the database."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import httpx
from tests.api.people import Person
from tests.conftest import Service

from wallet.application.wallets import open_wallet
from wallet.domain.money import Currency
from wallet.domain.second_factors import SecondFactor
from wallet.domain.sessions import RefreshToken, Session
from wallet.domain.users import Role, User
from wallet.infrastructure.identifiers import new_id, utc_now

REASON = "Because of ticket 4711."


async def on_database(service: Service, statement: str, *values: object) -> list[Any]:
    """Run a statement as the superuser."""
    connection = await asyncpg.connect(service.database.superuser_url)
    try:
        found: list[Any] = await connection.fetch(statement, *values)
        return found
    finally:
        await connection.close()


async def quick_person(
    client: httpx.AsyncClient,
    service: Service,
    name: str,
    role: Role = Role.USER,
    *,
    second_factor: bool = False,
) -> Person:
    """Make somebody with a wallet who is logged in, without a password that takes time to hash.

    Staff have a second factor.
    """
    log_in, now = service.app.state.use_cases.log_in, utc_now()
    user = User(
        id=new_id(),
        first_name=name.title(),
        last_name="Tester",
        email=f"{name}@example.com",
        handle=name,
        password_hash=f"unusable:{name}",
        default_currency=Currency("USD"),
        created_at=now,
        email_verified_at=now,
        role=role,
    )
    session = Session(new_id(), user.id, now, now, now + timedelta(days=1))
    wallet_id, later = new_id(), now + timedelta(minutes=15)
    async with log_in._unit_of_work() as work:
        await work.users.add(user)
        await open_wallet(
            work,
            owner_id=user.id,
            currency=user.default_currency,
            wallet_id=wallet_id,
            event_id=new_id(),
            now=now,
        )
        if second_factor or role.is_staff:
            await work.second_factors.put(SecondFactor(user.id, "unusable", now, now, last_step=0))
        digest = sha256(session.id.bytes).digest()
        await work.sessions.add(session, RefreshToken(digest, session.id, now))
        await work.commit()
    token = log_in._tokens.issue(user.id, session.id, now, later)
    return Person(client, name, str(user.id), str(wallet_id), token, "")


async def do(person: Person, path: str, **body: Any) -> httpx.Response:
    """Ask for an act under /admin, with a reason unless another is given."""
    return await person.post(f"/admin{path}", {"reason": REASON, **body})


@dataclass
class Office:
    """Two administrators, one of support, one auditor; Alice has 1,000 and Bob nothing."""

    ada: Person
    max: Person
    sam: Person
    otto: Person
    alice: Person
    bob: Person

    async def pay(self, amount: int, **more: Any) -> str:
        """Let Alice pay Bob; return the transfer's id."""
        body = {"to_handle": "bob", "amount": amount, **more}
        answer = await self.alice.post("/wallets/transfer", body)
        assert answer.status_code == 201, answer.text
        id_: str = answer.json()["id"]
        return id_


async def office(client: httpx.AsyncClient, service: Service) -> Office:
    alice = await quick_person(client, service, "alice")
    assert (await alice.top_up(1_000)).status_code == 201
    return Office(
        ada=await quick_person(client, service, "ada", Role.ADMIN),
        max=await quick_person(client, service, "max", Role.ADMIN),
        sam=await quick_person(client, service, "sam", Role.SUPPORT),
        otto=await quick_person(client, service, "otto", Role.AUDITOR),
        alice=alice,
        bob=await quick_person(client, service, "bob"),
    )
