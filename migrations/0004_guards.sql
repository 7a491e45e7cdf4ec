-- Counters that keep guessing and bulk look-ups slow, exact over all processes.
-- A guard counts in fixed windows; a log-in delay grows with each failure and is forgotten in time.

CREATE TABLE guards (
    bucket text NOT NULL,
    window_start timestamptz NOT NULL,
    count integer NOT NULL,
    CONSTRAINT guards_one_per_window PRIMARY KEY (bucket, window_start)
);
CREATE INDEX guards_by_time ON guards (window_start);

CREATE TABLE login_delays (
    account_digest bytea CONSTRAINT login_delays_one_per_account PRIMARY KEY,
    failures integer NOT NULL,
    blocked_until timestamptz NOT NULL,
    last_failure_at timestamptz NOT NULL
);
CREATE INDEX login_delays_by_time ON login_delays (last_failure_at);

GRANT SELECT, INSERT, UPDATE ON guards TO wallet_application;
GRANT SELECT, INSERT, UPDATE, DELETE ON login_delays TO wallet_application;
GRANT SELECT, DELETE ON guards, login_delays TO wallet_janitor;
