"""uvicorn's WebSocket protocol, for clients that do not take what is sent to them.

uvicorn closes a connection once everything is sent, which a client that reads nothing puts off for
ever, and each of them holds a file descriptor. Here a connection is cut a moment after the
application is done with it.
"""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class BoundedSocketProtocol(WebSocketsSansIOProtocol):
    """The protocol of one WebSocket; hand the class to `uvicorn.Config(ws=…)`."""

    linger_s = 3.0
    """How long a client may take to read the last words."""

    async def run_asgi(self) -> None:
        """Run the application, then see to it that the connection ends."""
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(self.linger_s, self.transport.abort)
