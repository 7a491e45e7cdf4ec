"""Housekeeping: small jobs that each process does again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from wallet.application.ports import ReportError

_JITTER = 0.2


async def repeat(
    work: Callable[[], Awaitable[object]], *, every_s: float, report: ReportError
) -> None:
    """Do `work` about every `every_s` seconds until cancelled; a failure is reported, not fatal.

    The pauses vary by a fifth, so that processes started together do not work together.
    """
    random = Random()  # noqa: S311 - it spreads work and guards nothing
    while True:
        await asyncio.sleep(every_s * random.uniform(1 - _JITTER, 1 + _JITTER))
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - a job that dies would never be missed
            report(error)
