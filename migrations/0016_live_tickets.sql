-- Tickets that open a live stream without a lasting credential in the hands of a script.
-- A ticket is taken by deleting it, so that it is good once over all processes. `stream_ends_at` is
-- when the credential that it was asked for with expires.

CREATE TABLE live_tickets (
    digest bytea CONSTRAINT live_tickets_digest_unique PRIMARY KEY,
    user_id uuid NOT NULL,
    session_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    stream_ends_at timestamptz NOT NULL,
    CONSTRAINT live_tickets_digest_has_32_bytes CHECK (octet_length(digest) = 32)
);
CREATE INDEX live_tickets_by_expiry ON live_tickets (expires_at);

GRANT SELECT, INSERT, DELETE ON live_tickets TO wallet_application;
GRANT SELECT, DELETE ON live_tickets TO wallet_janitor;
