ALTER INDEX entries_by_time RESET (autosummarize);
DROP TABLE tally_progress;
DROP TABLE tally_people;
DROP TABLE tallies;
