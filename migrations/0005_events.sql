-- Events that move no money, written in the same transaction as the change they tell of.
-- (An entry is its own event and needs no row here.) `person_id` is whose event it is.

CREATE TABLE events (
    id uuid CONSTRAINT events_id_unique PRIMARY KEY,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    facts jsonb NOT NULL,
    happened_at timestamptz NOT NULL
);
CREATE INDEX events_by_person ON events (person_id, happened_at);

GRANT SELECT, INSERT ON events TO wallet_application;
GRANT SELECT ON events TO wallet_verifier;
