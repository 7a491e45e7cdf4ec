-- What a batch saves comes as two arrays of rows instead of one array per column: the driver looks at
-- every element of every array, which cost more than the whole of the rules. These are types of
-- their own and not those of the tables, so that a column added later disturbs no running service;
-- one that must change is made anew under another name. `is_last` marks an account's last entry.
CREATE TYPE new_entry AS (
    account_id uuid,
    version bigint,
    instruction_id uuid,
    kind smallint,
    currency text,
    posted_delta bigint,
    held_delta bigint,
    posted_after bigint,
    held_after bigint,
    counterparty_id uuid,
    details_digest bytea,
    hash bytea,
    is_last boolean
);
CREATE TYPE new_instruction AS (
    id uuid,
    account_id uuid,
    kind smallint,
    scope text,
    key_digest bytea,
    fingerprint bytea,
    currency text,
    amount bigint,
    owner_id uuid,
    counterparty_id uuid,
    counterparty_owner_id uuid,
    refusal_code text,
    refusal_facts text,
    seal bytea
);
