-- Who is in debt gets an overdraft that covers it, as it was before.
UPDATE accounts SET floor = floor - debt WHERE debt > 0;
ALTER TABLE accounts
    DROP CONSTRAINT accounts_available_not_below_floor,
    ADD CONSTRAINT accounts_available_not_below_floor CHECK (posted - held >= floor),
    DROP COLUMN debt;
