-- Browsers: sessions known by a cookie instead of tokens, and tickets that open a live stream.
-- A cookie's session is a row of `sessions` like any other, listed and revoked with them; here is
-- the digest of its secret, and the instant after which no use makes it last longer.

CREATE TABLE session_cookies (
    digest bytea CONSTRAINT session_cookies_digest_unique PRIMARY KEY,
    session_id uuid NOT NULL,
    ends_at timestamptz NOT NULL,
    CONSTRAINT session_cookies_one_per_session UNIQUE (session_id),
    CONSTRAINT session_cookies_digest_has_32_bytes CHECK (octet_length(digest) = 32),
    CONSTRAINT session_cookies_of_a_session
        FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE
);

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

GRANT SELECT, INSERT ON session_cookies TO wallet_application;
GRANT SELECT, INSERT, DELETE ON live_tickets TO wallet_application;
GRANT SELECT, DELETE ON live_tickets TO wallet_janitor;
