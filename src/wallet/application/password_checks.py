"""Verifying somebody's password, slowed down per account however it is asked for."""

from wallet.application.account_mail import account_digest
from wallet.application.ports import PasswordHasher
from wallet.domain.errors import Overloaded
from wallet.domain.guards import LogInDelays
from wallet.domain.passwords import password_of
from wallet.domain.sessions import PasswordWrong
from wallet.domain.users import AccountClosed, User


class PasswordChecks:
    """One verification per attempt, which counts as failed until it has succeeded."""

    def __init__(self, *, hasher: PasswordHasher, delays: LogInDelays) -> None:
        self._hasher = hasher
        self._delays = delays

    async def check(self, email: str, password: str, stored: str | None) -> bool:
        """Return whether the password is right; raise `LogInDelayed` while one must wait.

        Without a stored hash the same work is done for nothing, so that nobody learns from the
        time it takes whether an account exists.
        """
        account = account_digest(email)
        await self._delays.begin(account)
        try:
            right = await self._hasher.verify(password_of(password), stored)
        except Overloaded:
            # Nothing was verified, so nothing has failed.
            await self._delays.take_back(account)
            raise
        if right:
            await self._delays.succeed(account)
        return right

    async def confirm(self, user: User | None, password: str) -> User:
        """Return a person who has shown the current password again.

        Raises `PasswordWrong`, `LogInDelayed`, or `AccountClosed` if there is nobody any more.
        """
        if user is None or user.email is None:
            raise AccountClosed
        if not await self.check(user.email, password, user.password_hash):
            raise PasswordWrong
        return user

    async def forgive(self, email: str) -> None:
        """Forget failed attempts on an account whose owner has proved to be one."""
        await self._delays.succeed(account_digest(email))


def still_confirmed(locked: User | None, confirmed: User) -> User:
    """Return the locked row of somebody whose password was confirmed before the lock.

    Raises `PasswordWrong` if the password was changed in between.
    """
    if locked is None or locked.closed_at is not None:
        raise AccountClosed
    if locked.password_hash != confirmed.password_hash:
        raise PasswordWrong
    return locked
