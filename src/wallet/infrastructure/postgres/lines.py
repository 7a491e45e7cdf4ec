"""Lines of history on PostgreSQL: an entry, its details, and what is seen of the counterparty."""

from wallet.domain.history import Counterparty, Line
from wallet.domain.journal import Entry, Kind
from wallet.domain.money import Currency
from wallet.infrastructure.postgres.ledger import details_of
from wallet.infrastructure.postgres.pool import Record

LINE_COLUMNS = """
       e.account_id, e.version, e.instruction_id, e.kind, e.currency, e.posted_delta, e.held_delta,
       e.posted_after, e.held_after, e.counterparty_id, e.booked_at, e.details_digest, e.hash,
       d.salt, d.note, d.reference, d.metadata,
       u.id AS party_id, u.handle AS party_handle, u.first_name AS party_first_name,
       left(u.last_name, 1) AS party_initial
"""

# Details are looked up by their whole key, line by line: what OFFSET 0 keeps apart is not joined by
# the account alone, which looks cheap to the planner and reads all details of a long history.
LINE_PARTS = """
LEFT JOIN LATERAL (
    SELECT salt, note, reference, metadata FROM details
    WHERE account_id = e.account_id AND instruction_id = e.instruction_id OFFSET 0
) AS d ON true
LEFT JOIN accounts a ON a.id = e.counterparty_id
LEFT JOIN users u ON u.id = a.owner_id
"""


def entry_of(row: "Record") -> Entry:
    """Map a row to a journal entry."""
    return Entry(
        account_id=row["account_id"],
        version=row["version"],
        instruction_id=row["instruction_id"],
        kind=Kind(row["kind"]),
        currency=Currency(row["currency"]),
        posted_delta=row["posted_delta"],
        held_delta=row["held_delta"],
        posted_after=row["posted_after"],
        held_after=row["held_after"],
        counterparty_id=row["counterparty_id"],
        booked_at=row["booked_at"],
        details_digest=row["details_digest"],
        hash=row["hash"],
    )


def line_of(row: "Record") -> Line:
    """Map a row to a line of history."""
    counterparty = None
    if row["party_id"] is not None:
        counterparty = Counterparty(
            user_id=row["party_id"],
            handle=row["party_handle"],
            first_name=row["party_first_name"],
            initial=row["party_initial"],
        )
    return Line(entry_of(row), counterparty, details_of(row))
