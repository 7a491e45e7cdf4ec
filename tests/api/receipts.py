"""Receipts as tests get them: asked for until they are ready."""

import asyncio
from typing import Any

from tests.api.people import Person


async def receipt_of(person: Person, transaction_id: str) -> dict[str, Any]:
    """Return a receipt once its movement is sealed."""
    async with asyncio.timeout(15):
        while True:
            answer = await person.get(f"/transactions/{transaction_id}/receipt")
            if answer.status_code == 200:
                document: dict[str, Any] = answer.json()
                return document
            assert answer.json()["code"] == "receipt-not-ready", answer.text
            assert int(answer.headers["retry-after"]) >= 1
            await asyncio.sleep(0.1)
