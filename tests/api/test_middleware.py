"""What holds for every request: its name, its limits, its headers, its log line and its count."""

from collections.abc import AsyncIterator, Mapping
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.types import Message

from wallet.api.middleware import Edge, EdgeOptions, current_request_id
from wallet.api.problems import install_problems
from wallet.api.routes.health import EdgeServices, router
from wallet.domain.errors import NotFound


class Bench:
    """A small application under the edge, and everything it reported."""

    def __init__(self, options: EdgeOptions | None = None) -> None:
        self.lines: list[dict[str, Any]] = []
        self.crashes: list[dict[str, Any]] = []
        self.counts: list[tuple[str, str, int]] = []
        self.app = FastAPI(redirect_slashes=False)
        install_problems(self.app, log_crash=self._crash)
        self.app.include_router(_routes(), prefix="/api")
        self.app.add_middleware(
            Edge,
            options,
            log=lambda event, **fields: self.lines.append({"event": event, **fields}),
            log_crash=self._crash,
            observe=lambda *count: self.counts.append(count[:3]),
        )

    def _crash(self, event: str, **fields: Any) -> None:
        self.crashes.append({"event": event, **fields})

    async def call(self, method: str, path: str, **content: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://wallet") as client:
            return await client.request(method, path, **content)


def _routes() -> APIRouter:
    router = APIRouter(prefix="/people")

    @router.get("/{person_id}")
    async def person(person_id: str, request: Request) -> dict[str, str | None]:
        request.state.person_id = "p-1"
        return {"id": person_id, "request_id": current_request_id()}

    @router.get("/{person_id}/missing")
    async def missing(person_id: str) -> None:
        raise NotFound

    @router.get("/{person_id}/crash")
    async def crash(person_id: str) -> None:
        raise ValueError("marked-secret")

    @router.get("/{person_id}/page")
    async def page(person_id: str) -> Response:
        return Response(
            "page",
            headers={"Content-Security-Policy": "default-src 'self'", "Cache-Control": "public"},
        )

    @router.post("/{person_id}/body")
    async def body(person_id: str, request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    @router.post("/{person_id}/json")
    async def read_json(person_id: str, content: dict[str, Any]) -> dict[str, int]:
        return {"size": len(content)}

    return router


async def stream(piece: bytes, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield piece


async def test_a_request_gets_an_id_that_everything_shares() -> None:
    bench = Bench()
    response = await bench.call("GET", "/api/people/7")
    name = response.headers["x-request-id"]
    assert len(name) == 24
    assert response.json()["request_id"] == name
    assert bench.lines[0]["request_id"] == name


async def test_a_sane_id_of_the_client_is_kept() -> None:
    response = await Bench().call("GET", "/api/people/7", headers={"X-Request-ID": "a.B_c-9"})
    assert response.headers["x-request-id"] == "a.B_c-9"


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, 'a"b', "a\tb", "ä"])
async def test_any_other_id_of_the_client_is_replaced(name: str) -> None:
    headers = [(b"x-request-id", name.encode())]
    response = await Bench().call("GET", "/api/people/7", headers=headers)
    assert len(response.headers["x-request-id"]) == 24


async def test_a_problem_carries_the_id_of_its_request() -> None:
    response = await Bench().call("GET", "/api/people/7/missing", headers={"X-Request-ID": "r-1"})
    assert response.json()["request_id"] == "r-1"
    assert response.headers["x-request-id"] == "r-1"


async def test_every_answer_has_the_security_headers() -> None:
    for path in ("/api/people/7", "/api/people/7/missing", "/api/people/7/crash", "/nowhere"):
        response = await Bench().call("GET", path)
        headers = dict(response.headers)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "strict-transport-security" not in headers


async def test_a_page_may_set_its_own_policies() -> None:
    response = await Bench().call("GET", "/api/people/7/page")
    assert response.headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert response.headers.get_list("cache-control") == ["public"]
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "options", [EdgeOptions(production=True), EdgeOptions(public_url="https://wallet.example")]
)
async def test_browsers_are_told_to_insist_on_https(options: EdgeOptions) -> None:
    response = await Bench(options).call("GET", "/api/people/7")
    assert response.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"


@pytest.mark.parametrize(
    "url",
    [
        "http://wallet.example",
        "https://localhost:4000",
        "https://192.168.1.7:4000",
        "https://[fd00::7]:4000",
    ],
)
async def test_nothing_is_said_of_https_where_it_would_bind_other_services(url: str) -> None:
    response = await Bench(EdgeOptions(public_url=url)).call("GET", "/api/people/7")
    assert "strict-transport-security" not in response.headers


async def test_a_body_within_the_limit_passes() -> None:
    response = await Bench().call("POST", "/api/people/7/body", content=b"x" * 65_536)
    assert response.json() == {"size": 65_536}
    response = await Bench().call("POST", "/api/people/7/body", content=stream(b"x" * 64, 1024))
    assert response.json() == {"size": 65_536}


async def test_a_body_that_is_announced_too_large_is_refused_unread() -> None:
    response = await Bench().call("POST", "/api/people/7/body", content=b"x" * 65_537)
    assert response.status_code == 413
    assert response.json()["code"] == "body-too-large"


async def test_a_streamed_body_is_refused_where_it_becomes_too_large() -> None:
    for route in ("body", "json"):
        bench = Bench()
        path = f"/api/people/7/{route}"
        headers = {"Content-Type": "application/json"}
        response = await bench.call("POST", path, content=stream(b"x" * 64, 1025), headers=headers)
        assert response.status_code == 413
        assert response.json()["code"] == "body-too-large"
        assert bench.crashes == []
        assert [(line["status"], line["code"]) for line in bench.lines] == [(413, "body-too-large")]


@pytest.mark.parametrize("length", ["-1", "1e3", "+5", "9" * 30])
async def test_a_forged_length_is_refused(length: str) -> None:
    headers = {"Content-Length": length}
    response = await Bench().call("POST", "/api/people/7/body", content=b"", headers=headers)
    assert response.status_code in {400, 413}


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
async def test_an_encoded_body_is_refused(encoding: str) -> None:
    headers = {"Content-Encoding": encoding}
    response = await Bench().call("POST", "/api/people/7/body", content=b"x", headers=headers)
    assert response.status_code == 415
    assert response.json()["code"] == "unsupported-content-encoding"
    assert response.headers["accept-encoding"] == "identity"


async def test_json_nested_too_deep_is_refused() -> None:
    for text in (b"[" * 60_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000):
        headers = {"Content-Type": "application/json"}
        response = await Bench().call("POST", "/api/people/7/json", content=text, headers=headers)
        assert response.status_code == 400
        assert response.json()["code"] == "malformed-json"


async def test_the_log_line_has_the_route_with_its_prefixes_and_never_the_path() -> None:
    bench = Bench()
    await bench.call("GET", "/api/people/marked-1?token=marked-2")
    line = bench.lines[0]
    assert isinstance(line.pop("duration_ms"), float)
    assert len(line.pop("request_id")) == 24
    assert line == {
        "event": "request",
        "method": "GET",
        "route": "/api/people/{person_id}",
        "status": 200,
        "person_id": "p-1",
    }


async def test_a_problem_is_logged_with_its_code() -> None:
    bench = Bench()
    await bench.call("GET", "/api/people/7/missing")
    assert (bench.lines[0]["status"], bench.lines[0]["code"]) == (404, "not-found")


async def test_requests_are_counted_by_method_route_and_status() -> None:
    bench = Bench()
    await bench.call("GET", "/api/people/7")
    await bench.call("GET", "/marked-path")
    await bench.call("DELETE", "/api/people/7")
    await bench.call("MARKED", "/api/people/7")
    assert bench.counts == [
        ("GET", "/api/people/{person_id}", 200),
        ("GET", "(unmatched)", 404),
        ("DELETE", "/api/people/{person_id}", 405),
        ("OTHER", "/api/people/{person_id}", 405),
    ]


async def test_a_crash_is_a_scrubbed_problem_and_logged_once() -> None:
    bench = Bench()
    response = await bench.call("GET", "/api/people/7/crash", headers={"X-Request-ID": "r-1"})
    assert response.status_code == 500
    assert response.json() == {
        "type": "/problems/internal-error",
        "title": "Something went wrong on our side",
        "status": 500,
        "detail": "Something went wrong on our side",
        "instance": "/api/people/7/crash",
        "code": "internal-error",
        "request_id": "r-1",
    }
    assert [crash["request_id"] for crash in bench.crashes] == ["r-1"]
    assert isinstance(bench.crashes[0]["exc_info"], ValueError)
    assert bench.lines[0]["status"] == 500


async def exchange(app: Any, edge: Any = None) -> list[Message]:
    """Call an application under a bare edge without any server, and return what it sent."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    def nothing(*_args: object, **_fields: object) -> None:
        return

    edge = edge or Edge(app, log=nothing, log_crash=nothing, observe=nothing)
    await edge({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
    return sent


async def test_a_crash_in_the_middle_of_an_answer_begins_no_second_one() -> None:
    crashes: list[str] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("marked-secret")

    edge = Edge(
        app,
        log=lambda *_args, **_fields: None,
        log_crash=lambda event, **_fields: crashes.append(event),
        observe=lambda *_args: None,
    )
    sent = await exchange(app, edge)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert crashes == ["internal-error"]


async def test_a_precomputed_message_of_a_route_is_left_as_it_was() -> None:
    start: Message = {"type": "http.response.start", "status": 204, "headers": []}

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start)

    sent = await exchange(app)
    assert start == {"type": "http.response.start", "status": 204, "headers": []}
    assert len(sent[0]["headers"]) == 6


ORIGIN = "https://app.example"
CORS = EdgeOptions(cors_origins=[ORIGIN], cors_credentials=True)


async def test_no_origin_is_allowed_by_default() -> None:
    response = await Bench().call("GET", "/api/people/7", headers={"Origin": ORIGIN})
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_a_listed_origin_is_allowed_exactly() -> None:
    for path in ("/api/people/7", "/api/people/7/crash"):
        response = await Bench(CORS).call("GET", path, headers={"Origin": ORIGIN})
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert response.headers["access-control-allow-credentials"] == "true"
        assert "X-Request-ID" in response.headers["access-control-expose-headers"]
        assert response.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
        "http://app.example",
        "https://app.example:444",
        "https://APP.example",
        "*",
        "",
    ],
)
async def test_other_origins_get_nothing(origin: str) -> None:
    response = await Bench(CORS).call("GET", "/api/people/7", headers={"Origin": origin})
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["vary"] == "Origin"
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    response = await Bench(CORS).call("OPTIONS", "/api/people/7", headers=asked)
    assert response.status_code == 403
    assert response.json()["code"] == "origin-not-allowed"
    assert "access-control-allow-origin" not in response.headers


async def test_a_preflight_is_answered_with_what_is_allowed() -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    response = await Bench(CORS).call("OPTIONS", "/api/people/7", headers=asked)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert response.headers["access-control-allow-methods"] == "GET, POST, PUT, PATCH, DELETE"
    allowed = response.headers["access-control-allow-headers"].split(", ")
    assert {"Authorization", "Idempotency-Key", "Last-Event-ID"} <= set(allowed)


async def test_every_origin_may_be_allowed_without_credentials_only() -> None:
    anyone = EdgeOptions(cors_origins=["*"])
    response = await Bench(anyone).call("GET", "/api/people/7", headers={"Origin": ORIGIN})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers
    with pytest.raises(ValueError, match="cannot be combined with credentials"):
        await Bench(EdgeOptions(cors_origins=["*"], cors_credentials=True)).call("GET", "/")


@pytest.mark.parametrize(
    "origin", ["app.example", "https://app.example/", "null", "https://a@b.example", "ftp://a"]
)
async def test_what_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        await Bench(EdgeOptions(cors_origins=[origin])).call("GET", "/")


# The routes for operators stand beside the edge and take what they need from app.state.edge.


class Database:
    """What the readiness check finds."""

    def __init__(self) -> None:
        self.checks: Mapping[str, str] | Exception = {"database": "ok", "migrations": "ok"}
        self.asked = 0

    async def ready(self) -> Mapping[str, str]:
        self.asked += 1
        if isinstance(self.checks, Exception):
            raise self.checks
        return self.checks


async def ask(
    path: str,
    database: Database,
    *,
    peer: str = "127.0.0.1",
    networks: list[Any] | None = None,
    **headers: str,
) -> httpx.Response:
    bench = Bench()
    bench.app.include_router(router)
    bench.app.state.edge = EdgeServices(
        ready=database.ready,
        render_metrics=lambda: (b"requests 1\n", "text/plain; version=1.0.0"),
        metrics_networks=networks,
    )
    transport = httpx.ASGITransport(bench.app, client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://wallet") as client:
        return await client.get(path, headers=headers)


async def test_liveness_never_asks_the_database() -> None:
    database = Database()
    database.checks = ConnectionError("marked-secret")
    response = await ask("/health/live", database)
    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert database.asked == 0


async def test_readiness_names_every_part() -> None:
    response = await ask("/health/ready", Database())
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok"},
    }


async def test_a_part_that_is_not_well_makes_the_service_not_ready() -> None:
    database = Database()
    database.checks = {"database": "ok", "migrations": "pending"}
    response = await ask("/health/ready", database)
    assert response.status_code == 503
    assert response.json()["code"] == "not-ready"
    assert response.json()["checks"] == {"database": "ok", "migrations": "pending"}
    assert response.headers["retry-after"] == "1"


async def test_a_readiness_check_that_fails_is_not_ready_and_tells_no_details() -> None:
    database = Database()
    database.checks = ConnectionError("marked-secret")
    response = await ask("/health/ready", database)
    assert (response.status_code, response.json()["code"]) == (503, "not-ready")
    assert "marked-secret" not in response.text


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        ("127.0.0.1", 200),
        ("127.9.9.9", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.1.2.3", 200),
        ("10.2.2.3", 404),
        ("192.0.2.1", 404),
        ("2001:db8::1", 404),
        ("unix", 404),
    ],
)
async def test_metrics_are_for_loopback_and_listed_networks(peer: str, status: int) -> None:
    networks = [ip_network("10.1.0.0/16")]
    response = await ask("/metrics", Database(), peer=peer, networks=networks)
    assert response.status_code == status
    assert ("requests 1" in response.text) == (status == 200)


async def test_a_claimed_address_opens_no_metrics() -> None:
    claims = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Real-IP": "::1"}
    response = await ask("/metrics", Database(), peer="192.0.2.1", networks=[], **claims)
    assert response.status_code == 404
    assert response.json()["code"] == "not-found"


async def test_metrics_are_open_where_the_allow_list_is_off() -> None:
    response = await ask("/metrics", Database(), peer="192.0.2.1", networks=None)
    assert (response.status_code, response.text) == (200, "requests 1\n")
    assert response.headers["content-type"] == "text/plain; version=1.0.0"
