"""Pages of the service as API tests know them: a cookie, and a token against forged requests."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
from tests.api.people import PASSWORD, Person
from tests.conftest import Database
from tests.fakes.second_factors import code_at

PATH = "/users/me/second-factor"
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


@dataclass
class Page:
    """A page in a browser that is logged in."""

    client: httpx.AsyncClient
    cookie: str
    csrf_token: str

    @property
    def headers(self) -> dict[str, str]:
        """What a browser sends for a page of ours with anything that changes something."""
        return {**self.reading, "x-csrf-token": self.csrf_token}

    @property
    def reading(self) -> dict[str, str]:
        """What it sends with a GET."""
        return {"cookie": f"__Host-wallet={self.cookie}", **SAME_ORIGIN}

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers=self.reading)

    async def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {**self.headers, **given.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **given)

    async def post(self, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        return await self.request("POST", path, json=body)


async def ask_to_log_in(
    client: httpx.AsyncClient,
    email: str,
    password: str = PASSWORD,
    *,
    otp: str | None = None,
    cookie: str | None = None,
) -> httpx.Response:
    body = {"email": email, "password": password} | ({} if otp is None else {"otp": otp})
    headers = dict(SAME_ORIGIN)
    if cookie is not None:
        headers["cookie"] = f"__Host-wallet={cookie}"
    return await client.post("/session", json=body, headers=headers)


def cookie_in(answer: httpx.Response) -> str:
    """Return the secret that an answer gives to a browser."""
    found = re.match(r"__Host-wallet=([A-Za-z0-9_-]{43});", answer.headers["set-cookie"])
    assert found is not None
    return found[1]


async def open_page(client: httpx.AsyncClient, email: str) -> tuple[Page, httpx.Response]:
    answer = await ask_to_log_in(client, email)
    assert answer.status_code == 200, answer.text
    return Page(client, cookie_in(answer), answer.json()["csrf_token"]), answer


def code_now(secret: str, steps: int = 0) -> str:
    """Return what an app shows now, or some time steps later.

    A code is good from one step before its own to one after. So the code of now turns a second
    factor on, and that of the next step is good at once as well, even if a step ends in between.
    """
    return code_at(secret, datetime.now(UTC) + steps * timedelta(seconds=30))


async def turn_on(person: Person) -> tuple[str, list[str]]:
    """Set up somebody's second factor; return its secret and the recovery codes."""
    begun = await person.post(PATH, {"password": PASSWORD})
    assert begun.status_code == 200, begun.text
    secret = begun.json()["secret"]
    confirmed = await person.post(f"{PATH}/confirm", {"otp": code_now(secret)})
    assert confirmed.status_code == 200, confirmed.text
    return secret, confirmed.json()["recovery_codes"]


async def make_staff(database: Database, email: str, role: str = "admin") -> None:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute("UPDATE users SET role = $2 WHERE email = $1", email, role)
    finally:
        await connection.close()
