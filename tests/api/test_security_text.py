"""What people write: logs, control characters and SQL, wherever text can be put."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api.browsers import SAME_ORIGIN
from tests.api.people import PASSWORD, Person, sign_up, sign_up_with
from tests.api.staff_people import quick_person
from tests.conftest import Service

import wallet
from wallet.domain.users import Role
from wallet.infrastructure.postgres.pool import Pool


async def test_a_token_counts_in_the_authorization_header_only(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    token = alice.access_token
    for headers, path in (
        ({"cookie": f"access_token={token}; session={token}"}, "/users/me"),
        ({"x-access-token": token}, "/users/me"),
        ({"proxy-authorization": f"Bearer {token}"}, "/users/me"),
        ({}, f"/users/me?access_token={token}"),
        ({}, f"/users/me?token={token}"),
    ):
        answer = await client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def places_for_text(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each GET's path and one of its parameters that is text, or is written as text."""
    for path, item in document["paths"].items():
        for parameter in item.get("get", {}).get("parameters", []):
            if parameter["in"] in {"path", "query"}:
                yield path, parameter["name"]


async def test_a_nul_in_whatever_is_asked_for_is_the_askers_mistake(
    service: Service, client: httpx.AsyncClient
) -> None:
    ada = await quick_person(client, service, "ada", Role.ADMIN)
    asked = set()
    for path, name in places_for_text(service.app.openapi()):
        for nul in ("%00", "a%00b"):
            place = re.sub(r"\{\w+\}", ada.id, path.replace(f"{{{name}}}", nul))
            query = "" if f"{{{name}}}" in path else f"?{name}={nul}"
            answer = await ada.get(place + query)
            assert answer.status_code < 500, place + query
        asked.add(name)
    assert {"counterparty", "act", "q", "code", "reference", "cursor", "key"} <= asked


CONTENT_TYPES = [
    ("application/json", 200),
    ("application/json; charset=utf-8", 200),
    ("APPLICATION/JSON", 200),
    ("text/plain", 415),
    ("application/x-www-form-urlencoded", 415),
    ("multipart/form-data; boundary=x", 415),
    ("application/jsonx", 415),
    ("text/json", 415),
    ("", 415),
]


async def test_a_page_elsewhere_cannot_log_in_with_a_simple_request(
    client: httpx.AsyncClient,
) -> None:
    await sign_up(client, "alice")
    body = json.dumps({"email": "alice@example.com", "password": PASSWORD}).encode()
    for content_type, status in CONTENT_TYPES:
        headers = {"content-type": content_type}
        answer = await client.post("/users/login", content=body, headers=headers)
        assert answer.status_code == status, content_type


LISTS = [
    ("limit=1000000000", 422),
    ("limit=0", 422),
    ("limit=-1", 422),
    ("limit=201", 422),
    ("limit=9" + "9" * 3000, 422),
    ("limit=NaN", 422),
    ("limit=1e3", 422),
    ("cursor=" + "A" * 6001, 422),
    ("cursor=%00", 422),
    ("cursor=%ff%fe", 422),
    ("cursor=" + "AAAA" * 1500, 422),
]


async def test_a_list_is_never_longer_than_it_may_be(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    for query, status in LISTS:
        assert (await alice.get(f"/transactions?{query}")).status_code == status, query


AMOUNTS = [
    ("1" + "0" * 5000, 400),
    ("1" + "0" * 4000, 422),
    ("1e999999999", 422),
    ("-0", 422),
    ("1E2", 422),
    ("Infinity", 422),
    ("0x10", 400),
    ("007", 400),
    ("1_000", 400),
    ('{"$gt":0}', 422),
    ("9007199254740993", 422),
    ("1000000000000001", 422),
]


async def test_the_strangest_amounts_are_refused(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    headers = {**alice.headers, "content-type": "application/json"}
    for amount, status in AMOUNTS:
        body = f'{{"amount":{amount}}}'.encode()
        answer = await client.post("/wallets/topup", content=body, headers=headers)
        assert answer.status_code == status, (amount[:40], answer.text)
    assert (await alice.get("/wallets/my-balance")).json()["posted"] == 0


# Logs: marked secrets in every field, header, query and path, and a crash on top.


def string_fields(service: Service) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (method, path, example) of every operation with a JSON body."""
    document = service.app.openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                name = content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
                schema = document["components"]["schemas"][name]
                example = dict((schema.get("examples") or [{"currency": "EUR"}])[0])
                yield method.upper(), path, dict.fromkeys(schema["properties"]) | example


HEADERS = {
    "authorization": "Bearer marked-token",
    "cookie": "session=marked-cookie",
    "idempotency-key": "marked-key",
    "user-agent": "marked-agent",
    "referer": "https://marked-referer.example/?q=marked",
    "origin": "https://marked-origin.example",
    "x-request-id": "marked request id",
    "x-forwarded-for": "marked-address",
    "x-api-key": "marked-api-key",
    "accept-language": "marked-language",
}


async def test_no_marked_secret_of_any_request_reaches_the_log(
    service: Service, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await sign_up(client, "alice")
    count = 0
    for method, path, example in string_fields(service):
        for field in example:
            body = {name: value for name, value in example.items() if value is not None}
            body[field] = f"marked-{field}@marked.example"
            for token in (HEADERS["authorization"], alice.headers["authorization"]):
                headers = {**HEADERS, "authorization": token}
                url = f"{path}?marked-query=marked-value"
                answer = await client.request(method, url, json=body, headers=headers)
                assert answer.status_code < 500, (path, field)
                if not answer.is_success:
                    assert "marked-" not in answer.text, (path, field)
                count += 1
    for path in ("/marked-path", "/transactions/marked-id", "/idempotency-keys/marked-key"):
        await client.get(path, headers=alice.headers)
    form = {"grant_type": "password", "username": "marked@marked.example", "password": "marked-x"}
    await client.post("/oauth/token", data=form)
    # A crash in the depth, with the password in the exception and in every frame.
    hasher = service.app.state.use_cases.people._hasher

    async def fall(password: str) -> str:
        raise ValueError(f"cannot hash {password}")

    monkeypatch.setattr(hasher, "hash", fall)
    body = {
        "first_name": "marked-first", "last_name": "marked-last", "handle": "marked_handle",
        "email": "marked-mail@marked.example", "password": "marked-password violet kettle",
    }  # fmt: skip
    crashed = await client.post("/users", json=body, headers=HEADERS)
    assert crashed.status_code == 500
    assert "marked" not in crashed.text
    log = service.log_text()
    assert count == 150
    assert log.count('"event":"request"') > count
    assert "internal-error" in log
    assert re.findall(r"marked[^\s\"]*", log) == []
    assert PASSWORD not in log
    assert alice.access_token not in log
    assert alice.refresh_token not in log
    assert "alice@example.com" not in log


async def test_nobody_writes_lines_of_their_own_into_the_log(
    service: Service, client: httpx.AsyncClient
) -> None:
    alice = await sign_up(client, "alice")
    forged = '\r\n{"event":"forged","level":"error"}\r\n'
    raw = forged.encode()
    headers = [
        (b"authorization", alice.headers["authorization"].encode()),
        (b"user-agent", raw),
        (b"x-request-id", b"a" + raw),
        (b"x-forwarded-for", raw),
        (b"referer", raw),
    ]
    await client.get("/users/me", headers=headers)
    await client.get("/%0d%0a%7b%22event%22:%22forged%22%7d", headers=headers)
    await client.post("/wallets/transfer", json={"to_handle": forged, "amount": 1, "note": forged})
    await alice.post("/users/me/email-verification", {"forged": forged})
    log_in = {"email": forged, "password": forged}
    await client.post("/users/login", json=log_in, headers=headers)
    lines = service.log_text().splitlines()
    assert len(lines) >= 6
    strange = [line for line in lines if json.loads(line)["event"] not in {"request", "mail"}]
    assert strange == []


async def test_no_header_of_an_answer_can_be_split(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    for evil in (b"a\r\nset-cookie: x=1", b"a\nb", b"a\rb", b"a\x00b", "a\u010a".encode(), b"\xff"):
        headers = [
            (b"authorization", alice.headers["authorization"].encode()),
            (b"idempotency-key", evil),
            (b"x-request-id", evil),
            (b"origin", evil),
        ]
        answer = await client.post("/wallets/topup", json={"amount": 1}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-invalid")
        assert len(answer.headers["x-request-id"]) == 24
        for name, value in answer.headers.raw:
            assert not re.search(rb"[\r\n\x00]", name + value)
    assert (await alice.get("/wallets/my-balance")).json()["posted"] == 0


REQUEST_IDS = [
    ("abc-DEF_1.2", True),
    ("x" * 64, True),
    ("x" * 65, False),
    ("", False),
    ("a b", False),
    ("<script>", False),
    ("a;b", False),
    ("\u00e4", False),
]


async def test_a_request_id_is_kept_only_if_it_is_harmless(
    service: Service, client: httpx.AsyncClient
) -> None:
    for proposed, kept in REQUEST_IDS:
        headers = [(b"x-request-id", proposed.encode())]
        answer = await client.get("/nowhere", headers=headers)
        found = answer.headers["x-request-id"]
        assert (found == proposed) is kept, proposed
        assert answer.json()["request_id"] == found
        assert f'"request_id":"{found}"' in service.log_text()
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", found)


# SQL.

INJECTIONS = (
    "'; DROP TABLE users; --",
    "' OR '1'='1",
    '" OR ""="',
    "1; SELECT pg_sleep(5)",
    "x' UNION SELECT password_hash FROM users --",
    "$1",
    "%' ESCAPE '",
    "\\'; COMMIT; --",
)


FREE_FIELDS = {("/users", "password"), ("/webhook-endpoints", "description")}
FREE_TEXTS = {"first_name", "last_name", "note", "reference"}


COUNTS = """
SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM entries),
       (SELECT sum(posted) FROM accounts WHERE purpose = 'wallet')
"""


async def _inject(service: Service, alice: Person, text: str, address: str) -> list[httpx.Response]:
    """Put a text into every field, query and path that takes one."""
    found = []
    async with service.client(address) as client:
        for method, path, example in string_fields(service):
            for field in example:
                body = {name: value for name, value in example.items() if value is not None}
                if field in FREE_TEXTS or (path, field) in FREE_FIELDS:
                    continue  # There any text may stand, and the next test reads it back.
                body[field] = text
                # A page logs in without a token.
                headers = SAME_ORIGIN if path == "/session" else alice.headers
                found.append(await client.request(method, path, json=body, headers=headers))
        for path in ("/transactions?limit=", "/transactions?cursor=", "/recipients?handle="):
            url = httpx.URL(path.split("?")[0], params={path.split("?")[1][:-1]: text})
            found.append(await client.get(url, headers=alice.headers))
        for name in ("user_id", "email"):
            url = httpx.URL("/recipients", params={name: text})
            found.append(await client.get(url, headers=alice.headers))
        for name in ("currency", "currency' OR 1=1 --"):
            url = httpx.URL("/wallets/my-balance", params={name: text})
            found.append(await client.get(url, headers=alice.headers))
        for path in ("/transactions/", "/users/me/sessions/"):
            method = "DELETE" if "sessions" in path else "GET"
            quoted = path + text.replace("%", "%25").replace("?", "%3f").replace("/", "%2f")
            found.append(await client.request(method, quoted, headers=alice.headers))
    return found


@pytest.mark.parametrize("text", INJECTIONS)
async def test_sql_in_a_field_is_a_text_that_is_refused_or_not_found(
    service: Service, client: httpx.AsyncClient, postgres_pool: Pool, text: str
) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    before = await postgres_pool.fetchrow(COUNTS)
    found = await _inject(service, alice, text, "192.0.2.1")
    assert len(found) > 30
    assert {answer.status_code for answer in found} <= {202, 401, 403, 404, 409, 422, 429}
    assert max(answer.elapsed.total_seconds() for answer in found) < 4
    assert await postgres_pool.fetchrow(COUNTS) == before


@pytest.mark.parametrize("text", INJECTIONS)
async def test_sql_in_what_people_write_is_kept_word_for_word(
    client: httpx.AsyncClient, text: str
) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    names = {"first_name": text, "last_name": text}
    changed = await client.patch("/users/me", json=names, headers=alice.headers)
    assert changed.json()["first_name"] == text
    written = {"note": text, "reference": text, "metadata": {text: text}}
    body = {"to_handle": "bob", "amount": 10, **written}
    paid = await alice.post("/wallets/transfer", body, key=text)
    assert paid.status_code == 201
    line = (await bob.get("/transactions")).json()["items"][0]
    assert {name: line[name] for name in written} == written
    assert line["counterparty"]["first_name"] == text
    again = await alice.post("/wallets/transfer", body, key=text)
    assert again.headers["idempotent-replayed"] == "true"


SOURCE = Path(wallet.__file__).parent


SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|GRANT\s|ALTER\s+\w+\s"
    r"|CREATE\s+(TABLE|ROLE|DATABASE)|DROP\s+\w+\s|TRUNCATE\s|SET\s+ROLE)",
    re.DOTALL,
)


ALLOWED = {
    # Names of roles and one database, all constants, given to initdb's single-user server.
    "embedded_postgres/cluster.py",
    # One constant, which asks whether the database answers.
}


def texts_of(node: ast.AST) -> list[str]:
    return [
        inner.value
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
    ]


def documentation(tree: ast.AST) -> set[str]:
    """Return the docstrings of a module, which may speak of SQL."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(str(node.value.value))
    return found


def test_sql_stands_in_one_room_only() -> None:
    found = set()
    for path in SOURCE.rglob("*.py"):
        place = path.relative_to(SOURCE).as_posix()
        if place.startswith("infrastructure/postgres/"):
            continue
        tree = ast.parse(path.read_text())
        spoken = documentation(tree)
        if any(SQL.search(text) for text in texts_of(tree) if text not in spoken):
            found.add(place.removeprefix("infrastructure/"))
    assert found == ALLOWED


def test_no_sql_anywhere_is_put_together_with_f_strings_format_percent_or_plus() -> None:
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            built = isinstance(node, ast.JoinedStr) or (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"format", "format_map", "join", "replace"}
            )
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
                built = True
            if built and SQL.search(" ".join(texts_of(node))):
                found.add((path.name, ast.unparse(node)))
    assert found == {
        ("migrations.py", "f'SELECT EXISTS (SELECT FROM \"{table}\")'"),
        ("migrations.py", "f'GRANT {APPLICATION}, {VERIFIER}, {JANITOR} TO {quoted}'"),
    }
