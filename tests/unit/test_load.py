"""The load that work which can wait looks at."""

from wallet.application.load import Load


class Counted:
    """A count and a clock, both moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.count = 0

    def load(self) -> Load:
        return Load(lambda: self.count, lambda: self.now_s)

    def pass_time(self, seconds: float, count: int) -> None:
        self.now_s += seconds
        self.count += count


def test_the_load_is_high_while_instructions_come_fast_whatever_waits_just_now() -> None:
    counted = Counted()
    load = counted.load()
    assert not load.is_high()
    counted.pass_time(1, 100)
    assert load.is_high()
    counted.pass_time(0.5, 0)
    assert load.is_high()
    counted.pass_time(1, 0)
    assert not load.is_high()


def test_a_few_instructions_are_no_load() -> None:
    counted = Counted()
    load = counted.load()
    counted.pass_time(2, 150)
    assert not load.is_high()
