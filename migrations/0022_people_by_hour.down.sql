DROP TABLE tally_people_by_hour;
