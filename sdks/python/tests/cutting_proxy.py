"""A proxy on a real socket that loses answers: the request arrives, and the client never hears."""

import socket
import threading
from collections.abc import Callable


class CuttingProxy:
    """Forwards connections to a service; `cut(request)` says whose answers get lost."""

    def __init__(self, port: int, cut: Callable[[bytes], bool]) -> None:
        self._target = ("127.0.0.1", port)
        self._cut = cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listener]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        port: int = self._listener.getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def close(self) -> None:
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Carry one request after the other to the service and its answer back, or not."""
        try:
            with client, socket.create_connection(self._target, timeout=10) as service:
                while request := _message(client):
                    service.sendall(request)
                    answer = _message(service)
                    if self._cut(request):
                        self.cuts += 1
                        return
                    client.sendall(answer)
        except OSError:
            return


def _message(source: socket.socket) -> bytes:
    """Read one HTTP message whose body has a length."""
    content = b""
    while b"\r\n\r\n" not in content:
        content += (piece := source.recv(65_536))
        if not piece:
            return b""
    head, _, body = content.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += (piece := source.recv(65_536))
        if not piece:
            return b""
    return head + b"\r\n\r\n" + body
