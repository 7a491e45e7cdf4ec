DROP FUNCTION prune_refused_instructions(integer);
DROP TABLE fundings;
DROP TABLE batches;
DROP TABLE details;
DROP TABLE instructions;
DROP TABLE entries;
DROP TABLE wallets;
DROP TABLE accounts;
