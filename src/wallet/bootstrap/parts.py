"""Everything one process needs to serve, built from settings and taken down in order."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from wallet.application.account_mail import AccountMail
from wallet.application.activity import Activity
from wallet.application.authentication import Authentication
from wallet.application.background import Background
from wallet.application.coalescing import LANES, Coalescer
from wallet.application.credentials import Credentials
from wallet.application.directory import Directory
from wallet.application.housekeeping import repeat
from wallet.application.idempotency import IdempotencyKeys
from wallet.application.ledger_writer import LedgerWriter
from wallet.application.limits import PeopleLimits
from wallet.application.log_in import LogIn
from wallet.application.password_checks import PasswordChecks
from wallet.application.people import People
from wallet.application.ports import Mailer, TokenIssuer
from wallet.application.recipients import Recipients
from wallet.application.revocations import Revocations
from wallet.application.staff import Staff
from wallet.application.top_ups import TopUps
from wallet.application.transfers import Transfers
from wallet.application.use_cases import UseCases
from wallet.application.wallets import WalletKeeping
from wallet.domain.accounts import STRIPES
from wallet.domain.funding import FundingGateway
from wallet.domain.guards import Guard
from wallet.domain.ledger import Instruction, Outcome, Result
from wallet.domain.money import currency_of
from wallet.infrastructure.identifiers import new_id, new_secret, utc_now
from wallet.infrastructure.mail import FileMailer, SmtpMailer
from wallet.infrastructure.postgres.guards import PostgresGuards, PostgresLogInDelays
from wallet.infrastructure.postgres.janitor import Janitor
from wallet.infrastructure.postgres.pool import Pool, create_pool, database_ready
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.sandbox_gateway import SandboxGateway
from wallet.infrastructure.security.keys import SigningKey, SigningKeys, load_or_create_key
from wallet.infrastructure.security.passwords import Argon2Passwords
from wallet.infrastructure.security.tokens import JwtTokens
from wallet.infrastructure.telemetry import Metrics
from wallet.settings import Settings

DRAIN_TIMEOUT_S = 6.0
RESUME_EVERY_S = 10.0
PRUNE_EVERY_S = 600.0
SAMPLE_EVERY_S = 1.0

Log = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of, once it runs."""

    use_cases: UseCases
    staff: Staff
    tokens: TokenIssuer
    mailbox: FileMailer | None
    ready: Callable[[], Coroutine[Any, Any, Mapping[str, str]]]


def signing_keys(settings: Settings, directory: Path) -> SigningKeys:
    """Return the keys of the settings, or in development the one kept in the data directory.

    Raises `SigningKeyInvalid`, naming the setting.
    """
    if settings.signing_key is None:
        return SigningKeys(load_or_create_key(directory / "signing-key.pem"))
    current = SigningKey.of_pem(settings.signing_key.get_secret_value(), "WALLET_SIGNING_KEY")
    previous: tuple[SigningKey, ...] = ()
    if settings.previous_signing_key is not None:
        pem = settings.previous_signing_key.get_secret_value()
        previous = (SigningKey.of_pem(pem, "WALLET_PREVIOUS_SIGNING_KEY"),)
    return SigningKeys(current, previous)


@asynccontextmanager
async def running_parts(
    settings: Settings,
    *,
    database_url: str,
    directory: Path,
    metrics: Metrics,
    log: Log,
    log_error: Log,
    gateway: FundingGateway | None = None,
) -> AsyncIterator[Parts]:
    """Open pools and start background work; on leaving, finish what is under way, then close."""

    def report(error: BaseException) -> None:
        log_error("background-failure", exc_info=error)

    async with AsyncExitStack() as stack:
        pool = await _pool(stack, database_url, size_max=settings.database_connections)
        money_pool = await _pool(stack, database_url, size_max=LANES, generic_plans=True)
        background = Background(report)
        stack.push_async_callback(background.drain)
        hasher = Argon2Passwords(threads=settings.hashing_threads)
        stack.callback(hasher.close)

        def unit_of_work() -> PostgresUnitOfWork:
            return PostgresUnitOfWork(pool)

        def money_unit_of_work() -> PostgresUnitOfWork:
            return PostgresUnitOfWork(money_pool)

        writer = LedgerWriter(money_unit_of_work, observe=_observer(metrics))
        coalescer = Coalescer(writer, first_stripe=os.getpid() * LANES % STRIPES)
        stack.push_async_callback(_drained, coalescer.drain)
        limits = _limits(settings)
        guards = PostgresGuards(pool)
        checks = PasswordChecks(hasher=hasher, delays=PostgresLogInDelays(pool))
        mailer = _mailer(settings, directory, log)
        mail = AccountMail(
            mailer=mailer,
            background=background,
            guards=guards,
            limits=limits,
            new_secret=new_secret,
            public_url=settings.public_url,
        )
        tokens = JwtTokens(
            keys=signing_keys(settings, directory), issuer=settings.public_url, audience="wallet"
        )
        revocations = Revocations(unit_of_work=unit_of_work, clock=utc_now, report=report)
        authentication = Authentication(tokens=tokens, revocations=revocations, clock=utc_now)
        directory_of_wallets = Directory(unit_of_work)
        recipients = Recipients(unit_of_work=unit_of_work, guards=guards, limits=limits)
        top_ups = TopUps(
            mover=coalescer,
            gateway=gateway or SandboxGateway(),
            directory=directory_of_wallets,
            unit_of_work=unit_of_work,
            new_id=new_id,
            clock=utc_now,
            report=report,
        )
        stack.push_async_callback(_drained, top_ups.drain)
        use_cases = UseCases(
            people=People(
                unit_of_work=unit_of_work,
                guards=guards,
                hasher=hasher,
                password_checks=checks,
                mail=mail,
                revocations=revocations,
                clock=utc_now,
                new_id=new_id,
                default_currency=currency_of(settings.default_currency),
                limits=limits,
                password_length_min=settings.password_length_min,
            ),
            credentials=Credentials(
                unit_of_work=unit_of_work,
                guards=guards,
                hasher=hasher,
                password_checks=checks,
                mail=mail,
                background=background,
                revocations=revocations,
                clock=utc_now,
                new_id=new_id,
                limits=limits,
                password_length_min=settings.password_length_min,
            ),
            log_in=LogIn(
                unit_of_work=unit_of_work,
                guards=guards,
                hasher=hasher,
                password_checks=checks,
                tokens=tokens,
                authentication=authentication,
                revocations=revocations,
                clock=utc_now,
                new_id=new_id,
                new_secret=new_secret,
                limits=limits,
                access_lifetime=timedelta(seconds=settings.access_token_lifetime_s),
                session_lifetime=timedelta(days=settings.session_lifetime_days),
            ),
            recipients=recipients,
            wallets=WalletKeeping(unit_of_work=unit_of_work, new_id=new_id, clock=utc_now),
            transfers=Transfers(
                mover=coalescer,
                previewer=LedgerWriter(unit_of_work),
                directory=directory_of_wallets,
                find_recipient=recipients.find,
                look_up_recipient=recipients.look_up,
                unit_of_work=unit_of_work,
                new_id=new_id,
                random_bytes=os.urandom,
            ),
            top_ups=top_ups,
            activity=Activity(unit_of_work=unit_of_work),
            idempotency_keys=IdempotencyKeys(unit_of_work),
        )

        async def sample() -> None:
            metrics.queue_depth(coalescer.queue_length)
            metrics.pool(pool.get_size() - pool.get_idle_size(), pool.get_idle_size())

        janitor = Janitor(database_url)
        for work in (
            revocations.run(),
            repeat(top_ups.resume_pending, every_s=RESUME_EVERY_S, report=report),
            repeat(janitor.prune, every_s=PRUNE_EVERY_S, report=report),
            repeat(sample, every_s=SAMPLE_EVERY_S, report=report),
        ):
            _start(stack, work)
        yield Parts(
            use_cases,
            Staff(
                unit_of_work=unit_of_work,
                people=use_cases.people,
                clock=utc_now,
                new_id=new_id,
            ),
            tokens,
            mailer if isinstance(mailer, FileMailer) else None,
            lambda: database_ready(pool),
        )


async def _pool(
    stack: AsyncExitStack, url: str, *, size_max: int, generic_plans: bool = False
) -> "Pool":
    # No connection is needed to start: a worker that comes up during an outage waits it out.
    pool = await create_pool(url, size_min=0, size_max=size_max, generic_plans=generic_plans)
    stack.push_async_callback(_close, pool)
    return pool


async def _close(pool: "Pool") -> None:
    try:
        async with asyncio.timeout(2):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _drained(drain: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Wait for work under way, but not for ever: what is cut off has its key."""
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            await drain()
    except TimeoutError:
        return


def _start(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)

    async def end() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(end)


def _mailer(settings: Settings, directory: Path, log: Log) -> Mailer:
    if settings.smtp_url is not None:
        return SmtpMailer.of_url(settings.smtp_url.get_secret_value(), settings.mail_from)
    return FileMailer(directory / "mail", log=log)


def _limits(settings: Settings) -> PeopleLimits:
    limits = PeopleLimits()
    return limits._replace(
        sign_up=_with_limit(limits.sign_up, settings.sign_up_limit),
        log_in=_with_limit(limits.log_in, settings.log_in_limit),
        failed_recipient=_with_limit(limits.failed_recipient, settings.recipient_miss_limit),
    )


def _with_limit(guard: Guard, limit: int) -> Guard:
    return Guard(guard.name, limit, guard.window_s)


def _observer(metrics: Metrics) -> Callable[[Sequence[Instruction], Sequence[Result]], None]:
    def observe(instructions: Sequence[Instruction], results: Sequence[Result]) -> None:
        metrics.batch(len(instructions))
        for instruction, result in zip(instructions, results, strict=True):
            metrics.instruction(instruction.header.kind.word, _word(result))

    return observe


def _word(result: Result) -> str:
    if isinstance(result, Outcome):
        return "accepted" if result.refusal is None else result.refusal.code
    return getattr(result, "code", "error")
