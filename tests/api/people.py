"""People as API tests know them: signed up, logged in, with a wallet."""

import re
from dataclasses import dataclass
from typing import Any

import httpx

PASSWORD = "seven green lamps at dusk"


@dataclass
class Person:
    """Somebody with a token."""

    client: httpx.AsyncClient
    name: str
    id: str
    wallet_id: str
    access_token: str
    refresh_token: str
    password: str = PASSWORD

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.access_token}"}

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers=self.headers)

    async def post(self, path: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
        headers = dict(self.headers)
        if key is not None:
            headers["idempotency-key"] = key
        return await self.client.post(path, json=body, headers=headers)

    async def top_up(
        self, amount: int, currency: str = "USD", key: str | None = None
    ) -> httpx.Response:
        return await self.post("/wallets/topup", {"amount": amount, "currency": currency}, key)

    async def verify_email(self) -> None:
        answer = await self.client.get("/dev/mail", headers={"accept": "application/json"})
        mails = [m for m in answer.json()["items"] if m["recipient"] == self.email]
        token = re.search(r"^([A-Za-z0-9_-]{43})$", mails[0]["text"], re.MULTILINE)
        assert token is not None
        done = await self.client.post(
            "/email-verifications", json={"token": token[1]}, headers=self.headers
        )
        assert done.status_code in {200, 204}, done.text


async def sign_up(client: httpx.AsyncClient, name: str) -> Person:
    """Sign somebody up and log them in."""
    body = {
        "first_name": name.title(),
        "last_name": "Tester",
        "email": f"{name}@example.com",
        "password": PASSWORD,
        "handle": name,
    }
    made = await client.post("/users", json=body)
    assert made.status_code == 201, made.text
    logged_in = await client.post(
        "/users/login", json={"email": body["email"], "password": PASSWORD}
    )
    assert logged_in.status_code == 200, logged_in.text
    tokens = logged_in.json()
    return Person(
        client,
        name,
        made.json()["id"],
        made.json()["wallet"]["id"],
        tokens["access_token"],
        tokens["refresh_token"],
    )


async def sign_up_with(client: httpx.AsyncClient, name: str, amount: int) -> Person:
    """Sign somebody up who has money."""
    person = await sign_up(client, name)
    answer = await person.top_up(amount, key=f"topup-{name}")
    assert answer.status_code == 201, answer.text
    return person


async def balance_of(person: Person, currency: str = "USD") -> int:
    """Return what somebody's wallet holds."""
    answer = await person.get(f"/wallets/my-balance?currency={currency}")
    posted = answer.json()["posted"]
    assert isinstance(posted, int)
    return posted
