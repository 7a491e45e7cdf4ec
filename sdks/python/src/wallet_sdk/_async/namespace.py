"""How operations become methods of a client."""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, TypeVar

from wallet_sdk._async.transport import AsyncTransport
from wallet_sdk._operations import Operation

P = ParamSpec("P")
T = TypeVar("T")


class AsyncNamespace:
    """Operations that belong together, as `wallet.transfers`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def _call(self, operation: Operation[T]) -> T:
        return await self._transport.call(operation)


class AsyncMethod(Generic[P, T]):
    """An operation of the document as a method of a namespace, with its own arguments::

    class AsyncSessions(AsyncNamespace):
        revoke = AsyncMethod(revoke_session.operation)
    """

    def __init__(self, make: Callable[P, Operation[T]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __get__(
        self, namespace: AsyncNamespace, owner: type[AsyncNamespace]
    ) -> Callable[P, Coroutine[Any, Any, T]]:
        make = self._make

        async def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return await namespace._transport.call(make(*args, **kwargs))  # noqa: SLF001

        method.__doc__ = make.__doc__
        return method
