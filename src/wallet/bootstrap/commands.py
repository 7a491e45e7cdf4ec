"""What the command line runs besides serving."""

import asyncio
import gc
import multiprocessing
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from wallet.api.app import create_app
from wallet.api.app import openapi_document as document_of
from wallet.api.middleware import EdgeOptions
from wallet.application.log_verification import Evidence
from wallet.application.people import SignUp
from wallet.application.safe_mode import SafeMode
from wallet.application.verification import Report, verify_journal, verify_rest
from wallet.application.webhook_courier import SecretUnreadable
from wallet.bootstrap.parent import DatabaseAddresses, StartFailed, data_directory
from wallet.bootstrap.parts import Parts, running_parts
from wallet.bootstrap.people import has_key, signing_keys
from wallet.domain.errors import WalletError
from wallet.domain.events import EventTypeUnknown, known_types
from wallet.domain.staff import command_line
from wallet.domain.users import Role
from wallet.domain.webhooks import SECRET_SIZE, secret_of
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.listening import Listener, ListenFailed, Login
from wallet.infrastructure.postgres import migrations
from wallet.infrastructure.postgres.pool import create_pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.postgres.verification import BooksUnreadable, PostgresBooks, snapshot
from wallet.infrastructure.security.keys import SecretInvalid, SigningKeyInvalid, SigningKeys
from wallet.infrastructure.security.signing import is_signed, public_key_of
from wallet.infrastructure.telemetry import Metrics
from wallet.settings import Settings

MigrationCommand = Callable[[Settings, DatabaseAddresses], Awaitable[list[str]]]


async def migrate_up(settings: Settings, addresses: DatabaseAddresses) -> list[str]:
    """Apply every pending migration; return a line for each."""
    try:
        done = await migrations.migrate_up(addresses.owner_url, service_role=addresses.service_role)
    except migrations.MigrationFailed as error:
        raise StartFailed(str(error)) from error
    return [f"{m.number:04} {m.name} applied" for m in done] or ["Nothing to do."]


async def migrate_down(settings: Settings, addresses: DatabaseAddresses) -> list[str]:
    """Take the last migration back, in development and where no row would be lost."""
    try:
        last = await migrations.migrate_down(addresses.owner_url, production=settings.production)
    except migrations.MigrationFailed as error:
        raise StartFailed(str(error)) from error
    return ["Nothing to take back." if last is None else f"{last.number:04} {last.name} taken back"]


async def migration_status(settings: Settings, addresses: DatabaseAddresses) -> list[str]:
    """Return a line for each migration and when it was applied."""
    try:
        found = await migrations.status_at(addresses.owner_url)
    except migrations.MigrationFailed as error:
        raise StartFailed(str(error)) from error
    return [
        f"{m.number:04} {m.name} {m.applied_at.isoformat() if m.applied_at else 'pending'}"
        for m in found
    ]


async def verify(settings: Settings, addresses: DatabaseAddresses) -> tuple[Report, float]:
    """Check the books; return the report and how many seconds it took."""
    keys: SigningKeys | None = None
    try:
        if settings.signing_key is not None or has_key(data_directory(settings)):
            keys = signing_keys(settings, data_directory(settings))
    except (SigningKeyInvalid, OSError) as error:
        raise StartFailed(str(error)) from error
    return await verify_at(addresses.service_url, keys)


async def verify_at(url: str, keys: SigningKeys | None) -> tuple[Report, float]:
    """Check the books of a database, whose log is signed by these keys."""
    started_s = time.perf_counter()
    try:
        async with snapshot(url) as books:
            with _rare_collections():
                report = await _verified(books, url, keys)
    except BooksUnreadable as error:
        raise StartFailed(str(error)) from error
    return report, time.perf_counter() - started_s


async def _verified(books: PostgresBooks, url: str, keys: SigningKeys | None) -> Report:
    """Check the journal here and the rest in a process of its own, on the same snapshot."""
    trusted = () if keys is None else tuple(map(public_key_of, keys.by_kid().values()))
    evidence = Evidence(books.log, is_signed, trusted)
    shared = await books.share()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as processes:
        loop = asyncio.get_running_loop()
        rest = loop.run_in_executor(processes, _verify_rest, url, shared)
        report = await verify_journal(books, evidence)
        report.merge(await rest)
    return report


def _verify_rest(url: str, shared: str) -> Report:
    async def check() -> Report:
        async with snapshot(url, shared=shared) as books:
            return await verify_rest(books)

    with _rare_collections():
        return asyncio.run(check())


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let the garbage collector look seldom: rows come and go by the thousand, none in a cycle."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def safe_mode_status(settings: Settings, addresses: DatabaseAddresses) -> list[str]:
    """Return a line that says whether money moves."""
    async with _safe_mode(addresses) as safe_mode:
        entered = safe_mode.current
    if entered is None:
        return ["Money moves: the service is not in safe mode."]
    return [f"In safe mode since {entered.entered_at.isoformat()}: {entered.reason}"]


async def leave_safe_mode(
    settings: Settings, addresses: DatabaseAddresses, by: str, reason: str
) -> list[str]:
    """Let money move again; return a line that says so."""
    if not reason.strip():
        raise StartFailed("Say why it is right that money moves again.")
    async with _safe_mode(addresses) as safe_mode:
        left = await safe_mode.leave(by, reason.strip())
    return ["Money moves again, within seconds." if left else "The service is not in safe mode."]


@asynccontextmanager
async def _safe_mode(addresses: DatabaseAddresses) -> AsyncIterator[SafeMode]:
    def fail(error: BaseException) -> None:
        raise error

    try:
        pool = await create_pool(addresses.service_url, size_max=1)
    except (OSError, TimeoutError) as error:
        raise StartFailed(f"The database cannot be reached: {error}") from error
    try:
        safe_mode = SafeMode(
            unit_of_work=lambda: PostgresUnitOfWork(pool),
            clock=utc_now,
            new_id=new_id,
            report=fail,
        )
        await safe_mode.refresh()
        yield safe_mode
    except WalletError as error:
        raise StartFailed(f"{error.detail} ({error.code})") from error
    finally:
        await pool.close()


async def create_admin(
    settings: Settings,
    addresses: DatabaseAddresses,
    *,
    email: str,
    first_name: str,
    last_name: str,
    password: str,
    by: str,
) -> list[str]:
    """Make an administrator; return a line that says so.

    Raises `StartFailed` with the reason if refused.
    """
    wish = SignUp(
        first_name=first_name,
        last_name=last_name,
        email=email,
        password=password,
        handle=None,
        address="127.0.0.1",
    )
    async with _parts(settings, addresses) as parts:
        person_id, joined = await parts.staff.appoint(wish, command_line(by))
    if joined:
        return [f"{email} is an administrator ({person_id})."]
    return [
        f"{email} is an administrator ({person_id}).",
        "They were here already, with a name and a password: those you gave were not used.",
    ]


async def reset_second_factor(
    settings: Settings, addresses: DatabaseAddresses, email: str, by: str, reason: str
) -> list[str]:
    """Take the second factor off somebody who has lost it; return a line that says so."""
    async with _parts(settings, addresses) as parts:
        person_id = await parts.second_factors.reset(email, command_line(by), reason)
    return [f"{email} ({person_id}) has no second factor any more; all their sessions have ended."]


async def encrypt_secrets(settings: Settings, addresses: DatabaseAddresses) -> list[str]:
    """Encrypt secrets of second factors and webhooks with the present keys; return two lines."""
    async with _parts(settings, addresses) as parts:
        changed = {
            "second factors": await parts.second_factors.encrypt_again(),
            "webhook endpoints": await parts.use_cases.webhooks.encrypt_again(),
        }
    return [
        f"{what}: {count} encrypted again; the previous key is not needed any more."
        for what, count in changed.items()
    ]


async def give_role(
    settings: Settings, addresses: DatabaseAddresses, *, email: str, role: str, by: str, reason: str
) -> list[str]:
    """Give somebody a role of the staff, or `user` to take it away; return a line that says so.

    Raises `StartFailed` with the reason if refused.
    """
    async with _parts(settings, addresses) as parts:
        id_, changed = await parts.staff.give_role(email, Role(role), command_line(by), reason)
    if not changed:
        return [f"{email} had the role {role} already ({id_}): nothing was changed or written."]
    return [f"{email} has the role {role} ({id_})."]


@asynccontextmanager
async def _parts(settings: Settings, addresses: DatabaseAddresses) -> AsyncIterator[Parts]:
    """Yield the application's parts on a migrated database; a refusal is a `StartFailed`."""

    def log(event: str, **_: object) -> None:
        """Say nothing: the command line tells the outcome."""

    await _migrated(addresses)
    try:
        async with running_parts(
            settings,
            database_url=addresses.service_url,
            directory=data_directory(settings),
            metrics=Metrics(),
            log=log,
            log_error=log,
        ) as parts:
            yield parts
    except WalletError as error:
        raise StartFailed(f"{error.detail} ({error.code})") from error
    except (SecretInvalid, SecretUnreadable, SigningKeyInvalid) as error:
        raise StartFailed(str(error)) from error


async def _migrated(addresses: DatabaseAddresses) -> None:
    try:
        await migrations.migrate_up(addresses.owner_url, service_role=addresses.service_role)
    except migrations.MigrationFailed as error:
        raise StartFailed(str(error)) from error


async def listen(
    service_url: str,
    forward_to: str,
    login: Login,
    *,
    secret: str | None,
    types: Sequence[str],
    after: str,
    say: Callable[[str], None],
) -> None:
    """Forward somebody's events to a server of theirs until cancelled; raise `StartFailed`."""
    try:
        key = os.urandom(SECRET_SIZE) if secret is None else secret_of(secret)
        wanted = known_types(types)
        listener = Listener(service_url, forward_to, login, key, say, wanted, after)
        await listener.run()
    except EventTypeUnknown as error:
        known = ", ".join(error.facts["known"])
        raise StartFailed(
            f"There are no events {error.facts['event_type']}. Known: {known}."
        ) from None
    except (ListenFailed, ValueError) as error:
        raise StartFailed(str(error)) from None


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document; no database is needed for it."""

    def nothing(*_: object, **__: object) -> None:
        """Nobody asks for anything while the document is made."""

    app = create_app(
        password_grant=True,
        options=EdgeOptions(),
        lifespan=None,
        log=nothing,
        log_crash=nothing,
        observe=nothing,
    )
    return document_of(app)
