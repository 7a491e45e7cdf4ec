"""What an authenticator app does: codes of a secret by the time of day (RFC 6238)."""

import base64
import hmac
import struct
import time


def code_of(secret: str, steps_later: int = 0) -> str:
    """Return what an app shows now, or some steps of 30 seconds later.

    A code is good once, and from one step before its own to one after: so the code of now and the
    one after it can be used within the same second.
    """
    step = int(time.time()) // 30 + steps_later
    mac = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), "sha1")
    (number,) = struct.unpack_from(">I", mac, mac[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 10**6:06d}"
