DROP INDEX batches_by_time;
