"""How much money moves just now: work that can wait looks at it first."""

from collections.abc import Callable

HIGH_PER_S = 100.0
"""From so many instructions a second on, what nobody waits for steps back."""
WINDOW_S = 1.0


class Load:
    """Tells whether instructions come fast, from a count of them that only rises.

    What waits in line at one moment says little: between two batches the line is empty.
    """

    def __init__(
        self, count: Callable[[], int], clock_s: Callable[[], float], high_per_s: float = HIGH_PER_S
    ) -> None:
        self._count = count
        self._clock_s = clock_s
        self._high_per_s = high_per_s
        self._from = (clock_s(), count())
        self._per_s = 0.0

    def is_high(self) -> bool:
        """Whether it is high, or was in the last second."""
        now_s, count = self._clock_s(), self._count()
        began_s, before = self._from
        passed_s = now_s - began_s
        if passed_s >= WINDOW_S:
            self._per_s = (count - before) / passed_s
            self._from = (now_s, count)
        return self._per_s >= self._high_per_s
