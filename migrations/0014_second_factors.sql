-- The second factor: one-time codes by time (RFC 6238), and codes to get back in without the device.
-- `secret` is encrypted with a key that the database never sees. `last_step` is the time step of the
-- last code that was taken: it and all before it are worth nothing any more. It is compared and
-- written under the row's lock, so that of two requests with one code one wins.

CREATE TABLE second_factors (
    user_id uuid CONSTRAINT second_factors_one_per_person PRIMARY KEY,
    secret text NOT NULL,
    begun_at timestamptz NOT NULL,
    enabled_at timestamptz,    -- null until its owner has shown a first code
    last_step bigint,
    CONSTRAINT second_factors_enabled_by_a_code CHECK (enabled_at IS NULL OR last_step IS NOT NULL)
);

-- A code has 120 random bits, so a fast digest of it tells nothing.
CREATE TABLE recovery_codes (
    user_id uuid NOT NULL,
    digest bytea NOT NULL,
    made_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT recovery_codes_one_per_person_and_digest PRIMARY KEY (user_id, digest),
    CONSTRAINT recovery_codes_digest_has_32_bytes CHECK (octet_length(digest) = 32),
    CONSTRAINT recovery_codes_of_a_second_factor
        FOREIGN KEY (user_id) REFERENCES second_factors (user_id) ON DELETE CASCADE
);

GRANT SELECT, INSERT, UPDATE, DELETE ON second_factors TO wallet_application;
GRANT SELECT, INSERT, DELETE ON recovery_codes TO wallet_application;
GRANT UPDATE (used_at) ON recovery_codes TO wallet_application;
