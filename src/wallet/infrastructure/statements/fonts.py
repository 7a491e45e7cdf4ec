"""Fonts that are installed with the service, and which of them can draw a character.

Noto Sans draws Latin, Greek and Cyrillic, and has figures of one width; FiraGO draws Hebrew,
Arabic, Devanagari, Thai and Georgian; WenQuanYi Micro Hei draws Chinese, Japanese and Korean.
The last two are read when a statement first needs them. What none of them has is replaced by what
can be seen: the plain form of a fancy letter, the name of an emoji in brackets, or `SUBSTITUTE`.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import IO
from unicodedata import category, combining, name, normalize

from arabic_reshaper import ArabicReshaper
from pymupdf_fonts import myfont
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont

from wallet.infrastructure.statements.words import REPLACEMENT, writable

SUBSTITUTE = "\N{WHITE SQUARE}"
"""Stands for a character that no font here has."""

_CJK = ("paperang_p2_fonts_cjk", "fonts/wqy-microhei.ttc")
_SOURCES: dict[str, Callable[[], IO[bytes]]] = {
    "NotoSans": lambda: BytesIO(myfont("notos")),
    "NotoSans-Bold": lambda: BytesIO(myfont("notosbo")),
    "FiraGO": lambda: BytesIO(myfont("figo")),
    "FiraGO-Bold": lambda: BytesIO(myfont("figbo")),
    "MicroHei": lambda: BytesIO(files(_CJK[0]).joinpath(_CJK[1]).read_bytes()),
}
_CHAINS = {
    False: ("NotoSans", "FiraGO", "MicroHei"),
    True: ("NotoSans-Bold", "FiraGO-Bold", "MicroHei"),
}
_SPACE = re.compile(r"\s+")
_JOINERS = "\u200c\u200d"
_INVISIBLE = re.compile("[\u20e3\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e01ef]")
_FLAG_LETTERS = {0x1F1E6 + index: chr(ord("A") + index) for index in range(26)}
_ARABIC = re.compile("[\u0600-\u06ff\u0750-\u077f]")
_reshaper = ArabicReshaper({"delete_harakat": True, "support_ligatures": True})


def first_font(*, bold: bool = False) -> str:
    """Return the name of the font that nearly everything is drawn with."""
    return _font(_CHAINS[bold][0]).fontName


def printable(text: str) -> str:
    """Return text in which every character can be drawn, in the order in which it is read.

    It becomes one paragraph; Arabic letters take the forms that they have beside each other. What
    changes the direction of writing by itself is left out, as it could make an amount look like
    another one.
    """
    text = _SPACE.sub(" ", writable(normalize("NFC", text))).strip()
    if text.isascii():
        return text
    text = text.replace(REPLACEMENT, SUBSTITUTE)
    text = "".join(c for c in text if category(c) != "Cf" or c in _JOINERS)
    if _ARABIC.search(text):
        text = _reshaper.reshape(text)
    text = _INVISIBLE.sub("", text.translate(_FLAG_LETTERS))
    return "".join(_drawable(c) for c in text if c not in _JOINERS)


def runs_of(text: str, *, bold: bool = False) -> Sequence[tuple[str, str]]:
    """Return printable text in pieces, each with the name of the font that draws it."""
    if text.isascii():
        return [(first_font(bold=bold), text)]
    runs: list[tuple[str, str]] = []
    for character in text:
        font = font_of(character, bold=bold) or first_font(bold=bold)
        if runs and combining(character) and _has(runs[-1][0], character):
            font = runs[-1][0]
        if runs and runs[-1][0] == font:
            runs[-1] = (font, runs[-1][1] + character)
        else:
            runs.append((font, character))
    return runs


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide printable text is, in points."""
    return size * sum(_advance(character, bold) for character in text)


@lru_cache(maxsize=16_384)
def font_of(character: str, *, bold: bool = False) -> str | None:
    """Return the name of the first font that has a character, or None."""
    return next((font for font in _CHAINS[bold] if _has(font, character)), None)


def _has(font: str, character: str) -> bool:
    return ord(character) in _font(font).face.charToGlyph


@lru_cache(maxsize=16_384)
def _advance(character: str, bold: bool) -> float:
    font = font_of(character, bold=bold) or first_font(bold=bold)
    return _font(font).stringWidth(character, 1.0)


@lru_cache(maxsize=16_384)
def _drawable(character: str) -> str:
    """Return a character, or what is drawn in its place."""
    if font_of(character) is not None:
        return character
    plain = normalize("NFKC", character)
    if plain != character and all(font_of(c) for c in plain):
        return plain
    known = name(character, "")
    if category(character) == "So" and known:
        return f"[{known.lower()}]"
    return "" if category(character) == "Mn" else SUBSTITUTE


@lru_cache
def _font(font: str) -> TTFont:
    """Read and register a font on its first use; takes up to half a second."""
    face = TTFont(font, _SOURCES[font](), shapable=False)
    registerFont(face)
    return face
