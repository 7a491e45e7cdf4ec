"""Whether the server keeps its word: a commit that is acknowledged must survive a power cut."""

import asyncpg

SETTINGS = """
SELECT name, setting FROM pg_settings
WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')
"""
SAFE_COMMITS = frozenset({"on", "local", "remote_write", "remote_apply"})


class NotDurable(RuntimeError):
    """The database would acknowledge what it may lose; the message names the server's setting."""


async def check_durability(url: str, *, required: bool) -> list[str]:
    """Return the server settings that endanger commits; raise `NotDurable` if `required`."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        found = {row["name"]: row["setting"] for row in await connection.fetch(SETTINGS)}
    finally:
        await connection.close()
    unsafe = [name for name in ("fsync", "full_page_writes") if found[name] != "on"]
    if found["synchronous_commit"] not in SAFE_COMMITS:
        unsafe.append("synchronous_commit")
    if unsafe and required:
        raise NotDurable(
            "Production needs a database that keeps what it acknowledges; the server has these "
            f"switched off: {', '.join(unsafe)}."
        )
    return unsafe
