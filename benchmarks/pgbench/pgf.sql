\set source random(1, :payers)
\set anybody random(1, :people)
\set target CASE WHEN :anybody = :source THEN :people ELSE :anybody END
\set amount random(10, 99)
SELECT bench_transfer(:source, :target, :amount);
