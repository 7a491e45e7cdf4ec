"""An ordinary wallet, as tutorials write it: what a user would have without this project.

FastAPI with pydantic models, a chain of dependencies, two BaseHTTPMiddleware, logging of the
standard library, uvicorn as it comes, and one transaction for each request on an asyncpg pool. It
keeps less than the service does (no hash, no seal, no outcome of refusals, no limits) and locks in
order, so that it neither deadlocks nor loses money: it is no straw man, only unhurried.
"""

import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from jose import JWTError, jwt
from pydantic import BaseModel, Field
from starlette.middleware.base import BaseHTTPMiddleware

ALGORITHM = "HS256"
SCHEMA = """
CREATE TABLE ordinary_accounts (
    user_id uuid PRIMARY KEY,
    balance bigint NOT NULL CHECK (balance >= 0)
);
CREATE TABLE ordinary_transfers (
    id uuid PRIMARY KEY,
    from_user_id uuid NOT NULL REFERENCES ordinary_accounts (user_id),
    to_user_id uuid NOT NULL REFERENCES ordinary_accounts (user_id),
    amount bigint NOT NULL,
    idempotency_key text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (from_user_id, idempotency_key)
);
"""

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
logger = logging.getLogger("ordinary")
Next = Callable[[Request], Awaitable[Response]]


class TransferBody(BaseModel):
    """Whom to pay and how much."""

    to_user_id: UUID
    amount: int = Field(gt=0, le=10**15)
    currency: str = Field("USD", pattern="^[A-Z]{3}$")


class TransferAnswer(BaseModel):
    """A transfer with the payer's balance after it."""

    id: UUID
    status: str
    from_user_id: UUID
    to_user_id: UUID
    amount: int
    currency: str
    balance: int
    created_at: datetime


class CurrentUser(BaseModel):
    """Who is asking."""

    id: UUID


class RequestIdMiddleware(BaseHTTPMiddleware):
    """Gives each request a name."""

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        """Answer with X-Request-ID."""
        request.state.request_id = request.headers.get("X-Request-ID", str(uuid4()))
        response = await call_next(request)
        response.headers["X-Request-ID"] = request.state.request_id
        return response


class LoggingMiddleware(BaseHTTPMiddleware):
    """Writes a line for each request."""

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        """Answer, then log how long it took."""
        start = time.perf_counter()
        response = await call_next(request)
        duration_ms = (time.perf_counter() - start) * 1000
        logger.info(
            "%s %s %s %.1f ms", request.method, request.url.path, response.status_code, duration_ms
        )
        return response


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool for as long as the application runs."""
    async with asyncpg.create_pool(os.environ["ORDINARY_DATABASE_URL"]) as pool:
        app.state.pool = pool
        yield


app = FastAPI(title="An ordinary wallet", lifespan=lifespan)
app.add_middleware(LoggingMiddleware)
app.add_middleware(RequestIdMiddleware)


async def get_claims(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> dict[str, Any]:
    """Return what the token says."""
    try:
        return jwt.decode(
            credentials.credentials, os.environ["ORDINARY_SECRET"], algorithms=[ALGORITHM]
        )
    except JWTError:
        raise HTTPException(401, "Invalid token") from None


async def get_current_user(claims: Annotated[dict[str, Any], Depends(get_claims)]) -> CurrentUser:
    """Return who the token is of."""
    return CurrentUser(id=UUID(claims["sub"]))


async def get_connection(request: Request) -> AsyncIterator[Any]:
    """Lend a connection to the request."""
    async with request.app.state.pool.acquire() as connection:
        yield connection


@app.get("/health")
async def health() -> dict[str, str]:
    """Tell that it is up."""
    return {"status": "ok"}


@app.post("/wallets/transfer", status_code=201)
async def create_transfer(
    body: TransferBody,
    user: Annotated[CurrentUser, Depends(get_current_user)],
    connection: Annotated[Any, Depends(get_connection)],
    idempotency_key: Annotated[str, Header()],
) -> TransferAnswer:
    """Move money from one account to another."""
    if body.to_user_id == user.id:
        raise HTTPException(422, "You cannot pay yourself")
    async with connection.transaction():
        earlier = await connection.fetchrow(
            "SELECT * FROM ordinary_transfers WHERE from_user_id = $1 AND idempotency_key = $2",
            user.id,
            idempotency_key,
        )
        if earlier is not None:
            raise HTTPException(409, "This key was used before")
        rows = await connection.fetch(
            "SELECT user_id, balance FROM ordinary_accounts WHERE user_id = ANY($1::uuid[]) "
            "ORDER BY user_id FOR UPDATE",
            [user.id, body.to_user_id],
        )
        balances = {row["user_id"]: row["balance"] for row in rows}
        if body.to_user_id not in balances:
            raise HTTPException(404, "No such recipient")
        if balances[user.id] < body.amount:
            raise HTTPException(422, "Insufficient funds")
        await connection.execute(
            "UPDATE ordinary_accounts SET balance = balance - $2 WHERE user_id = $1",
            user.id,
            body.amount,
        )
        await connection.execute(
            "UPDATE ordinary_accounts SET balance = balance + $2 WHERE user_id = $1",
            body.to_user_id,
            body.amount,
        )
        transfer_id, created_at = uuid4(), datetime.now(UTC)
        await connection.execute(
            "INSERT INTO ordinary_transfers (id, from_user_id, to_user_id, amount, "
            "idempotency_key, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
            transfer_id,
            user.id,
            body.to_user_id,
            body.amount,
            idempotency_key,
            created_at,
        )
    return TransferAnswer(
        id=transfer_id,
        status="completed",
        from_user_id=user.id,
        to_user_id=body.to_user_id,
        amount=body.amount,
        currency=body.currency,
        balance=balances[user.id] - body.amount,
        created_at=created_at,
    )
