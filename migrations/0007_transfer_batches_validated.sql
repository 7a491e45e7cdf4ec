-- Reads every instruction under a lock that disturbs neither readers nor writers.
ALTER TABLE instructions VALIDATE CONSTRAINT instructions_amount_in_range;
