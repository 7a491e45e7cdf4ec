-- Who was active in which hour, for the console's lines of the last two days; counted with the tallies.
-- What was counted before knows no hours: all of it is forgotten, and counted anew from the books.
CREATE TABLE tally_people_by_hour (
    hour timestamptz NOT NULL,
    person_id uuid NOT NULL,
    CONSTRAINT tally_people_by_hour_once_an_hour PRIMARY KEY (hour, person_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON tally_people_by_hour TO wallet_application;
DELETE FROM tallies;
DELETE FROM tally_people;
DELETE FROM tally_progress;
