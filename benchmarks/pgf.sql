-- PGF: one transfer in one call of one function, written into the service's own tables: what PostgreSQL
-- itself costs, with the same rows, hashes and seals as the service writes (the verifier accepts them).
-- Here the rules are in SQL, each transfer is a transaction, and nobody asks who is paying or
-- whether the request came before. `bench_people` numbers the people, so that pgbench can pick some.

CREATE TABLE bench_people (
    n integer CONSTRAINT bench_people_numbered PRIMARY KEY,
    account_id uuid NOT NULL
);

CREATE FUNCTION bench_transfer(source_n integer, target_n integer, amount bigint) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    source_id uuid;
    target_id uuid;
    source accounts;
    target accounts;
    instruction uuid := uuidv7();
    scope text;
    key_digest bytea := sha256(uuid_send(gen_random_uuid()));
    fingerprint bytea;
    booked_at timestamptz;
    at_us bytea;
    zeros bytea := '\x0000000000000000000000000000000000000000000000000000000000000000';
    source_hash bytea;
    target_hash bytea;
    seal bytea;
BEGIN
    SELECT account_id INTO STRICT source_id FROM bench_people WHERE n = source_n;
    SELECT account_id INTO STRICT target_id FROM bench_people WHERE n = target_n;
    IF source_id < target_id THEN
        SELECT * INTO STRICT source FROM accounts WHERE id = source_id FOR NO KEY UPDATE;
        SELECT * INTO STRICT target FROM accounts WHERE id = target_id FOR NO KEY UPDATE;
    ELSE
        SELECT * INTO STRICT target FROM accounts WHERE id = target_id FOR NO KEY UPDATE;
        SELECT * INTO STRICT source FROM accounts WHERE id = source_id FOR NO KEY UPDATE;
    END IF;
    IF source.posted - source.held - amount < source.floor THEN
        RAISE EXCEPTION 'insufficient funds';
    END IF;
    booked_at := greatest(clock_timestamp(), source.head_booked_at, target.head_booked_at);
    at_us := int8send((extract(epoch FROM booked_at) * 1000000)::bigint);
    scope := 'person:' || source.owner_id;
    fingerprint := sha256(textsend(
        '{"amount":' || amount || ',"currency":"' || source.currency || '","kind":"transfer",'
        '"metadata":{},"note":null,"reference":null,"to_user_id":"' || target.owner_id || '"}'
    ));
    -- Written out twice: a function for it would not be inlined, and cost more than the hash.
    source_hash := sha256(
        'wallet-entry-v1'::bytea || source.head_hash || uuid_send(source_id)
        || int8send(source.version + 1) || uuid_send(instruction) || int2send(1::smallint)
        || textsend(source.currency) || int8send(-amount) || int8send(0)
        || int8send(source.posted - amount) || int8send(source.held) || uuid_send(target_id)
        || at_us || zeros
    );
    target_hash := sha256(
        'wallet-entry-v1'::bytea || target.head_hash || uuid_send(target_id)
        || int8send(target.version + 1) || uuid_send(instruction) || int2send(1::smallint)
        || textsend(target.currency) || int8send(amount) || int8send(0)
        || int8send(target.posted + amount) || int8send(target.held) || uuid_send(source_id)
        || at_us || zeros
    );
    seal := sha256(
        'wallet-instruction-v1'::bytea || uuid_send(instruction) || int2send(1::smallint)
        || uuid_send(source_id) || int8send(amount) || at_us || '\x00'::bytea
        || key_digest || fingerprint
        || uuid_send(source.owner_id) || uuid_send(target_id) || uuid_send(target.owner_id)
        || int4send(octet_length(scope)) || textsend(scope)
        || int4send(octet_length(source.currency)) || textsend(source.currency)
        || int4send(0) || int4send(0)
    );
    INSERT INTO entries (account_id, version, instruction_id, kind, currency, posted_delta,
                         held_delta, posted_after, held_after, counterparty_id, booked_at, hash)
    VALUES (source_id, source.version + 1, instruction, 1, source.currency, -amount,
            0, source.posted - amount, source.held, target_id, booked_at, source_hash),
           (target_id, target.version + 1, instruction, 1, target.currency, amount,
            0, target.posted + amount, target.held, source_id, booked_at, target_hash);
    INSERT INTO instructions (id, account_id, kind, scope, key_digest, fingerprint, currency, amount,
                              owner_id, counterparty_id, counterparty_owner_id, booked_at, seal)
    VALUES (instruction, source_id, 1, scope, key_digest, fingerprint, source.currency, amount,
            source.owner_id, target_id, target.owner_id, booked_at,
            seal);
    -- One statement for both, as each compiles all of the table's CHECK constraints anew.
    UPDATE accounts SET
        posted = CASE id WHEN source_id THEN source.posted - amount ELSE target.posted + amount END,
        version = CASE id WHEN source_id THEN source.version ELSE target.version END + 1,
        head_hash = CASE id WHEN source_id THEN source_hash ELSE target_hash END,
        head_booked_at = booked_at
    WHERE id IN (source_id, target_id);
    INSERT INTO batches (id, account_ids, versions, booked_at)
    VALUES (uuidv7(), ARRAY[source_id, target_id], ARRAY[source.version + 1, target.version + 1],
            booked_at);
    RETURN instruction;
END
$$;
