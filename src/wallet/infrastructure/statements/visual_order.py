"""The order in which letters stand on a line where writing runs from right to left.

What is here are the rules of the Unicode Bidirectional Algorithm (UAX #9) for text without
formatting characters of its own: the statement takes those out, as they could make an amount or a
name look like another one. Pairs of brackets count as any other neutral characters (no rule N0).
"""

from collections.abc import Sequence
from unicodedata import bidirectional, combining

_STRONG = {"L": "L", "R": "R", "AL": "R"}
_NEUTRAL = frozenset(("B", "S", "WS", "ON", "BN"))
_SPACES = frozenset(("B", "S", "WS", "BN"))
_RIGHT_TO_LEFT = frozenset(("R", "AL", "AN"))
_BETWEEN_DIGITS = {("EN", "ES"), ("EN", "CS"), ("AN", "CS")}
_MIRRORED = str.maketrans("()[]{}<>«»\u2039\u203a≤≥", ")(][}{><»«\u203a\u2039≥≤")


def base_of(text: str) -> int:
    """Return 1 for a paragraph that runs from right to left, as its first letter does, or 0."""
    kinds = map(bidirectional, text)
    return int(next((kind for kind in kinds if kind in _STRONG), "L") != "L")


def levels_of(text: str) -> Sequence[int]:
    """Return the embedding level of each character of a paragraph: odd ones run to the left."""
    types = [bidirectional(character) or "L" for character in text]
    if _RIGHT_TO_LEFT.isdisjoint(types):
        return [0] * len(text)
    base = "R" if base_of(text) else "L"
    _resolve_weak(types, base)
    _resolve_neutral(types, base)
    if base == "L":
        return [{"L": 0, "R": 1}.get(kind, 2) for kind in types]
    return [1 if kind == "R" else 2 for kind in types]


def in_visual_order(text: str, levels: Sequence[int], base: int) -> str:
    """Return one line of a paragraph, with the levels it has there, as it stands on the page."""
    levels = list(levels)
    for index in range(len(text) - 1, -1, -1):
        if bidirectional(text[index]) not in _SPACES:
            break
        levels[index] = base
    if not any(levels):
        return text
    cells = [
        character.translate(_MIRRORED) if level % 2 else character
        for character, level in zip(text, levels, strict=True)
    ]
    order = list(range(len(text)))
    for level in range(max(levels), 0, -1):
        _reverse_runs(order, levels, level)
    return "".join(_marks_behind_letters([(cells[at], levels[at] % 2 == 1) for at in order]))


def _resolve_weak(types: list[str], base: str) -> None:
    """Apply the rules W1 to W7 in place."""
    _resolve_marks_and_digits(types, base)
    for index in range(1, len(types) - 1):
        before, kind, after = types[index - 1 : index + 2]
        if before == after and (before, kind) in _BETWEEN_DIGITS:
            types[index] = before
    _join_terminators(types)
    strong = base
    for index, kind in enumerate(types):
        if kind in _STRONG:
            strong = kind
        elif kind == "EN" and strong == "L":
            types[index] = "L"
        elif kind in ("ES", "ET", "CS"):
            types[index] = "ON"


def _resolve_marks_and_digits(types: list[str], base: str) -> None:
    """Apply the rules W1 to W3: marks are as their letters, digits as the writing before them."""
    previous = strong = base
    for index, kind in enumerate(types):
        if kind == "NSM":
            types[index] = kind = previous
        previous = kind
        if kind in _STRONG:
            strong = kind
        elif kind == "EN" and strong == "AL":
            types[index] = "AN"
    types[:] = ["R" if kind == "AL" else kind for kind in types]


def _join_terminators(types: list[str]) -> None:
    """Apply the rule W5: signs such as % beside European digits go with them."""
    for positions in (range(len(types)), range(len(types) - 1, -1, -1)):
        beside = ""
        for index in positions:
            if types[index] == "ET" and beside == "EN":
                types[index] = "EN"
            beside = types[index]


def _resolve_neutral(types: list[str], base: str) -> None:
    """Apply the rules N1 and N2 in place: neutral characters go with what is around them."""
    start = 0
    while start < len(types):
        if types[start] not in _NEUTRAL:
            start += 1
            continue
        end = start
        while end < len(types) and types[end] in _NEUTRAL:
            end += 1
        before = _direction(types[start - 1]) if start else base
        after = _direction(types[end]) if end < len(types) else base
        types[start:end] = [before if before == after else base] * (end - start)
        start = end


def _direction(kind: str) -> str:
    return "L" if kind == "L" else "R"


def _reverse_runs(order: list[int], levels: Sequence[int], level: int) -> None:
    """Apply the rule L2 for one level: reverse every stretch that is at it or above it."""
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and levels[order[end]] >= level:
            end += 1
        order[start:end] = order[start:end][::-1]
        start = max(end, start + 1)


def _marks_behind_letters(cells: Sequence[tuple[str, bool]]) -> Sequence[str]:
    """Apply the rule L3: marks are drawn over what is before them, so they follow their letter."""
    placed: list[str] = []
    marks: list[str] = []
    for character, leftward in cells:
        if leftward and combining(character):
            marks.insert(0, character)
            continue
        placed += [character, *marks]
        marks = []
    return [*placed, *marks]
