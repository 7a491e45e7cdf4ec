"""The deadline of a whole request, counted from when its body has arrived.

Five seconds are promised; giving a cut-off connection back may take another half second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from wallet.domain.errors import DeadlineExceeded, OutcomeUnknown

REQUEST_S = 4.3
SAFE_METHODS = frozenset({"GET", "HEAD"})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class BoundedRoute(APIRoute):
    """A route that answers within `REQUEST_S` seconds, whatever the database does.

    What moves money runs in tasks of its own and is not ended by it: the answer says that the
    outcome is not known, which is the truth, and the key finds it out.
    """

    def get_route_handler(self) -> Handler:
        """Return FastAPI's handler, bounded."""
        handler: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            if request.method not in SAFE_METHODS:
                # How long a client takes to send is the protocol's business, and is cached here.
                await request.body()
            try:
                async with asyncio.timeout(REQUEST_S):
                    return await handler(request)
            except TimeoutError as error:
                if request.method in SAFE_METHODS:
                    raise DeadlineExceeded from error
                raise OutcomeUnknown from error

        return bounded
