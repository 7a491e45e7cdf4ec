-- API keys: how machines act for a person; and what those of them that may only spend have spent.
-- A secret is kept as its SHA-256 alone. It has an id and says when its end was set, so that every
-- process hears of it within a second. `spendings` hangs off the wallet that a key pays from: the
-- rule never changes, what has been spent is read and written under that account's lock, and
-- `key_payments` tells the verifier which payments it was. Neither is touched by other payments.

CREATE TABLE api_keys (
    id uuid CONSTRAINT api_keys_id_unique PRIMARY KEY,
    owner_id uuid NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    hint text NOT NULL,
    account_id uuid,           -- the wallet of a spending key
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,  -- written at most once a minute
    revoked_at timestamptz,
    CONSTRAINT api_keys_have_scopes CHECK (cardinality(scopes) > 0)
);
CREATE INDEX api_keys_by_owner ON api_keys (owner_id, id) WHERE revoked_at IS NULL;

CREATE TABLE api_key_secrets (
    digest bytea CONSTRAINT api_key_secrets_digest_unique PRIMARY KEY,
    id uuid NOT NULL,
    api_key_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    end_set_at timestamptz,    -- by the clock of the database, which all processes share
    CONSTRAINT api_key_secrets_digest_has_32_bytes CHECK (octet_length(digest) = 32),
    CONSTRAINT api_key_secrets_have_keys FOREIGN KEY (api_key_id) REFERENCES api_keys (id)
        ON DELETE CASCADE
);
CREATE INDEX api_key_secrets_by_key ON api_key_secrets (api_key_id);
CREATE INDEX api_key_secrets_ended ON api_key_secrets (end_set_at) WHERE end_set_at IS NOT NULL;
CREATE INDEX api_key_secrets_by_expiry ON api_key_secrets (expires_at)
    WHERE expires_at IS NOT NULL;

CREATE TABLE spendings (
    account_id uuid NOT NULL,
    api_key_id uuid NOT NULL,
    currency text NOT NULL,
    budget bigint NOT NULL,
    per_payment_max bigint,
    payee_ids uuid[],
    renews text,
    expires_at timestamptz,
    spent bigint NOT NULL DEFAULT 0,
    period_start timestamptz,
    ended_at timestamptz,
    CONSTRAINT spendings_one_per_key_and_account PRIMARY KEY (account_id, api_key_id),
    CONSTRAINT spendings_budget_in_range CHECK (budget BETWEEN 1 AND 1000000000000000),
    CONSTRAINT spendings_payment_in_range CHECK (per_payment_max BETWEEN 1 AND 1000000000000000),
    CONSTRAINT spendings_within_budget CHECK (spent BETWEEN 0 AND budget),
    CONSTRAINT spendings_renewal_known CHECK (renews IN ('day', 'week', 'month')),
    CONSTRAINT spendings_renewed_have_a_period CHECK ((renews IS NULL) = (period_start IS NULL)),
    CONSTRAINT spendings_payees_few CHECK (cardinality(payee_ids) BETWEEN 1 AND 100)
);

CREATE TABLE key_payments (
    account_id uuid NOT NULL,
    instruction_id uuid NOT NULL,
    api_key_id uuid NOT NULL,
    CONSTRAINT key_payments_one_per_instruction PRIMARY KEY (account_id, instruction_id)
);

GRANT SELECT, INSERT ON api_keys, api_key_secrets, spendings, key_payments TO wallet_application;
GRANT UPDATE (hint, last_used_at, revoked_at) ON api_keys TO wallet_application;
GRANT UPDATE (expires_at, end_set_at) ON api_key_secrets TO wallet_application;
GRANT UPDATE (spent, period_start, ended_at) ON spendings TO wallet_application;
GRANT SELECT, DELETE ON api_key_secrets TO wallet_janitor;
GRANT SELECT (id, owner_id, account_id, created_at, expires_at, revoked_at) ON api_keys
    TO wallet_verifier;
GRANT SELECT ON spendings, key_payments TO wallet_verifier;
