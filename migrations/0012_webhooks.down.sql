DROP TABLE webhook_deliveries;
DROP TABLE webhook_cursors;
DROP TABLE webhook_endpoints;
DROP TABLE event_streams;
DROP INDEX events_numbered;
ALTER TABLE events DROP COLUMN version;
