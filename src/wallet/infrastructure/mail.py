"""Mail: kept in files and shown at /dev/mail in development, sent by SMTP otherwise."""

import asyncio
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from wallet.application.ports import KeptMail, Message
from wallet.infrastructure.identifiers import new_id, utc_now

KEPT_MAX = 200
SMTP_TIMEOUT_S = 10.0
_PORTS = {"smtp": 587, "smtps": 465}

Log = Callable[..., object]
"""Takes an event and fields, as structlog's loggers do."""


class FileMailer:
    """Keeps the last messages as files, so that every worker process shows all of them."""

    def __init__(self, directory: Path, *, log: Log, kept_max: int = KEPT_MAX) -> None:
        self._directory = directory
        self._log = log
        self._kept_max = kept_max
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def send(self, message: Message) -> None:
        """Keep a message, forget the oldest ones, and log that it is there."""
        await asyncio.to_thread(self._keep, message)
        self._log("mail", recipient=masked(message.recipient), subject=message.subject)

    def recent(self) -> list[KeptMail]:
        """Return the messages that are kept, newest first."""
        return [mail for path in reversed(self._paths()) if (mail := _read(path)) is not None]

    def _keep(self, message: Message) -> None:
        document = {
            "sent_at": utc_now().isoformat(),
            "recipient": message.recipient,
            "subject": message.subject,
            "text": message.text,
        }
        name = str(new_id())
        temporary = self._directory / f".{name}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file)
        temporary.rename(self._directory / f"{name}.json")
        for path in self._paths()[: -self._kept_max]:
            path.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        # The names are UUIDv7: their order is that of time.
        return sorted(self._directory.glob("*.json"))


class SmtpMailer:
    """Sends messages by SMTP; TLS is required wherever a password is sent."""

    def __init__(
        self,
        *,
        sender: str,
        host: str,
        port: int,
        tls: bool = False,
        username: str | None = None,
        password: str | None = None,
        timeout_s: float = SMTP_TIMEOUT_S,
    ) -> None:
        self._sender = sender
        self._host = host
        self._port = port
        self._tls = tls
        self._username = username
        self._password = password
        self._timeout_s = timeout_s

    @classmethod
    def of_url(cls, url: str, sender: str) -> Self:
        """Read ``smtp://user:password@host:587`` (STARTTLS) or ``smtps://…`` (TLS from the start).

        Raises `ValueError`, which does not repeat the URL: it may hold a password.
        """
        try:
            parts = urlsplit(url)
            host = parts.hostname if parts.scheme in _PORTS and parts.port != 0 else None
        except ValueError:
            host = None
        if host is None or parts.fragment:
            raise ValueError("the SMTP URL must be smtp://host or smtps://host") from None
        return cls(
            sender=sender,
            host=host,
            port=parts.port or _PORTS[parts.scheme],
            tls=parts.scheme == "smtps",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    async def send(self, message: Message) -> None:
        """Send a message; raise `aiosmtplib.SMTPException` or `OSError` if that fails."""
        mail = EmailMessage()
        mail["From"] = self._sender
        mail["To"] = message.recipient
        mail["Subject"] = message.subject
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        await aiosmtplib.send(
            mail,
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            use_tls=self._tls,
            # None is "if the server offers it": good enough where no password is at stake.
            start_tls=True if self._username and not self._tls else None,
            timeout=self._timeout_s,
        )


def masked(address: str) -> str:
    """Return an e-mail address as logs may show it: ``masked("anna@b.org") == "a***@b.org"``."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}***{at}{domain}"


def _read(path: Path) -> KeptMail | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None  # Another process has just forgotten it.
    return KeptMail(
        id=path.stem,
        sent_at=datetime.fromisoformat(document["sent_at"]).astimezone(UTC),
        recipient=document["recipient"],
        subject=document["subject"],
        text=document["text"],
    )
