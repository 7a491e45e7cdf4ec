ALTER TABLE accounts
    DROP CONSTRAINT accounts_purpose_known,
    ADD CONSTRAINT accounts_purpose_known CHECK (purpose IN ('wallet', 'funding'));
DROP TABLE adjustments;
DROP TABLE refunds;
DROP TABLE audit_trail;
