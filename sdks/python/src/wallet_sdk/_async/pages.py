"""Lists that come in pages, read as they are needed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

ItemT_co = TypeVar("ItemT_co", covariant=True)
ItemT = TypeVar("ItemT")
PageT = TypeVar("PageT", bound="Page[object]")


class Page(Protocol[ItemT_co]):
    """Some items, and where the next ones are."""

    @property
    def items(self) -> Sequence[ItemT_co]:
        """The items of this page."""
        ...

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the next page, None on the last one."""
        ...


class AsyncPages(Generic[ItemT, PageT]):
    """All items of a list, over all of its pages; each page is fetched when it is reached.

    Iterate over it for the items, over `pages()` for the pages, or take `first()`. It can be gone
    through several times, and asks anew each time.
    """

    def __init__(
        self,
        fetch: Callable[[str | None], Awaitable[PageT]],
        items: Callable[[PageT], Sequence[ItemT]],
    ) -> None:
        self._fetch = fetch
        self._items = items

    async def __aiter__(self) -> AsyncIterator[ItemT]:
        async for page in self.pages():
            for item in self._items(page):
                yield item

    async def pages(self) -> AsyncIterator[PageT]:
        """Yield the pages; one may be empty and not the last."""
        cursor: str | None = None
        while True:
            page = await self._fetch(cursor)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    async def first(self) -> PageT:
        """Return the first page."""
        return await self._fetch(None)
