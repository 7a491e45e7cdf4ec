"""People: their accounts, sessions and credentials, and whom one can pay."""

from wallet_sdk._arguments import Id, given, id_of
from wallet_sdk._async.namespace import AsyncMethod, AsyncNamespace
from wallet_sdk._generated.api.credentials import (
    change_password,
    request_email_verification,
    request_password_reset,
    reset_password,
    verify_email,
)
from wallet_sdk._generated.api.people import (
    close_account,
    export_data,
    find_recipient,
    get_profile,
    sign_up,
    update_profile,
)
from wallet_sdk._generated.api.sessions import list_sessions, revoke_session
from wallet_sdk.models import (
    ChangePasswordBody,
    CloseBody,
    MailTokenBody,
    ProfileAnswer,
    ProfileBody,
    RecipientAnswer,
    ResetBody,
    ResetRequestBody,
    SessionAnswer,
    SignUpBody,
)


class AsyncUsers(AsyncNamespace):
    """The person behind the client, and others as one may see them."""

    me = AsyncMethod(get_profile.operation)
    export = AsyncMethod(export_data.operation)
    request_email_verification = AsyncMethod(request_email_verification.operation)

    async def sign_up(
        self,
        *,
        first_name: str,
        last_name: str,
        email: str,
        password: str,
        handle: str | None = None,
    ) -> ProfileAnswer:
        """Create an account; then log in. Raises `EmailTaken`, `HandleTaken`, `PasswordCommon` …"""
        body = SignUpBody(
            first_name=first_name,
            last_name=last_name,
            email=email,
            password=password,
            handle=given(handle),
        )
        return await self._call(sign_up.operation(body=body))

    async def update(
        self,
        *,
        first_name: str | None = None,
        last_name: str | None = None,
        handle: str | None = None,
    ) -> ProfileAnswer:
        """Change names or handle; what is not given stays as it is."""
        body = ProfileBody(
            first_name=given(first_name), last_name=given(last_name), handle=given(handle)
        )
        return await self._call(update_profile.operation(body=body))

    async def close(self, *, password: str) -> None:
        """Close the account for good. Raises `WalletNotEmpty`, `PasswordWrong`."""
        await self._call(close_account.operation(body=CloseBody(password=password)))

    async def find(
        self, *, user_id: Id | None = None, email: str | None = None, handle: str | None = None
    ) -> RecipientAnswer:
        """See who somebody is before paying them: by exactly one of the three.

        Raises `RecipientNotFound`.
        """
        return await self._call(
            find_recipient.operation(
                user_id=id_of(user_id), email=given(email), handle=given(handle)
            )
        )

    async def change_password(self, *, current_password: str, new_password: str) -> None:
        """Set a new password; all other sessions of the person end."""
        body = ChangePasswordBody(current_password=current_password, new_password=new_password)
        await self._call(change_password.operation(body=body))

    async def verify_email(self, token: str) -> None:
        """Show the token of the verification mail. Raises `MailTokenInvalid`."""
        await self._call(verify_email.operation(body=MailTokenBody(token=token)))

    async def request_password_reset(self, email: str) -> None:
        """Have a token mailed that sets a new password; says nothing about who exists."""
        await self._call(request_password_reset.operation(body=ResetRequestBody(email=email)))

    async def reset_password(self, *, token: str, new_password: str) -> None:
        """Set a new password with the token of the mail; all sessions end."""
        body = ResetBody(token=token, new_password=new_password)
        await self._call(reset_password.operation(body=body))


class AsyncSessions(AsyncNamespace):
    """Where the person is logged in."""

    async def list(self) -> "list[SessionAnswer]":
        """Return the sessions, the one used last first."""
        return (await self._call(list_sessions.operation())).items

    async def revoke(self, session_id: Id) -> None:
        """End a session: its tokens are refused everywhere within two seconds."""
        await self._call(revoke_session.operation(str(session_id)))
