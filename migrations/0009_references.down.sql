DROP INDEX details_by_reference;
