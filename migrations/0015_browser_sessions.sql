-- Browsers: sessions known by a cookie instead of tokens. Such a session is a row of `sessions` like
-- any other, listed and revoked with them; here is the digest of its secret, and the instant after
-- which no use makes it last longer.

CREATE TABLE session_cookies (
    digest bytea CONSTRAINT session_cookies_digest_unique PRIMARY KEY,
    session_id uuid NOT NULL,
    ends_at timestamptz NOT NULL,
    CONSTRAINT session_cookies_one_per_session UNIQUE (session_id),
    CONSTRAINT session_cookies_digest_has_32_bytes CHECK (octet_length(digest) = 32),
    CONSTRAINT session_cookies_of_a_session
        FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE
);

GRANT SELECT, INSERT ON session_cookies TO wallet_application;
