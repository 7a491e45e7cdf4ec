"""Stand-ins for what use cases about people need of the world: slow hashes, and mail."""

import asyncio

from wallet.application.ports import Message


class FastHasher:
    """Readable hashes; `verified` is the spy that counts verifications and their parameters."""

    def __init__(self) -> None:
        self.parameters = "v2"
        self.verified: list[str] = []

    async def hash(self, password: str) -> str:
        return f"{self.parameters}${password}"

    async def verify(self, password: str, stored: str | None) -> bool:
        decoy = f"{self.parameters}$\0"
        self.verified.append((stored or decoy).partition("$")[0])
        await asyncio.sleep(0)
        return (stored or decoy).partition("$")[2] == password

    def needs_update(self, stored: str) -> bool:
        return not stored.startswith(f"{self.parameters}$")


class MemoryMailer:
    """An outbox."""

    def __init__(self) -> None:
        self.outbox: list[Message] = []
        self.broken = False

    async def send(self, message: Message) -> None:
        if self.broken:
            raise ConnectionRefusedError("no mail server")
        self.outbox.append(message)
