"""Tamperings by chance: one cell, one row, or two rows of a table that the books are proved by."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from wallet.infrastructure.postgres.pool import Connection, Record

TABLES = (
    "accounts",
    "entries",
    "instructions",
    "details",
    "batches",
    "log_head",
    "log_tiles",
    "log_runs",
    "checkpoints",
    "log_keys",
)
FREE = {
    "accounts": {"closed_at", "created_at"},
    "details": {"erased_at"},
    "batches": {"id"},
    "log_head": {"id", "holder", "held_until"},
}
"""Columns that may hold anything as far as the books can tell."""


@dataclass(frozen=True)
class Done:
    """What was done, and the words one of which a violation must say."""

    what: str
    names: frozenset[str]


class Nothing(Exception):
    """This tampering changes nothing, or the database does not take it."""


async def tamper(connection: Connection, random: Random) -> Done:
    """Do one tampering in the caller's transaction; raise `Nothing` if it came to nothing."""
    table = random.choice(TABLES)
    rows = await connection.fetch(f"SELECT ctid, * FROM {table} ORDER BY ctid")
    row = random.choice(rows)
    way = random.choice((change, change, change, delete, insert, swap))
    try:
        async with connection.transaction():
            return await way(connection, random, table, row, rows)
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
        raise Nothing from error


async def change(
    connection: Connection, random: Random, table: str, row: Record, rows: list[Record]
) -> Done:
    column = column_of(random, table, row)
    value = other(random, column, row[column])
    await connection.execute(
        f"UPDATE {table} SET {column} = $1 WHERE ctid = $2", value, row["ctid"]
    )
    return Done(f"{table}.{column} of {key(table, row)}", names(table, row, {column: value}))


async def delete(
    connection: Connection, random: Random, table: str, row: Record, rows: list[Record]
) -> Done:
    if table == "instructions" and row["refusal_code"] is not None:
        raise Nothing  # Refusals may be forgotten.
    await connection.execute(f"DELETE FROM {table} WHERE ctid = $1", row["ctid"])
    return Done(f"{table} without {key(table, row)}", names(table, row, {}))


async def insert(
    connection: Connection, random: Random, table: str, row: Record, rows: list[Record]
) -> Done:
    values = {name: value for name, value in row.items() if name != "ctid"}
    changed = {}
    keys = {
        "accounts": ["id"],
        "entries": ["version", "instruction_id"],
        "instructions": ["id", "key_digest"],
        "details": ["instruction_id"],
        "batches": ["id"],
        "log_tiles": ["index"],
        "log_runs": ["last_version"],
        "checkpoints": ["number", "tree_size"],
        "log_keys": ["key_id"],
    }.get(table)
    if keys is None:
        raise Nothing
    for name in keys:
        changed[name] = values[name] = other(random, name, values[name])
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await connection.execute(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", *values.values()
    )
    return Done(f"{table} with one more like {key(table, row)}", names(table, row, changed))


async def swap(
    connection: Connection, random: Random, table: str, row: Record, rows: list[Record]
) -> Done:
    column = column_of(random, table, row)
    others = [another for another in rows if another[column] != row[column]]
    if not others:
        raise Nothing
    another = random.choice(others)
    if column == "account_ids" and sorted(row[column]) == sorted(another[column]):
        raise Nothing  # In another order it may well say the same.
    for place, value in ((row, another[column]), (another, row[column])):
        await connection.execute(
            f"UPDATE {table} SET {column} = $1 WHERE ctid = $2", value, place["ctid"]
        )
    both = names(table, row, {}) | names(table, another, {})
    return Done(f"{table}.{column} of {key(table, row)} and {key(table, another)}", both)


def column_of(random: Random, table: str, row: Record) -> str:
    columns = sorted(set(row.keys()) - {"ctid"} - FREE.get(table, set()))
    return random.choice(columns)


def other(random: Random, column: str, value: Any) -> Any:
    """Return another value of the same type."""
    if column in {"metadata", "refusal_facts"}:
        return json.dumps({"x": str(random.random())})
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + random.choice((-2, -1, 1, 1, 2, 7, 1_000))
    if isinstance(value, UUID):
        return UUID(int=value.int ^ (1 << random.randrange(122)))
    if isinstance(value, bytes):
        place, flipped = random.randrange(len(value)), bytearray(value)
        flipped[place] ^= 1 << random.randrange(8)
        return bytes(flipped)
    if isinstance(value, datetime):
        return value + timedelta(microseconds=random.choice((-1_000_000, -1, 1, 60_000_000)))
    if isinstance(value, list):
        place = random.randrange(len(value))
        return [*value[:place], other(random, column, value[place]), *value[place + 1 :]]
    if isinstance(value, str):
        return value[:-1] + ("Y" if value.endswith("X") else "X")
    raise Nothing  # What is NULL has tamperings of its own in `tamperings.py`.


def key(table: str, row: Record) -> str:
    return " ".join(str(row[name]) for name in list(row.keys())[1:3])


def names(table: str, row: Record, changed: dict[str, Any]) -> frozenset[str]:
    """Return the words by which a row may be named in what is found."""
    found: set[str] = set()
    for values in (dict(row), {**dict(row), **changed}):
        found |= {
            str(values[name])
            for name in ("id", "account_id", "instruction_id", "counterparty_id", "key_id")
            if values.get(name) is not None
        }
        found |= {str(id_) for id_ in values.get("account_ids", ())}
        if table == "log_tiles":
            found |= {f"tile {values['index']} of level {values['level']}", "leaf"}
        if table == "log_runs":
            # A run that is gone cannot say whose it was: the log says which of its leaves it was.
            first, count = (
                values["first_position"],
                values["last_version"] - values["first_version"],
            )
            found |= {f"leaf {first + n} " for n in range(min(count, 1_000) + 1)}
        if table == "checkpoints":
            found |= {f"no checkpoint of its {values['tree_size']} leaves"}
            found |= {f"checkpoint {values['number']}", f"checkpoint {values['number'] + 1}"}
        if table == "log_head":
            found |= {"checkpoint", "leaves", "log"}
    return frozenset(found)
