-- Acts are asked for by their kind, and adjustments by how they ended: of a rare one among a million
-- others the whole trail was read. The index of what waits is the beginning of the one by status.
CREATE INDEX audit_trail_by_act ON audit_trail (act, happened_at, id);
CREATE INDEX adjustments_by_status ON adjustments (status, id);
DROP INDEX adjustments_pending;
