"""The floor: an ASGI application that reads the body and answers a constant 201, and nothing else.

Served by uvicorn with the service's own settings, it shows what HTTP alone costs.
"""

import sys
from typing import Any

import orjson
import uvicorn
from starlette.types import Receive, Scope, Send

from wallet.api.routes.transfers import TRANSFER_EXAMPLE
from wallet.infrastructure.web_server import (
    BACKLOG,
    KEEP_ALIVE_S,
    freeze_garbage_collector,
)

BODY = orjson.dumps(TRANSFER_EXAMPLE)
"""As long as an answer of the service."""
START: dict[str, Any] = {
    "type": "http.response.start",
    "status": 201,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}
END: dict[str, Any] = {"type": "http.response.body", "body": BODY}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and answer; GET is for whoever waits for the start."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send(START if scope["method"] == "POST" else {**START, "status": 200})
    await send(END)


def main() -> None:
    """Serve on the port of the command line."""
    freeze_garbage_collector()
    uvicorn.run(
        application,
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
    )


if __name__ == "__main__":
    main()
