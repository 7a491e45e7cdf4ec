#!/usr/bin/env python3
r"""Check a wallet receipt without the service that made it.

    python3 verify_receipt.py receipt.json --key jwks.json
    python3 verify_receipt.py receipt.json --key jwks.json \
        --checkpoint kept.json --consistency proof.json

This one file needs Python 3.9 or newer and nothing else; if the package `cryptography` is
installed, signatures are checked by it, and otherwise by the arithmetic at the end of this file.
It shares no code with the service.

`--key` is a JSON Web Key, or a set of them, that you trust: get it from the service's address
/proofs/keys (or /.well-known/jwks.json) over a connection that you trust, and keep it. The key
inside of the receipt proves nothing, for a forger would put his own there.

`--checkpoint` is one that you kept from before (/proofs/checkpoints/latest), and `--consistency`
the proof between it and the receipt's (/proofs/consistency?first=…&second=…): they show that the
log which your receipt is in still begins with the one you saw.

The exit status is 0 if every check passed, and 1 otherwise.
"""

import argparse
import hashlib
import json
import struct
import sys
from base64 import urlsafe_b64decode
from datetime import datetime, timedelta, timezone
from uuid import UUID

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils
except ImportError:
    ec = None

KINDS = {1: "transfer", 3: "top-up", 6: "refund", 7: "adjustment"}
EXPONENTS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
FILE_SIZE_MAX = 4 * 1024 * 1024


class Refused(Exception):
    """The receipt is not what it says it is; the message says which check failed."""


def main(arguments=None):
    """Check what the command line names; return the exit status."""
    options = parsed(arguments)
    try:
        receipt = read(options.receipt)
        keys = trusted_keys([key for path in options.key for key in keys_in(read(path))])
        done = check_receipt(receipt, keys)
        if options.checkpoint:
            proof = read(options.consistency) if options.consistency else None
            done += check_history(read(options.checkpoint), receipt["checkpoint"], proof, keys)
        words = in_words(receipt)
    except Refused as refusal:
        print(f"REFUSED: {refusal}")
        return 1
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        print(
            f"REFUSED: this is not a whole receipt, key or proof ({type(error).__name__}: {error})"
        )
        return 1
    for line in done:
        print(f"ok  {line}")
    print()
    print(words)
    print("GENUINE")
    return 0


def parsed(arguments):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("receipt", help="the receipt, a JSON file")
    parser.add_argument("--key", action="append", required=True, help="a key or key set you trust")
    parser.add_argument("--checkpoint", help="a checkpoint that you kept from before")
    parser.add_argument("--consistency", help="the proof between it and the receipt's")
    return parser.parse_args(arguments)


def read(path):
    """Return the JSON document in a file; a name that stands twice in an object is refused."""
    try:
        with open(path, "rb") as file:
            content = file.read(FILE_SIZE_MAX + 1)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > FILE_SIZE_MAX:
        raise Refused(f"{path} is too large")
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path} is not a JSON document: {error}") from None


def unique(pairs):
    """Return an object of these members; which of two would count is nobody's guess."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


# The checks


def check_receipt(receipt, keys):
    """Check a receipt by itself; return what was checked, in words. Raises `Refused`."""
    if receipt["format"] != "wallet-receipt-v1":
        raise Refused("this is no receipt of a format that is known here")
    content = {name: value for name, value in receipt.items() if name != "signature"}
    key = key_named(keys, receipt["key_id"])
    signed = b"wallet-receipt-v1\n" + canonical(content)
    if not signature_is_right(key, signed, hexed(receipt["signature"], 64)):
        raise Refused("the signature of the receipt is not by the key that you trust")
    done = [f"the receipt is signed by the key {receipt['key_id']}"]

    entry, details = receipt["entry"], receipt["details"]
    if KINDS.get(entry["kind"], receipt["kind"]) != receipt["kind"]:
        raise Refused("the receipt calls the movement something else than the entry does")
    if entry["details_digest"] is None:
        if details is not None:
            raise Refused("the receipt shows a note that was not there when it was booked")
    elif details is None:
        done.append("what was written with it was erased since; its digest is in the entry")
    else:
        if details_digest(details) != hexed(entry["details_digest"], 32):
            raise Refused("note, reference or metadata are not those that were booked")
        done.append("note, reference and metadata are those that were booked")
    found = entry_hash(entry)
    if found != hexed(entry["hash"], 32):
        raise Refused("the entry's hash is not that of what the receipt shows")
    done.append("the entry's hash is that of what the receipt shows")

    checkpoint, inclusion = receipt["checkpoint"], receipt["inclusion"]
    check_checkpoint(checkpoint, keys, "the receipt's checkpoint")
    done.append(
        f"the checkpoint of {whole(checkpoint['tree_size'])} entries is signed by the key "
        f"{checkpoint['key_id']}"
    )
    path = [hexed(text, 32) for text in inclusion["hashes"]]
    root = hexed(checkpoint["root_hash"], 32)
    leaf = hashlib.sha256(b"\x00" + found).digest()
    position, size = whole(inclusion["position"]), whole(checkpoint["tree_size"])
    if not is_included(leaf, position, size, path, root):
        raise Refused("the entry is not in the log that the checkpoint is of")
    done.append(f"the entry is number {position} of the log that the checkpoint is of")
    return done


def check_checkpoint(checkpoint, keys, name):
    """Check the signature of a checkpoint."""
    key = key_named(keys, checkpoint["key_id"])
    lines = (
        "wallet-checkpoint-v1",
        str(UUID(checkpoint["log_id"])),
        str(whole(checkpoint["number"])),
        str(whole(checkpoint["tree_size"])),
        hexed(checkpoint["root_hash"], 32).hex(),
        str(whole(checkpoint["made_at_us"])),
    )
    signed = "".join(f"{line}\n" for line in lines).encode()
    if not signature_is_right(key, signed, hexed(checkpoint["signature"], 64)):
        raise Refused(f"the signature of {name} is not by the key that you trust")


def check_history(kept, present, proof, keys):
    """Check that the present log begins with the one whose checkpoint was kept."""
    check_checkpoint(kept, keys, "the checkpoint that you kept")
    if kept["log_id"] != present["log_id"]:
        raise Refused("the checkpoint that you kept is of another log")
    sizes = whole(kept["tree_size"]), whole(present["tree_size"])
    roots = [hexed(checkpoint["root_hash"], 32) for checkpoint in (kept, present)]
    if sizes[0] > sizes[1]:
        # Then the log must have grown from the receipt's to the kept one.
        sizes, roots = sizes[::-1], roots[::-1]
    path = []
    if proof is not None:
        if (proof["first"], proof["second"]) != sizes:
            raise Refused(f"the consistency proof is not between {sizes[0]} and {sizes[1]}")
        path = [hexed(text, 32) for text in proof["hashes"]]
    elif sizes[0] != sizes[1]:
        raise Refused(f"a consistency proof between {sizes[0]} and {sizes[1]} is needed")
    if not is_consistent(*sizes, *roots, path):
        raise Refused("HISTORY WAS REWRITTEN: the log does not begin with the one that you kept")
    return [f"the log of {sizes[1]} entries begins with that of {sizes[0]}"]


def is_included(leaf, position, size, path, root):
    """RFC 9162, section 2.1.3.2."""
    if not 0 <= position < size:
        return False
    here, last, found = position, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if here % 2 == 1 or here == last:
            found = node(sibling, found)
            while here % 2 == 0 and here != 0:
                here, last = here // 2, last // 2
        else:
            found = node(found, sibling)
        here, last = here // 2, last // 2
    return last == 0 and found == root


def is_consistent(first, second, first_root, second_root, path):
    """RFC 9162, section 2.1.4.2."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    if first & (first - 1) == 0:
        path = [first_root, *path]
    if not path:
        return False
    here, last = first - 1, second - 1
    while here % 2 == 1:
        here, last = here // 2, last // 2
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if here % 2 == 1 or here == last:
            old, new = node(sibling, old), node(sibling, new)
            while here % 2 == 0 and here != 0:
                here, last = here // 2, last // 2
        else:
            new = node(new, sibling)
        here, last = here // 2, last // 2
    return last == 0 and old == first_root and new == second_root


def node(left, right):
    """Return the hash of a node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def entry_hash(entry):
    """Return the hash that an entry must have: fixed width, big endian."""
    counterparty = entry["counterparty_id"]
    digest = entry["details_digest"]
    return hashlib.sha256(
        struct.pack(
            ">15s32s16sQ16sH3sqqqq16sQ32s",
            b"wallet-entry-v1",
            hexed(entry["previous_hash"], 32),
            UUID(entry["account_id"]).bytes,
            whole(entry["version"]),
            UUID(entry["instruction_id"]).bytes,
            whole(entry["kind"]),
            currency(entry["currency"]).encode("ascii"),
            whole(entry["posted_delta"]),
            whole(entry["held_delta"]),
            whole(entry["posted_after"]),
            whole(entry["held_after"]),
            bytes(16) if counterparty is None else UUID(counterparty).bytes,
            whole(entry["booked_at_us"]),
            bytes(32) if digest is None else hexed(digest, 32),
        )
    ).digest()


def details_digest(details):
    """Return the digest over the salt and what was written."""
    written = {name: details[name] for name in ("metadata", "note", "reference")}
    return hashlib.sha256(hexed(details["salt"], 32) + canonical(written)).digest()


def canonical(value):
    """Return the one byte form of a JSON value: keys sorted, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def whole(value):
    """Return an integer; a float, a truth value or a text is none."""
    if type(value) is not int:
        raise ValueError(f"{value!r} is not a whole number")
    return value


def hexed(text, size):
    """Return the bytes that a lower-case hexadecimal text of a size stands for."""
    content = bytes.fromhex(text)
    if len(content) != size or content.hex() != text:
        raise ValueError(f"{text!r} is not {size} bytes in hexadecimal")
    return content


def currency(text):
    """Return an ISO 4217 code."""
    if not (isinstance(text, str) and len(text) == 3 and text.isascii() and text.isupper()):
        raise ValueError(f"{text!r} is not a currency")
    return text


# What the receipt says


def in_words(receipt):
    """Return who, what, when and how much."""
    entry, details = receipt["entry"], receipt["details"] or {}
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(
        microseconds=entry["booked_at_us"]
    )
    amount = entry["posted_delta"]
    lines = [
        f"{entry['instruction_id']}, a {receipt['kind']}",
        f"  when:     {moment.isoformat(timespec='microseconds')}",
        f"  amount:   {money(amount, entry['currency'])}",
        f"  balance:  {money(entry['posted_after'], entry['currency'])} after it",
        f"  wallet:   {entry['account_id']}, its entry {entry['version']}",
    ]
    holder, other = receipt["holder"], receipt["counterparty"]
    if holder:
        names = f"{holder['first_name']} {holder['last_name']}"
        lines.append(f"  holder:   {printable(names)} ({holder['user_id']})")
    if other:
        names = f"{other['first_name']} {other['initial']}."
        lines.append(f"  {'from' if amount > 0 else 'to'}:".ljust(12) + printable(names))
    lines += [
        f"  {name}:".ljust(12) + printable(details[name])
        for name in ("note", "reference")
        if details.get(name)
    ]
    lines.append("  (the names are as the service knew them when it signed; the log has no names)")
    return "\n".join(lines)


def money(amount, code):
    """Return minor units as people write them."""
    exponent = EXPONENTS.get(code, 2)
    digits = str(abs(amount)).rjust(exponent + 1, "0")
    text = digits if not exponent else f"{digits[:-exponent]}.{digits[-exponent:]}"
    return f"{'-' if amount < 0 else ''}{text} {code}"


def printable(text):
    """Return a text without what could write over other lines of a terminal."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


# Keys and signatures: ES256, that is ECDSA on P-256 with SHA-256

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
A = P - 3
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def keys_in(document):
    """Return the keys of a JSON Web Key or a set of them."""
    return document["keys"] if "keys" in document else [document]


def trusted_keys(documents):
    """Return points by key id; the id must be the RFC 7638 thumbprint of the key."""
    keys = {}
    for document in documents:
        if document["kty"] != "EC" or document["crv"] != "P-256":
            raise Refused("a key is not on the curve P-256")
        x, y = (int.from_bytes(decoded(document[name]), "big") for name in ("x", "y"))
        if not (x < P and y < P and (y * y - x * x * x - A * x - B) % P == 0):
            raise Refused("a key is not a point of the curve P-256")
        members = {name: document[name] for name in ("crv", "kty", "x", "y")}
        thumbprint = hashlib.sha256(canonical(members)).digest()
        if decoded(document["kid"]) != thumbprint:
            raise Refused("a key has the id of another one")
        keys[document["kid"]] = (x, y)
    return keys


def decoded(text):
    """Return the bytes of base64url, which must be 32."""
    content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(content) != 32:
        raise ValueError("a part of a key does not have 32 bytes")
    return content


def key_named(keys, key_id):
    """Return a trusted key."""
    if key_id not in keys:
        raise Refused(f"it is signed by the key {key_id}, which is none of those that you trust")
    return keys[key_id]


def signature_is_right(key, content, signature):
    """Tell whether a signature (r and s) over `content` is by a key."""
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
    if not (0 < r < N and 0 < s < N):
        return False
    if ec is not None:
        public = ec.EllipticCurvePublicNumbers(*key, ec.SECP256R1()).public_key()
        try:
            public.verify(utils.encode_dss_signature(r, s), content, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True
    return own_signature_is_right(key, content, r, s)


def own_signature_is_right(key, content, r, s):
    """FIPS 186-5, section 6.4.2. Nothing here is secret, so it need not take equal time."""
    digest = int.from_bytes(hashlib.sha256(content).digest(), "big")
    inverse = pow(s, -1, N)
    point = added(multiplied(digest * inverse % N, G), multiplied(r * inverse % N, key))
    return point is not None and point[0] % N == r


def added(left, right):
    """Return the sum of two points; None is the point at infinity."""
    if left is None or right is None:
        return right if left is None else left
    if left[0] == right[0]:
        if (left[1] + right[1]) % P == 0:
            return None
        slope = (3 * left[0] * left[0] + A) * pow(2 * left[1], -1, P) % P
    else:
        slope = (right[1] - left[1]) * pow(right[0] - left[0], -1, P) % P
    x = (slope * slope - left[0] - right[0]) % P
    return x, (slope * (left[0] - x) - left[1]) % P


def multiplied(times, point):
    """Return a point added to itself so many times."""
    total = None
    while times:
        if times & 1:
            total = added(total, point)
        point = added(point, point)
        times >>= 1
    return total


if __name__ == "__main__":
    sys.exit(main())
