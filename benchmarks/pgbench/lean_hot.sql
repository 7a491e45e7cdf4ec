\set source random(1, :payers)
\set amount random(10, 99)
SELECT lean_transfer(:source, :people, :amount);
