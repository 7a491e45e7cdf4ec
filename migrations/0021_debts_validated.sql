-- Reads every account under a lock that disturbs neither readers nor writers.
ALTER TABLE accounts
    VALIDATE CONSTRAINT accounts_debt_in_range,
    VALIDATE CONSTRAINT accounts_available_not_below_floor;
