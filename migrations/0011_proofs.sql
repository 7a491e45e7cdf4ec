-- Proof: an RFC 9162 log of all entries, which not even the operator can rewrite unseen back to the
-- last checkpoint that somebody kept; and the self-audit, which reads the books again and again.
-- Nothing here is written on the money path. A sealer takes entries up after they were committed,
-- so the tables are few rows: 256 hashes in a tile, all new entries of an account in a run.
-- The last tile of each level grows; everything else is only ever added.

CREATE TABLE log_head (
    id smallint CONSTRAINT log_head_one_row PRIMARY KEY DEFAULT 1,
    log_id uuid NOT NULL,
    size bigint NOT NULL DEFAULT 0,
    holder uuid,               -- the one process that seals, as long as its lease lasts
    held_until timestamptz,
    CONSTRAINT log_head_has_one_row CHECK (id = 1),
    CONSTRAINT log_head_size_not_negative CHECK (size >= 0)
);

CREATE TABLE log_tiles (
    level smallint NOT NULL,
    index bigint NOT NULL,
    hashes bytea NOT NULL,
    CONSTRAINT log_tiles_one_per_place PRIMARY KEY (level, index),
    CONSTRAINT log_tiles_hold_hashes
        CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0)
);
ALTER TABLE log_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;  -- hashes do not compress

CREATE TABLE log_runs (
    account_id uuid NOT NULL,
    last_version bigint NOT NULL,
    first_version bigint NOT NULL,
    first_position bigint NOT NULL,
    CONSTRAINT log_runs_one_per_version PRIMARY KEY (account_id, last_version),
    CONSTRAINT log_runs_go_forward CHECK (first_version BETWEEN 1 AND last_version),
    CONSTRAINT log_runs_position_not_negative CHECK (first_position >= 0)
);

CREATE TABLE checkpoints (
    number bigint CONSTRAINT checkpoints_number_unique PRIMARY KEY,  -- signed: none can be taken out
    tree_size bigint NOT NULL,
    key_id text NOT NULL,
    root_hash bytea NOT NULL,
    made_at timestamptz NOT NULL,
    signature bytea NOT NULL,
    CONSTRAINT checkpoints_one_per_key_and_size UNIQUE (tree_size, key_id),
    CONSTRAINT checkpoints_number_from_one CHECK (number >= 1),
    CONSTRAINT checkpoints_size_from_one CHECK (tree_size >= 1),
    CONSTRAINT checkpoints_root_has_32_bytes CHECK (octet_length(root_hash) = 32),
    CONSTRAINT checkpoints_signature_has_64_bytes CHECK (octet_length(signature) = 64)
);

-- The public keys that ever signed a checkpoint: one that is rotated out still verifies its own.
CREATE TABLE log_keys (
    key_id text CONSTRAINT log_keys_id_unique PRIMARY KEY,
    x text NOT NULL,
    y text NOT NULL,
    first_used_at timestamptz NOT NULL
);

CREATE TABLE safe_modes (
    id uuid CONSTRAINT safe_modes_id_unique PRIMARY KEY,
    entered_at timestamptz NOT NULL,
    reason text NOT NULL,
    left_at timestamptz,
    left_by text,
    left_reason text,
    CONSTRAINT safe_modes_left_with_a_reason
        CHECK ((left_at IS NULL) = (left_by IS NULL) AND (left_at IS NULL) = (left_reason IS NULL))
);
CREATE UNIQUE INDEX safe_modes_one_at_a_time ON safe_modes ((true)) WHERE left_at IS NULL;

CREATE TABLE audits (
    id smallint CONSTRAINT audits_one_row PRIMARY KEY DEFAULT 1,
    holder uuid,               -- the one process that audits, as long as its lease lasts
    held_until timestamptz,
    account_id uuid,           -- how far this round has come: an account, and a version of it
    version bigint NOT NULL DEFAULT 0,
    entries bigint NOT NULL DEFAULT 0,
    began_at timestamptz,
    completed_at timestamptz,  -- when the last whole round was done
    CONSTRAINT audits_have_one_row CHECK (id = 1)
);

GRANT SELECT, INSERT ON log_head, log_tiles, log_runs, checkpoints, log_keys, safe_modes, audits
    TO wallet_application;
GRANT UPDATE (size, holder, held_until) ON log_head TO wallet_application;
GRANT UPDATE (hashes) ON log_tiles TO wallet_application;
GRANT UPDATE (left_at, left_by, left_reason) ON safe_modes TO wallet_application;
GRANT UPDATE (holder, held_until, account_id, version, entries, began_at, completed_at)
    ON audits TO wallet_application;
GRANT SELECT ON log_head, log_tiles, log_runs, checkpoints, log_keys, safe_modes, audits
    TO wallet_verifier;
