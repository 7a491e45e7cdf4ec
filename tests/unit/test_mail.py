"""Mail: kept in files in development, sent by SMTP otherwise."""

import asyncio
from email import message_from_bytes
from email.message import Message as Mime
from pathlib import Path

import pytest

from wallet.application.ports import Message
from wallet.infrastructure.mail import FileMailer, SmtpMailer, masked

TEXT = "Your token:\n\nabc\n"


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, **fields: object) -> None:
        self.lines.append((event, fields))


async def test_a_kept_mail_can_be_read_by_another_process(tmp_path: Path) -> None:
    log = Log()
    await FileMailer(tmp_path / "mail", log=log).send(Message("ada@example.com", "Hello", TEXT))
    (mail,) = FileMailer(tmp_path / "mail", log=log).recent()
    assert (mail.recipient, mail.subject, mail.text) == ("ada@example.com", "Hello", TEXT)
    assert log.lines == [("mail", {"recipient": "a***@example.com", "subject": "Hello"})]


async def test_only_the_last_mails_are_kept_newest_first_and_in_private(tmp_path: Path) -> None:
    mailer = FileMailer(tmp_path / "mail", log=Log(), kept_max=3)
    for number in range(5):
        await mailer.send(Message("ada@example.com", f"Mail {number}", TEXT))
        await asyncio.sleep(0.002)
    assert [mail.subject for mail in mailer.recent()] == ["Mail 4", "Mail 3", "Mail 2"]
    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "mail").iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("address", "shown"),
    [("ada@example.com", "a***@example.com"), ("@b.org", "***@b.org"), ("ada", "***ada")],
)
def test_addresses_are_masked_in_logs(address: str, shown: str) -> None:
    assert masked(address) == shown


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, received: list[bytes]
) -> None:
    """Speak just enough SMTP to take one message."""
    writer.write(b"220 here\r\n")
    while line := await reader.readline():
        command = line[:4].upper()
        if command == b"EHLO":
            writer.write(b"250 here\r\n")
        elif command == b"DATA":
            writer.write(b"354 go on\r\n")
            received.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"250 taken\r\n")
        elif command == b"QUIT":
            writer.write(b"221 bye\r\n")
            break
        else:
            writer.write(b"250 fine\r\n")
    writer.close()


async def test_a_mail_is_sent_by_smtp_as_plain_text() -> None:
    received: list[bytes] = []
    server = await asyncio.start_server(
        lambda reader, writer: _converse(reader, writer, received), "127.0.0.1", 0
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        mailer = SmtpMailer.of_url(f"smtp://127.0.0.1:{port}", "Wallet <no-reply@example.com>")
        await mailer.send(Message("ada@example.com", "Grüße", TEXT))
    mail: Mime = message_from_bytes(received[0])
    assert (mail["From"], mail["To"]) == ("Wallet <no-reply@example.com>", "ada@example.com")
    assert mail.get_content_type() == "text/plain"
    assert "abc" in str(mail.get_payload())


async def test_a_password_is_never_sent_without_tls() -> None:
    received: list[bytes] = []
    server = await asyncio.start_server(
        lambda reader, writer: _converse(reader, writer, received), "127.0.0.1", 0
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        mailer = SmtpMailer.of_url(f"smtp://ada:secret@127.0.0.1:{port}", "no-reply@example.com")
        with pytest.raises(Exception, match=r"(?i)starttls"):
            await mailer.send(Message("ada@example.com", "Hello", TEXT))
    assert received == []


@pytest.mark.parametrize("url", ["", "mail.example.com", "http://mail.example.com", "smtp://"])
def test_a_bad_smtp_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="smtp://host") as caught:
        SmtpMailer.of_url(url, "no-reply@example.com")
    assert "example" not in str(caught.value)


async def test_no_header_can_be_slipped_into_a_mail() -> None:
    mailer = SmtpMailer.of_url("smtp://127.0.0.1:1", "no-reply@example.com")
    with pytest.raises(ValueError, match="linefeed"):
        await mailer.send(Message("ada@example.com\r\nBcc: eve@example.com", "Hello", TEXT))
