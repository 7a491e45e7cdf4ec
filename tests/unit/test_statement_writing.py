"""How text is put on the page of a statement: into lines, in visual order, with letters we have."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wallet.infrastructure.statements.fonts import font_of, printable, runs_of, width_of
from wallet.infrastructure.statements.paragraphs import lines_of
from wallet.infrastructure.statements.visual_order import base_of, in_visual_order, levels_of


def seen(text: str) -> str:
    return in_visual_order(text, levels_of(text), base_of(text))


@pytest.mark.parametrize(
    ("written", "on_the_page"),
    [
        ("abc", "abc"),
        ("\u05d0\u05d1\u05d2", "\u05d2\u05d1\u05d0"),
        ("\u05d0\u05d1 12 \u05d2", "\u05d2 12 \u05d1\u05d0"),
        ("\u05d0\u05d1 12.50", "12.50 \u05d1\u05d0"),
        ("\u05d0 50%", "50% \u05d0"),
        ("\u05d0 (\u05d1)", "(\u05d1) \u05d0"),
        ("to \u05d0\u05d1 (@ab)", "to \u05d1\u05d0 (@ab)"),
        ("\u05d0\u05d1 abc \u05d2", "\u05d2 abc \u05d1\u05d0"),
        ("\u0633\u0644 12", "12 \u0644\u0633"),
        ("\u05d0\u05b0\u05d1", "\u05d1\u05d0\u05b0"),
        ("\u05d0 ", " \u05d0"),
        ("a 12 \u05d0", "a 12 \u05d0"),
    ],
)
def test_writing_from_right_to_left_is_put_in_visual_order(written: str, on_the_page: str) -> None:
    assert seen(written) == on_the_page


@given(st.text(st.characters()))
def test_visual_order_loses_nothing(text: str) -> None:
    mirrored = str.maketrans(")]}>»\u203a≥", "([{<«\u2039≤")
    assert sorted(seen(text).translate(mirrored)) == sorted(text.translate(mirrored))


@pytest.mark.parametrize(
    ("text", "font"),
    [
        ("1", "NotoSans"),
        ("ß", "NotoSans"),
        ("Ω", "NotoSans"),
        ("Ж", "NotoSans"),
        ("−", "FiraGO"),
        ("\u05d0", "FiraGO"),
        ("\u0e01", "FiraGO"),
        ("\u0915", "FiraGO"),
        ("漢", "MicroHei"),
        ("か", "MicroHei"),
        ("한", "MicroHei"),
        ("\u0ba4", None),
    ],
)
def test_a_character_is_drawn_with_the_first_font_that_has_it(text: str, font: str | None) -> None:
    assert font_of(text) == font


def test_text_is_cut_where_the_font_changes() -> None:
    assert runs_of("a漢b") == [("NotoSans", "a"), ("MicroHei", "漢"), ("NotoSans", "b")]


def test_figures_are_all_of_one_width() -> None:
    assert {round(width_of(figure, 10), 6) for figure in "0123456789"} == {5.72}


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("a\tb\r\n\r\nc ", "a b c"),
        ("a\x00\x1b\x85b", "ab"),
        ("pay \u202e05\u202c now", "pay 05 now"),
        ("e\u0301", "é"),
        ("\U0001d411\U0001d41e\U0001d427\U0001d42d", "Rent"),
        ("\U0001f468\u200d\U0001f467", "[man][girl]"),
        ("\u2764\ufe0f", "[heavy black heart]"),
        ("\ud83d", "□"),
        ("\ue000", "□"),
        ("\u0ba4\u0bcd", "□"),
    ],
)
def test_text_becomes_what_the_fonts_can_draw(written: str, printed: str) -> None:
    assert printable(written) == printed


def test_arabic_letters_take_the_forms_they_have_beside_each_other() -> None:
    assert printable("\u0633\u0644\u0627\u0645") == "\ufeb3\ufefc\u0645"


def test_words_are_kept_whole_where_they_fit() -> None:
    assert lines_of("one two three", 10, 45, lines_max=9) == ["one two", "three"]


def test_a_word_that_is_too_long_is_broken_where_the_line_ends() -> None:
    assert lines_of("iii iiiiiiiiiiiiiii", 10, 26, lines_max=9) == ["iii", "iiiiiiiiii", "iiiii"]


def test_a_hyphen_or_a_slash_may_end_a_line() -> None:
    assert lines_of("aaaa-bbbb/cccc", 10, 40, lines_max=9) == ["aaaa-", "bbbb/", "cccc"]


def test_chinese_is_broken_between_any_two_letters() -> None:
    assert lines_of("一二三四五六七八", 10, 31, lines_max=9) == ["一二三", "四五六", "七八"]


def test_what_is_more_than_the_lines_there_are_is_left_out_with_a_sign() -> None:
    assert lines_of("one two three four", 10, 45, lines_max=2) == ["one two", "three…"]
    assert lines_of("one two three four", 10, 45, lines_max=1) == ["one…"]


def test_each_line_of_a_hebrew_paragraph_runs_to_the_left() -> None:
    lines = lines_of("\u05d0\u05d0\u05d0 \u05d1\u05d1\u05d1 \u05d2", 10, 34, lines_max=9)
    assert lines == ["\u05d0\u05d0\u05d0", "\u05d2 \u05d1\u05d1\u05d1"]


def test_no_text_is_no_line() -> None:
    assert lines_of(" \x00\u200b", 10, 100, lines_max=3) == []


@settings(deadline=None)
@given(st.text(st.characters(), max_size=200), st.floats(20, 200), st.integers(1, 6))
def test_no_line_is_wider_than_its_column(text: str, width: float, lines_max: int) -> None:
    lines = lines_of(text, 8, width, lines_max=lines_max)
    assert len(lines) <= lines_max
    assert all(width_of(line, 8) <= width + 0.01 for line in lines)
