"""Sends operations: with credentials, a key made before the first send, and safe retries."""

from dataclasses import replace
from typing import Any, TypeVar

import httpx

from wallet_sdk._async.concurrency import sleep
from wallet_sdk._async.session import AsyncSession
from wallet_sdk._generated.api.sessions import refresh_tokens
from wallet_sdk._operations import Operation
from wallet_sdk._retries import Attempts, Retries
from wallet_sdk.errors import OutcomeUnknown, UnexpectedAnswer, WalletError
from wallet_sdk.models import RefreshBody
from wallet_sdk.tokens import Tokens

T = TypeVar("T")


class AsyncTransport:
    """The one way to the service."""

    def __init__(self, http: httpx.AsyncClient, session: AsyncSession, retries: Retries) -> None:
        self.http = http
        self.session = session
        self.retries = retries

    def patient(self, retries: Retries) -> "AsyncTransport":
        """Return the same way with another patience."""
        return AsyncTransport(self.http, self.session, retries)

    async def call(self, operation: Operation[T]) -> T:
        """Send an operation until there is a definite answer, and return what it says.

        Raises the exceptions of `wallet_sdk.errors`.
        """
        operation = operation.keyed()
        response = await self._definite(operation)
        try:
            return operation.parse(response)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            unexpected = UnexpectedAnswer(response).of(operation)
            if operation.changes:
                raise OutcomeUnknown(operation, unexpected) from error
            raise unexpected from error

    async def bearer(self) -> str:
        """Return a token or key that is good now."""
        return await self.session.bearer(self._exchange)

    async def renew(self, refused: str) -> bool:
        """Replace a token that was refused; return whether there is another one to try."""
        return await self.session.renew(refused, self._exchange)

    async def _definite(self, operation: Operation[Any]) -> httpx.Response:
        attempts = Attempts(operation, self.retries)
        while True:
            try:
                response = await self._attempt(operation, attempts)
            except httpx.RequestError as error:
                wait_s = attempts.failed(error)
            except WalletError as error:
                ends_with = attempts.broken(error)
                raise ends_with from (None if ends_with is error else error)
            else:
                wait = attempts.answered(response)
                if wait is None:
                    return response
                wait_s = wait
            await sleep(wait_s)

    async def _attempt(self, operation: Operation[Any], attempts: Attempts) -> httpx.Response:
        if not operation.authenticated:
            return await self._send(operation, attempts, None)
        bearer = await self.bearer()
        response = await self._send(operation, attempts, bearer)
        # A token that was refused has done nothing, so this is no retry of the operation.
        if response.status_code == httpx.codes.UNAUTHORIZED and await self.renew(bearer):
            response = await self._send(operation, attempts, await self.bearer())
        return response

    async def _send(
        self, operation: Operation[Any], attempts: Attempts, bearer: str | None
    ) -> httpx.Response:
        headers = dict(operation.headers)
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        return await self.http.request(
            operation.method,
            operation.path,
            params=operation.params,
            headers=headers,
            json=operation.json,
            data=operation.form,
            timeout=attempts.timeout(),
            extensions={"operation_id": operation.id},
        )

    async def _exchange(self, refresh_token: str) -> Tokens:
        """Get the next tokens.

        Should the answer be lost, sending the same refresh token again is all that can be done.
        """
        operation = refresh_tokens.operation(body=RefreshBody(refresh_token=refresh_token))
        return Tokens.of(await self.call(replace(operation, harmless=True)))
