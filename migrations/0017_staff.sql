-- What staff decide, and the trail of it. Refunds say how much of a transfer was given back, under the
-- lock of the wallet that had paid it; adjustments wait for a second administrator and are booked
-- against system accounts of their own. The audit trail is only ever added to: the application may
-- neither change nor remove a row of it, and each row is sealed for the verifier.
CREATE TABLE audit_trail (
    id uuid CONSTRAINT audit_trail_id_unique PRIMARY KEY,
    act text NOT NULL,
    happened_at timestamptz NOT NULL,
    actor_id uuid,              -- nobody of this service for the command line
    actor_name text NOT NULL,
    role text,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    person_id uuid,             -- whose affairs it touched
    reason text,
    before json NOT NULL,       -- not jsonb: the seal is over what was written
    after json NOT NULL,
    request_id text,
    seal bytea NOT NULL,
    CONSTRAINT audit_trail_reason_given
        CHECK (act = 'person.viewed' OR char_length(reason) BETWEEN 3 AND 500),
    CONSTRAINT audit_trail_actor_had_a_role CHECK ((actor_id IS NULL) = (role IS NULL))
);
CREATE INDEX audit_trail_by_time ON audit_trail (happened_at, id);
CREATE INDEX audit_trail_by_actor ON audit_trail (actor_id, happened_at, id);
CREATE INDEX audit_trail_by_subject ON audit_trail (subject_id, happened_at, id);
CREATE INDEX audit_trail_by_person ON audit_trail (person_id, happened_at, id);

CREATE TABLE refunds (
    account_id uuid NOT NULL,   -- the wallet that had paid the transfer; its lock guards the row
    transfer_id uuid NOT NULL,
    id uuid NOT NULL,           -- that of the instruction which gave it back
    source_id uuid NOT NULL,    -- the wallet that gave it back
    amount bigint NOT NULL,
    booked_at timestamptz NOT NULL,
    CONSTRAINT refunds_id_unique PRIMARY KEY (account_id, transfer_id, id),
    CONSTRAINT refunds_amount_in_range CHECK (amount BETWEEN 1 AND 1000000000000000)
);
CREATE INDEX refunds_by_id ON refunds (id);

CREATE TABLE adjustments (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,     -- above zero adds to the wallet, below takes from it
    reason text NOT NULL,
    requested_by uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    status text NOT NULL,
    decided_by uuid,
    decided_at timestamptz,
    decision_reason text,
    CONSTRAINT adjustments_id_unique PRIMARY KEY (account_id, id),
    CONSTRAINT adjustments_amount_in_range
        CHECK (amount <> 0 AND amount BETWEEN -1000000000000000 AND 1000000000000000),
    CONSTRAINT adjustments_status_known CHECK (status IN ('pending', 'approved', 'rejected')),
    CONSTRAINT adjustments_decided_whole CHECK (
        (status = 'pending') = (decided_at IS NULL)
        AND (decided_at IS NULL) = (decided_by IS NULL)
        AND (decided_at IS NULL) = (decision_reason IS NULL)
    ),
    CONSTRAINT adjustments_approved_by_another
        CHECK (status <> 'approved' OR decided_by <> requested_by)
);
CREATE INDEX adjustments_by_id ON adjustments (id);
CREATE INDEX adjustments_pending ON adjustments (id) WHERE status = 'pending';

-- The rows there are stay unread here; the next migration validates.
ALTER TABLE accounts
    DROP CONSTRAINT accounts_purpose_known,
    ADD CONSTRAINT accounts_purpose_known
        CHECK (purpose IN ('wallet', 'funding', 'adjustment')) NOT VALID;

GRANT SELECT, INSERT ON audit_trail, refunds, adjustments TO wallet_application;
GRANT UPDATE (status, decided_by, decided_at, decision_reason) ON adjustments
    TO wallet_application;
GRANT SELECT ON audit_trail, refunds, adjustments TO wallet_verifier;
