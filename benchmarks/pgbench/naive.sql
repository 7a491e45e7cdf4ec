\set source random(1, :payers)
\set anybody random(1, :people)
\set target CASE WHEN :anybody = :source THEN :people ELSE :anybody END
\set first CASE WHEN :source < :target THEN :source ELSE :target END
\set second CASE WHEN :source < :target THEN :target ELSE :source END
\set amount random(10, 99)
\set debit 0 - :amount
BEGIN;
SELECT balance, version FROM lean_accounts WHERE id = :first FOR UPDATE;
SELECT balance, version FROM lean_accounts WHERE id = :second FOR UPDATE;
UPDATE lean_accounts SET balance = balance - :amount, version = version + 1 WHERE id = :source;
UPDATE lean_accounts SET balance = balance + :amount, version = version + 1 WHERE id = :target;
INSERT INTO lean_entries (account_id, version, counterparty_id, delta, balance, booked_at) SELECT id, version, :target::integer, :debit::bigint, balance, now() FROM lean_accounts WHERE id = :source;
INSERT INTO lean_entries (account_id, version, counterparty_id, delta, balance, booked_at) SELECT id, version, :source::integer, :amount::bigint, balance, now() FROM lean_accounts WHERE id = :target;
COMMIT;
