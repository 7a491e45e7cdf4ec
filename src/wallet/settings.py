"""Settings: read once from the environment or `.env`; only `cli` and `bootstrap` import this.

Every setting is `WALLET_<NAME>`. A secret may also be given as `WALLET_<NAME>_FILE`, the path of a
file that holds it. Production refuses unsafe settings, naming the setting and never its value.
"""

import os
import re
from collections.abc import Sequence
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from wallet.api.throughput import parse_limit
from wallet.domain.currencies import EXPONENTS
from wallet.domain.money import BALANCE_MAX
from wallet.domain.webhooks import RETRIES_S

PREFIX = "WALLET_"
DEFAULT_PORT = 4000
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+")
SECRET_FILE_SIZE_MAX = 64 * 1024
SECRET_LENGTH_MIN = 32


class Environment(StrEnum):
    """Where the service runs."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class SettingsUnsafe(ValueError):
    """The settings are not fit for production; the message names each of them."""


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `WALLET_X_FILE` for every secret X."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if path is None or SecretStr not in _types_of(field):
            return None, field_name, False
        try:
            with Path(path).open() as file:
                return file.read(SECRET_FILE_SIZE_MAX).strip() or None, field_name, False
        except OSError as error:
            name = f"{PREFIX}{field_name.upper()}_FILE"
            raise SettingsUnsafe(f"{name} cannot be read: {error.strerror}.") from None

    def __call__(self) -> dict[str, Any]:
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                found[name] = value
        return found


def _types_of(field: FieldInfo) -> tuple[Any, ...]:
    annotation = field.annotation
    return (annotation, *getattr(annotation, "__args__", ()))


class Settings(BaseSettings):
    """Everything that can be set, with defaults that suit development."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: Environment = Field(
        Environment.DEVELOPMENT, description="development or production."
    )
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(DEFAULT_PORT, ge=0, le=65_535, description="The port to listen on.")
    public_url: str = Field(
        "", description="Where people reach the service, for links in mails; by default localhost."
    )
    tls_certificate_file: Path | None = Field(
        None, description="PEM of the certificate to serve https with, those it hangs on after it."
    )
    tls_key_file: Path | None = Field(
        None, description="PEM of its private key, without a passphrase."
    )
    tls_own_certificate: bool = Field(
        False,
        description="Serve https with a certificate made here, for phones; not in production.",
    )
    workers: int = Field(1, ge=1, le=64, description="How many processes serve requests.")

    database_url: SecretStr | None = Field(
        None,
        description="A PostgreSQL 15 or newer to use instead of the embedded one: the service's "
        "log-in role.",
    )
    database_owner_url: SecretStr | None = Field(
        None, description="The owner's log-in, for migrations; the same as above if not set."
    )
    database_connections: int = Field(
        8,
        ge=2,
        le=200,
        description="Connections per process; half only read. Money, hints, sealing, the audit and "
        "webhooks take up to nine more.",
    )
    data_directory: Path | None = Field(
        None, description="Where the embedded PostgreSQL, keys and mails are kept."
    )

    signing_key: SecretStr | None = Field(
        None, description="PEM of the P-256 private key that signs tokens; made in development."
    )
    previous_signing_key: SecretStr | None = Field(
        None, description="PEM of the key before, still accepted while keys are rotated."
    )
    access_token_lifetime_s: int = Field(
        900, ge=30, le=900, description="How long an access token is good for, in seconds."
    )
    session_lifetime_days: int = Field(
        30, ge=1, le=365, description="How long a session lasts without being used, in days."
    )
    browser_session_idle_minutes: int = Field(
        30, ge=1, le=1440, description="How long a browser's session lasts unused, in minutes."
    )
    browser_session_hours: int = Field(
        12, ge=1, le=720, description="How long it lasts however much it is used, in hours."
    )
    second_factor_key: SecretStr | None = Field(
        None,
        description="At least 32 random characters, which encrypt the secrets of second factors; "
        "made in development.",
    )
    previous_second_factor_key: SecretStr | None = Field(
        None, description="The one before, until `wallet encrypt-secrets` has run."
    )
    password_length_min: int = Field(
        15, ge=8, le=64, description="The shortest password; NIST SP 800-63B says 15."
    )
    hashing_threads: int = Field(2, ge=1, le=16, description="Threads that hash passwords.")
    oauth_password_grant: bool | None = Field(
        None,
        description="Whether /oauth/token takes passwords (for the docs page); by default "
        "only in development.",
    )

    default_currency: str = Field("USD", description="The currency of a person's first wallet.")
    allow_sandbox: bool = Field(
        False, description="Let production run with the sandbox funding source."
    )
    overdraft_max: int = Field(
        1_000_000,
        ge=0,
        le=BALANCE_MAX,
        description="How far below zero one administrator alone may let a wallet go, by an "
        "overdraft or by a forced refund, in minor units.",
    )
    require_idempotency_key: bool = Field(
        False, description="Refuse money requests without an Idempotency-Key."
    )

    sealing: bool = Field(
        True, description="Take new entries up into the log that receipts are proved by."
    )

    webhook_key: SecretStr | None = Field(
        None,
        description="32 random bytes in base64 that webhook secrets are encrypted with; made in "
        "development.",
    )
    previous_webhook_key: SecretStr | None = Field(
        None, description="The key before, which still opens what was encrypted with it."
    )
    webhook_loopback: bool | None = Field(
        None,
        description="Let webhooks go to this machine, and without TLS; by default only in "
        "development.",
    )
    webhook_retries_s: Annotated[tuple[int, ...], NoDecode] = Field(
        RETRIES_S,
        description="Pauses between attempts to send a webhook, in seconds, separated by commas.",
    )

    audit_entries_per_second: int = Field(
        500,
        ge=0,
        le=100_000,
        description="How much the self-audit reads, in one process; 0 turns it off.",
    )

    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins that browsers may call from, exact, separated by commas."
    )
    metrics_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.0/8", "::1/128"),
        description="Networks that /metrics answers to in production, separated by commas.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Networks of your own proxies, whose X-Forwarded-For is believed, separated "
        "by commas; nobody's by default.",
    )
    throughput_limit: str = Field(
        "1000/10 seconds", description="Requests per person, over all workers of this machine."
    )
    sign_up_limit: int = Field(60, ge=1, description="Sign-ups per address and minute.")
    log_in_limit: int = Field(60, ge=1, description="Log-ins per address and minute.")
    recipient_miss_limit: int = Field(
        30, ge=1, description="Recipients not found, per person and hour."
    )

    smtp_url: SecretStr | None = Field(
        None,
        description="smtp://user:password@host:587 or smtps://…; mails are only shown at "
        "/dev/mail without it.",
    )
    mail_from: str = Field(
        "Wallet <no-reply@localhost>", description="The sender of the service's mails."
    )
    log_level: str = Field("info", description="debug, info, warning or error.")

    @field_validator(
        "cors_origins", "metrics_networks", "trusted_proxies", "webhook_retries_s", mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("metrics_networks", "trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # The words of whoever parses it would repeat the value.
        try:
            for text in value:
                ip_network(text)
        except ValueError:
            raise ValueError("networks such as 10.0.0.0/8, separated by commas") from None
        return value

    @field_validator("webhook_retries_s")
    @classmethod
    def _retries(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not 1 <= len(value) <= 50 or not all(1 <= pause_s <= 604_800 for pause_s in value):
            raise ValueError("1 to 50 pauses of 1 to 604800 seconds")
        return value

    @field_validator("default_currency")
    @classmethod
    def _currency(cls, value: str) -> str:
        if value not in EXPONENTS:
            raise ValueError("not an ISO 4217 currency code")
        return value

    @field_validator("throughput_limit")
    @classmethod
    def _limit(cls, value: str) -> str:
        try:
            parse_limit(value)
        except ValueError:
            raise ValueError("a limit such as 1000/10 seconds") from None
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in value):
            raise ValueError("origins such as https://app.example.com, separated by commas")
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        if not _ORIGIN.match(value):
            raise ValueError("must be a URL such as https://wallet.example.com")
        return value

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _database(cls, value: SecretStr | None) -> SecretStr | None:
        return _readable(value, ("postgresql", "postgres"))

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: SecretStr | None) -> SecretStr | None:
        return _readable(value, ("smtp", "smtps"))

    @field_validator("second_factor_key", "previous_second_factor_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SECRET_LENGTH_MIN:
            raise ValueError(f"at least {SECRET_LENGTH_MIN} random characters")
        return value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value not in {"debug", "info", "warning", "error"}:
            raise ValueError("one of debug, info, warning and error")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments first, then the environment, secret files and `.env`."""
        return (init_settings, env_settings, _SecretFiles(settings_cls), dotenv_settings)

    @model_validator(mode="before")
    @classmethod
    def _reached_locally(cls, values: dict[str, Any]) -> dict[str, Any]:
        if not values.get("public_url"):
            return {**values, "public_url": _local_url(values.get("port", DEFAULT_PORT))}
        return values

    @property
    def production(self) -> bool:
        """Whether this is production."""
        return self.environment is Environment.PRODUCTION

    @property
    def takes_passwords_at_oauth(self) -> bool:
        """Whether the docs page's password grant is on."""
        if self.oauth_password_grant is None:
            return not self.production
        return self.oauth_password_grant

    @property
    def sends_to_loopback(self) -> bool:
        """Whether webhooks may go to this machine."""
        return not self.production if self.webhook_loopback is None else self.webhook_loopback

    @property
    def public_url_is_local(self) -> bool:
        """Whether nobody has said where people reach the service."""
        return self.public_url == _local_url(self.port)

    def check(self) -> None:
        """Raise `SettingsUnsafe` if something contradicts itself or is not fit for production."""
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise SettingsUnsafe(
                "WALLET_TLS_CERTIFICATE_FILE and WALLET_TLS_KEY_FILE belong together: set both."
            )
        if self.tls_own_certificate and self.tls_certificate_file is not None:
            raise SettingsUnsafe(
                "WALLET_TLS_OWN_CERTIFICATE makes a certificate, and WALLET_TLS_CERTIFICATE_FILE "
                "names one: set one of them."
            )
        unsafe = list(self._unsafe()) if self.production else []
        if unsafe:
            raise SettingsUnsafe("Not fit for production: " + " ".join(unsafe))

    def _unsafe(self) -> Sequence[str]:
        checks = {
            "WALLET_DATABASE_URL must be set.": self.database_url is None,
            "WALLET_SIGNING_KEY must be set (a PEM of a P-256 key).": not _secret(self.signing_key),
            "WALLET_SECOND_FACTOR_KEY must be set (at least 32 random characters).": (
                not _secret(self.second_factor_key)
            ),
            "WALLET_WEBHOOK_KEY must be set (openssl rand -base64 32).": not _secret(
                self.webhook_key
            ),
            "WALLET_WEBHOOK_LOOPBACK must not be set: others could reach this machine.": (
                bool(self.webhook_loopback)
            ),
            "WALLET_PUBLIC_URL must begin with https://.": not self.public_url.startswith(
                "https://"
            ),
            "WALLET_TLS_OWN_CERTIFICATE must not be set: nobody has signed it.": (
                self.tls_own_certificate
            ),
            "WALLET_SMTP_URL must be set.": not _secret(self.smtp_url),
            "WALLET_MAIL_FROM must be an address of yours.": "@localhost" in self.mail_from,
            "WALLET_PASSWORD_LENGTH_MIN must be at least 15.": self.password_length_min < 15,
            "WALLET_CORS_ORIGINS must name origins, not '*'.": "*" in self.cors_origins,
            "WALLET_LOG_LEVEL must not be debug.": self.log_level == "debug",
            "WALLET_ALLOW_SANDBOX must be set: there is no other funding source in this release.": (
                not self.allow_sandbox
            ),
        }
        return [text for text, failed in checks.items() if failed]


def _local_url(port: object) -> str:
    return f"http://localhost:{port}"


def _readable(value: SecretStr | None, schemes: Sequence[str]) -> SecretStr | None:
    """Return a URL with a password in it; raise a ValueError that shows nothing of it."""
    if value is None:
        return None
    try:
        parts = urlsplit(value.get_secret_value())
        known = parts.scheme in schemes and parts.port != 0 and not parts.fragment
    except ValueError:
        known = False
    if not known:
        raise ValueError(
            f"must be a URL that begins with {schemes[0]}://, with what is special in the "
            "password percent-encoded"
        )
    return value


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()
