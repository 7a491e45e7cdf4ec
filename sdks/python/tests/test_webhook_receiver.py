"""A receiver that checks the service's own webhooks, while the secret is rotated."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from sdks.python.tests.conftest import client_of, new_name, sign_up
from sdks.python.tests.live_service import LiveService

from wallet_sdk import Money, Webhook
from wallet_sdk.models import EntryData

Request = tuple[bytes, dict[str, str]]


@contextmanager
def receiver() -> Iterator[tuple[str, "queue.Queue[Request]"]]:
    """Listen on a real socket and keep what comes, byte for byte."""
    got: queue.Queue[Request] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.put((self.rfile.read(int(self.headers["content-length"])), dict(self.headers)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hooks", got
        finally:
            server.shutdown()


def test_the_services_webhooks_are_accepted_by_either_secret(service: LiveService) -> None:
    person = client_of(service)
    sign_up(person, new_name("hooked"))
    with receiver() as (url, got):
        endpoint = person.webhooks.create(url, events=["topup.settled"])
        rotated = person.webhooks.rotate_secret(endpoint.id)
        top_up = person.wallets.top_up(Money(2_500, "USD"))
        body, headers = got.get(timeout=20)
        for secret in (endpoint.secret, rotated.secret):
            message = Webhook(secret).verify(body, headers)
            assert message.event.type_ == "topup.settled"
            assert message.event.id == message.id
            assert isinstance(message.event.data, EntryData)
            assert message.event.data.transaction is not None
            assert message.event.data.transaction.id == top_up.id
        # The same id everywhere.
        assert person.events.get(message.id) == message.event
        (listed,) = person.events.list(types=["topup.settled"])
        assert listed.id == message.id
        person.webhooks.delete(endpoint.id)
