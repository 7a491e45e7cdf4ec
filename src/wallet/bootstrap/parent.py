"""The parent process: it alone owns the embedded database, the keys and the migration."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wallet.bootstrap.listener import banner, tls_files, with_public_url
from wallet.bootstrap.people import second_factor_keys, signing_keys
from wallet.bootstrap.webhooks import secret_box
from wallet.infrastructure.embedded_postgres import (
    EmbeddedPostgres,
    EmbeddedPostgresFailed,
    Watchdog,
    default_directory,
)
from wallet.infrastructure.postgres.durability import NotDurable, check_durability
from wallet.infrastructure.postgres.migrations import MigrationFailed, migrate_up
from wallet.infrastructure.security.keys import SecretInvalid, SigningKeyInvalid
from wallet.infrastructure.security.secret_box import EncryptionKeyInvalid
from wallet.infrastructure.telemetry import prepare_metrics_directory
from wallet.infrastructure.tls_certificate import CertificateInvalid, TlsFiles
from wallet.infrastructure.web_server import AddressInUse, Serving, unwind_on_termination
from wallet.infrastructure.web_server import serve as serve_web
from wallet.settings import Settings

APPLICATION = "wallet.bootstrap:application"
PROTOCOL = "wallet.api.http_protocol:BoundedHttpProtocol"
SOCKET_PROTOCOL = "wallet.api.socket_protocol:BoundedSocketProtocol"

ONE_LOG_IN = (
    "Warning: the service logs in as the owner of its tables. Set WALLET_DATABASE_OWNER_URL to the "
    "owner's log-in and WALLET_DATABASE_URL to another one, which then cannot change the journal."
)

Say = Callable[[str], object]


class StartFailed(RuntimeError):
    """The service cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class DatabaseAddresses:
    """Where the database is: for the service, and for its owner, who migrates."""

    service_url: str
    owner_url: str
    embedded: bool

    def told(self) -> str:
        """Say in words which database this is."""
        return "embedded PostgreSQL" if self.embedded else "PostgreSQL of WALLET_DATABASE_URL"

    @property
    def service_role(self) -> str | None:
        """The service's log-in role, if it is not the owner's."""
        service, owner = urlsplit(self.service_url), urlsplit(self.owner_url)
        if service.username == owner.username:
            return None
        return unquote(service.username or "") or None


def data_directory(settings: Settings) -> Path:
    """Return where keys, mails and the embedded database are kept; made if it is not there."""
    directory = settings.data_directory or default_directory(_clone())
    try:
        directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise StartFailed(
            f"The data directory cannot be made ({error.strerror}): set WALLET_DATA_DIRECTORY to "
            "one that can."
        ) from error
    return directory


def _clone() -> Path:
    """Return what the default data directory is keyed by: the checkout, or where we stand."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "pyproject.toml").exists() else Path.cwd()


@contextmanager
def database(settings: Settings) -> Iterator[DatabaseAddresses]:
    """Yield the database of the settings, starting the embedded one if there is none."""
    if settings.database_url is not None:
        service_url = settings.database_url.get_secret_value()
        owner = settings.database_owner_url
        yield DatabaseAddresses(
            service_url, owner.get_secret_value() if owner else service_url, embedded=False
        )
        return
    embedded = EmbeddedPostgres(data_directory(settings) / "postgres")
    try:
        addresses = embedded.start()
    except EmbeddedPostgresFailed as error:
        raise StartFailed(str(error)) from error
    watchdog = Watchdog(embedded, on_failure=lambda failure: print(failure, file=sys.stderr))
    watchdog.start()
    try:
        yield DatabaseAddresses(addresses.service_url, addresses.owner_url, embedded=True)
    finally:
        watchdog.stop(timeout_s=10)
        embedded.stop()


def serve(settings: Settings, *, say: Say) -> None:
    """Start the database, migrate, serve until told to stop; raise `StartFailed`."""
    unwind_on_termination()
    directory = data_directory(settings)
    settings = with_public_url(settings)
    try:
        _check_keys(settings, directory)
        tls = _tls_files(settings, directory)
        with database(settings) as addresses, _metrics_directory():
            asyncio.run(_prepare(settings, addresses))
            if settings.production and addresses.service_role is None:
                say(ONE_LOG_IN)
            _hand_over(settings, addresses, directory)
            serving = Serving(
                APPLICATION,
                PROTOCOL,
                SOCKET_PROTOCOL,
                settings.host,
                settings.port,
                settings.workers,
                tls,
            )
            if not serve_web(serving, lambda: say(banner(settings, tls, addresses.told()))):
                raise StartFailed("The service did not come up; the log above says why.")
    except (MigrationFailed, NotDurable, AddressInUse) as error:
        raise StartFailed(str(error)) from error


async def _prepare(settings: Settings, addresses: DatabaseAddresses) -> None:
    await migrate_up(addresses.owner_url, service_role=addresses.service_role)
    await check_durability(addresses.service_url, required=settings.production)


def _check_keys(settings: Settings, directory: Path) -> None:
    try:
        signing_keys(settings, directory)
        second_factor_keys(settings, directory)
        secret_box(settings, directory)
    except (SigningKeyInvalid, SecretInvalid, EncryptionKeyInvalid, OSError) as error:
        raise StartFailed(str(error)) from error


def _tls_files(settings: Settings, directory: Path) -> TlsFiles | None:
    try:
        return tls_files(settings, directory)
    except (CertificateInvalid, OSError) as error:
        raise StartFailed(str(error)) from error


def _hand_over(settings: Settings, addresses: DatabaseAddresses, directory: Path) -> None:
    """Put what the workers need into the environment that they inherit."""
    os.environ.update(
        WALLET_DATABASE_URL=addresses.service_url,
        WALLET_DATA_DIRECTORY=str(directory),
        WALLET_WORKERS=str(settings.workers),
        WALLET_PUBLIC_URL=settings.public_url,
    )
    os.environ.pop("WALLET_DATABASE_URL_FILE", None)
    # Whoever serves has no business with the owner's log-in.
    os.environ.pop("WALLET_DATABASE_OWNER_URL", None)
    os.environ.pop("WALLET_DATABASE_OWNER_URL_FILE", None)


@contextmanager
def _metrics_directory() -> Iterator[None]:
    """Give the workers a place to add up their metrics, for as long as they run."""
    directory = Path(tempfile.mkdtemp(prefix="wallet-metrics-"))
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    prepare_metrics_directory(directory)
    try:
        yield
    finally:
        shutil.rmtree(directory, ignore_errors=True)
