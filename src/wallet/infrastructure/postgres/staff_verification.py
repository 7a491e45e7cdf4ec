"""What must hold of refunds, adjustments and the audit trail, for the verifier."""

from wallet.infrastructure.postgres.audit_trail import act_of
from wallet.infrastructure.postgres.pool import Record

ACTS = """
SELECT id, act, actor_id, actor_name, role, subject_kind, subject_id, person_id, reason, before,
       after, request_id, seal,
       CASE WHEN happened_at BETWEEN '1970-01-01Z' AND '9999-01-01Z' THEN happened_at
            ELSE '1970-01-01Z' END AS happened_at
FROM audit_trail ORDER BY id
"""

# Kind 6 is a refund, 7 books an adjustment and 8 asks for one.
STAFF_CHECKS: dict[str, str] = {
    "refunds-within-transfers": """
        SELECT r.account_id, NULL::bigint AS version,
               'transfer ' || r.transfer_id || ' was refunded by ' || r.amount AS message
        FROM (
            SELECT account_id, transfer_id, sum(amount) AS amount, min(booked_at) AS booked_at
            FROM refunds GROUP BY account_id, transfer_id
        ) AS r
        LEFT JOIN instructions i ON i.account_id = r.account_id AND i.id = r.transfer_id
            AND i.kind = 1 AND i.refusal_code IS NULL
        WHERE i.id IS NULL OR r.amount > i.amount OR r.booked_at < i.booked_at
    """,
    "refunds-are-booked": """
        SELECT coalesce(r.account_id, i.counterparty_id) AS account_id, NULL::bigint AS version,
               'refund ' || coalesce(r.id, i.id) || ' and its entry disagree' AS message
        FROM refunds r
        FULL JOIN (SELECT * FROM instructions WHERE kind = 6 AND refusal_code IS NULL) AS i
            ON i.account_id = r.source_id AND i.id = r.id
        LEFT JOIN instructions t ON t.account_id = r.account_id AND t.id = r.transfer_id
        WHERE r.id IS NULL OR i.id IS NULL OR r.amount <> i.amount OR r.booked_at <> i.booked_at
           OR i.counterparty_id IS DISTINCT FROM r.account_id
           OR t.counterparty_id IS DISTINCT FROM r.source_id
    """,
    "adjustments-were-requested": """
        SELECT coalesce(a.account_id, i.account_id) AS account_id, NULL::bigint AS version,
               'adjustment ' || coalesce(a.id, i.adjustment_id) || ' and its request disagree'
                   AS message
        FROM adjustments a
        FULL JOIN (
            SELECT *, encode(set_byte(uuid_send(id), 15, get_byte(uuid_send(id), 15) # 1),
                             'hex')::uuid AS adjustment_id
            FROM instructions WHERE kind = 8 AND refusal_code IS NULL
        ) AS i ON i.account_id = a.account_id AND i.adjustment_id = a.id
        WHERE a.id IS NULL OR i.id IS NULL OR abs(a.amount) <> i.amount
           OR a.currency <> i.currency OR a.owner_id IS DISTINCT FROM i.owner_id
           OR a.requested_at <> i.booked_at OR i.scope <> 'person:' || a.requested_by
    """,
    "approved-adjustments-are-booked": """
        SELECT coalesce(a.account_id, i.account_id) AS account_id, e.version,
               'adjustment ' || coalesce(a.id, i.id) || ' and its entry disagree' AS message
        FROM (SELECT * FROM adjustments WHERE status = 'approved') AS a
        FULL JOIN (SELECT * FROM instructions WHERE kind = 7 AND refusal_code IS NULL) AS i
            ON i.account_id = a.account_id AND i.id = a.id
        LEFT JOIN entries e ON e.account_id = i.account_id AND e.instruction_id = i.id
        WHERE a.id IS NULL OR i.id IS NULL OR e.version IS NULL OR e.posted_delta <> a.amount
           OR i.booked_at <> a.decided_at OR a.decided_by = a.requested_by
           OR i.key_digest <> sha256(convert_to('adjustment:' || a.id, 'UTF8'))
    """,
    "adjustments-are-told": """
        SELECT a.account_id, NULL::bigint AS version,
               'nobody told of adjustment ' || a.id || ', ' || a.status
                   AS message
        FROM adjustments a
        LEFT JOIN audit_trail r
            ON r.subject_id = a.id AND r.act = 'adjustment.requested'
            AND r.actor_id = a.requested_by AND r.happened_at = a.requested_at
            AND r.reason = a.reason AND (r.after ->> 'amount')::numeric = a.amount
        LEFT JOIN audit_trail d
            ON d.subject_id = a.id AND d.act = 'adjustment.' || a.status
            AND d.actor_id = a.decided_by AND d.happened_at = a.decided_at
            AND d.reason = a.decision_reason
        WHERE r.id IS NULL OR (a.status <> 'pending' AND d.id IS NULL)
    """,
    "refunds-are-told": """
        SELECT r.account_id, NULL::bigint AS version, 'nobody gave refund ' || r.id AS message
        FROM refunds r
        LEFT JOIN audit_trail t ON t.subject_id = r.transfer_id AND t.act = 'transfer.refunded'
            AND t.after ->> 'refund_id' = r.id::text AND t.happened_at = r.booked_at
        WHERE t.id IS NULL
    """,
    "controls-were-decided": """
        SELECT a.id AS account_id, NULL::bigint AS version,
               'nobody decided its ' || CASE
                   WHEN a.floor <> coalesce(-o.overdraft, 0) THEN 'overdraft'
                   WHEN a.debt > coalesce(d.debt, 0) THEN 'debt'
                   WHEN a.frozen <> coalesce(f.frozen, 0) THEN 'freeze' ELSE 'closing' END
                   AS message
        FROM accounts a
        LEFT JOIN (
            SELECT DISTINCT ON (wallet_id) wallet_id, overdraft FROM (
                SELECT subject_id AS wallet_id, happened_at, t.id,
                       (after ->> 'overdraft_limit')::numeric AS overdraft
                FROM audit_trail t WHERE subject_kind = 'wallet'
                UNION ALL
                SELECT r.source_id, t.happened_at, t.id, (t.after ->> 'overdraft_limit')::numeric
                FROM audit_trail t JOIN refunds r ON r.id::text = t.after ->> 'refund_id'
                WHERE t.act = 'transfer.refunded' AND t.after ->> 'overdraft_limit' IS NOT NULL
            ) AS granted ORDER BY wallet_id, happened_at DESC, id DESC
        ) AS o ON o.wallet_id = a.id
        LEFT JOIN (
            SELECT DISTINCT ON (subject_id) subject_id AS wallet_id,
                   array_position(ARRAY['send', 'receive', 'both'], after ->> 'frozen') AS frozen,
                   after ->> 'status' AS status
            FROM audit_trail WHERE subject_kind = 'wallet'
            ORDER BY subject_id, happened_at DESC, id DESC
        ) AS f ON f.wallet_id = a.id
        LEFT JOIN (
            SELECT DISTINCT ON (r.source_id) r.source_id AS wallet_id,
                   (t.after ->> 'debt')::numeric AS debt
            FROM audit_trail t JOIN refunds r ON r.id::text = t.after ->> 'refund_id'
            WHERE t.act = 'transfer.refunded' AND t.after ->> 'debt' IS NOT NULL
            ORDER BY r.source_id, t.happened_at DESC, t.id DESC
        ) AS d ON d.wallet_id = a.id
        WHERE a.purpose = 'wallet' AND (
            a.floor <> coalesce(-o.overdraft, 0) OR a.frozen <> coalesce(f.frozen, 0)
            OR a.debt > coalesce(d.debt, 0)
            OR (f.status = 'closed' AND a.closed_at IS NULL)
        )
    """,
}


def act_seal_is_right(row: "Record") -> bool:
    """Tell whether an act is what it was when it was written."""
    try:
        return bool(act_of(row).seal == row["seal"])
    except (KeyError, TypeError, ValueError):
        # What cannot be read was never sealed.
        return False
