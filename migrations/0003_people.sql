-- People, how they prove who they are, and what they are called.
-- E-mail addresses and handles are unique in tables of their own: that keeps uniqueness portable to
-- a sharded database, and a handle that was given up stays there, never to be given to anybody else.

CREATE TABLE users (
    id uuid CONSTRAINT users_id_unique PRIMARY KEY,
    first_name text NOT NULL,
    last_name text NOT NULL,
    email text,
    email_verified_at timestamptz,
    handle text,
    password_hash text,
    role text NOT NULL DEFAULT 'user',
    default_currency text NOT NULL,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT users_role_known CHECK (role IN ('user', 'support', 'auditor', 'admin')),
    CONSTRAINT users_closed_are_anonymous
        CHECK (closed_at IS NULL OR (email IS NULL AND password_hash IS NULL AND handle IS NULL))
);

-- `address` is compared without regard to case: it is kept in lower case.
CREATE TABLE user_emails (
    address text CONSTRAINT user_emails_taken_once PRIMARY KEY,
    user_id uuid NOT NULL,
    verified_at timestamptz,
    CONSTRAINT user_emails_lower_case CHECK (address = lower(address))
);
CREATE INDEX user_emails_by_user ON user_emails (user_id);

CREATE TABLE user_handles (
    handle text CONSTRAINT user_handles_taken_once PRIMARY KEY,
    user_id uuid NOT NULL,
    taken_at timestamptz NOT NULL,
    freed_at timestamptz,
    CONSTRAINT user_handles_lower_case CHECK (handle = lower(handle))
);
CREATE INDEX user_handles_by_user ON user_handles (user_id);

CREATE TABLE sessions (
    id uuid CONSTRAINT sessions_id_unique PRIMARY KEY,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    user_agent text,
    address text
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Every refresh token that a session has ever had: one that comes a second time betrays a theft.
CREATE TABLE refresh_tokens (
    digest bytea CONSTRAINT refresh_tokens_digest_unique PRIMARY KEY,
    session_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT refresh_tokens_of_a_session
        FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

-- Sessions whose access tokens may still be about; each process reads it every second.
CREATE TABLE revoked_sessions (
    session_id uuid CONSTRAINT revoked_sessions_once PRIMARY KEY,
    revoked_at timestamptz NOT NULL
);
CREATE INDEX revoked_sessions_by_time ON revoked_sessions (revoked_at);

CREATE TABLE mail_tokens (
    digest bytea CONSTRAINT mail_tokens_digest_unique PRIMARY KEY,
    user_id uuid NOT NULL,
    purpose text NOT NULL,
    address text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT mail_tokens_purpose_known CHECK (purpose IN ('verify-email', 'reset-password'))
);
CREATE INDEX mail_tokens_by_user ON mail_tokens (user_id);

GRANT SELECT, INSERT, UPDATE ON users, user_handles, sessions, refresh_tokens, mail_tokens
    TO wallet_application;
GRANT SELECT, INSERT, UPDATE, DELETE ON user_emails TO wallet_application;
GRANT SELECT, INSERT ON revoked_sessions TO wallet_application;
GRANT SELECT (id, role, default_currency, created_at, closed_at) ON users TO wallet_verifier;
GRANT SELECT, DELETE ON sessions, refresh_tokens, revoked_sessions, mail_tokens TO wallet_janitor;
