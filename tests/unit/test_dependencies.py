"""Who is asking and from where, as the plain functions read it."""

from typing import Any
from uuid import UUID

import pytest

from wallet.api.dependencies import TrustedProxies, authenticated, bearer_token
from wallet.api.key_scopes import require_access
from wallet.api.throughput import Throughput, ThroughputExceeded
from wallet.domain.api_keys import Grant, InsufficientScope, SessionRequired
from wallet.domain.errors import Unauthenticated
from wallet.domain.sessions import Principal, TokenInvalid

ADA = Principal(UUID(int=1), UUID(int=2))


@pytest.mark.parametrize("value", [b"Bearer abc", b"bearer abc", b"BEARER   abc "])
def test_a_bearer_token_is_read(value: bytes) -> None:
    assert bearer_token([(b"host", b"x"), (b"authorization", value)]) == "abc"


def test_no_credentials_are_told_from_bad_ones() -> None:
    with pytest.raises(Unauthenticated) as caught:
        bearer_token([(b"host", b"x")])
    assert not isinstance(caught.value, TokenInvalid)
    for headers in (
        [(b"authorization", b"Basic abc")],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")],
    ):
        with pytest.raises(TokenInvalid):
            bearer_token(headers)


async def test_a_request_is_noted_and_counted_by_person() -> None:
    async def authenticate(token: str) -> Principal:
        assert token == "abc"
        return ADA

    throughput = Throughput(2, 60.0, 2)

    def scope() -> dict[str, object]:
        return {"type": "http", "headers": [(b"authorization", b"Bearer abc")]}

    first = scope()
    for request in (first, scope()):
        assert await authenticated(request, authenticate, throughput) == ADA
    state = first["state"]
    assert isinstance(state, dict)
    assert state["person_id"] == ADA.user_id
    # A request that was looked at once, by a hot route, is the same request.
    assert await authenticated(first, authenticate, throughput) == ADA
    with pytest.raises(ThroughputExceeded):
        await authenticated(scope(), authenticate, throughput)


async def test_a_machine_is_noted_by_its_key_too() -> None:
    machine = Principal(UUID(int=1), UUID(int=2), Grant(UUID(int=3), frozenset({"wallets:read"})))

    async def authenticate(_: str) -> Principal:
        return machine

    scope: dict[str, Any] = {"type": "http", "headers": [(b"authorization", b"Bearer wk_x")]}
    await authenticated(scope, authenticate, Throughput(2, 60.0, 2))
    assert scope["state"]["person_id"] == UUID(int=1)
    assert scope["state"]["api_key_id"] == UUID(int=3)


def test_people_may_do_anything_and_machines_what_the_table_says() -> None:
    machine = Principal(UUID(int=1), UUID(int=2), Grant(UUID(int=3), frozenset({"wallets:read"})))
    for operation_id in ("getBalance", "createTransfer", "createApiKey", "unheardOf", None):
        require_access(ADA, operation_id)
    require_access(machine, "getBalance")
    with pytest.raises(InsufficientScope):
        require_access(machine, "createTransfer")
    for closed in ("createApiKey", "unheardOf", None):
        with pytest.raises(SessionRequired):
            require_access(machine, closed)


@pytest.mark.parametrize(
    ("networks", "peer", "forwarded", "address"),
    [
        ([], "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        (["10.0.0.0/8"], "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        (["10.0.0.0/8"], "10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (["10.0.0.0/8"], "10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        (["10.0.0.0/8"], "10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (["10.0.0.0/8"], "10.0.0.1", "", "10.0.0.1"),
        (["10.0.0.0/8"], "10.0.0.1", "garbage, 10.0.0.2", "10.0.0.2"),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (["10.0.0.0/8"], "", "198.51.100.1", ""),
        (["::1/128"], "::1", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_forwarded_addresses_are_believed_from_trusted_proxies_only(
    networks: list[str], peer: str, forwarded: str, address: str
) -> None:
    assert TrustedProxies.of(networks).address_of(peer, forwarded) == address


def test_a_trusted_proxy_is_a_network() -> None:
    with pytest.raises(ValueError, match="network"):
        TrustedProxies.of(["proxy.example"])
