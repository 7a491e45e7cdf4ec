"""What waiting, locking and running to the end are in synchronous code.

`make sdk-python` puts it into `wallet_sdk/_sync` beside the twins of `_async`.
"""

from threading import Lock as Lock
from time import sleep as sleep
from typing import TypeVar

T = TypeVar("T")


def to_the_end(work: T) -> T:
    """Return what was done: nobody breaks off synchronous work."""
    return work
