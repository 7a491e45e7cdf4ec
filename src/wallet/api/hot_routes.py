"""Hot routes: the few that carry most requests, without FastAPI's machinery around them.

A hot route is declared like every other one, and its document is made from that declaration. When
a request comes that is what it should be, `HotRoutes` calls the same endpoint function itself: the
token is checked, pydantic reads the body from its bytes, the answer is sent. That costs a fifth of
what FastAPI's router, dependency solver and exit stacks cost.

Whatever is not plain (no valid token, another content type, a body that does not validate, a
parameter given twice) goes on to FastAPI as if nothing had been tried, with the body that was read.
So there is one set of problems, and nothing here that could answer differently: a test sends the
same requests both ways and compares.
"""

from collections.abc import Awaitable, Callable, Mapping
from inspect import signature
from typing import Annotated, Any, get_args, get_origin
from urllib.parse import parse_qsl

import orjson
from fastapi import Request, Response
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wallet.api.deadlines import BoundedRoute, within_deadline
from wallet.api.dependencies import authenticated
from wallet.api.json_answer import JsonAnswer
from wallet.api.key_scopes import require_access
from wallet.domain.errors import WalletError
from wallet.domain.sessions import Principal

JSON = b"application/json"

Endpoint = Callable[..., Awaitable[Any]]


class NotPlain(Exception):
    """This request is for FastAPI; `body` is what was read of it, if anything was."""

    def __init__(self, body: bytes | None = None) -> None:
        super().__init__()
        self.body = body


class HotRoute(BoundedRoute):
    """A route that `HotRoutes` serves; it needs a person and at most one body or one query model.

    The endpoint's parameters are named `request`, `person`, and `body` or `query`.
    """

    def plain(self) -> "Plain":
        """Return what serves the plain requests of this route."""
        return Plain(self)


class HotRoutes:
    """The layer around FastAPI's application that serves the plain requests of hot routes."""

    def __init__(self, app: ASGIApp, routes: list[BaseRoute]) -> None:
        self.app = app
        self.plain: Mapping[tuple[str, str], Plain] = {
            (method, route.path): route.plain()
            for route in hot_routes(routes)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or leave it to FastAPI."""
        if scope["type"] == "http":
            plain = self.plain.get((scope["method"], scope["path"]))
            if plain is not None:
                try:
                    response = await plain.respond(scope, receive)
                except NotPlain as left:
                    scope["state"].pop("headers", None)
                    if left.body is not None:
                        receive = _received_again(left.body, receive)
                else:
                    await response(scope, receive, send)
                    return
        await self.app(scope, receive, send)


class Plain:
    """How the plain requests of one hot route are read and answered."""

    def __init__(self, route: HotRoute) -> None:
        self._route = route
        self._endpoint: Endpoint = route.endpoint
        self._status = route.status_code or 200
        parameters = signature(route.endpoint, eval_str=True).parameters
        self._body = _model(parameters["body"].annotation) if "body" in parameters else None
        self._query = _model(parameters["query"].annotation) if "query" in parameters else None
        if not {"request", "person"} <= parameters.keys() <= {"request", "person", "body", "query"}:
            raise TypeError(f"{route.path}: a hot route cannot take these parameters")

    async def respond(self, scope: Scope, receive: Receive) -> Response:
        """Return the answer; raise `NotPlain`, or what the endpoint raises."""
        given: dict[str, BaseModel] = {}
        if self._query is not None:
            given["query"] = _read_query(self._query, scope["query_string"])
        elif scope["query_string"]:
            raise NotPlain
        state = scope["app"].state
        try:
            person = await authenticated(
                scope, state.use_cases.log_in.authenticate, state.throughput
            )
            require_access(person, self._route.operation_id)
        except WalletError:
            # FastAPI says it, after it has looked at the body.
            raise NotPlain from None
        if self._body is not None:
            given["body"] = await _read_body(self._body, scope, receive)
        scope["route"] = self._route
        answer = await within_deadline(scope["method"], self._call(scope, receive, person, given))
        if isinstance(answer, Response):
            return answer
        return JsonAnswer(orjson.dumps(answer), self._status)

    async def _call(
        self, scope: Scope, receive: Receive, person: Principal, given: Mapping[str, BaseModel]
    ) -> Any:
        return await self._endpoint(request=Request(scope, receive), person=person, **given)


def hot_routes(routes: list[BaseRoute]) -> list[HotRoute]:
    """Return the hot routes among these and those of the routers included in them."""
    found = []
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, HotRoute):
            if context.path != route.path:
                raise TypeError(f"{route.path}: a hot route's router is included without a prefix")
            found.append(route)
    return found


async def _read_body(model: type[BaseModel], scope: Scope, receive: Receive) -> BaseModel:
    if not any(name == b"content-type" and value == JSON for name, value in scope["headers"]):
        raise NotPlain
    body = await _whole_body(receive)
    try:
        read: BaseModel = model.__pydantic_validator__.validate_json(body)
    except ValidationError:
        raise NotPlain(body) from None
    return read


async def _whole_body(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body", False) and message["type"] == "http.request":
        whole: bytes = message["body"]
        return whole
    pieces = []
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)
        message = await receive()


def _read_query(model: type[BaseModel], query: bytes) -> BaseModel:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else []
    values = dict(pairs)
    if len(values) != len(pairs):
        raise NotPlain
    try:
        read: BaseModel = model.__pydantic_validator__.validate_python(values)
    except ValidationError:
        raise NotPlain from None
    return read


def _received_again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that begins with a body which was read already."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


def _model(annotation: Any) -> type[BaseModel]:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        raise TypeError(f"{annotation!r} is not a model")
    return annotation
