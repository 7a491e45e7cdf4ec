-- People look for what they paid by their own reference: this finds it however long their history is.
-- It stands on the table of details, so that a transfer without a reference pays nothing for it.
CREATE INDEX details_by_reference ON details (account_id, reference) WHERE reference IS NOT NULL;
