"""What the embedded PostgreSQL lets whom do, where it puts things, and what it refuses."""

import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.integration.embedded_postgres_places import IS_ROOT, Place, ask, places

from wallet.infrastructure.embedded_postgres import (
    EmbeddedAddresses,
    EmbeddedPostgres,
    EmbeddedPostgresFailed,
    default_directory,
    locations,
)
from wallet.infrastructure.embedded_postgres.system import command_line

AS_ROOT = pytest.mark.skipif(not IS_ROOT, reason="NOT ROOT: there is no system user to drop to")


@pytest.fixture
def make_place() -> Iterator[Callable[..., Place]]:
    with places() as make:
        yield make


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    return make_place()


@pytest.fixture
def empty_place(make_place: Callable[..., Place]) -> Place:
    return make_place(empty=True)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- who may do what


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[EmbeddedAddresses, Path]]:
    base = Path(tempfile.mkdtemp(prefix="pgtest-")).resolve()
    base.chmod(0o755)
    parameters = {"jit": "on", "work_mem": "8MB"}
    with EmbeddedPostgres(base / "wallet", parameters=parameters) as postgres:
        yield postgres.addresses, base / "wallet"
    shutil.rmtree(base)


def test_the_parameters_are_those_of_production_and_can_be_overridden(
    shared: tuple[EmbeddedAddresses, Path],
) -> None:
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "shared_buffers": "256MB",
        "max_connections": "100",
        "password_encryption": "scram-sha-256",
        "random_page_cost": "1.1",
        "TimeZone": "UTC",
        "autovacuum_naptime": "15s",
        "server_encoding": "UTF8",
        "jit": "on",
        "work_mem": "8MB",
        "statement_timeout": "0",
        "lock_timeout": "0",
        "data_checksums": "on",
    }
    asked = "SELECT " + ", ".join(f"current_setting('{name}')" for name in expected)
    found = ask(shared[0].service_url, asked)[0]
    assert dict(zip(expected, found, strict=True)) == expected


def test_every_door_asks_for_a_scram_password(shared: tuple[EmbeddedAddresses, Path]) -> None:
    addresses, directory = shared
    doors = ask(
        addresses.superuser_url,
        "SELECT type, address, auth_method FROM pg_hba_file_rules ORDER BY rule_number",
    )
    assert doors == [
        ["local", None, "scram-sha-256"],
        ["local", None, "scram-sha-256"],
        ["host", "127.0.0.1", "scram-sha-256"],
    ]
    stored = "SELECT bool_and(rolpassword LIKE 'SCRAM-SHA-256$%') FROM pg_authid WHERE rolcanlogin"
    assert ask(addresses.superuser_url, stored) == [[True]]
    assert ask(addresses.superuser_url, "SHOW listen_addresses") == [["127.0.0.1"]]
    port = json.loads((directory / "endpoint.json").read_text())["port"]
    passwords = json.loads((directory / "cluster" / "passwords.json").read_text())
    over_tcp = f"postgresql://wallet_service:{{}}@127.0.0.1:{port}/wallet?sslmode=disable"
    assert ask(over_tcp.format(passwords["service"]), "SELECT 1") == [[1]]
    for wrong in (over_tcp.format("guess"), addresses.service_url.replace(":", ":x", 2)):
        with pytest.raises((asyncpg.InvalidPasswordError, ValueError)):
            ask(wrong, "SELECT 1")
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(addresses.service_url, "SELECT 1", password="guess")


def test_secrets_are_in_no_printed_form_and_in_no_file_that_others_can_read(
    shared: tuple[EmbeddedAddresses, Path],
) -> None:
    addresses, directory = shared
    passwords = json.loads((directory / "cluster" / "passwords.json").read_text())
    assert len(set(passwords.values())) == 3
    assert all(password not in repr(addresses) for password in passwords.values())
    assert mode_of(directory / "cluster" / "passwords.json") == 0o600
    assert mode_of(directory / "postgres.log") == 0o600
    assert mode_of(directory / "run") == mode_of(directory / "cluster" / "data") == 0o700
    assert mode_of(directory) == (0o711 if IS_ROOT else 0o700)


def test_the_owner_owns_and_the_service_only_connects(
    shared: tuple[EmbeddedAddresses, Path],
) -> None:
    owner_url, service_url = shared[0].owner_url, shared[0].service_url
    ask(owner_url, "CREATE ROLE application")
    ask(owner_url, "GRANT application TO wallet_service")
    ask(owner_url, "CREATE TABLE public.wallets (id int)")
    ask(owner_url, "GRANT SELECT ON public.wallets TO application")
    assert ask(service_url, "SELECT * FROM public.wallets") == []
    for refused in (
        "CREATE TABLE public.mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "INSERT INTO public.wallets VALUES (1)",
        "ALTER SYSTEM SET fsync = off",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            ask(service_url, refused)
    ask(owner_url, "CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        ask(service_url, "SELECT 1", user="stranger", password="stranger")
    attributes = (
        "SELECT rolname::text, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
        " FROM pg_roles WHERE rolname LIKE 'wallet\\_%' ORDER BY 1"
    )
    assert ask(owner_url, attributes) == [
        ["wallet_owner", False, True, False, False, False],
        ["wallet_service", False, False, False, False, False],
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_sees_none_of_our_environment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLET_TEST_SECRET", "hush")
    monkeypatch.setenv("PGPORT", "1")
    with EmbeddedPostgres(place.directory) as postgres:
        seen = Path(f"/proc/{postgres.postmaster_pid}/environ").read_bytes()
        assert b"hush" not in seen
        assert b"PGPORT" not in seen


# --- where things lie, and what is refused


def test_data_of_another_major_version_is_refused_and_left_alone(place: Place) -> None:
    with EmbeddedPostgres(place.directory):
        pass
    version = place.data / "PG_VERSION"
    kept = version.read_text()
    version.write_text("15\n")
    with pytest.raises(EmbeddedPostgresFailed, match=r"of PostgreSQL 15, the server is 18") as said:
        EmbeddedPostgres(place.directory).start()
    assert "pg_dump" in said.value.advice
    assert version.read_text() == "15\n"
    version.write_text(kept)


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(place: Place) -> None:
    with pytest.raises(EmbeddedPostgresFailed, match=r'invalid value for parameter "work_mem"'):
        EmbeddedPostgres(place.directory, parameters={"work_mem": "much"}).start()
    assert place.processes() == []
    with EmbeddedPostgres(place.directory) as postgres:
        assert ask(postgres.addresses.service_url, "SELECT 1") == [[1]]


def test_parameters_that_the_supervisor_relies_on_are_refused(place: Place) -> None:
    with pytest.raises(ValueError, match="listen_addresses"):
        EmbeddedPostgres(place.directory, parameters={"listen_addresses": "*"})


@AS_ROOT
def test_data_that_the_system_user_could_not_reach_is_refused_and_nothing_is_opened(
    empty_place: Place,
) -> None:
    closed = empty_place.base / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedPostgresFailed, match="WALLET_DATA_DIRECTORY") as said:
        EmbeddedPostgres(closed / "wallet").start()
    assert f"may not enter {closed}," in said.value.what
    assert mode_of(closed) == 0o700


def test_a_directory_that_others_may_write_to_is_refused(empty_place: Place) -> None:
    empty_place.directory.mkdir()
    empty_place.directory.chmod(0o777)
    with pytest.raises(EmbeddedPostgresFailed, match="Everybody may write"):
        EmbeddedPostgres(empty_place.directory).start()
    assert mode_of(empty_place.directory) == 0o777


def test_a_directory_that_cannot_be_made_is_refused_by_name(empty_place: Place) -> None:
    (empty_place.base / "file").touch()
    with pytest.raises(EmbeddedPostgresFailed, match="WALLET_DATA_DIRECTORY"):
        EmbeddedPostgres(empty_place.base / "file" / "wallet").start()


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(empty_place: Place) -> None:
    long = empty_place.base / ("long" * 20) / "wallet, too"
    with EmbeddedPostgres(long) as postgres:
        first = postgres.addresses
        recorded = Path(json.loads((long / "endpoint.json").read_text())["socket_directory"])
        assert not recorded.is_relative_to(empty_place.base)
        assert mode_of(recorded) == 0o700
        assert recorded.stat().st_uid == empty_place.uid
        assert ask(first.service_url, "SELECT 1") == [[1]]
    assert not recorded.exists()
    recorded.mkdir(mode=0o755)  # Somebody else's by its mode: not to be used again.
    with EmbeddedPostgres(long) as postgres:
        assert postgres.addresses != first
        assert ask(postgres.addresses.service_url, "SELECT 1") == [[1]]
    recorded.rmdir()


@pytest.mark.slow
@AS_ROOT
def test_binaries_in_a_closed_directory_are_copied_once(
    empty_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = locations.installation(locations.server_user()).parent
    closed = empty_place.base / "closed"
    closed.mkdir(mode=0o700)
    for part in (installed, installed.with_name(f"{installed.name}.libs")):
        shutil.copytree(part, closed / part.name, ignore=shutil.ignore_patterns("include", "doc"))
    monkeypatch.syspath_prepend(closed)
    monkeypatch.setattr(locations, "SYSTEM_STATE_DIRECTORY", empty_place.base / "state")
    for _ in range(2):
        with EmbeddedPostgres(empty_place.directory) as postgres:
            assert str(empty_place.base / "state") in command_line(postgres.postmaster_pid or 0)
            assert ask(postgres.addresses.service_url, "SELECT 1") == [[1]]
    assert [path.name for path in (empty_place.base / "state").glob("bin-*")] == ["bin-18.6.3"]
    assert mode_of(closed) == 0o700


def test_the_log_is_bounded(place: Place) -> None:
    with EmbeddedPostgres(place.directory) as postgres:
        log = place.directory / "postgres.log"
        with log.open("ab") as file:
            file.write(b"x" * (11 * 1024 * 1024))
        postgres.ensure_running()
        assert log.stat().st_size == 0
        assert log.with_name("postgres.log.1").stat().st_size > 11 * 1024 * 1024
        with pytest.raises(asyncpg.UndefinedTableError):
            ask(postgres.addresses.service_url, "SELECT * FROM nowhere")
        assert b"nowhere" in log.read_bytes()


def test_the_data_directory_is_keyed_by_the_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = default_directory(tmp_path / "one"), default_directory(tmp_path / "other")
    assert one != other
    assert one == default_directory(tmp_path / "other" / ".." / "one")
    if IS_ROOT:
        assert one.parent == locations.SYSTEM_STATE_DIRECTORY
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(locations, "ON_MACOS", False)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert default_directory(tmp_path).parent == Path("/home/ada/.local/state/wallet")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_directory(tmp_path).parent == Path("/state/wallet")
    monkeypatch.setattr(locations, "ON_MACOS", True)
    expected = Path("/home/ada/Library/Application Support/wallet")
    assert default_directory(tmp_path).parent == expected
