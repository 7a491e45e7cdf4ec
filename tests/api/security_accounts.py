"""People as the tests of accounts make them."""

import asyncio
import re
from typing import Any

import asyncpg
import httpx
from tests.api.people import PASSWORD
from tests.conftest import Database

NEW_PASSWORD = "eleven paper boats by noon"


def wish(name: str, **changes: Any) -> dict[str, Any]:
    body = {
        "first_name": name.title(),
        "last_name": "Tester",
        "email": f"{name}@example.com",
        "password": PASSWORD,
        "handle": name,
    }
    return body | changes


async def log_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/users/login", json={"email": email, "password": password})


async def mails_to(client: httpx.AsyncClient, address: str) -> list[dict[str, str]]:
    answer = await client.get("/dev/mail", params={"recipient": address})
    items: list[dict[str, str]] = answer.json()["items"]
    return items


async def mailed_token(client: httpx.AsyncClient, address: str, subject: str) -> str:
    """Return the token of the newest mail with this subject, once it is there."""
    for _ in range(100):
        for mail in await mails_to(client, address):
            if subject in mail["subject"]:
                token = re.search(r"^[A-Za-z0-9_-]{43}$", mail["text"], re.MULTILINE)
                assert token is not None
                return token[0]
        await asyncio.sleep(0.02)
    raise AssertionError("no such mail")


async def as_superuser(database: Database, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()
