"""The client: one person, or one API key, at one service."""

from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from wallet_sdk._arguments import given
from wallet_sdk._async.history import AsyncProofs, AsyncStatements, AsyncTransactions
from wallet_sdk._async.live import AsyncLive
from wallet_sdk._async.machines import AsyncApiKeys, AsyncEvents, AsyncWebhooks
from wallet_sdk._async.money import AsyncTransfers, AsyncWallets
from wallet_sdk._async.people import AsyncSessions, AsyncUsers
from wallet_sdk._async.second_factor import AsyncSecondFactor
from wallet_sdk._async.session import AsyncSession
from wallet_sdk._async.transport import AsyncTransport
from wallet_sdk._generated.api.sessions import log_in, log_out
from wallet_sdk._generated.api.transactions import get_idempotency_key
from wallet_sdk._generated.async_operations import AsyncOperations
from wallet_sdk._operations import Operation
from wallet_sdk._retries import Retries
from wallet_sdk._version import VERSION
from wallet_sdk.errors import OutcomeUnknown, ProblemError
from wallet_sdk.models import KeyAnswer, LogInBody
from wallet_sdk.tokens import Tokens

T = TypeVar("T")
DEFAULT_URL = "http://localhost:4000"


class AsyncWallet:
    """A client of the wallet service.

    Log in, or give an `api_key`, or `tokens` that were kept (`on_tokens` is called with the new
    ones whenever they change, and with None when the session is over). `retries` says how patient
    it is. Use it as a context manager, or close it. One client serves any number of concurrent
    callers; it opens connections as needed and keeps them. An
    `http` client of yours needs the `base_url` itself.

    `users`, `sessions`, `second_factor`, `wallets`, `transfers`, `transactions`, `statements`,
    `proofs`, `live`, `events`, `webhooks` and `api_keys` are the API as people use it;
    `operations` has every operation of the document as it stands.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        tokens: Tokens | None = None,
        on_tokens: Callable[[Tokens | None], None] | None = None,
        retries: Retries | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        if api_key is not None and tokens is not None:
            raise ValueError("give an API key or tokens, not both")
        self._owns_http = http is None
        self._http = http or httpx.AsyncClient(
            base_url=base_url, headers={"User-Agent": f"wallet-sdk-python/{VERSION}"}
        )
        session = AsyncSession(api_key=api_key, tokens=tokens, on_tokens=on_tokens)
        self._take(AsyncTransport(self._http, session, retries or Retries()))

    def _take(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.users = AsyncUsers(transport)
        self.sessions = AsyncSessions(transport)
        self.second_factor = AsyncSecondFactor(transport)
        self.wallets = AsyncWallets(transport)
        self.transfers = AsyncTransfers(transport)
        self.transactions = AsyncTransactions(transport)
        self.statements = AsyncStatements(transport)
        self.proofs = AsyncProofs(transport)
        self.live = AsyncLive(transport)
        self.events = AsyncEvents(transport)
        self.webhooks = AsyncWebhooks(transport)
        self.api_keys = AsyncApiKeys(transport)
        self.operations = AsyncOperations(transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; an `http` client that was given stays open."""
        if self._owns_http:
            await self._http.aclose()

    def patient(
        self, retries: Retries | None = None, *, deadline_s: float | None = None
    ) -> "AsyncWallet":
        """Return this client with another patience; session and connections are shared.

        ``wallet.patient(deadline_s=120).transfers.create(…)``
        """
        chosen = retries or self._transport.retries
        if deadline_s is not None:
            chosen = replace(chosen, deadline_s=deadline_s)
        other = object.__new__(type(self))
        other._owns_http = False
        other._http = self._http
        other._take(self._transport.patient(chosen))
        return other

    @property
    def tokens(self) -> Tokens | None:
        """The tokens as they are now, None before a log-in."""
        return self._transport.session.tokens

    async def log_in(self, email: str, password: str, *, otp: str | None = None) -> None:
        """Begin a session; `otp` is six digits of the app, or a recovery code.

        Raises `CredentialsInvalid`, `LogInDelayed`, `SecondFactorRequired` if the password is right
        and a code is needed as well, `SecondFactorWrong`. A code is good once: if the answer to
        it is lost this raises `OutcomeUnknown`, and the next log-in takes the next code.
        """
        body = LogInBody(email=email, password=password, otp=given(otp))
        answer = await self.call(replace(log_in.operation(body=body), harmless=otp is None))
        self._transport.session.set_tokens(Tokens.of(answer))

    async def log_out(self) -> None:
        """End the session; the client can log in again."""
        await self.call(replace(log_out.operation(), harmless=True))
        self._transport.session.set_tokens(None)

    async def call(self, operation: Operation[T]) -> T:
        """Send any operation, with this client's credentials, keys and retries."""
        return await self._transport.call(operation)

    async def settle(self, unsettled: OutcomeUnknown | str) -> KeyAnswer:
        """Find out what a request came to whose answer never arrived.

        Of an `OutcomeUnknown` the request is repeated under its own key, so that the answer is
        definite: `accepted`, `refused`, or `pending` at the funding source. Of a key alone it can
        only be looked up, and `unknown` does not mean that it did not happen: repeat the request
        with that key.
        """
        key = unsettled if isinstance(unsettled, str) else unsettled.idempotency_key
        if key is None:
            raise ValueError("the operation took no idempotency key")
        if isinstance(unsettled, OutcomeUnknown):
            await self._repeat(unsettled.operation)
        return await self.call(get_idempotency_key.operation(key))

    async def _repeat(self, operation: Operation[Any]) -> None:
        try:
            await self.call(operation)
        except ProblemError as problem:
            # A refusal is stored under the key, and read from there; anything else is not.
            if problem.status != httpx.codes.UNPROCESSABLE_ENTITY:
                raise
