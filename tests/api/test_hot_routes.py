"""Hot routes answer exactly what FastAPI answers, and are documented exactly alike."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI, Request
from tests.api.people import Person, sign_up, sign_up_with
from tests.conftest import EMPTY, Database, Service, running_service, settings_of

from wallet.api.hot_routes import HotRoute, HotRoutes, hot_routes
from wallet.api.routes.balances import Person as CurrentPerson

TRANSFER, BATCH = "/wallets/transfer", "/transfers/batch"
BALANCE, HISTORY = "/wallets/my-balance", "/transactions"
UUIDS = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENTS = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
REQUEST_IDS = re.compile(rb'"request_id":"[0-9a-f]{24}"')
TWO_KEYS = (("idempotency-key", "a"), ("idempotency-key", "b"))
CURSORS = re.compile(rb'"next_cursor":"[A-Za-z0-9_=-]+"')
CHANGING = {"x-request-id", "ratelimit", "idempotency-key"}


@dataclass(frozen=True)
class Ask:
    """One request; a header of None is left out, `{bob}` in a body is Bob's id."""

    method: str
    path: str
    content: bytes | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    repeated: tuple[tuple[str, str], ...] = ()


def pay(text: str | bytes, **headers: str | None) -> Ask:
    content = text.encode() if isinstance(text, str) else text
    return Ask("POST", TRANSFER, content, {k.replace("_", "-"): v for k, v in headers.items()})


PLAIN = [
    pay('{"to_handle":"bob","amount":10}'),
    pay(
        '{"to_user_id":"{bob}","amount":10,"note":"caf\\u00e9","reference":"r","metadata":{"b":"1"}}'
    ),
    pay('{"to_handle":"bob","amount":10}', idempotency_key="k1"),
    pay('{"to_handle":"bob","amount":10}', idempotency_key="k1"),
    pay('{"to_handle":"bob","amount":11}', idempotency_key="k1"),
    pay('{"to_handle":"bob","amount":10,"dry_run":true}'),
    pay('{"to_handle":"bob","amount":99999999,"dry_run":true}'),
    pay('{"to_handle":"bob","amount":99999999}'),
    pay('{"to_handle":"nobody_here","amount":1}'),
    pay('{"to_handle":"alice","amount":1}'),
    pay('{"to_handle":"bob","amount":1,"currency":"EUR"}'),
    pay('{"to_handle":"bob","amount":1,"currency":"XXQ"}'),
    pay('{"to_handle":"bob","amount":1,"amount":2}'),
    pay(' {"to_handle" : "bob" , "amount" : 3 } '),
    pay('{"to_handle":"bob","amount":1}', idempotency_key="caf\u00e9"),
    pay('{"to_handle":"bob","amount":1}', idempotency_key="k" * 256),
    Ask("GET", BALANCE),
    Ask("GET", BALANCE + "?currency=USD"),
    Ask("GET", BALANCE + "?currency=EUR"),
    Ask("GET", BALANCE + "?currency=XXQ"),
    Ask("GET", HISTORY),
    Ask("GET", HISTORY + "?limit=1"),
    Ask("GET", HISTORY + "?limit=200"),
    Ask("GET", HISTORY + "?cursor=AAAA"),
    Ask("GET", HISTORY + "?direction=out&amount_min=1&q=caf%C3%A9+bob&sort=oldest&count=true"),
    Ask("GET", HISTORY + "?booked_from=2026-01-01&booked_to=2027-01-01T00:00:00%2B02:00"),
    Ask("GET", HISTORY + "?reference=r&metadata_key=b&metadata_value=1&counterparty=bob"),
    Ask(
        "POST",
        BATCH,
        b'{"transfers":[{"to_handle":"bob","amount":1},{"to_handle":"no_one","amount":1}]}',
    ),
    Ask("POST", BATCH, b'{"atomic":true,"transfers":[{"to_handle":"bob","amount":99999999}]}'),
]
ODD = [
    pay(""),
    pay("{}"),
    pay("{"),
    pay("null"),
    pay("[]"),
    pay("[" * 100_000),
    pay('{"to_handle":"bob","amount":1}x'),
    pay("\ufeff" + '{"to_handle":"bob","amount":1}'),
    pay(b'{"to_handle":"b\xff","amount":1}'),
    pay('{"to_handle":"bob","amount":1,"note":"\\ud800"}'),
    pay('{"to_handle":"bob","amount":1,"note":"\\u0000"}'),
    pay('{"to_handle":"bob","amount":1,"role":"admin"}'),
    pay('{"to_user_id":"{bob}","to_handle":"bob","amount":1}'),
    pay('{"to_user_id":"nobody","amount":1}'),
    pay('{"amount":1}'),
    *(
        pay(f'{{"to_handle":"bob","amount":{amount}}}')
        for amount in (
            "0", "-1", "-0", "1.0", "1e3", "1E2", "NaN", "Infinity", "true", '"12"', "null", "[]",
            "9007199254740993", "1000000000000001", "1" + "0" * 4000, "1" + "0" * 5000, "0x1", "01",
        )
    ),
    pay('{"to_handle":"bob","amount":1}', content_type=None),
    pay('{"to_handle":"bob","amount":1}', content_type="text/plain"),
    pay('{"to_handle":"bob","amount":1}', content_type="application/json; charset=utf-8"),
    pay('{"to_handle":"bob","amount":1}', content_type="APPLICATION/JSON"),
    pay('{"to_handle":"bob","amount":1}', content_type="application/vnd.x+json"),
    pay('{"to_handle":"bob","amount":1}', authorization=None),
    pay('{"to_handle":"bob","amount":1}', authorization="Bearer nonsense"),
    pay('{"to_handle":"bob","amount":1}', authorization="Basic YTpi"),
    pay("{", authorization=None),
    *(
        pay('{"to_handle":"bob","amount":1}', cookie="__Host-wallet=x", **said)
        for said in (
            {}, {"authorization": None}, {"authorization": None, "sec_fetch_site": "same-origin"},
            {"sec_fetch_site": "same-origin"}, {"authorization": None, "origin": "http://localhost"},
        )
    ),
    Ask("GET", BALANCE, headers={"cookie": "__Host-wallet=x"}),
    Ask("GET", BALANCE, headers={"cookie": "__Host-wallet=x", "authorization": None}),
    pay("x" * 70_000),
    Ask("POST", TRANSFER + "?x=1", b'{"to_handle":"bob","amount":1}'),
    Ask("POST", TRANSFER, b'{"to_handle":"bob","amount":1}', repeated=TWO_KEYS),
    Ask("PUT", TRANSFER, b'{"to_handle":"bob","amount":1}'),
    Ask("GET", TRANSFER),
    Ask("POST", TRANSFER + "/", b'{"to_handle":"bob","amount":1}'),
    Ask("HEAD", BALANCE),
    Ask("OPTIONS", BALANCE),
    Ask("POST", BALANCE, b"{}"),
    Ask("GET", BALANCE + "?currency=usd"),
    Ask("GET", BALANCE + "?currency="),
    Ask("GET", BALANCE + "?currency=USD&currency=EUR"),
    Ask("GET", BALANCE + "?currency=%ff"),
    Ask("GET", BALANCE + "?owner_id=1"),
    *(
        Ask("GET", HISTORY + query)
        for query in ("?limit=0", "?limit=201", "?limit=1_0", "?limit=", "?limit=+5", "?sort=x",
                      "?limit=1&limit=2", "?cursor=", "?limit=%d9%a1", "?limit=1;limit=2",
                      "?kind=transfer&kind=top-up", "?kind=fee", "?direction=up", "?amount_min=0",
                      "?booked_from=yesterday", "?metadata_value=1", "?q=%00", "?count=maybe",
                      "?wallet_id=1", "?reference=", "?currency=usd")
    ),
    Ask("GET", BALANCE, headers={"authorization": None}),
    Ask("POST", BATCH, b'{"transfers":[]}'),
    Ask("POST", BATCH, b'{"transfers":[{"to_handle":"bob","amount":1,"dry_run":true}]}'),
]  # fmt: skip


async def ask(alice: Person, bob: Person, asked: Ask) -> tuple[Any, ...]:
    """Send a request and return what matters of the answer."""
    given = {"authorization": alice.headers["authorization"]}
    if asked.content is not None:
        given["content-type"] = "application/json"
    headers: list[tuple[bytes, bytes]] = [
        (name.encode(), value.encode())
        for name, value in (given | asked.headers).items()
        if value is not None
    ]
    headers += [(name.encode(), value.encode()) for name, value in asked.repeated]
    content = asked.content
    if content is not None:
        content = content.replace(b"{bob}", bob.id.encode())
    answer = await alice.client.request(asked.method, asked.path, content=content, headers=headers)
    kept = sorted((k, v) for k, v in answer.headers.multi_items() if k not in CHANGING)
    present = sorted(k for k, _ in answer.headers.multi_items() if k in CHANGING)
    return answer.status_code, kept, present, plainly(answer.content)


def plainly(body: bytes) -> bytes:
    """Return a body with what is new each time replaced by its place in the order of coming."""
    seen: dict[bytes, bytes] = {}
    for pattern in (UUIDS, MOMENTS):
        body = pattern.sub(lambda m: seen.setdefault(m[0], b"<%d>" % len(seen)), body)
    return CURSORS.sub(b'"next_cursor":"..."', REQUEST_IDS.sub(b"", body))


@dataclass
class Way:
    """What one way of serving has answered, and how many requests FastAPI saw of them."""

    plain: list[tuple[Any, ...]]
    odd: list[tuple[Any, ...]]
    seen_plain: int
    document: dict[str, Any]


async def answers(database: Database, directory: Path, *, hot: bool) -> Way:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute(EMPTY)
    finally:
        await connection.close()
    async with (
        running_service(database, directory, settings_of(), hot=hot) as service,
        service.client() as client,
    ):
        alice, bob = await sign_up_with(client, "alice", 10_000), await sign_up(client, "bob")
        seen = count_what_fastapi_sees(service)
        plain = [await ask(alice, bob, asked) for asked in PLAIN]
        seen_plain = len(seen)
        odd = [await ask(alice, bob, asked) for asked in ODD]
        return Way(plain, odd, seen_plain, service.app.openapi())


def count_what_fastapi_sees(service: Service) -> list[str]:
    """Return a list that grows by the path of each request that hot routes leave to FastAPI."""
    seen: list[str] = []
    layer: Any = service.app.middleware_stack
    while layer is not None and not isinstance(layer, HotRoutes):
        layer = getattr(layer, "app", None)
    if layer is not None:
        inner = layer.app

        async def counting(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["path"])
            await inner(scope, receive, send)

        layer.app = counting
    return seen


async def test_the_same_requests_get_the_same_answers_both_ways(
    database: Database, tmp_path: Path
) -> None:
    hot = await answers(database, tmp_path, hot=True)
    ordinary = await answers(database, tmp_path, hot=False)
    for asked, one, other in zip(
        PLAIN + ODD, hot.plain + hot.odd, ordinary.plain + ordinary.odd, strict=True
    ):
        assert one == other, asked
    assert {answer[0] for answer in hot.plain} >= {200, 201, 404, 422}
    # All of the plain ones were served without FastAPI, or this compares it with itself.
    assert hot.seen_plain == 0
    assert hot.document == ordinary.document


async def test_the_throughput_limit_is_the_same_both_ways(
    database: Database, tmp_path: Path
) -> None:
    told = []
    for hot in (True, False):
        settings = settings_of(throughput_limit="4/100 seconds")
        async with (
            running_service(database, tmp_path, settings, hot=hot) as service,
            service.client() as client,
        ):
            person = await sign_up(client, f"person_{hot}".lower())
            heard = [await person.get(BALANCE) for _ in range(6)]
            told.append([(a.status_code, a.headers["ratelimit"]) for a in heard])
            refused = heard[-1].json()
            assert (refused["code"], heard[-1].headers["retry-after"]) == (
                "too-many-requests",
                heard[-1].headers["ratelimit"].split("t=")[1],
            )
    assert [status for status, _ in told[0]] == [200] * 4 + [429] * 2
    assert told[0] == told[1]


async def test_a_request_that_is_left_to_fastapi_counts_once(
    service: Service, client: httpx.AsyncClient
) -> None:
    person = await sign_up(client, "alice")

    def left(answer: httpx.Response) -> int:
        return int(answer.headers["ratelimit"].split("r=")[1].split(";")[0])

    first = await person.post(TRANSFER, {"amount": "no"})
    second = await person.post(TRANSFER, {"amount": "no"})
    assert (first.status_code, left(first) - left(second)) == (422, 1)


async def test_a_body_in_pieces_is_put_together(
    service: Service, client: httpx.AsyncClient
) -> None:
    alice, bob = await sign_up_with(client, "alice", 100), await sign_up(client, "bob")
    body = json.dumps({"to_user_id": bob.id, "amount": 7}).encode()

    async def pieces() -> Any:
        for byte in body:
            yield bytes([byte])

    headers = {**alice.headers, "content-type": "application/json"}
    answer = await client.post(TRANSFER, content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()["amount"]) == (201, 7)


async def test_the_log_line_of_a_hot_route_names_its_template(
    service: Service, client: httpx.AsyncClient
) -> None:
    alice = await sign_up(client, "alice")
    await alice.get(BALANCE + "?currency=USD")
    lines = [json.loads(line) for line in service.log_text().splitlines()]
    line = next(line for line in lines if line.get("route") == BALANCE)
    assert (line["method"], line["status"], line["person_id"]) == ("GET", 200, alice.id)
    assert {"timestamp", "level", "request_id", "duration_ms", "event"} <= line.keys()


def test_a_hot_route_takes_no_other_parameters() -> None:
    app = FastAPI()
    app.router.route_class = HotRoute

    @app.get("/odd")
    async def odd(request: Request, person: CurrentPerson, limit: int = 1) -> None:
        """Take one parameter too many."""

    with pytest.raises(TypeError, match="/odd"):
        HotRoutes(app, app.router.routes)


def test_the_hot_routes_are_the_few_that_carry_most_requests(service: Service) -> None:
    assert {route.path for route in hot_routes(service.app.router.routes)} == {
        TRANSFER,
        BATCH,
        BALANCE,
        HISTORY,
    }
