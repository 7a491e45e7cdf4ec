"""Text that is broken into lines of a given width."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from unicodedata import combining

from wallet.infrastructure.statements.fonts import printable, width_of
from wallet.infrastructure.statements.visual_order import base_of, in_visual_order, levels_of

ELLIPSIS = "…"
_WIDE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_PIECE = re.compile(rf" +|[{_WIDE}]|[^ {_WIDE}]+?(?:[-/](?=[^ ])|(?=[ {_WIDE}]|\Z))")
"""What a line may end after: spaces, a letter of East Asia, a word or a part of one."""


def lines_of(
    text: str, size: float, width: float, *, lines_max: int, bold: bool = False
) -> Sequence[str]:
    """Return text broken into at most `lines_max` lines, as they stand on the page.

    `size` and `width` are in points. A word that is too long is broken where the line ends; what
    does not fit into the last line is left out, and a sign says so.
    """
    text = printable(text)
    breaks = list(_breaks(text, size, width, bold))
    if len(breaks) >= lines_max:
        start = breaks[lines_max - 2] if lines_max > 1 else 0
        room = width - width_of(ELLIPSIS, size, bold=bold)
        end = next(iter(_breaks(text[start:], size, room, bold)), len(text) - start)
        text = text[: start + end].rstrip() + ELLIPSIS
        breaks = breaks[: lines_max - 1]
    return _ordered(text, breaks)


def _ordered(text: str, breaks: Sequence[int]) -> Sequence[str]:
    if not text:
        return []
    levels, base = levels_of(text), base_of(text)
    edges = [0, *breaks, len(text)]
    return [
        in_visual_order(text[start:end], levels[start:end], base).strip()
        for start, end in pairwise(edges)
    ]


def _breaks(text: str, size: float, width: float, bold: bool) -> Iterator[int]:
    """Yield where lines after the first one begin."""
    start, used = 0, 0.0
    for piece in _PIECE.finditer(text):
        begin, wide = piece.start(), width_of(piece[0], size, bold=bold)
        if piece[0].isspace():
            used += wide
            continue
        if used + wide > width and begin > start:
            yield begin
            start, used = begin, 0.0
        if wide <= width:
            used += wide
            continue
        for index, character in enumerate(piece[0], begin):
            advance = width_of(character, size, bold=bold)
            if used + advance > width and index > start and not combining(character):
                yield index
                start, used = index, 0.0
            used += advance
