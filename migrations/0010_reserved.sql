-- Holds the number of a migration of another branch, so that 0011 can be tried here: whoever merges
-- the two deletes this file and its .down.sql.
SELECT 1;
