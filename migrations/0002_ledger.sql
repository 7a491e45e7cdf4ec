-- The books: accounts, their append-only entries, and the instructions that made them.
-- The account id leads every key (but the one index of idempotency keys), there are no foreign keys
-- and no triggers on the money path: `wallet verify` audits what they would have asserted.
-- Amounts are minor units. Wallets stay within 9e15 so that JavaScript keeps them exact; system
-- accounts, which answer for all wallets together, have what fits the hash.

CREATE TABLE accounts (
    id uuid CONSTRAINT accounts_id_unique PRIMARY KEY,
    owner_id uuid,
    purpose text NOT NULL,
    currency text NOT NULL,
    posted bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    head_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    head_booked_at timestamptz,
    floor bigint NOT NULL DEFAULT 0,
    frozen smallint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT accounts_posted_in_range CHECK (
        posted BETWEEN -9000000000000000 AND 9000000000000000
        OR (purpose <> 'wallet' AND posted BETWEEN -9000000000000000000 AND 9000000000000000000)
    ),
    CONSTRAINT accounts_held_in_range CHECK (held BETWEEN 0 AND 9000000000000000),
    CONSTRAINT accounts_floor_in_range CHECK (
        floor BETWEEN -9000000000000000 AND 0
        OR (purpose <> 'wallet' AND floor BETWEEN -9000000000000000000 AND 0)
    ),
    CONSTRAINT accounts_available_not_below_floor CHECK (posted - held >= floor),
    CONSTRAINT accounts_version_not_negative CHECK (version >= 0),
    CONSTRAINT accounts_hash_has_32_bytes CHECK (octet_length(head_hash) = 32),
    CONSTRAINT accounts_frozen_known CHECK (frozen BETWEEN 0 AND 3),
    CONSTRAINT accounts_purpose_known CHECK (purpose IN ('wallet', 'funding')),
    CONSTRAINT accounts_wallets_have_owners CHECK ((purpose = 'wallet') = (owner_id IS NOT NULL)),
    CONSTRAINT accounts_currency_of_three_letters CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT accounts_closed_are_empty
        CHECK (closed_at IS NULL OR (posted = 0 AND held = 0))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE wallets (
    owner_id uuid NOT NULL,
    currency text NOT NULL,
    account_id uuid NOT NULL,
    CONSTRAINT wallets_one_per_owner_and_currency PRIMARY KEY (owner_id, currency)
);

CREATE TABLE entries (
    account_id uuid NOT NULL,
    version bigint NOT NULL,
    instruction_id uuid NOT NULL,
    kind smallint NOT NULL,
    currency text NOT NULL,
    posted_delta bigint NOT NULL,
    held_delta bigint NOT NULL,
    posted_after bigint NOT NULL,
    held_after bigint NOT NULL,
    counterparty_id uuid,
    booked_at timestamptz NOT NULL,
    details_digest bytea,
    hash bytea NOT NULL,
    CONSTRAINT entries_one_per_version PRIMARY KEY (account_id, version),
    CONSTRAINT entries_one_per_instruction UNIQUE (account_id, instruction_id),
    CONSTRAINT entries_version_from_one CHECK (version >= 1),
    CONSTRAINT entries_held_not_negative CHECK (held_after >= 0),
    CONSTRAINT entries_hash_has_32_bytes CHECK (octet_length(hash) = 32),
    CONSTRAINT entries_details_digest_has_32_bytes CHECK (octet_length(details_digest) = 32)
);
CREATE INDEX entries_by_time ON entries USING brin (booked_at);

CREATE TABLE instructions (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    kind smallint NOT NULL,
    scope text NOT NULL,
    key_digest bytea NOT NULL,
    fingerprint bytea NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    owner_id uuid,
    counterparty_id uuid,
    counterparty_owner_id uuid,
    booked_at timestamptz NOT NULL,
    refusal_code text,
    refusal_facts json,  -- not jsonb, which would not keep the order that answers were given in
    seal bytea NOT NULL,  -- SHA-256 over all of the above, for the verifier
    CONSTRAINT instructions_id_unique PRIMARY KEY (account_id, id),
    CONSTRAINT instructions_key_used_once UNIQUE (scope, key_digest),
    CONSTRAINT instructions_amount_in_range CHECK (amount BETWEEN 1 AND 1000000000000000),
    CONSTRAINT instructions_key_digest_has_32_bytes CHECK (octet_length(key_digest) = 32),
    CONSTRAINT instructions_fingerprint_has_32_bytes CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT instructions_refusal_is_whole
        CHECK ((refusal_code IS NULL) = (refusal_facts IS NULL))
);

-- The only part of the journal that can ever be erased, one row for each account that may see it.
-- An erased row stays, without salt and content, so that the verifier can tell it from a lost one.
CREATE TABLE details (
    account_id uuid NOT NULL,
    instruction_id uuid NOT NULL,
    salt bytea,
    note text,
    reference text,
    metadata jsonb,
    erased_at timestamptz,
    CONSTRAINT details_one_per_instruction PRIMARY KEY (account_id, instruction_id),
    CONSTRAINT details_erased_are_empty CHECK (
        (erased_at IS NULL AND octet_length(salt) = 32)
        OR (erased_at IS NOT NULL AND salt IS NULL AND note IS NULL
            AND reference IS NULL AND metadata IS NULL)
    ),
    CONSTRAINT details_metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object')
);

-- One row a ledger transaction: relays drain it to find what is new, whatever hint they missed.
CREATE TABLE batches (
    id uuid CONSTRAINT batches_id_unique PRIMARY KEY,
    account_ids uuid[] NOT NULL,
    versions bigint[] NOT NULL,
    booked_at timestamptz NOT NULL,
    CONSTRAINT batches_versions_match CHECK (cardinality(account_ids) = cardinality(versions))
);

CREATE TABLE fundings (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    source text NOT NULL,
    status text NOT NULL,
    reason text,
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    CONSTRAINT fundings_id_unique PRIMARY KEY (account_id, id),
    CONSTRAINT fundings_amount_in_range CHECK (amount BETWEEN 1 AND 1000000000000000),
    CONSTRAINT fundings_status_known CHECK (status IN ('pending', 'settled', 'declined')),
    CONSTRAINT fundings_decided_once CHECK ((status = 'pending') = (decided_at IS NULL))
);
CREATE INDEX fundings_pending ON fundings (created_at, id) WHERE status = 'pending';

-- Refused instructions may be forgotten after a week: a retry by then would be a new request.
CREATE FUNCTION prune_refused_instructions(rows_max integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    WITH pruned AS (
        DELETE FROM public.instructions
        WHERE (account_id, id) IN (
            SELECT account_id, id FROM public.instructions
            WHERE refusal_code IS NOT NULL AND booked_at < now() - interval '8 days'
            LIMIT rows_max
        )
        RETURNING 1
    )
    SELECT count(*) FROM pruned
$$;
CREATE INDEX instructions_refused ON instructions (booked_at) WHERE refusal_code IS NOT NULL;
REVOKE ALL ON FUNCTION prune_refused_instructions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_refused_instructions(integer) TO wallet_janitor;

GRANT SELECT, INSERT ON accounts, wallets, entries, instructions, details, batches, fundings
    TO wallet_application;
GRANT UPDATE (posted, held, version, head_hash, head_booked_at, floor, frozen, closed_at)
    ON accounts TO wallet_application;
GRANT UPDATE (salt, note, reference, metadata, erased_at) ON details TO wallet_application;
GRANT UPDATE (status, reason, decided_at) ON fundings TO wallet_application;
GRANT SELECT ON accounts, wallets, entries, instructions, details, batches, fundings
    TO wallet_verifier;
