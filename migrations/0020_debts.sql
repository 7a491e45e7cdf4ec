-- A forced refund takes a wallet below its floor: a debt, which is no overdraft, for whoever has it may
-- not spend again until it is repaid. `debt` is how far below; a movement only ever lowers it, so the
-- CHECK stays as tight as it was. Accounts there are stay unread here, so that the lock lasts no longer
-- than a moment; the next migration validates.
ALTER TABLE accounts
    ADD COLUMN debt bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT accounts_debt_in_range
        CHECK (debt BETWEEN 0 AND 9000000000000000 AND (debt = 0 OR purpose = 'wallet')) NOT VALID,
    DROP CONSTRAINT accounts_available_not_below_floor,
    ADD CONSTRAINT accounts_available_not_below_floor CHECK (posted - held >= floor - debt) NOT VALID;
GRANT UPDATE (debt) ON accounts TO wallet_application;
