"""What spending keys have spent, on PostgreSQL: read under the lock of the account that pays."""

from collections.abc import Collection, Mapping
from uuid import UUID

from wallet.domain.ledger import Book, LedgerInvariantBroken, SpendingPlace
from wallet.domain.spending import Interval, Spending, SpendingRule
from wallet.infrastructure.postgres.pool import Connection, Record

PEEK_SPENDINGS = """
SELECT s.account_id, s.api_key_id, s.currency, s.budget, s.per_payment_max, s.payee_ids, s.renews,
       s.expires_at, s.spent, s.period_start, s.ended_at
FROM unnest($1::uuid[], $2::uuid[]) AS wanted (account_id, api_key_id)
JOIN spendings s ON s.account_id = wanted.account_id AND s.api_key_id = wanted.api_key_id
"""

# The account's lock guards what was spent. The row's own keeps a key from being revoked in the
# middle of the batch, and whoever revokes it need not wait for the lock of a busy account.
LOCK_SPENDINGS = """
SELECT s.account_id, s.api_key_id, s.currency, s.budget, s.per_payment_max, s.payee_ids, s.renews,
       s.expires_at, s.spent, s.period_start, s.ended_at
FROM unnest($1::uuid[], $2::uuid[]) AS wanted (account_id, api_key_id)
JOIN spendings s ON s.account_id = wanted.account_id AND s.api_key_id = wanted.api_key_id
ORDER BY s.account_id, s.api_key_id FOR NO KEY UPDATE OF s
"""

ADD_SPENDING = """
INSERT INTO spendings (account_id, api_key_id, currency, budget, per_payment_max, payee_ids, renews,
                       expires_at, spent, period_start)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

SAVE_SPENDINGS = """
WITH changed AS (
    UPDATE spendings
    SET spent = decided.spent, period_start = decided.period_start
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[])
        AS decided (account_id, api_key_id, spent, period_start)
    WHERE spendings.account_id = decided.account_id
      AND spendings.api_key_id = decided.api_key_id AND spendings.ended_at IS NULL
    RETURNING 1
), payments AS (
    INSERT INTO key_payments (account_id, api_key_id, instruction_id)
    SELECT account_id, api_key_id, instruction_id
    FROM unnest($5::uuid[], $6::uuid[], $7::uuid[])
        AS payment (account_id, api_key_id, instruction_id)
    RETURNING 1
)
SELECT (SELECT count(*) FROM changed) AS spendings, (SELECT count(*) FROM payments) AS payments
"""

SPENDING_CHECKS: dict[str, str] = {
    "spent-equals-payments": """
        SELECT s.account_id, NULL::bigint AS version,
               'key ' || s.api_key_id || ' says ' || s.spent || ', its payments '
                   || coalesce(sum(-e.posted_delta::numeric), 0) AS message
        FROM spendings s
        LEFT JOIN key_payments p
            ON p.account_id = s.account_id AND p.api_key_id = s.api_key_id
        LEFT JOIN entries e ON e.account_id = p.account_id AND e.instruction_id = p.instruction_id
            AND (s.period_start IS NULL OR e.booked_at >= s.period_start)
        GROUP BY s.account_id, s.api_key_id, s.spent
        HAVING s.spent <> coalesce(sum(-e.posted_delta::numeric), 0)
    """,
    # date_trunc begins a week on Monday, like the domain.
    "budgets-were-kept": """
        SELECT s.account_id, NULL::bigint AS version,
               'key ' || s.api_key_id || ' spent ' || sum(-e.posted_delta::numeric)
                   || ' of ' || s.budget AS message
        FROM spendings s
        JOIN key_payments p ON p.account_id = s.account_id AND p.api_key_id = s.api_key_id
        JOIN entries e ON e.account_id = p.account_id AND e.instruction_id = p.instruction_id
        GROUP BY s.account_id, s.api_key_id, s.budget,
                 date_trunc(s.renews, e.booked_at AT TIME ZONE 'UTC')
        HAVING sum(-e.posted_delta::numeric) > s.budget
    """,
    "key-payments-obey": """
        SELECT p.account_id, e.version,
               'payment ' || p.instruction_id || ' of key ' || p.api_key_id || ' is not allowed'
                   AS message
        FROM key_payments p
        LEFT JOIN spendings s ON s.account_id = p.account_id AND s.api_key_id = p.api_key_id
        LEFT JOIN entries e ON e.account_id = p.account_id AND e.instruction_id = p.instruction_id
        LEFT JOIN accounts payee ON payee.id = e.counterparty_id
        WHERE s.api_key_id IS NULL OR e.version IS NULL OR e.posted_delta >= 0
           OR -e.posted_delta::numeric > s.per_payment_max
           OR NOT payee.owner_id = ANY (s.payee_ids)
           OR e.booked_at >= s.expires_at
    """,
    "spendings-have-keys": """
        SELECT coalesce(s.account_id, k.account_id) AS account_id, NULL::bigint AS version,
               'key ' || coalesce(s.api_key_id, k.id) || ' and its spending disagree' AS message
        FROM spendings s
        FULL JOIN (
            SELECT id, owner_id, account_id, expires_at, revoked_at FROM api_keys
            WHERE account_id IS NOT NULL
        ) AS k
            ON k.id = s.api_key_id AND k.account_id = s.account_id
        LEFT JOIN accounts a ON a.id = s.account_id
        WHERE s.api_key_id IS NULL OR k.id IS NULL OR a.owner_id IS DISTINCT FROM k.owner_id
           OR a.currency <> s.currency OR s.expires_at IS DISTINCT FROM k.expires_at
           OR (s.ended_at IS NULL) <> (k.revoked_at IS NULL)
    """,
}
"""What the verifier asks of spending keys."""


def spending_of(row: "Record") -> Spending:
    """Map a row to a spending."""
    return Spending(
        api_key_id=row["api_key_id"],
        rule=SpendingRule(
            account_id=row["account_id"],
            currency=row["currency"],
            budget=row["budget"],
            per_payment_max=row["per_payment_max"],
            payee_ids=row["payee_ids"],
            interval=None if row["renews"] is None else Interval(row["renews"]),
        ),
        expires_at=row["expires_at"],
        spent=row["spent"],
        period_start=row["period_start"],
        ended=row["ended_at"] is not None,
    )


async def read_spendings(
    connection: Connection, places: Collection[SpendingPlace], *, lock: bool
) -> Mapping[SpendingPlace, Spending]:
    """Return the spendings at these (account id, API key id)."""
    statement = LOCK_SPENDINGS if lock else PEEK_SPENDINGS
    rows = await connection.fetch(
        statement,
        [account_id for account_id, _ in places],
        [api_key_id for _, api_key_id in places],
    )
    return {spending.place: spending for spending in map(spending_of, rows)}


async def add_spending(connection: Connection, spending: Spending) -> None:
    """Add the spending of a new key."""
    rule = spending.rule
    await connection.execute(
        ADD_SPENDING,
        rule.account_id,
        spending.api_key_id,
        rule.currency,
        rule.budget,
        rule.per_payment_max,
        None if rule.payee_ids is None else list(rule.payee_ids),
        None if rule.interval is None else rule.interval.value,
        spending.expires_at,
        spending.spent,
        spending.period_start,
    )


async def save_spendings(connection: Connection, book: Book) -> None:
    """Write what the keys of a batch have spent, and by which payments."""
    changed = list(book.changed_spendings.values())
    payments: list[tuple[UUID, UUID, UUID]] = [
        (account_id, api_key_id, instruction_id)
        for (account_id, api_key_id), instruction_id in book.key_payments
    ]
    counts = await connection.fetchrow(
        SAVE_SPENDINGS,
        [s.rule.account_id for s in changed],
        [s.api_key_id for s in changed],
        [s.spent for s in changed],
        [s.period_start for s in changed],
        *(list(column) for column in zip(*payments, strict=True)),
    )
    assert counts is not None  # noqa: S101 - a SELECT of counts has one row
    if (counts["spendings"], counts["payments"]) != (len(changed), len(payments)):
        raise LedgerInvariantBroken("what the keys have spent is not what was decided")
