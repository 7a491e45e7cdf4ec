"""Access tokens: every forgery that SECURITY.md names, and the keys behind them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jws

from wallet.domain.sessions import TokenExpired, TokenInvalid
from wallet.infrastructure.security import (
    JwtTokens,
    SigningKey,
    SigningKeyInvalid,
    SigningKeys,
    load_or_create_key,
)

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
ADA, SESSION = UUID(int=1), UUID(int=2)
ISSUER, AUDIENCE = "https://wallet.example", "wallet"


def pem(key: Any) -> bytes:
    return bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


KEY = SigningKey.of_pem(pem(ec.generate_private_key(ec.SECP256R1())))
STRANGER = SigningKey.of_pem(pem(ec.generate_private_key(ec.SECP256R1())))
TOKENS = JwtTokens(keys=SigningKeys(KEY), issuer=ISSUER, audience=AUDIENCE)
GOOD = TOKENS.issue(ADA, SESSION, NOW, NOW + timedelta(minutes=15))


def b64(data: bytes | str | Mapping[str, Any]) -> str:
    if isinstance(data, Mapping):
        data = json.dumps(data)
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, body, signature = token.split(".")
    decode: Callable[[str], Any] = lambda text: json.loads(  # noqa: E731
        base64.urlsafe_b64decode(text + "==")
    )
    return decode(header), decode(body), signature


def signed(
    claims: Mapping[str, Any] | None = None,
    header: Mapping[str, Any] | None = None,
    key: SigningKey = KEY,
    drop: tuple[str, ...] = (),
) -> str:
    """Sign with any header and claims, as only the holder of the key could."""
    head, body, _ = parts(GOOD)
    head |= header or {}
    body |= claims or {}
    for name in drop:
        head.pop(name, None)
        body.pop(name, None)
    text = f"{b64(head)}.{b64(body)}"
    private: Any = key.private
    return f"{text}.{b64(private.sign(text.encode()))}"


def refused(token: str) -> None:
    with pytest.raises(TokenInvalid):
        TOKENS.verify(token, NOW)


def test_a_token_says_who_and_until_when() -> None:
    access = TOKENS.verify(GOOD, NOW)
    assert (access.user_id, access.session_id) == (ADA, SESSION)
    assert access.expires_at == NOW + timedelta(minutes=15)
    header, claims, _ = parts(GOOD)
    assert header == {"alg": "ES256", "kid": KEY.kid, "typ": "at+jwt"}
    assert claims.keys() == {"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"}


def test_what_the_tests_sign_themselves_is_accepted_unless_it_is_bent() -> None:
    assert TOKENS.verify(signed(), NOW).user_id == ADA


@pytest.mark.parametrize("name", ["none", "None", "nOnE", "NONE", ""])
@pytest.mark.parametrize("signature", ["", "x", "A" * 86])
def test_a_token_without_signature_is_refused(name: str, signature: str) -> None:
    header, claims, _ = parts(GOOD)
    refused(f"{b64(header | {'alg': name})}.{b64(claims)}.{signature}")


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65])
def test_an_empty_or_wrong_signature_is_refused(length: int) -> None:
    head, body, _ = GOOD.split(".")
    refused(f"{head}.{body}.{b64(bytes(length))}")


@pytest.mark.parametrize("secret", ["public-pem", "jwk", "empty"])
def test_a_public_key_is_no_hmac_secret(secret: str) -> None:
    public: Any = KEY.public
    secrets = {
        "public-pem": public.to_pem(),
        "jwk": json.dumps(dict(KEY.document)).encode(),
        "empty": b"",
    }
    header, claims, _ = parts(GOOD)
    for algorithm in ("HS256", "ES256"):
        text = f"{b64(header | {'alg': algorithm})}.{b64(claims)}"
        mac = hmac.digest(secrets[secret], text.encode(), hashlib.sha256)
        refused(f"{text}.{b64(mac)}")
        refused(f"{text}.{b64(mac + mac)}")


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES384", "ES256K", "EdDSA", "es256"])
def test_other_algorithms_are_refused_even_over_a_good_signature(algorithm: str) -> None:
    refused(signed(header={"alg": algorithm}))


def test_an_rsa_signature_is_refused() -> None:
    header, claims, _ = parts(GOOD)
    key: Any = pem(rsa.generate_private_key(65537, 2048)).decode()
    for algorithm in ("RS256",):
        refused(jws.sign(claims, key, headers={"kid": header["kid"]}, algorithm=algorithm))


@pytest.mark.parametrize(
    "kid",
    ["", "unknown", "../../dev/null", "' OR 1=1 --", "\0", None, 1, True, [], {}, ["x"], "x" * 900],
)
def test_a_kid_is_only_looked_up(kid: object) -> None:
    refused(signed(header={"kid": kid}))


def test_a_strangers_key_under_our_kid_is_refused() -> None:
    refused(signed(key=STRANGER))
    refused(signed(header={"kid": STRANGER.kid}, key=STRANGER))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": dict(STRANGER.document)},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"enc": "A256GCM"},
        {"cty": "JWT"},
        {"typ": "JWT"},
        {"typ": None},
    ],
    ids="-".join,
)
def test_headers_that_we_do_not_write_are_refused(header: dict[str, Any]) -> None:
    refused(signed(header=header))
    refused(signed(header=header, key=STRANGER))


@pytest.mark.parametrize("name", ["alg", "kid", "typ"])
def test_every_header_must_be_there(name: str) -> None:
    refused(signed(drop=(name,)))


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"])
def test_every_claim_must_be_there(name: str) -> None:
    refused(signed(drop=(name,)))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": [ISSUER]},
        {"aud": "other"},
        {"aud": [AUDIENCE]},
        {"aud": None},
        {"sub": "ada"},
        {"sub": 1},
        {"sub": None},
        {"sub": "{00000000-0000-0000-0000-000000000001}"},
        {"sub": "00000000000000000000000000000001"},
        {"sid": "x"},
        {"sid": {}},
        {"jti": ""},
        {"jti": 7},
        {"exp": "1795350000"},
        {"exp": 1e12},
        {"exp": True},
        {"exp": None},
        {"exp": 10**30},
        {"exp": -1},
        {"iat": "now"},
        {"iat": 0},
        {"iat": 1795348800.5},
        {"nbf": False},
        {"role": "admin"},
    ],
)
def test_claims_of_wrong_types_or_values_are_refused(claims: dict[str, Any]) -> None:
    refused(signed(claims))


def test_times_are_checked_against_the_clock() -> None:
    second = int(NOW.timestamp())
    refused(signed({"nbf": second + 60}))
    refused(signed({"iat": second + 60, "nbf": second + 60, "exp": second + 120}))
    refused(signed({"exp": second + 901}))
    refused(signed({"exp": second}))
    assert TOKENS.verify(signed({"nbf": second + 3}), NOW)
    for late in (NOW + timedelta(minutes=15), NOW + timedelta(days=400)):
        with pytest.raises(TokenExpired):
            TOKENS.verify(GOOD, late)
    assert TOKENS.verify(GOOD, NOW + timedelta(minutes=14, seconds=59))


@pytest.mark.parametrize(
    "bend",
    [
        lambda t: t + "x",
        lambda t: t + "\n",
        lambda t: t + "=",
        lambda t: t + ".",
        lambda t: " " + t,
        lambda t: "." + t,
        lambda t: t + "." + t,
        lambda t: t.replace(".", ".."),
        lambda t: t.replace(".", " "),
        lambda t: t[:-1],
        lambda t: t.rsplit(".", 1)[0],
        lambda t: ".".join(reversed(t.split("."))),
        lambda t: t[:40] + "\0" + t[41:],
        lambda t: t[:40] + "é" + t[41:],
        lambda _: "",
        lambda _: ".",
        lambda _: "..",
        lambda _: "a.b.c.d.e",
        lambda _: "A" * 1_000_000,
        lambda _: f"{'A' * 2000}.{'A' * 2000}.{'A' * 200}",
        lambda t: b64("[]") + t[t.index(".") :],
        lambda t: b64("not json") + t[t.index(".") :],
        lambda t: b64(b"\xff\xfe") + t[t.index(".") :],
        lambda t: b64("[" * 1500) + t[t.index(".") :],
    ],
)
def test_bent_tokens_are_refused(bend: Callable[[str], str]) -> None:
    refused(bend(GOOD))


def test_a_signature_has_one_spelling_only() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = GOOD[:-1] + alphabet[alphabet.index(GOOD[-1]) ^ 1]
    assert base64.urlsafe_b64decode(twin.split(".")[2] + "==") == base64.urlsafe_b64decode(
        GOOD.split(".")[2] + "=="
    )
    refused(twin)


def test_a_payload_of_another_token_does_not_fit() -> None:
    other = TOKENS.issue(UUID(int=9), SESSION, NOW, NOW + timedelta(minutes=15))
    head, _, signature = GOOD.split(".")
    refused(f"{head}.{other.split('.')[1]}.{signature}")


def test_during_a_rotation_the_previous_key_still_verifies() -> None:
    rotated = JwtTokens(keys=SigningKeys(STRANGER, (KEY,)), issuer=ISSUER, audience=AUDIENCE)
    assert rotated.verify(GOOD, NOW).user_id == ADA
    fresh = rotated.issue(ADA, SESSION, NOW, NOW + timedelta(minutes=1))
    assert parts(fresh)[0]["kid"] == STRANGER.kid
    refused(fresh)
    assert [key["kid"] for key in rotated.jwks()["keys"]] == [STRANGER.kid, KEY.kid]


def test_the_published_keys_are_public_and_named_by_their_thumbprint() -> None:
    (document,) = TOKENS.jwks()["keys"]
    assert document.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    members = {name: document[name] for name in ("crv", "kty", "x", "y")}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    assert document["kid"] == b64(hashlib.sha256(canonical.encode()).digest())


@pytest.mark.parametrize("issuer", ["", ISSUER])
def test_issuer_and_audience_are_needed(issuer: str) -> None:
    with pytest.raises(ValueError, match="issuer and an audience"):
        JwtTokens(keys=SigningKeys(KEY), issuer=issuer, audience="")


@pytest.mark.parametrize("kind", ["nothing", "words", "p-384", "rsa", "public"])
def test_only_a_p256_private_key_may_sign(kind: str) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    texts = {
        "nothing": b"",
        "words": b"secret",
        "p-384": pem(ec.generate_private_key(ec.SECP384R1())),
        "rsa": pem(rsa.generate_private_key(65537, 2048)),
        "public": public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    }
    with pytest.raises(SigningKeyInvalid) as caught:
        SigningKey.of_pem(texts[kind], "WALLET_SIGNING_KEY")
    assert "WALLET_SIGNING_KEY" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    made = load_or_create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_key(path).kid == made.kid
    assert [file.name for file in path.parent.iterdir()] == ["signing.pem"]
    assert "PRIVATE" not in repr(made)
    path.chmod(0o644)
    with pytest.raises(SigningKeyInvalid):
        load_or_create_key(path)
