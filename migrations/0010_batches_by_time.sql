-- Whoever follows the ledger asks each second which batches are new: live streams must find what a
-- lost hint was about. One insert at the right edge of an index for each batch, not for each entry.
CREATE INDEX batches_by_time ON batches (booked_at);
