DROP TABLE audits;
DROP TABLE safe_modes;
DROP TABLE log_keys;
DROP TABLE checkpoints;
DROP TABLE log_runs;
DROP TABLE log_tiles;
DROP TABLE log_head;
