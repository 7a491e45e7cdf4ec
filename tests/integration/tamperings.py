"""Tamperings: what is done, what must be named, and where (an account, or an id in the message)."""

Tampering = tuple[str, str, str]
"""The statement; a pattern of the invariant that must name it; the place."""

ACCOUNT = "UPDATE accounts SET {} WHERE id = '<alice>'"
ENTRY = "UPDATE entries SET {} WHERE account_id = '<alice>' AND version = 2"
LAST_ENTRY = (
    "UPDATE entries SET {} WHERE account_id = '<alice>' AND version = "
    "(SELECT version FROM accounts WHERE id = '<alice>')"
)
DETAIL = "UPDATE details SET {} WHERE account_id = '<bob>' AND instruction_id = '<lunch>'"
FUNDING_ROW = "UPDATE fundings SET {} WHERE id = '<{}>'"
INSTRUCTION_ROW = "UPDATE instructions SET {} WHERE id = '<{}>'"
COPY_OF_INSTRUCTION = """
INSERT INTO instructions
SELECT r.* FROM instructions i, LATERAL jsonb_populate_record(
    i, jsonb_build_object('id', '<somebody>', 'key_digest', sha256('y'))
) r WHERE i.id = '{}'
"""
SOMEBODY = "00000000-0000-0000-0000-000000000007"

ACCOUNTS: dict[str, Tampering] = {
    "id": ("id = '<somebody>'", "entries-have-accounts", "alice"),
    "owner_id": ("owner_id = '<somebody>'", "wallets-have-accounts", "alice"),
    "purpose": ("purpose = 'funding', owner_id = NULL", "wallets-have-accounts", "alice"),
    "currency": ("currency = 'EUR'", "one-currency", "alice"),
    "posted": ("posted = posted + 1", "balance-equals-entries", "alice"),
    "posted to nothing": ("posted = 0", "balance-equals-entries", "alice"),
    "held": ("held = held + 1", "balance-equals-entries", "alice"),
    "version": ("version = version + 1", "version-equals-entries", "alice"),
    "version back": ("version = version - 1", "version-equals-entries", "alice"),
    "head_hash": ("head_hash = sha256('x')", "head-hash", "alice"),
    "head_booked_at": (
        "head_booked_at = head_booked_at + interval '1 microsecond'",
        "head-booked-at",
        "alice",
    ),
    "head_booked_at long ago": (
        "head_booked_at = head_booked_at - interval '2 hours'",
        "head-booked-at",
        "alice",
    ),
    "floor": ("floor = -100", "controls-were-decided", "alice"),
    "debt": ("debt = 1", "debt-is-what-is-missing", "alice"),
    "frozen": ("frozen = 1", "controls-were-decided", "alice"),
    "head_booked_at for ever": ("head_booked_at = 'infinity'", "head-booked-at", "alice"),
    "head_booked_at to nothing": ("head_booked_at = NULL", "head-booked-at", "alice"),
}
ENTRIES: dict[str, Tampering] = {
    "account_id": ("account_id = '<yen>', version = 9", "versions-gap-free", "alice"),
    "version": ("version = 99", "versions-gap-free", "alice"),
    "instruction_id": ("instruction_id = '<somebody>'", "hash-chain", "alice"),
    "kind": ("kind = 3", "hash-chain", "alice"),
    "kind that is unknown": ("kind = 99", "hash-chain|row-readable", "alice"),
    "kind that is negative": ("kind = -1", "hash-chain|row-readable", "alice"),
    "currency": ("currency = 'EUR'", "one-currency", "alice"),
    "currency that is too long": ("currency = 'USDX'", "one-currency", "alice"),
    "posted_delta": ("posted_delta = posted_delta - 1", "running-balance", "alice"),
    "posted_delta turned round": ("posted_delta = -posted_delta", "running-balance", "alice"),
    "posted_delta to the largest": (
        "posted_delta = 9223372036854775807",
        "running-balance",
        "alice",
    ),
    "posted_delta to the smallest": (
        "posted_delta = -9223372036854775808",
        "running-balance",
        "alice",
    ),
    "held_delta": ("held_delta = 1", "running-balance", "alice"),
    "posted_after": ("posted_after = posted_after + 1", "running-balance", "alice"),
    "held_after": ("held_after = 1", "running-balance", "alice"),
    "counterparty_id": ("counterparty_id = '<carol>'", "hash-chain", "alice"),
    "counterparty_id to nobody": ("counterparty_id = NULL", "hash-chain", "alice"),
    "booked_at": ("booked_at = booked_at + interval '1 microsecond'", "hash-chain", "alice"),
    "booked_at before 1970": ("booked_at = '1960-01-01Z'", "hash-chain|row-readable", "alice"),
    "booked_at for ever": ("booked_at = 'infinity'", "hash-chain|row-readable", "alice"),
    "booked_at since ever": ("booked_at = '-infinity'", "hash-chain|row-readable", "alice"),
    "booked_at after year 9999": ("booked_at = '20000-01-01Z'", "hash-chain|row-readable", "alice"),
    "details_digest": ("details_digest = sha256('x')", "details-digest", "alice"),
    "details_digest to nothing": ("details_digest = NULL", "details-digest", "alice"),
    "hash": ("hash = sha256('x')", "hash-chain", "alice"),
}
DETAILS: dict[str, Tampering] = {
    "account_id": ("account_id = '<yen>'", "details-kept", "bob"),
    "instruction_id": ("instruction_id = '<somebody>'", "details-kept", "bob"),
    "salt": ("salt = sha256('x')", "details-digest", "bob"),
    "note": ("note = 'dinner'", "details-digest", "bob"),
    "note to nothing": ("note = NULL", "details-digest", "bob"),
    "note by one space": ("note = note || ' '", "details-digest", "bob"),
    "reference": ("reference = 'x'", "details-digest", "bob"),
    "metadata": ("""metadata = '{"a": "b"}'""", "details-digest", "bob"),
    "metadata to a text": ("""metadata = '"x"'""", "details-digest", "bob"),
    "metadata to a number": ("metadata = '5'", "details-digest", "bob"),
    "metadata to an empty list": ("metadata = '[]'", "details-digest", "bob"),
}

FUNDING = "funding"
FUNDINGS: dict[str, Tampering] = {
    f"{column} of a {kind} funding": (
        FUNDING_ROW.format(assignment, label),
        FUNDING,
        label,
    )
    for kind, label in [("settled", "f1"), ("declined", "f4"), ("pending", "f5")]
    for column, assignment in {
        "id": "id = '<somebody>'",
        "account_id": "account_id = '<bob>'",
        "owner_id": "owner_id = '<somebody>'",
        "amount": "amount = amount + 1",
        "currency": "currency = 'EUR'",
        "status": "status = 'settled', decided_at = now()"
        if kind != "settled"
        else "status = 'pending', decided_at = NULL",
        "created_at": "created_at = created_at - interval '1 second'",
    }.items()
} | {
    "decided_at of a settled funding": (
        "UPDATE fundings SET decided_at = decided_at + interval '1 second' WHERE id = '<f1>'",
        FUNDING,
        "f1",
    ),
    "decided_at of a declined funding": (
        "UPDATE fundings SET decided_at = decided_at + interval '1 second' WHERE id = '<f4>'",
        FUNDING,
        "f4",
    ),
    "a declined funding made pending": (
        "UPDATE fundings SET status = 'pending', decided_at = NULL WHERE id = '<f4>'",
        FUNDING,
        "f4",
    ),
    "a settled funding made declined": (
        "UPDATE fundings SET status = 'declined' WHERE id = '<f1>'",
        FUNDING,
        "f1",
    ),
    "a pending funding made declined": (
        "UPDATE fundings SET status = 'declined', decided_at = now() WHERE id = '<f5>'",
        FUNDING,
        "f5",
    ),
}

INSTRUCTION = "instruction|funding"
INSTRUCTIONS: dict[str, Tampering] = {
    f"{column} of {article} instruction": (
        INSTRUCTION_ROW.format(assignment, label),
        INSTRUCTION,
        label,
    )
    for article, label in [
        ("a transfer's", "lunch"),
        ("a request's", "request"),
        ("a settlement's", "f1"),
        ("a decline's", "decline"),
        ("a refused", "refused"),
    ]
    for column, assignment in {
        "id": "id = '<somebody>'",
        "account_id": "account_id = '<yen>'",
        "kind": "kind = (kind + 1) % 4 + 1",
        "unknown kind": "kind = 99",
        "scope": "scope = 'person:x'",
        "key_digest": "key_digest = sha256('x')",
        "fingerprint": "fingerprint = sha256('x')",
        "currency": "currency = 'EUR'",
        "amount": "amount = amount + 1",
        "owner_id": "owner_id = '<somebody>'",
        "counterparty_id": "counterparty_id = '<somebody>'",
        "counterparty_owner_id": "counterparty_owner_id = '<somebody>'",
        "booked_at": "booked_at = booked_at - interval '1 microsecond'",
        "booked_at for ever": "booked_at = 'infinity'",
        "seal": "seal = sha256('x')",
        "refusal_code": "refusal_code = 'wallet-frozen', "
        "refusal_facts = coalesce(refusal_facts, '{}')",
        "refusal_facts": "refusal_code = coalesce(refusal_code, 'x'), refusal_facts = '[]'",
    }.items()
}

OTHERS: dict[str, Tampering] = {
    "a refused instruction is made an accepted one": (
        "UPDATE instructions SET refusal_code = NULL, refusal_facts = NULL WHERE id = '<refused>'",
        INSTRUCTION,
        "refused",
    ),
    "an account is deleted": (
        "DELETE FROM accounts WHERE id = '<alice>'",
        "entries-have-accounts",
        "alice",
    ),
    "an account without entries is deleted": (
        "DELETE FROM accounts WHERE id = '<unused>'",
        "system-accounts-are-whole",
        "unused",
    ),
    "an account is made up": (
        (
            "INSERT INTO accounts (id, owner_id, purpose, currency, created_at) "
            "VALUES ('<somebody>', '<somebody>', 'wallet', 'USD', now())"
        ),
        "wallets-have-accounts",
        "somebody",
    ),
    "a system account is made up": (
        (
            "INSERT INTO accounts (id, purpose, currency, created_at, floor) "
            "VALUES ('<somebody>', 'funding', 'USD', now(), -100)"
        ),
        "system-accounts-are-whole",
        "somebody",
    ),
    "a system account is given to somebody": (
        (
            "UPDATE accounts SET purpose = 'wallet', owner_id = '<somebody>', floor = 0 "
            "WHERE id = '<unused>'"
        ),
        "wallets-have-accounts",
        "unused",
    ),
    "a system account without entries changes its currency": (
        "UPDATE accounts SET currency = 'EUR' WHERE id = '<unused>'",
        "system-accounts-are-whole",
        "unused",
    ),
    "two accounts change their balances": (
        (
            "UPDATE accounts SET posted = (SELECT sum(posted) FROM accounts b WHERE b.id IN "
            "('<alice>', '<bob>')) - posted WHERE id IN ('<alice>', '<bob>')"
        ),
        "balance-equals-entries",
        "bob",
    ),
    "money is moved from one account to another behind the journal": (
        (
            "UPDATE accounts SET posted = posted + CASE id WHEN '<alice>' THEN -50 ELSE 50 END "
            "WHERE id IN ('<alice>', '<bob>')"
        ),
        "balance-equals-entries",
        "bob",
    ),
    "the first entry is deleted": (
        "DELETE FROM entries WHERE account_id = '<alice>' AND version = 1",
        "versions-gap-free",
        "alice",
    ),
    "an entry in the middle is deleted": (
        "DELETE FROM entries WHERE account_id = '<alice>' AND version = 2",
        "versions-gap-free",
        "alice",
    ),
    "the last entry is deleted": (
        (
            "DELETE FROM entries WHERE account_id = '<alice>' AND version = "
            "(SELECT version FROM accounts WHERE id = '<alice>')"
        ),
        "version-equals-entries",
        "alice",
    ),
    "all entries of an account are deleted": (
        "DELETE FROM entries WHERE account_id = '<bob>'",
        "version-equals-entries",
        "bob",
    ),
    "both legs of a payment are deleted": (
        "DELETE FROM entries WHERE instruction_id = '<plain>'",
        "instructions-match-entries",
        "bob",
    ),
    "the last leg is taken back with its account": (
        (
            "WITH gone AS (DELETE FROM entries WHERE account_id = '<alice>' AND version = "
            "(SELECT version FROM accounts WHERE id = '<alice>') RETURNING *), "
            "before AS (SELECT e.* FROM entries e JOIN gone ON e.account_id = gone.account_id "
            "AND e.version = gone.version - 1) "
            "UPDATE accounts SET posted = posted_after, version = before.version, "
            "head_hash = before.hash, head_booked_at = before.booked_at FROM before "
            "WHERE id = '<alice>'"
        ),
        "instructions-match-entries",
        "alice",
    ),
    "an entry is appended": (
        (
            "INSERT INTO entries SELECT account_id, version + 100, gen_random_uuid(), kind, "
            "currency, 0, 0, posted_after, held_after, counterparty_id, booked_at, NULL, hash "
            "FROM entries WHERE account_id = '<alice>' AND version = 2"
        ),
        "versions-gap-free",
        "alice",
    ),
    "an entry is made up for an account that is not there": (
        (
            "INSERT INTO entries SELECT '<somebody>', 1, instruction_id, kind, currency, "
            "0, 0, 0, 0, counterparty_id, booked_at, NULL, hash "
            "FROM entries WHERE account_id = '<alice>' AND version = 2"
        ),
        "entries-have-accounts",
        "somebody",
    ),
    "two entries of an account change places": (
        (
            "UPDATE entries SET version = 5 - version + 1000 "
            "WHERE account_id = '<bob>' AND version IN (2, 3);"
            "UPDATE entries SET version = version - 1000 WHERE version > 1000"
        ),
        "hash-chain",
        "bob",
    ),
    "two entries exchange their contents": (
        (
            "UPDATE entries e SET posted_delta = o.posted_delta, posted_after = o.posted_after, "
            "instruction_id = gen_random_uuid() FROM entries o WHERE e.account_id = '<bob>' "
            "AND o.account_id = '<bob>' AND e.version IN (2, 3) AND o.version = 5 - e.version"
        ),
        "hash-chain",
        "bob",
    ),
    "two entries exchange their hashes": (
        (
            "UPDATE entries e SET hash = o.hash FROM entries o WHERE e.account_id = '<bob>' "
            "AND o.account_id = '<bob>' AND e.version IN (2, 3) AND o.version = 5 - e.version"
        ),
        "hash-chain",
        "bob",
    ),
    "both legs of a payment are raised": (
        "UPDATE entries SET posted_delta = posted_delta * 2 WHERE instruction_id = '<plain>'",
        "running-balance",
        "alice",
    ),
    "a transfer's instruction is deleted": (
        "DELETE FROM instructions WHERE id = '<lunch>'",
        "entries-have-instructions",
        "alice",
    ),
    "a settlement's instruction is deleted": (
        "DELETE FROM instructions WHERE id = '<f1>'",
        "entries-have-instructions",
        "alice",
    ),
    "a request's instruction is deleted": (
        "DELETE FROM instructions WHERE id = '<request>'",
        "fundings",
        "carol",
    ),
    "a decline's instruction is deleted": (
        "DELETE FROM instructions WHERE id = '<decline>'",
        "fundings",
        "carol",
    ),
    "an accepted instruction is made up": (
        COPY_OF_INSTRUCTION.format("<lunch>"),
        "instructions-match-entries",
        "alice",
    ),
    "a request is made up": (
        COPY_OF_INSTRUCTION.format("<request>"),
        "instruction-seal|fundings",
        "carol",
    ),
    "a refusal is made up": (
        COPY_OF_INSTRUCTION.format("<refused>"),
        "instruction-seal",
        "carol",
    ),
    "two instructions exchange their fingerprints": (
        (
            "UPDATE instructions i SET fingerprint = o.fingerprint FROM instructions o "
            "WHERE i.id IN ('<lunch>', '<plain>') AND o.id IN ('<lunch>', '<plain>') "
            "AND i.id <> o.id"
        ),
        "instruction-seal",
        "alice",
    ),
    "details are deleted": (
        "DELETE FROM details WHERE account_id = '<bob>' AND instruction_id = '<lunch>'",
        "details-kept",
        "bob",
    ),
    "erased details are deleted": (
        "DELETE FROM details WHERE account_id = '<bob>' AND instruction_id = '<erased>'",
        "details-kept",
        "bob",
    ),
    "details are made up for an entry without": (
        "INSERT INTO details VALUES ('<alice>', '<plain>', sha256('x'), 'made up')",
        "details-digest",
        "alice",
    ),
    "details are made up without an entry": (
        "INSERT INTO details VALUES ('<alice>', '<somebody>', sha256('x'), 'made up')",
        "details-have-entries",
        "alice",
    ),
    "two details exchange their notes": (
        (
            "UPDATE details d SET note = CASE d.note WHEN 'lunch' THEN 'coffee' ELSE 'lunch' END "
            "WHERE account_id = '<alice>' AND note IN ('lunch', 'coffee')"
        ),
        "details-digest",
        "alice",
    ),
    "erased details are filled again": (
        (
            "UPDATE details SET erased_at = NULL, salt = sha256('x'), note = 'innocent' "
            "WHERE account_id = '<bob>' AND instruction_id = '<erased>'"
        ),
        "details-digest",
        "bob",
    ),
    "a settled funding is deleted": (
        "DELETE FROM fundings WHERE id = '<f1>'",
        "fundings",
        "alice",
    ),
    "a declined funding is deleted": (
        "DELETE FROM fundings WHERE id = '<f4>'",
        "fundings",
        "carol",
    ),
    "a pending funding is deleted": (
        "DELETE FROM fundings WHERE id = '<f5>'",
        "fundings",
        "carol",
    ),
    "a settled funding is made up": (
        (
            "INSERT INTO fundings VALUES ('<somebody>', '<bob>', '<person>', 5, 'USD', 's', "
            "'settled', NULL, now(), now())"
        ),
        "settled-fundings-are-credited",
        "bob",
    ),
    "a pending funding is made up": (
        (
            "INSERT INTO fundings VALUES ('<somebody>', '<bob>', '<person>', 5, 'USD', 's', "
            "'pending', NULL, now(), NULL)"
        ),
        "fundings",
        "bob",
    ),
    "a wallet is deleted": (
        "DELETE FROM wallets WHERE account_id = '<alice>'",
        "wallets-have-accounts",
        "alice",
    ),
    "a wallet is made up": (
        "INSERT INTO wallets VALUES ('<somebody>', 'USD', '<alice>')",
        "wallets-have-accounts",
        "alice",
    ),
    "a wallet is given to somebody else": (
        "UPDATE wallets SET owner_id = '<somebody>' WHERE account_id = '<alice>'",
        "wallets-have-accounts",
        "alice",
    ),
    "two wallets exchange their accounts": (
        (
            "UPDATE wallets SET account_id = CASE account_id WHEN '<alice>' THEN '<bob>'::uuid "
            "ELSE '<alice>' END WHERE account_id IN ('<alice>', '<bob>')"
        ),
        "wallets-have-accounts",
        "alice",
    ),
    "the batches are deleted": ("DELETE FROM batches", "batches-name-every-version", "alice"),
    "a batch names a lower version": (
        "UPDATE batches SET versions = array_fill(0::bigint, array[cardinality(versions)])",
        "batches-name",
        "alice",
    ),
}

TAMPERINGS: dict[str, Tampering] = (
    {f"accounts: {name}": (ACCOUNT.format(t[0]), *t[1:]) for name, t in ACCOUNTS.items()}
    | {f"entries: {name}": (ENTRY.replace("{}", t[0]), *t[1:]) for name, t in ENTRIES.items()}
    | {f"details: {name}": (DETAIL.replace("{}", t[0]), *t[1:]) for name, t in DETAILS.items()}
    | {f"fundings: {name}": t for name, t in FUNDINGS.items()}
    | {f"instructions: {name}": t for name, t in INSTRUCTIONS.items()}
    | OTHERS
)

FREE = {
    "accounts.closed_at": "who leaves closes their wallets, and their event alone tells of it",
    "accounts.created_at": "when a wallet was opened is told by its event alone",
    "details.erased_at": "whoever may erase may erase now",
    "fundings.source": "who was asked is recorded nowhere else",
    "log_head.id": "there is one row, which says so",
    "log_head.holder": "who seals now is nobody's proof",
    "log_head.held_until": "and for how long",
    "fundings.reason": "why it was declined is recorded nowhere else",
}
"""Columns that may hold anything as far as the books can tell."""
