"""The payers' credentials, issued as the service would, and the files that wrk reads them from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.books import Bookkeeper
from benchmarks.rows import Person
from wallet.domain.sessions import ACCESS_LIFETIME_MAX
from wallet.infrastructure.security.keys import SigningKey, SigningKeys
from wallet.infrastructure.security.tokens import JwtTokens

AUDIENCE = "wallet"


@dataclass(frozen=True, slots=True)
class Payers:
    """Files for a client: "token id" lines of the payers, ids of the payees, and the merchant's.

    The merchant is whom everybody pays on the hot account.
    """

    tokens: Path
    payees: Path
    merchant: Path


def new_signing_key() -> str:
    """Return a new P-256 key in PEM."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode("ascii")
    )


def write_payers(books: Bookkeeper, directory: Path, *, signing_key: str, port: int) -> Payers:
    """Issue an access token for each payer of the service at `port`, and write the files."""
    tokens = issue_tokens(books.payers, signing_key=signing_key, port=port)
    pairs = zip(tokens, books.payers, strict=True)
    return write_files(books, directory, (f"{token} {payer.user_id}\n" for token, payer in pairs))


def issue_tokens(people: Sequence[Person], *, signing_key: str, port: int) -> Sequence[str]:
    """Return an access token of the service at `port` for each of them; good for 15 minutes."""
    tokens = JwtTokens(
        keys=SigningKeys(SigningKey.of_pem(signing_key)),
        issuer=f"http://localhost:{port}",
        audience=AUDIENCE,
    )
    now = datetime.now(UTC)
    until = now + ACCESS_LIFETIME_MAX - timedelta(seconds=1)
    return [tokens.issue(person.user_id, person.session_id, now, until) for person in people]


def write_files(books: Bookkeeper, directory: Path, lines: Iterable[str]) -> Payers:
    """Write the lines of "token id" and the payees where the clients find them."""
    payers = Payers(directory / "tokens", directory / "payees", directory / "merchant")
    payers.tokens.write_text("".join(lines))
    payers.payees.write_text("".join(f"{person.user_id}\n" for person in books.shuffled))
    payers.merchant.write_text(f"{books.merchant.user_id}\n")
    return payers
