"""What the database's errors mean: constraints by their names, outages by their classes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import asyncpg

from wallet.application.unit_of_work import Interrupted
from wallet.domain.errors import OutcomeUnknown, WalletError
from wallet.domain.ledger import LedgerInvariantBroken
from wallet.domain.users import EmailTaken, HandleTaken
from wallet.domain.wallets import WalletAlreadyOpen, WalletNotEmpty

CONSTRAINT_ERRORS: Mapping[str, type[WalletError]] = {
    "user_emails_taken_once": EmailTaken,
    "user_handles_taken_once": HandleTaken,
    "wallets_one_per_owner_and_currency": WalletAlreadyOpen,
    "accounts_closed_are_empty": WalletNotEmpty,
}
"""Constraints that a caller can run into, by name. Any other one that fails is a defect of ours."""

INTERRUPTIONS: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.PostgresIOError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""Outages, time-outs and lost races: nothing was committed, and it may be tried again."""

UNCERTAIN_AT_COMMIT: tuple[type[BaseException], ...] = (asyncpg.PostgresError, *INTERRUPTIONS)
"""Whatever else comes in place of the answer to COMMIT: it may have happened."""

_DEFINITE_AT_COMMIT: tuple[type[BaseException], ...] = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's exceptions into the domain's, inside a transaction or a lone statement."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise _of_constraint(error) from error
    except INTERRUPTIONS as error:
        if isinstance(error, ValueError):
            raise  # The driver could not encode a value: a defect, which no retry would mend.
        raise Interrupted from error


@contextmanager
def translated_commit() -> Iterator[None]:
    """The same around COMMIT, where a lost answer says nothing about what happened."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise _of_constraint(error) from error
    except _DEFINITE_AT_COMMIT as error:
        raise Interrupted from error
    except UNCERTAIN_AT_COMMIT as error:
        raise OutcomeUnknown from error


def _of_constraint(error: asyncpg.IntegrityConstraintViolationError) -> BaseException:
    name = getattr(error, "constraint_name", None) or ""
    known = CONSTRAINT_ERRORS.get(name)
    if known is not None:
        return known()
    return LedgerInvariantBroken(f"constraint {name} was violated")
