"""The one way money moves: any number of instructions in one database transaction.

Lock, read earlier outcomes if there are any, decide, save, commit. A single transfer is a batch of
one; there is no second path. Carrying a batch out again is always safe, because every instruction
has a key: that is also how an unknown outcome becomes known (the locks of a commit still under way
are waited for).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import attrgetter
from random import Random
from uuid import UUID

from wallet.application.unit_of_work import Interrupted, UnitOfWorkFactory
from wallet.domain.adjustments import BookAdjustment
from wallet.domain.errors import OutcomeUnknown
from wallet.domain.ledger import (
    Book,
    Instruction,
    Key,
    Ledger,
    Outcome,
    Result,
    SpendingPlace,
)
from wallet.domain.refunds import RefundTransfer

TRIES_MAX = 5
BACKOFF_FIRST_S = 0.02
BACKOFF_MAX_S = 0.4
DEADLINE_S = 3.5

Observer = Callable[[Sequence[Instruction], Sequence[Result]], None]
Announce = Callable[[Book], None]


class KeyTakenMeanwhile(Exception):
    """Another transaction used one of the keys first: its outcome can be read now."""


def _unobserved(instructions: Sequence[Instruction], results: Sequence[Result]) -> None:
    """Look away."""


def _unannounced(_: Book) -> None:
    """Tell nobody."""


class LedgerWriter:
    """Carries out instructions, all or none of a batch, each with an outcome of its own."""

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        *,
        deadline_s: float = DEADLINE_S,
        observe: Observer = _unobserved,
        announce: Announce = _unannounced,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._deadline_s = deadline_s
        self._observe = observe
        self._announce = announce
        self._random = Random()  # noqa: S311 - it spreads retries and guards nothing

    async def carry_out(
        self, instructions: Sequence[Instruction], stripe: int = 0
    ) -> Sequence[Result]:
        """Return one result per instruction, in order; refusals and errors are values here.

        An `OutcomeUnknown` says that the instruction may or may not have been carried out; any
        other error says that it was not. Takes at most `deadline_s` for a batch.
        """
        results = await self._within_deadline(instructions, stripe)
        # Whatever becomes of the numbers, those who wait must hear what was done.
        with suppress(Exception):
            self._observe(instructions, results)
        return results

    async def preview(self, instruction: Instruction) -> Result:
        """Return what would become of an instruction now; nothing is locked and nothing stored."""
        async with self._unit_of_work() as work:
            book = await work.ledger.peek(_account_ids([instruction], 0), 0)
            if places := _spending_places([instruction]):
                book.spendings.update(await work.ledger.spendings(places, lock=False))
            return book.decide([instruction])[0]

    async def _within_deadline(
        self, instructions: Sequence[Instruction], stripe: int
    ) -> Sequence[Result]:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._with_retries(instructions, stripe)
        except TimeoutError:
            return [OutcomeUnknown() for _ in instructions]

    async def _with_retries(
        self, instructions: Sequence[Instruction], stripe: int
    ) -> Sequence[Result]:
        unknown = False
        for attempt in range(TRIES_MAX):
            try:
                return await self._once(instructions, stripe)
            except KeyTakenMeanwhile:
                # The winner can be seen at once.
                continue
            except Interrupted:
                pass
            except OutcomeUnknown:
                unknown = True
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not hit neighbours
                if unknown:
                    return [OutcomeUnknown() for _ in instructions]
                if len(instructions) == 1:
                    return [error]
                return await self._one_by_one(instructions, stripe)
            if attempt + 1 < TRIES_MAX:
                await asyncio.sleep(self._pause_s(attempt + 1))
        failure = OutcomeUnknown if unknown else Interrupted
        return [failure() for _ in instructions]

    async def _one_by_one(
        self, instructions: Sequence[Instruction], stripe: int
    ) -> Sequence[Result]:
        """Let only the poisonous instruction fail."""
        results: list[Result] = []
        for instruction in instructions:
            results += await self._with_retries([instruction], stripe)
        return results

    async def _once(self, instructions: Sequence[Instruction], stripe: int) -> Sequence[Result]:
        async with self._unit_of_work() as work:
            keys = [instruction.header.key for instruction in instructions]
            book = await work.ledger.lock(_account_ids(instructions, stripe), stripe, keys)
            await _read(work.ledger, book, instructions)
            results = book.decide(instructions)
            if not book.repeats and any(isinstance(result, Exception) for result in results):
                # What is not saved meets no index that would tell of a key used meanwhile.
                await _require_new(work.ledger, keys)
            if book.outcomes:
                if not await work.ledger.save(book):
                    raise KeyTakenMeanwhile
                await work.commit()
                # A hint and nothing more: whoever must not miss anything looks for it as well.
                with suppress(Exception):
                    self._announce(book)
        return results

    def _pause_s(self, attempt: int) -> float:
        """Full jitter: anything up to a bound that doubles."""
        return self._random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**attempt))


async def _read(ledger: Ledger, book: Book, instructions: Sequence[Instruction]) -> None:
    """Read under the locks what the keys have come to before, and the fundings that are named."""
    if book.repeats:
        book.earlier.update(await ledger.outcomes([i.header.key for i in instructions]))
    part_keys = [
        part.header.key
        for instruction in instructions
        # A key and those of its parts are taken together: where it is new, all of them are.
        if instruction.parts is not None and instruction.header.key in book.earlier
        for part in instruction.parts.instructions
    ]
    if part_keys:
        book.earlier.update(await ledger.outcomes(part_keys))
    places = [(i.header.account_id, i.funding_id) for i in instructions if i.funding_id is not None]
    if places:
        book.fundings.update(await ledger.fundings(places))
    if spending_places := _spending_places(instructions):
        book.spendings.update(await ledger.spendings(spending_places))
    await _read_for_staff(ledger, book, instructions)


async def _read_for_staff(ledger: Ledger, book: Book, instructions: Sequence[Instruction]) -> None:
    """Read under the locks what was refunded before, and the adjustments that are approved."""
    refunds = [i.transfer for i in instructions if isinstance(i, RefundTransfer)]
    if refunds:
        places = [(transfer.account_id, transfer.id) for transfer in refunds]
        book.refunded.update(await ledger.refunded(places))
    approvals = [i for i in instructions if isinstance(i, BookAdjustment)]
    if approvals:
        places = [(i.header.account_id, i.adjustment_id) for i in approvals]
        book.adjustments.update(await ledger.adjustments(places))


def _spending_places(instructions: Sequence[Instruction]) -> set[SpendingPlace]:
    """Return where the spendings are that these touch; nearly always that is nowhere."""
    places: set[SpendingPlace] = set()
    for instruction in instructions:
        api_key_id = instruction.api_key_id
        if api_key_id is not None:
            whole = instruction.parts
            made_of = (instruction,) if whole is None else whole.instructions
            places.update((part.header.account_id, api_key_id) for part in made_of)
    return places


async def _require_new(ledger: Ledger, keys: Sequence[Key]) -> None:
    if await ledger.outcomes(keys):
        raise KeyTakenMeanwhile


def _account_ids(instructions: Sequence[Instruction], stripe: int) -> list[UUID]:
    ids = {id_ for instruction in instructions for id_ in instruction.account_ids(stripe)}
    return sorted(ids, key=attrgetter("int"))


def definite(result: Result) -> Outcome:
    """Return an accepted outcome; raise the refusal or error at the caller's door."""
    if isinstance(result, Exception):
        raise result
    if result.refusal is not None:
        raise result.refusal.again() if result.replayed else result.refusal
    return result
