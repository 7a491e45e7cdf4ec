"""Fields of bodies about people: addresses, names, handles, passwords and tokens."""

from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field

from wallet.api.fields import Text
from wallet.application.people import Profile
from wallet.domain.passwords import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from wallet.domain.second_factors import OTP_LENGTH_MAX
from wallet.domain.users import EMAIL_LENGTH_MAX, HANDLE_LENGTH_MAX, HANDLE_LENGTH_MIN

PASSWORD_TEXT_LENGTH_MAX = 4 * PASSWORD_LENGTH_MAX
"""A decomposed password may have several code points for each character that counts."""
TOKEN_LENGTH_MAX = 128


def sendable(text: str) -> str:
    """Return an e-mail address in ASCII; raise ValueError unless mail could be sent to it."""
    try:
        address = validate_email(text.strip(), check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        raise ValueError("must be an e-mail address") from None
    return address.ascii_email or address.normalized


def comparable(text: str) -> str:
    """Return an address as sign-up keeps it, with its domain in ASCII; any text is taken."""
    if text.isascii():
        return text
    try:
        return sendable(text)
    except ValueError:
        return text


NewEmail = Annotated[
    Text,
    Field(max_length=EMAIL_LENGTH_MAX, json_schema_extra={"format": "email"}),
    AfterValidator(sendable),
]
GivenEmail = Annotated[
    Text,
    Field(min_length=1, max_length=EMAIL_LENGTH_MAX, json_schema_extra={"format": "email"}),
    AfterValidator(comparable),
]
"""An address that is only compared: any text may be tried, and none of it tells anything."""

Name = Annotated[Text, Field(min_length=1, max_length=400)]
Handle = Annotated[
    Text,
    Field(
        min_length=HANDLE_LENGTH_MIN,
        max_length=HANDLE_LENGTH_MAX,
        description="Letters a to z, digits and underscores; begins with a letter. Nobody else "
        "ever gets a handle that somebody has had.",
    ),
]
_SECRET: Any = {"format": "password", "writeOnly": True}
NewPassword = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=PASSWORD_TEXT_LENGTH_MAX,
        description=f"At least {PASSWORD_LENGTH_MIN} and at most {PASSWORD_LENGTH_MAX} characters "
        "of any kind; no passwords that are guessed first.",
        json_schema_extra=_SECRET,
    ),
]
GivenPassword = Annotated[
    Text, Field(min_length=1, max_length=PASSWORD_TEXT_LENGTH_MAX, json_schema_extra=_SECRET)
]
GivenToken = Annotated[
    Text, Field(min_length=1, max_length=TOKEN_LENGTH_MAX, json_schema_extra=_SECRET)
]
GivenOtp = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=OTP_LENGTH_MAX,
        description="Of the second factor: six digits of the app, or a recovery code.",
        json_schema_extra=_SECRET,
    ),
]

EXAMPLE_PASSWORD = "violet kettle orbit sandal"  # noqa: S105 - an example, in the documents


def profile_document(profile: Profile, created_at: str) -> dict[str, Any]:
    """Return a person as they see themselves."""
    user = profile.user
    wallet = (
        None
        if profile.wallet_id is None
        else {"id": str(profile.wallet_id), "currency": user.default_currency}
    )
    return {
        "id": str(user.id),
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "email_verified": user.email_verified_at is not None,
        "handle": user.handle,
        "default_currency": user.default_currency,
        "created_at": created_at,
        "wallet": wallet,
    }
