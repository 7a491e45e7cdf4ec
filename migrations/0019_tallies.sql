-- What happened per minute, for the console: counted beside the money path by one process at a time,
-- from the entries of a time that nothing can be committed in any more, and once more a while later.
-- All of it follows from the books, so the application may forget and count it anew.
CREATE TABLE tallies (
    minute timestamptz NOT NULL,
    kind smallint NOT NULL,
    currency text NOT NULL,
    refusal_code text NOT NULL,    -- empty for what was accepted
    instructions bigint NOT NULL,
    amount numeric(30) NOT NULL,
    CONSTRAINT tallies_one_per_minute PRIMARY KEY (minute, kind, currency, refusal_code)
);
CREATE TABLE tally_people (
    day date NOT NULL,
    person_id uuid NOT NULL,
    CONSTRAINT tally_people_once_a_day PRIMARY KEY (day, person_id)
);
CREATE TABLE tally_progress (
    id smallint CONSTRAINT tally_progress_one_row PRIMARY KEY DEFAULT 1,
    counted_to timestamptz NOT NULL,
    recounted_to timestamptz NOT NULL,
    holder uuid,                   -- the one process that counts, as long as its lease lasts
    held_until timestamptz,
    CONSTRAINT tally_progress_has_one_row CHECK (id = 1)
);
-- Counting reads the newest entries by their time: the end of the table must not stay unsummarized
-- until a vacuum comes by. One request to the autovacuum for each 128 pages.
ALTER INDEX entries_by_time SET (autosummarize = on);
GRANT SELECT, INSERT, UPDATE, DELETE ON tallies, tally_people TO wallet_application;
GRANT SELECT, INSERT, UPDATE ON tally_progress TO wallet_application;
