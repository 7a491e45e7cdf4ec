-- The lean tables: integers, no hash, no instruction. What a ledger would cost that keeps nothing but
-- balances and lines; a lower bound that no service with idempotency and proof can be measured by.

CREATE TABLE lean_accounts (
    id integer CONSTRAINT lean_accounts_id_unique PRIMARY KEY,
    balance bigint NOT NULL CONSTRAINT lean_accounts_not_below_zero CHECK (balance >= 0),
    version bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 80);

CREATE TABLE lean_entries (
    account_id integer NOT NULL,
    version bigint NOT NULL,
    counterparty_id integer NOT NULL,
    delta bigint NOT NULL,
    balance bigint NOT NULL,
    booked_at timestamptz NOT NULL,
    CONSTRAINT lean_entries_one_per_version PRIMARY KEY (account_id, version)
);

CREATE FUNCTION lean_transfer(source_id integer, target_id integer, amount bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    source lean_accounts;
    target lean_accounts;
BEGIN
    IF source_id < target_id THEN
        SELECT * INTO STRICT source FROM lean_accounts WHERE id = source_id FOR NO KEY UPDATE;
        SELECT * INTO STRICT target FROM lean_accounts WHERE id = target_id FOR NO KEY UPDATE;
    ELSE
        SELECT * INTO STRICT target FROM lean_accounts WHERE id = target_id FOR NO KEY UPDATE;
        SELECT * INTO STRICT source FROM lean_accounts WHERE id = source_id FOR NO KEY UPDATE;
    END IF;
    IF source.balance < amount THEN
        RAISE EXCEPTION 'insufficient funds';
    END IF;
    INSERT INTO lean_entries (account_id, version, counterparty_id, delta, balance, booked_at)
    VALUES (source_id, source.version + 1, target_id, -amount, source.balance - amount, now()),
           (target_id, target.version + 1, source_id, amount, target.balance + amount, now());
    UPDATE lean_accounts SET balance = source.balance - amount, version = source.version + 1
        WHERE id = source_id;
    UPDATE lean_accounts SET balance = target.balance + amount, version = target.version + 1
        WHERE id = target_id;
    RETURN source.version + 1;
END
$$;

INSERT INTO lean_accounts (id, balance) SELECT n, 1000000000 FROM generate_series(1, :people) AS n;
