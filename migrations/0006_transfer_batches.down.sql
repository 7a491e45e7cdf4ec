ALTER TABLE instructions
    DROP CONSTRAINT instructions_amount_in_range,
    ADD CONSTRAINT instructions_amount_in_range CHECK (amount BETWEEN 1 AND 1000000000000000);
