"""Live streams: every entry once and in order, whatever happens to the connection."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from time import monotonic

import httpx

from wallet_sdk._arguments import Id, given
from wallet_sdk._async.concurrency import sleep
from wallet_sdk._async.namespace import AsyncNamespace
from wallet_sdk._events import EventParser
from wallet_sdk._generated.api.live import stream_events
from wallet_sdk._retries import Retries
from wallet_sdk.errors import (
    ConnectionFailed,
    ProblemError,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    WalletError,
    error_of,
    problem_of,
)
from wallet_sdk.live_events import Ended, Entry, Place, Ready, StreamBroken, event_of
from wallet_sdk.models import Balance

SILENCE_MAX_S = 45.0
"""The service says that it is alive every 15 seconds."""
_PASSING = (ConnectionFailed, Unavailable, TooManyRequests, StreamBroken)
_RECONNECTS = Retries(backoff_base_s=0.25, backoff_max_s=5.0)


class AsyncLive(AsyncNamespace):
    """What moves, as it moves.

    The iterators go on for ever. They reconnect by themselves and renew the token; nothing is
    missing and nothing comes twice. They raise if the service cannot be reached for `patience_s`
    seconds, or if it refuses (`Unauthenticated` after the session has ended).
    """

    async def entries(
        self,
        wallet_ids: Sequence[Id] = (),
        *,
        last_event_id: str | None = None,
        patience_s: float = 300.0,
    ) -> AsyncGenerator[Entry, None]:
        """Yield every entry of the wallets (all of the person's without `wallet_ids`) from now on,
        or from behind the `resume_from` of an entry that was dealt with.
        """
        stream = self.events(wallet_ids, last_event_id=last_event_id, patience_s=patience_s)
        async with aclosing(stream):
            async for event in stream:
                if isinstance(event, Entry):
                    yield event

    async def balances(
        self, wallet_ids: Sequence[Id] = (), *, patience_s: float = 300.0
    ) -> AsyncGenerator[Balance, None]:
        """Yield the balances as they are, and then each one that changes."""
        seen: dict[str, int] = {}
        stream = self.events(wallet_ids, patience_s=patience_s)
        async with aclosing(stream):
            async for event in stream:
                for balance in event.balances if isinstance(event, Ready) else [event.balance]:
                    if balance.version > seen.get(balance.wallet_id, -1):
                        seen[balance.wallet_id] = balance.version
                        yield balance

    async def events(
        self,
        wallet_ids: Sequence[Id] = (),
        *,
        last_event_id: str | None = None,
        patience_s: float = 300.0,
    ) -> AsyncGenerator[Ready | Entry, None]:
        """Yield entries, and `Ready` with all balances whenever the stream has been opened."""
        place = Place.of(last_event_id)
        failures, given_up_at = 0, monotonic() + patience_s
        while True:
            wait_s = 0.0
            stream = self._stream(wallet_ids, place)
            try:
                async with aclosing(stream):
                    async for event in stream:
                        failures, given_up_at = 0, monotonic() + patience_s
                        yield event
                        given_up_at = monotonic() + patience_s
            except _PASSING as error:
                if isinstance(error, ProblemError):
                    wait_s = error.retry_after_s or 0.0
                if monotonic() + wait_s > given_up_at:
                    raise
            failures += 1
            await sleep(wait_s + _RECONNECTS.backoff_s(failures))

    async def _stream(
        self, wallet_ids: Sequence[Id], place: Place
    ) -> AsyncGenerator[Ready | Entry, None]:
        """Yield the events of one connection."""
        operation = stream_events.operation(
            wallet_id=[str(id_) for id_ in wallet_ids], last_event_id=given(str(place) or None)
        )
        bearer = await self._transport.bearer()
        headers = {**operation.headers, "Authorization": f"Bearer {bearer}"}
        parser = EventParser()
        try:
            async with self._transport.http.stream(
                operation.method,
                operation.path,
                params=operation.params,
                headers=headers,
                timeout=httpx.Timeout(10.0, read=SILENCE_MAX_S),
                extensions={"operation_id": operation.id},
            ) as response:
                if not response.is_success:
                    await response.aread()
                    await self._refused(problem_of(response).of(operation), bearer)
                    return
                async for content in response.aiter_raw():
                    for server_event in parser.feed(content):
                        event = event_of(server_event, place)
                        if isinstance(event, Ended):
                            await self._refused(error_of(401, event.problem), bearer)
                            return
                        if event is not None:
                            yield event
        except (httpx.RequestError, ValueError, KeyError) as error:
            raise ConnectionFailed(str(error) or type(error).__name__).of(operation) from error

    async def _refused(self, error: WalletError, bearer: str) -> None:
        """Get a new token if the old one was refused, and let the stream begin again; or raise."""
        if not isinstance(error, Unauthenticated) or not await self._transport.renew(bearer):
            raise error
