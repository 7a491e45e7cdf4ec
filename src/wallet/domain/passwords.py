"""Which passwords are good enough: NIST SP 800-63B, section 3.1.1.

Length counts and composition does not: at least 15 characters (8 where a second factor is asked
for), at most 128, nothing cut off, and nothing that a guesser tries first. Rather than a long list
of leaked passwords, which is mostly shorter than 15 characters, this keeps the words and patterns
that such lists are made of. Years, stretches of the alphabet or of a keyboard, and what is known of
the owner count for nothing, a common word counts like one character, and a password must still
hold `UNPREDICTABLE_MIN` different ones: four different words, however common, are good enough.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from wallet.domain.errors import Invalid

PASSWORD_LENGTH_MIN = 15
PASSWORD_LENGTH_MAX = 128
UNPREDICTABLE_MIN = 4
_CONTEXT_WORD_LENGTH_MIN = 3

_COMMON = (
    "abc123 access adidas admin administrator adobe amanda america andrea andrew angel angels "
    "apple april arsenal ashley asshole august austin azerty baby babygirl bailey banana barcelona "
    "baseball basketball batman beautiful benfica biteme blink182 blessed bubbles buster butterfly "
    "changeit changeme charlie cheese chelsea chester chicken chocolate christ computer cookie "
    "correcthorsebatterystaple cowboy cowboys daniel december default diamond dolphin dragon "
    "dubsmash eagles elizabeth evite family february ferrari flower flowers football forever "
    "fortnite freedom friday friend friends fuckoff fuckyou gabriel george ginger google guest "
    "guitar hannah harley heather hello hello123 hellokitty hockey hottie hunter iloveu iloveyou "
    "internet jackson january jasmine jennifer jessica jesus jordan joshua july june junior "
    "justice justin killer letmein linkedin liverpool login london love loveme lovely maggie "
    "master matrix matthew maverick melissa mercedes merlin michael michelle million minecraft "
    "monday money monkey morgan mother mustang mynoob naruto nicole ninja nintendo november "
    "october oliver orange pakistan pass passcode passphrase passw0rd password passwort patrick "
    "peanut pepper phoenix pokemon porsche prince princess purple qwerty rainbow ranger rangers "
    "richard robert samsung samantha saturday scooter secret september shadow silver slipknot "
    "snoopy snowball soccer sophie spiderman spring starwars steelers stephanie summer sunday "
    "sunshine superman superstar swordfish taylor teamo tennis test testing thomas thunder "
    "thursday tigger tinkerbell trustno1 tuesday user vanessa victoria wallet wednesday welcome "
    "whatever william windows winner winter xbox360 yankees yellow zaq12wsx zxcvbnm"
)
COMMON_WORDS = tuple(sorted(_COMMON.split(), key=lambda word: (-len(word), word)))
"""Longest first, so that a word is not hidden by a shorter one inside it."""
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "azertyuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
    "!@#$%^&*()",
)
_RUN_LENGTH_MIN = 3
_PLAIN = str.maketrans("013457@$!", "oieastasi")
_SEPARATORS = re.compile(r"[\s_.,-]+")
_NOTHING = "\0"
_PRIVATE_USE = 0xE000
_YEAR = re.compile(r"(?:19|20)\d\d")


class PasswordTooShort(Invalid):
    """The password is too short."""

    code = "password-too-short"


class PasswordTooLong(Invalid):
    """The password is too long."""

    code = "password-too-long"


class PasswordUnprintable(Invalid):
    """The password holds control characters."""

    code = "password-unprintable"


class PasswordCommon(Invalid):
    """The password is one of those that are guessed first."""

    code = "password-common"


class PasswordPersonal(Invalid):
    """The password is made of your own name, handle or e-mail address."""

    code = "password-personal"


def password_of(text: str) -> str:
    """Return a password as it is hashed: composed (NFC, RFC 8265): keyboards type é in two ways.

    This is all that is done to a password before it is verified; the rules below are for new ones.
    """
    return unicodedata.normalize("NFC", text)


def new_password_of(
    text: str, personal: Iterable[str], *, length_min: int, field: str = "password"
) -> str:
    """Return a new password as it is hashed, or raise why it is not good enough.

    `personal` is what others know of its owner (names, e-mail address, handle), `length_min` is in
    characters, `field` is what the request calls the password.
    """
    password = password_of(text)
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in password):
        raise PasswordUnprintable(field=field)
    if len(password) < length_min:
        raise PasswordTooShort(field=field, minimum=length_min)
    if len(password) > PASSWORD_LENGTH_MAX:
        raise PasswordTooLong(field=field, maximum=PASSWORD_LENGTH_MAX)
    if _unpredictable(password, ()) < UNPREDICTABLE_MIN:
        raise PasswordCommon(field=field)
    if _unpredictable(password, _personal_words(personal)) < UNPREDICTABLE_MIN:
        raise PasswordPersonal(field=field)
    return password


def _personal_words(personal: Iterable[str]) -> list[str]:
    words: set[str] = set()
    for text in personal:
        lower = password_of(text).lower()
        words.update((lower, *re.split(r"[\W_]+", lower), *lower.split("@")))
    return [word for word in words if len(word) >= _CONTEXT_WORD_LENGTH_MIN]


def _unpredictable(password: str, words: Sequence[str]) -> int:
    """Return how many different characters or common words are left without what is obvious."""
    lower = password.lower()
    plain = lower.translate(_PLAIN)
    forms = (lower, plain, _SEPARATORS.sub("", lower), _SEPARATORS.sub("", plain))
    return min(_left_over(form, words) for form in forms)


def _left_over(text: str, words: Sequence[str]) -> int:
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, _NOTHING)
    for number, word in enumerate(COMMON_WORDS):
        text = text.replace(word, chr(_PRIVATE_USE + number))
    text = _YEAR.sub(_NOTHING, text)
    return len(set(_without_runs(text)) - {_NOTHING})


def _without_runs(text: str) -> str:
    """Take away every stretch of three or more neighbours on the alphabet or a keyboard."""
    kept: list[str] = []
    start = 0
    while start < len(text):
        end = start + 1
        while end < len(text) and _is_run(text[start : end + 1]):
            end += 1
        if end - start < _RUN_LENGTH_MIN:
            end = start + 1
            kept.append(text[start])
        start = end
    return "".join(kept)


def _is_run(piece: str) -> bool:
    return any(piece in run or piece[::-1] in run for run in _RUNS)
