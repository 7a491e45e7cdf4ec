-- Webhooks: whoever owns an endpoint is told of everything that happens to them, in order, for sure.
-- What is told of is never copied: an entry is its own event, and an event that moves no money gets a
-- number here, without gaps for each person, as entries have versions. So both are streams of which
-- one number says how far an endpoint has come, and comparing numbers finds whatever it missed.
-- A row of `webhook_cursors` is that number for one endpoint and one stream (an account, or the person
-- for what moves no money); there is work where `target`, the last number known of, is beyond it.

ALTER TABLE events ADD COLUMN version bigint;
UPDATE events SET version = numbered.version
FROM (
    SELECT id, row_number() OVER (PARTITION BY person_id ORDER BY happened_at, id) AS version
    FROM events
) AS numbered
WHERE events.id = numbered.id;
-- Null only in a row that a service of the release before wrote while it was being replaced.
CREATE UNIQUE INDEX events_numbered ON events (person_id, version);

CREATE TABLE event_streams (
    person_id uuid CONSTRAINT event_streams_one_per_person PRIMARY KEY,
    version bigint NOT NULL,
    CONSTRAINT event_streams_version_from_one CHECK (version >= 1)
);
INSERT INTO event_streams (person_id, version) SELECT person_id, max(version) FROM events
GROUP BY person_id;

CREATE TABLE webhook_endpoints (
    id uuid CONSTRAINT webhook_endpoints_id_unique PRIMARY KEY,
    owner_id uuid NOT NULL,
    url text NOT NULL,
    description text,
    event_types text[] NOT NULL,  -- none of them are all of them
    disabled_reason text,
    disabled_at timestamptz,
    secret bytea NOT NULL,  -- encrypted, as is the one before it
    previous_secret bytea,
    previous_secret_until timestamptz,
    created_at timestamptz NOT NULL,
    failing_since timestamptz,  -- when the first of the failures was that no success has followed yet
    due_at timestamptz,  -- when there is something to send again; null: nothing waits
    holder uuid,  -- the one process that sends, as long as its lease lasts
    held_until timestamptz,
    CONSTRAINT webhook_endpoints_disabled_for_a_reason
        CHECK ((disabled_reason IS NULL) = (disabled_at IS NULL)),
    CONSTRAINT webhook_endpoints_reason_known
        CHECK (disabled_reason IN ('owner', 'failing', 'gone')),
    CONSTRAINT webhook_endpoints_previous_secret_ends
        CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
);
CREATE INDEX webhook_endpoints_by_owner ON webhook_endpoints (owner_id);
CREATE INDEX webhook_endpoints_due ON webhook_endpoints (due_at)
    WHERE due_at IS NOT NULL AND disabled_at IS NULL;

CREATE TABLE webhook_cursors (
    endpoint_id uuid NOT NULL,
    stream_id uuid NOT NULL,
    active boolean NOT NULL,  -- whether the endpoint is enabled
    version bigint NOT NULL,
    target bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,  -- to send the next one
    tried_since timestamptz,
    due_at timestamptz NOT NULL,
    CONSTRAINT webhook_cursors_one_per_stream PRIMARY KEY (endpoint_id, stream_id),
    CONSTRAINT webhook_cursors_of_an_endpoint
        FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    CONSTRAINT webhook_cursors_version_not_negative CHECK (version >= 0),
    CONSTRAINT webhook_cursors_tried_since_the_first CHECK ((attempts = 0) = (tried_since IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX webhook_cursors_by_stream ON webhook_cursors (stream_id) WHERE active;

-- What was sent and answered, kept for two weeks. It has no foreign key: what is left of an endpoint
-- that was removed goes with the rest.
CREATE TABLE webhook_deliveries (
    endpoint_id uuid NOT NULL,
    id uuid NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    cause text NOT NULL,
    attempt integer NOT NULL,
    succeeded boolean NOT NULL,
    sent_at timestamptz NOT NULL,
    duration_ms integer NOT NULL,
    url text NOT NULL,
    body text NOT NULL,
    answer_status smallint,
    answer_body text,
    failure text,
    next_attempt_at timestamptz,
    CONSTRAINT webhook_deliveries_id_unique PRIMARY KEY (endpoint_id, id),
    CONSTRAINT webhook_deliveries_cause_known CHECK (cause IN ('event', 'test', 'resend'))
);
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (endpoint_id, id) WHERE NOT succeeded;
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries USING brin (sent_at);

GRANT SELECT, INSERT, UPDATE ON event_streams TO wallet_application;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoints, webhook_cursors TO wallet_application;
GRANT SELECT, INSERT, DELETE ON webhook_deliveries TO wallet_application;
GRANT SELECT, DELETE ON webhook_deliveries TO wallet_janitor;
GRANT SELECT ON event_streams TO wallet_verifier;
