"""The service cut off at a layer, to see what each of them costs.

`python -m benchmarks.layered_service LAYER serve …` is `wallet serve …` whose requests are answered
by a constant as soon as they have come through the layers up to LAYER:

`protocol`  our HTTP protocol
`edge`      and the edge: request id, body limit, security headers, log line, metrics
`person`    and the token, its revocation and the rate limit
`route`     and the whole application, but for the database: the rules decide on made-up accounts
"""

import os
import sys
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.raw_asgi import application as constant
from wallet.api.dependencies import authenticated
from wallet.bootstrap import application as whole_application
from wallet.bootstrap import parent
from wallet.domain.accounts import Account, Purpose
from wallet.domain.ledger import Book, Result
from wallet.domain.money import BALANCE_MAX
from wallet.domain.transfers import CreateTransfer

LAYERS = ("protocol", "edge", "person", "route")
VARIABLE = "BENCHMARK_LAYER"


class Nowhere:
    """Carries out transfers between two accounts that exist for one decision."""

    async def carry_out(self, instruction: CreateTransfer) -> Result:
        """Return what the rules decide."""
        header = instruction.header
        parties = (
            (header.account_id, header.owner_id, BALANCE_MAX // 2),
            (header.counterparty_id, header.counterparty_owner_id, 0),
        )
        accounts = {
            id_: Account(
                id=id_,
                currency=header.currency,
                purpose=Purpose.WALLET,
                owner_id=owner_id,
                posted=posted,
            )
            for id_, owner_id, posted in parties
            if id_ is not None
        }
        return Book(accounts, datetime.now(UTC)).decide([instruction])[0]


class Layered:
    """The application, which starts as it is and answers from one of its layers."""

    def __init__(self, whole: Any, layer: str) -> None:
        self._whole = whole
        self._layer = layer
        self._entry: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let everything that is no transfer through."""
        if scope["type"] != "http" or scope["path"] != "/wallets/transfer":
            await self._whole(scope, receive, send)
            return
        if self._entry is None:
            self._entry = self._cut()
        scope["app"] = self._whole
        await self._entry(scope, receive, send)

    def _cut(self) -> ASGIApp:
        """Return what answers transfers; called once the application runs."""
        if self._layer == "protocol":
            return constant
        if self._layer == "route":
            # What carries transfers out is not to be set from outside, except here.
            self._whole.state.use_cases.transfers._mover = Nowhere()  # noqa: SLF001
            whole: ASGIApp = self._whole
            return whole
        edge = _edge(self._whole.middleware_stack)
        edge.app = self._authenticated if self._layer == "person" else constant
        entry: ASGIApp = edge
        return entry

    async def _authenticated(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = self._whole.state
        await authenticated(scope, state.use_cases.log_in.authenticate, state.throughput)
        await constant(scope, receive, send)


def _edge(layer: Any) -> Any:
    """Return the edge among the layers of the application."""
    while type(layer).__name__ != "Edge":
        layer = layer.app
    return layer


def application() -> ASGIApp:
    """Return what uvicorn serves."""
    return Layered(whole_application(), os.environ[VARIABLE])


def main() -> None:
    """Run the wallet's command line with this application instead of its own."""
    from wallet.cli import main as wallet_main

    os.environ[VARIABLE] = sys.argv[1]
    parent.APPLICATION = "benchmarks.layered_service:application"
    sys.argv = ["wallet", *sys.argv[2:]]
    wallet_main()


if __name__ == "__main__":
    main()
