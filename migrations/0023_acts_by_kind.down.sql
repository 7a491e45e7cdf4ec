CREATE INDEX adjustments_pending ON adjustments (id) WHERE status = 'pending';
DROP INDEX adjustments_by_status;
DROP INDEX audit_trail_by_act;
