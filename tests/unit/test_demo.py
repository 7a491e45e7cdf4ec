"""The demo's people and notes: worth looking at on any machine."""

import unicodedata
from datetime import UTC, datetime

from scripts.demo_books import Life
from scripts.demo_people import MAIN_PEOPLE, NOTES

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
READABLE = ("LATIN ", "CYRILLIC ", "GREEK ", "ARABIC ", "HEBREW ")
"""The scripts whose letters the pages host, and those that every common system has."""


def test_the_demo_shows_no_letters_that_a_machine_may_have_to_draw_as_boxes() -> None:
    life = Life(NOW, 260)
    names = [f"{profile.first_name} {profile.last_name}" for profile in life.profiles]
    letters = {c for text in (*NOTES, *names) if text for c in text if c.isalpha()}
    assert len(letters) > 80
    strange = {c for c in letters if not unicodedata.name(c).startswith(READABLE)}
    assert strange == set()


def test_the_first_of_all_people_sees_a_cent_a_long_word_and_writing_from_the_right() -> None:
    mira = MAIN_PEOPLE[0].handle
    latest = [act for act in Life(NOW, 30).acts() if mira in (act.source, act.target)][-20:]
    assert any(act.amount == 1 for act in latest)
    assert any(len(act.note or "") > 50 for act in latest)
    assert any(unicodedata.bidirectional((act.note or " ")[0]) == "AL" for act in latest)


def test_handles_keep_the_letters_below_their_marks() -> None:
    for profile in Life(NOW, 260).profiles:
        if profile.last_name == "Müller" and profile.first_name.isascii():
            assert profile.handle.endswith("_muller"), profile
