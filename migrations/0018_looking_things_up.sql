-- Staff look people up by the beginning of what they are called, wallets by currency and freeze, and a
-- movement by its id or reference alone. Nothing here is written by a transfer but the index of
-- references, which only changes the order of its columns: it answers both questions now.
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_purpose_known;

CREATE INDEX user_handles_by_beginning ON user_handles (handle text_pattern_ops);
CREATE INDEX user_emails_by_beginning ON user_emails (address text_pattern_ops);
CREATE INDEX users_by_first_name ON users (lower(first_name) text_pattern_ops, id);
CREATE INDEX users_by_last_name ON users (lower(last_name) text_pattern_ops, id);
CREATE INDEX users_of_the_staff ON users (id) WHERE role <> 'user';
CREATE INDEX users_who_left ON users (id) WHERE closed_at IS NOT NULL;

CREATE INDEX wallets_by_currency ON wallets (currency, account_id);
-- Only what staff change is in these two, so an update of a balance stays on its page.
CREATE INDEX accounts_frozen ON accounts (id) WHERE frozen <> 0;
CREATE INDEX accounts_of_the_system ON accounts (currency, purpose) WHERE purpose <> 'wallet';

CREATE INDEX details_by_reference_first ON details (reference, account_id)
    WHERE reference IS NOT NULL;
DROP INDEX details_by_reference;
ALTER INDEX details_by_reference_first RENAME TO details_by_reference;
-- A top-up whose source decided late was booked long after its id was made.
CREATE INDEX fundings_by_time ON fundings USING brin (created_at) WITH (autosummarize = on);
