"""`wallet listen` says what is wrong with its options before it asks anybody anything."""

import pytest
from typer.testing import CliRunner

from wallet.cli import app

NOBODY = ("--url", "http://127.0.0.1:1", "--forward-to", "http://127.0.0.1:1", "--token", "x")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--event", "transfer.recieved", "There are no events transfer.recieved. Known: "),
        ("--event", "", "There are no events . Known: "),
        ("--secret", "not-a-secret", "whsec_"),
    ],
)
def test_an_option_that_cannot_be_is_named_at_once(option: str, value: str, said: str) -> None:
    done = CliRunner().invoke(app, ["listen", *NOBODY, option, value])
    assert done.exit_code == 1
    assert said in done.output
    assert "does not answer" not in done.output


def test_the_events_there_are_are_listed() -> None:
    done = CliRunner().invoke(app, ["listen", *NOBODY, "--event", "x"])
    assert "transfer.received" in done.output
    assert "wallet.frozen" in done.output
