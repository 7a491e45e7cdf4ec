"""API keys as API tests make them: a person acts through one."""

from dataclasses import replace
from typing import Any

from tests.api.people import Person

from wallet.domain.api_keys import Scope

EVERY_SCOPE = [scope.value for scope in Scope]


async def make_key(person: Person, *scopes: str, **fields: Any) -> dict[str, Any]:
    """Make a key and return it with its secret."""
    body = {"name": "Till", "scopes": list(scopes), **fields}
    made = await person.post("/api-keys", body)
    assert made.status_code == 201, made.text
    key: dict[str, Any] = made.json()
    return key


def by_key(person: Person, key: dict[str, Any]) -> Person:
    """Return the person as a machine that has their key."""
    return replace(person, access_token=key["secret"])


async def machine(person: Person, *scopes: str, **fields: Any) -> Person:
    """Return a person who asks with a new key of these scopes."""
    return by_key(person, await make_key(person, *scopes, **fields))


async def spender(person: Person, budget: int, **rule: Any) -> Person:
    """Return a person who asks with a new spending key."""
    spending = {"currency": "USD", "budget": budget, **rule}
    return await machine(person, "transfers:write", spending=spending)
