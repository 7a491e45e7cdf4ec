"""Every SQL statement: it prepares, and none is built while running."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

from wallet.infrastructure import postgres
from wallet.infrastructure.postgres.migrations import CREATE_TABLE
from wallet.infrastructure.postgres.pool import (
    Connection,
)
from wallet.infrastructure.postgres.staff_verification import STAFF_CHECKS
from wallet.infrastructure.postgres.verification import CROSS_CHECKS

# PostgreSQL only: the statements themselves.


def modules() -> list[str]:
    return [f"{postgres.__name__}.{m.name}" for m in pkgutil.iter_modules(postgres.__path__)]


def statements() -> dict[str, str]:
    """Return every SQL constant by its place."""
    checks = CROSS_CHECKS | STAFF_CHECKS
    found = {f"verification.{name}": query for name, query in checks.items()}
    for name in modules():
        for constant, value in vars(importlib.import_module(name)).items():
            if (
                constant.isupper()
                and isinstance(value, str)
                and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", value)
            ):
                found[f"{name.rsplit('.', 1)[1]}.{constant}"] = value
    return found


STATEMENTS = statements()


def test_there_are_statements_to_prepare() -> None:
    assert {"ledger.LOCK", "ledger.SAVE", "history.PAGE", "users.ADD_USER"} <= set(STATEMENTS)
    assert len(STATEMENTS) > 60


@pytest.mark.parametrize("place", STATEMENTS)
async def test_every_statement_can_be_prepared_on_the_migrated_database(
    place: str, superuser: Connection
) -> None:
    await superuser.execute(CREATE_TABLE)
    await superuser.prepare(STATEMENTS[place])


SQL = re.compile(
    r"\b(SELECT\s|INSERT INTO|UPDATE \w+ SET|DELETE FROM|WHERE\s|GRANT\s|LOCK TABLE|CREATE\s"
    r"|ALTER\s|DROP\s|TRUNCATE\s|SET ROLE|VALUES\s*\()"
)
ALLOWED = {
    ("migrations", "f'LOCK TABLE \"{table}\" IN ACCESS EXCLUSIVE MODE'"),
    ("migrations", "f'SELECT EXISTS (SELECT FROM \"{table}\")'"),
    ("migrations", "f'GRANT {APPLICATION}, {VERIFIER}, {JANITOR} TO {quoted}'"),
}


def is_constant(node: ast.expr) -> bool:
    """Whether an expression is put together of literals and upper-case names alone."""
    if isinstance(node, ast.BinOp):
        return is_constant(node.left) and is_constant(node.right)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def built(node: ast.AST) -> bool:
    """Whether a piece of code puts a text together while it runs."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add | ast.Mod) and not is_constant(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in {"format", "join", "replace"}
    return isinstance(node, ast.JoinedStr)


def test_no_sql_is_built_while_running_but_in_the_places_that_are_known() -> None:
    found = set()
    for path in Path(postgres.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            literals = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
            texts = [text for text in literals if isinstance(text, str)]
            if built(node) and any(SQL.search(text) for text in texts):
                found.add((path.stem, ast.unparse(node)))
    assert found == ALLOWED


EXECUTING = {"execute", "executemany", "fetch", "fetchrow", "fetchval", "cursor", "prepare"}
PASSED_ON = {
    ("guards", "sql"),
    ("verification", "query"),
    ("migrations", "migration.up"),
    ("migrations", "last.down"),
    ("second_factors", "sql"),
    ("users", "sql"),
    ("janitor", "statement"),
    ("spendings", "statement"),
    ("verification", "adopting"),
}
"""Names of a parameter or a loop that only ever stand for constants of their module."""


def test_only_constants_are_executed() -> None:
    found = set()
    for path in Path(postgres.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in EXECUTING and node.args and not is_constant(node.args[0]):
                found.add((path.stem, ast.unparse(node.args[0])))
    assert found - PASSED_ON == ALLOWED
