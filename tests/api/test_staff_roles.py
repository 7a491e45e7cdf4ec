"""Who may do what: every route under /admin, asked for by each role and by whoever has none."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.api.people import Person
from tests.api.security_objects import STAFF, body_schema, document_of, example_of, operations
from tests.api.staff_people import do, office, on_database, quick_person
from tests.conftest import Service

from wallet.application.staff import Staff
from wallet.application.staff_access import StaffAccess
from wallet.domain.back_office import PersonNotFound
from wallet.domain.errors import Forbidden
from wallet.domain.sessions import Principal
from wallet.domain.staff import ReasonInvalid, command_line
from wallet.domain.users import EmailNotVerified, Role, User
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.pool import Pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork

ADMIN, SUPPORT, AUDITOR = "admin", "support", "auditor"
EVERYBODY, ACTING, ADMINS = {ADMIN, SUPPORT, AUDITOR}, {ADMIN, SUPPORT}, {ADMIN}

# Written out, and not taken from the table under test.
MAY: dict[str, set[str]] = {
    "getOverview": EVERYBODY,
    "getIntegrity": EVERYBODY,
    "searchEverything": EVERYBODY,
    "listPeople": EVERYBODY,
    "getPerson": EVERYBODY,
    "listPersonTransactions": EVERYBODY,
    "getTimeline": EVERYBODY,
    "endSessions": ACTING,
    "listStaffWallets": EVERYBODY,
    "getStaffWallet": EVERYBODY,
    "freezeWallet": ACTING,
    "unfreezeWallet": ACTING,
    "closeWallet": ADMINS,
    "setOverdraft": ADMINS,
    "listStaffTransactions": EVERYBODY,
    "getStaffTransaction": EVERYBODY,
    "listRefusals": EVERYBODY,
    "getRefusal": EVERYBODY,
    "refundTransfer": ACTING,
    "requestAdjustment": ADMINS,
    "listAdjustments": EVERYBODY,
    "getAdjustment": EVERYBODY,
    "approveAdjustment": ADMINS,
    "rejectAdjustment": ADMINS,
    "listActs": EVERYBODY,
    "getAct": EVERYBODY,
}
MISSING = {"not-found", "person-not-found", "wallet-unknown", "movement-not-found"} | {
    "transfer-not-found",
    "adjustment-not-found",
    "refusal-not-found",
    "act-not-found",
}


async def ask(
    person: Person, document: dict[str, Any], place: str, id_: str | None = None
) -> httpx.Response:
    """Ask for an operation as it should be asked for, about something that is not there."""
    method, _, path = place.partition(" ")
    operation = operations(document)[place]
    schema = body_schema(document, operation)
    body = None if schema is None else example_of(operation["operationId"], schema)
    query = "?q=nobody" if path == "/admin/search" else ""
    path = path.replace("{id}", id_ or str(uuid4())) + query
    return await person.client.request(method, path, json=body, headers=person.headers)


def test_the_list_has_every_staff_route() -> None:
    assert set(MAY) == set(STAFF.values())


async def test_every_route_is_open_to_those_who_may_and_closed_to_others(
    client: httpx.AsyncClient, service: Service
) -> None:
    document = document_of(service)
    for role in Role:
        person = await quick_person(client, service, f"one{role.value}", role)
        for place, operation_id in STAFF.items():
            answer = await ask(person, document, place)
            told = (role.value, operation_id, answer.status_code, answer.text)
            if role is Role.USER:
                assert answer.status_code == 404, told
                assert answer.json()["code"] == "not-found", told
            elif role.value in MAY[operation_id]:
                assert answer.status_code in {200, 404}, told
                assert answer.is_success or answer.json()["code"] in MISSING, told
            else:
                assert answer.status_code == 403, told
                assert answer.json()["code"] == "right-missing", told


async def test_to_others_a_staff_route_looks_like_none_at_all(
    client: httpx.AsyncClient, service: Service
) -> None:
    eve = await quick_person(client, service, "eve")
    document = document_of(service)
    nothing = await eve.get("/admin/nothing-of-the-kind")
    for place in STAFF:
        for id_ in (eve.id, eve.wallet_id, "no-id"):
            answer = await ask(eve, document, place, id_)
            told = answer.json()
            for name in ("instance", "request_id"):
                told.pop(name, None)
            same = {**nothing.json(), "instance": None, "request_id": None}
            assert told == {k: v for k, v in same.items() if v is not None}, place


async def test_a_role_is_lost_with_the_next_request(
    client: httpx.AsyncClient, service: Service
) -> None:
    sam = await quick_person(client, service, "sam", Role.SUPPORT)
    assert (await sam.get("/admin/people")).status_code == 200
    await on_database(service, "UPDATE users SET role = 'auditor' WHERE id = $1::uuid", sam.id)
    assert (await do(sam, f"/wallets/{uuid4()}/unfreeze")).status_code == 403
    await on_database(service, "UPDATE users SET role = 'user' WHERE id = $1::uuid", sam.id)
    assert (await sam.get("/admin/people")).status_code == 404


async def test_what_else_must_hold_of_staff_holds_on_every_route(
    client: httpx.AsyncClient, service: Service
) -> None:
    class Needed(Forbidden):
        """Something else is needed."""

        code = "something-else-needed"

    async def check(work: object, user: User, principal: Principal) -> None:
        assert str(user.id) == ada.id
        assert user.id == principal.user_id
        raise Needed

    ada = await quick_person(client, service, "ada", Role.ADMIN)
    access: StaffAccess = service.app.state.use_cases.staff_side.access
    access._checks = (check,)
    document = document_of(service)
    for place in STAFF:
        answer = await ask(ada, document, place)
        assert (answer.status_code, answer.json()["code"]) == (403, "something-else-needed"), place


@pytest.mark.parametrize("reason", ["", "ab", "  a  ", "   \t\n  ", "x" * 501, None, 5, "a\x00b c"])
async def test_every_act_needs_a_reason(
    client: httpx.AsyncClient, service: Service, reason: object
) -> None:
    ada = await quick_person(client, service, "ada", Role.ADMIN)
    bob = await quick_person(client, service, "bob")
    acts: dict[str, dict[str, Any]] = {
        f"/wallets/{bob.wallet_id}/freeze": {"direction": "send"},
        f"/wallets/{bob.wallet_id}/unfreeze": {},
        f"/wallets/{bob.wallet_id}/close": {},
        f"/wallets/{bob.wallet_id}/overdraft": {"limit": 5},
        f"/transactions/{uuid4()}/refund": {},
        "/adjustments": {"wallet_id": bob.wallet_id, "amount": 5},
        f"/adjustments/{uuid4()}/approve": {},
        f"/adjustments/{uuid4()}/reject": {},
    }
    for path, more in acts.items():
        answer = await do(ada, path, reason=reason, **more)
        assert answer.status_code == 422, (path, answer.text)
    wallet = (await ada.get(f"/admin/wallets/{bob.wallet_id}")).json()
    assert (wallet["frozen"], wallet["status"], wallet["overdraft_limit"]) == ("none", "open", 0)


async def test_roles_are_given_and_taken_by_the_command_line_and_told(
    client: httpx.AsyncClient, service: Service, postgres_pool: Pool
) -> None:
    given = Staff(
        unit_of_work=lambda: PostgresUnitOfWork(postgres_pool),
        people=service.app.state.use_cases.people,
        clock=utc_now,
        new_id=new_id,
    )
    root = command_line("root")
    sam = await quick_person(client, service, "sam", second_factor=True)
    await given.give_role("SAM@example.com", Role.SUPPORT, root, "She was hired.")
    await given.give_role("sam@example.com", Role.SUPPORT, root, "She was hired.")
    assert (await sam.get("/admin/people")).status_code == 200
    (act,) = (await sam.get("/admin/audit-trail")).json()["items"]
    assert (act["act"], act["actor"], act["actor_name"], act["role"]) == (
        "person.role-changed", None, "command line: root", None,
    )  # fmt: skip
    assert (act["before"], act["after"], act["reason"], act["person_id"]) == (
        {"role": "user"}, {"role": "support"}, "She was hired.", sam.id,
    )  # fmt: skip
    await given.give_role("sam@example.com", Role.USER, root, "She has left.")
    assert (await sam.get("/admin/people")).status_code == 404
    await on_database(service, "UPDATE user_emails SET verified_at = NULL")
    await on_database(service, "UPDATE users SET email_verified_at = NULL")
    with pytest.raises(EmailNotVerified):
        await given.give_role("sam@example.com", Role.ADMIN, root, "She is back.")
    with pytest.raises(PersonNotFound):
        await given.give_role("nobody@example.com", Role.ADMIN, root, "A mistake.")
    with pytest.raises(ReasonInvalid):
        await given.give_role("sam@example.com", Role.USER, root, " ")


async def test_the_application_can_add_to_the_audit_trail_and_do_nothing_else(
    client: httpx.AsyncClient, service: Service
) -> None:
    import asyncpg

    o = await office(client, service)
    await do(o.sam, f"/wallets/{o.bob.wallet_id}/freeze", direction="send")
    connection = await asyncpg.connect(
        service.database.url, server_settings={"role": "wallet_application"}
    )
    try:
        assert await connection.fetchval("SELECT count(*) FROM audit_trail") == 1
        for statement in (
            "UPDATE audit_trail SET reason = 'nothing at all'",
            "DELETE FROM audit_trail",
            "TRUNCATE audit_trail",
            "UPDATE refunds SET amount = 1",
            "DELETE FROM refunds",
            "DELETE FROM adjustments",
            "UPDATE adjustments SET amount = 1",
            "UPDATE adjustments SET requested_by = gen_random_uuid()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()
