"""What the composition root puts into an application, and how routes get at it."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from wallet.api.idempotency import key_headers, key_of
from wallet.application.idempotency import IdempotencyKey
from wallet.application.use_cases import UseCases


@dataclass(frozen=True, slots=True)
class MoneyOptions:
    """How money requests are taken: whether a key is mandatory, and how one is made."""

    key_required: bool
    new_key: Callable[[], str]


def use_cases(request: Request) -> UseCases:
    """Return what the application can do."""
    found: UseCases = request.app.state.use_cases
    return found


def idempotency_key(request: Request) -> IdempotencyKey:
    """Return the request's idempotency key, or a new one where that is allowed."""
    options: MoneyOptions = request.app.state.money
    key = key_of(request.scope["headers"], required=options.key_required, new_key=options.new_key)
    # The edge puts these on whatever answer the route gives: a problem must tell the key as well.
    state = request.scope["state"]
    state["headers"] = [*state.get("headers", ()), *key_headers(key)]
    return key
