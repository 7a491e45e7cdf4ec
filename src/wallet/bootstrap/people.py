"""The half of the application that is about people: accounts, sessions, tokens, keys and mail."""

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from wallet.application.account_mail import AccountMail
from wallet.application.api_keys import ApiKeyKeeping
from wallet.application.authentication import Authentication
from wallet.application.background import Background
from wallet.application.browser_sessions import BrowserSessions, LiveTickets
from wallet.application.credentials import Credentials
from wallet.application.entrance import Entrance
from wallet.application.key_authentication import KeyAuthentication
from wallet.application.limits import PeopleLimits
from wallet.application.log_in import LogIn
from wallet.application.password_checks import PasswordChecks
from wallet.application.people import People
from wallet.application.ports import Mailer
from wallet.application.recipients import Recipients
from wallet.application.revocations import Revocations
from wallet.application.second_factor_checks import SecondFactorChecks
from wallet.application.second_factors import SecondFactors
from wallet.application.staff import Staff
from wallet.bootstrap.ground import Ground
from wallet.domain.guards import Guard
from wallet.domain.money import currency_of
from wallet.infrastructure.identifiers import new_id, new_number, new_secret, utc_now
from wallet.infrastructure.mail import FileMailer, SmtpMailer
from wallet.infrastructure.postgres.guards import PostgresGuards, PostgresLogInDelays
from wallet.infrastructure.security.keys import (
    SigningKey,
    SigningKeys,
    load_or_create_key,
    load_or_create_secret,
)
from wallet.infrastructure.security.one_time_codes import PasslibOneTimeCodes
from wallet.infrastructure.security.passwords import Argon2Passwords
from wallet.infrastructure.security.signing import Es256Signer
from wallet.infrastructure.security.tokens import JwtTokens
from wallet.settings import Settings

AUDIENCE = "wallet"
KEY_FILE = "signing-key.pem"
SECOND_FACTOR_KEY_FILE = "second-factor-key"


@dataclass(frozen=True, slots=True)
class PeopleParts:
    """Use cases about people, and what runs beside them."""

    people: People
    credentials: Credentials
    log_in: LogIn
    browser_sessions: BrowserSessions
    live_tickets: LiveTickets
    second_factors: SecondFactors
    api_keys: ApiKeyKeeping
    key_authentication: KeyAuthentication
    recipients: Recipients
    staff: Staff
    revocations: Revocations
    tokens: JwtTokens
    mailbox: FileMailer | None
    signer: Es256Signer
    mail: AccountMail


@dataclass(frozen=True, slots=True)
class _Tools:
    """What the use cases share."""

    guards: PostgresGuards
    limits: PeopleLimits
    hasher: Argon2Passwords
    checks: PasswordChecks
    codes: PasslibOneTimeCodes
    second_factor_checks: SecondFactorChecks
    entrance: Entrance
    background: Background
    mail: AccountMail
    revocations: Revocations
    key_authentication: KeyAuthentication
    tokens: JwtTokens
    signer: Es256Signer


def people_parts(ground: Ground) -> PeopleParts:
    """Build the half that is about people."""
    mailer = _mailer(ground)
    tools = _tools(ground, mailer)
    people = _people(ground, tools)
    recipients = Recipients(unit_of_work=ground.reading, guards=tools.guards, limits=tools.limits)
    return PeopleParts(
        people=people,
        credentials=_credentials(ground, tools),
        log_in=_log_in(ground, tools),
        browser_sessions=_browser_sessions(ground, tools),
        live_tickets=LiveTickets(
            unit_of_work=ground.unit_of_work,
            guards=tools.guards,
            revocations=tools.revocations,
            clock=utc_now,
            new_secret=new_secret,
            limits=tools.limits,
        ),
        second_factors=_second_factors(ground, tools),
        api_keys=_api_keys(ground, tools, recipients),
        key_authentication=tools.key_authentication,
        recipients=recipients,
        staff=Staff(unit_of_work=ground.unit_of_work, people=people, clock=utc_now, new_id=new_id),
        revocations=tools.revocations,
        tokens=tools.tokens,
        mailbox=mailer if isinstance(mailer, FileMailer) else None,
        signer=tools.signer,
        mail=tools.mail,
    )


def signing_keys(settings: Settings, directory: Path) -> SigningKeys:
    """Return the keys of the settings, or in development the one kept in the data directory.

    Raises `SigningKeyInvalid`, naming the setting.
    """
    if settings.signing_key is None:
        return SigningKeys(load_or_create_key(directory / KEY_FILE))
    current = SigningKey.of_pem(settings.signing_key.get_secret_value(), "WALLET_SIGNING_KEY")
    previous: tuple[SigningKey, ...] = ()
    if settings.previous_signing_key is not None:
        pem = settings.previous_signing_key.get_secret_value()
        previous = (SigningKey.of_pem(pem, "WALLET_PREVIOUS_SIGNING_KEY"),)
    return SigningKeys(current, previous)


def second_factor_keys(settings: Settings, directory: Path) -> tuple[str, ...]:
    """Return the keys that the secrets of second factors are encrypted with, the present one first.

    Those of the settings, or in development the one kept in the data directory. Raises
    `SecretInvalid`, naming the file.
    """
    if settings.second_factor_key is None:
        return (load_or_create_secret(directory / SECOND_FACTOR_KEY_FILE),)
    given = (settings.second_factor_key, settings.previous_second_factor_key)
    return tuple(key.get_secret_value() for key in given if key is not None)


def has_key(directory: Path) -> bool:
    """Tell whether development has made its key in the data directory."""
    return (directory / KEY_FILE).exists()


def _tools(ground: Ground, mailer: Mailer) -> _Tools:
    settings = ground.settings
    background = Background(ground.report)
    ground.stack.push_async_callback(background.drain)
    hasher = Argon2Passwords(threads=settings.hashing_threads)
    ground.stack.callback(hasher.close)
    guards, limits = PostgresGuards(ground.pool), _limits(settings)
    delays = PostgresLogInDelays(ground.pool)
    checks = PasswordChecks(hasher=hasher, delays=delays)
    mail = AccountMail(
        mailer=mailer,
        background=background,
        guards=guards,
        limits=limits,
        new_secret=new_secret,
        public_url=settings.public_url,
    )
    codes = PasslibOneTimeCodes(second_factor_keys(settings, ground.directory))
    second_factor_checks = SecondFactorChecks(
        unit_of_work=ground.unit_of_work,
        codes=codes,
        delays=delays,
        mail=mail,
        clock=utc_now,
        new_id=new_id,
    )
    revocations = Revocations(unit_of_work=ground.reading, clock=utc_now, report=ground.report)
    keys = signing_keys(settings, ground.directory)
    return _Tools(
        guards=guards,
        limits=limits,
        hasher=hasher,
        checks=checks,
        codes=codes,
        second_factor_checks=second_factor_checks,
        entrance=Entrance(
            unit_of_work=ground.unit_of_work,
            guards=guards,
            hasher=hasher,
            password_checks=checks,
            second_factor_checks=second_factor_checks,
            revocations=revocations,
            clock=utc_now,
            new_id=new_id,
            limits=limits,
        ),
        background=background,
        mail=mail,
        revocations=revocations,
        key_authentication=_key_authentication(ground, revocations),
        tokens=JwtTokens(keys=keys, issuer=settings.public_url, audience=AUDIENCE),
        signer=Es256Signer(keys),
    )


def _key_authentication(ground: Ground, revocations: Revocations) -> KeyAuthentication:
    keys = KeyAuthentication(
        unit_of_work=ground.unit_of_work,
        reading=ground.reading,
        revocations=revocations,
        clock=utc_now,
    )

    async def note_last_uses() -> None:
        # It is no more than a help to the owner: an outage must not keep a process from ending.
        with suppress(Exception):
            await keys.note_uses()

    ground.stack.push_async_callback(note_last_uses)
    return keys


def _api_keys(ground: Ground, tools: _Tools, recipients: Recipients) -> ApiKeyKeeping:
    return ApiKeyKeeping(
        unit_of_work=ground.unit_of_work,
        reading=ground.reading,
        guards=tools.guards,
        find_recipients=recipients.find_many,
        revocations=tools.revocations,
        mail=tools.mail,
        clock=utc_now,
        new_id=new_id,
        random_bytes=os.urandom,
        limits=tools.limits,
    )


def _people(ground: Ground, tools: _Tools) -> People:
    return People(
        unit_of_work=ground.unit_of_work,
        guards=tools.guards,
        hasher=tools.hasher,
        password_checks=tools.checks,
        mail=tools.mail,
        revocations=tools.revocations,
        clock=utc_now,
        new_id=new_id,
        default_currency=currency_of(ground.settings.default_currency),
        limits=tools.limits,
        password_length_min=ground.settings.password_length_min,
    )


def _credentials(ground: Ground, tools: _Tools) -> Credentials:
    return Credentials(
        unit_of_work=ground.unit_of_work,
        guards=tools.guards,
        hasher=tools.hasher,
        password_checks=tools.checks,
        mail=tools.mail,
        background=tools.background,
        revocations=tools.revocations,
        clock=utc_now,
        new_id=new_id,
        limits=tools.limits,
        password_length_min=ground.settings.password_length_min,
    )


def _log_in(ground: Ground, tools: _Tools) -> LogIn:
    settings = ground.settings
    return LogIn(
        unit_of_work=ground.unit_of_work,
        entrance=tools.entrance,
        guards=tools.guards,
        tokens=tools.tokens,
        authentication=Authentication(
            tokens=tools.tokens,
            revocations=tools.revocations,
            clock=utc_now,
            keys=tools.key_authentication,
        ),
        revocations=tools.revocations,
        clock=utc_now,
        new_id=new_id,
        new_secret=new_secret,
        limits=tools.limits,
        access_lifetime=timedelta(seconds=settings.access_token_lifetime_s),
        session_lifetime=timedelta(days=settings.session_lifetime_days),
    )


def _browser_sessions(ground: Ground, tools: _Tools) -> BrowserSessions:
    settings = ground.settings
    return BrowserSessions(
        unit_of_work=ground.unit_of_work,
        entrance=tools.entrance,
        revocations=tools.revocations,
        clock=utc_now,
        new_secret=new_secret,
        idle_max=timedelta(minutes=settings.browser_session_idle_minutes),
        lifetime_max=timedelta(hours=settings.browser_session_hours),
    )


def _second_factors(ground: Ground, tools: _Tools) -> SecondFactors:
    return SecondFactors(
        unit_of_work=ground.unit_of_work,
        password_checks=tools.checks,
        checks=tools.second_factor_checks,
        codes=tools.codes,
        mail=tools.mail,
        revocations=tools.revocations,
        clock=utc_now,
        new_id=new_id,
        new_number=new_number,
    )


def _mailer(ground: Ground) -> Mailer:
    settings = ground.settings
    if settings.smtp_url is not None:
        return SmtpMailer.of_url(settings.smtp_url.get_secret_value(), settings.mail_from)
    return FileMailer(ground.directory / "mail", log=ground.log)


def _limits(settings: Settings) -> PeopleLimits:
    limits = PeopleLimits()
    return limits._replace(
        sign_up=_with_limit(limits.sign_up, settings.sign_up_limit),
        log_in=_with_limit(limits.log_in, settings.log_in_limit),
        failed_recipient=_with_limit(limits.failed_recipient, settings.recipient_miss_limit),
    )


def _with_limit(guard: Guard, limit: int) -> Guard:
    return Guard(guard.name, limit, guard.window_s)
