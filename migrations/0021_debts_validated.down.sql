-- A validated constraint needs nothing taken back.
SELECT;
