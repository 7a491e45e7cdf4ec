"""The mails of accounts: a single-use token each, kept as a digest, sent after the commit."""

from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from wallet.application.background import Background
from wallet.application.limits import PeopleLimits
from wallet.application.ports import Mailer, Message, NewSecret
from wallet.application.unit_of_work import UnitOfWork
from wallet.domain.errors import Overloaded
from wallet.domain.guards import Guards, GuardTripped
from wallet.domain.sessions import MAIL_TOKEN_LIFETIME, MailPurpose, MailToken

_MINUTES = MAIL_TOKEN_LIFETIME.seconds // 60
VERIFY_SUBJECT = "Confirm your e-mail address"
VERIFY_TEXT = """\
Somebody, hopefully you, uses this address for a wallet. To confirm that it is yours, log in at
{public_url}/app and enter this code within {minutes} minutes:

{token}

API clients send it to POST /email-verifications. Until then nobody can pay you by e-mail address.
If it was not you, ignore this mail.
"""
RESET_SUBJECT = "Set a new password"
RESET_TEXT = """\
Somebody, hopefully you, asked for a new password for your wallet. To set one, enter this code
at {public_url}/app/reset?step=code within {minutes} minutes:

{token}

API clients send it to POST /password-resets/confirm. It ends all your sessions. If it was not you,
ignore this mail: nothing has changed.
"""


def digest_of(secret: str) -> bytes:
    """Return what is kept of an opaque token; 256 random bits need no slow hash."""
    return sha256(secret.encode()).digest()


def account_digest(email: str) -> bytes:
    """Return what stands for an account in guards, so that they hold no addresses."""
    return sha256(b"wallet-account-v1\0" + email.encode("utf-8", "replace")).digest()


class AccountMail:
    """Makes tokens and posts the mails that carry them."""

    def __init__(
        self,
        *,
        mailer: Mailer,
        background: Background,
        guards: Guards,
        limits: PeopleLimits,
        new_secret: NewSecret,
        public_url: str,
    ) -> None:
        self._mailer = mailer
        self._background = background
        self._guards = guards
        self._limits = limits
        self._new_secret = new_secret
        self._public_url = public_url.rstrip("/")

    async def count(self, address: str) -> None:
        """Count a mail to an address; raise `GuardTripped` when it has had enough of them."""
        await self._guards.count(self._limits.mail, account_digest(address).hex())

    async def may_send(self, address: str) -> bool:
        """Count a mail that nobody asked for; return whether the address has not had enough."""
        try:
            await self.count(address)
        except GuardTripped:
            return False
        return True

    async def verification(
        self, work: UnitOfWork, user_id: UUID, address: str, now: datetime
    ) -> Message:
        """Keep a token that proves whose an address is, and return the mail to post later."""
        token = await self._keep(work, user_id, MailPurpose.VERIFY_EMAIL, address, now)
        return Message(address, VERIFY_SUBJECT, self._text(VERIFY_TEXT, token))

    async def reset(self, work: UnitOfWork, user_id: UUID, address: str, now: datetime) -> Message:
        """Keep a token that lets its bearer set a password, and return the mail to post later."""
        token = await self._keep(work, user_id, MailPurpose.RESET_PASSWORD, address, now)
        return Message(address, RESET_SUBJECT, self._text(RESET_TEXT, token))

    def post(self, message: Message) -> None:
        """Send a mail without waiting for it: a lost one can be asked for again."""
        with suppress(Overloaded):
            self._background.start(self._mailer.send(message))

    async def _keep(
        self, work: UnitOfWork, user_id: UUID, purpose: MailPurpose, address: str, now: datetime
    ) -> str:
        secret = self._new_secret()
        await work.mail_tokens.add(
            MailToken(
                digest=digest_of(secret),
                user_id=user_id,
                purpose=purpose,
                address=address,
                created_at=now,
                expires_at=now + MAIL_TOKEN_LIFETIME,
            )
        )
        return secret

    def _text(self, template: str, token: str) -> str:
        return template.format(public_url=self._public_url, token=token, minutes=_MINUTES)
