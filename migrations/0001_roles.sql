-- Who may do what in the database. The owner migrates; everybody else is one of these three:
--   wallet_application  serves requests; cannot change or remove what the journal says
--   wallet_verifier     reads everything, writes nothing
--   wallet_janitor      prunes what may be forgotten, through functions that decide what that is
-- They are group roles without log-in: connections log in as somebody and take one of them on.
-- Roles belong to the cluster, not to the database, so another database may have made them already.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['wallet_application', 'wallet_verifier', 'wallet_janitor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- Somebody else migrated another database of this cluster at the same time.
            END;
        END IF;
        IF NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
END
$$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO wallet_application, wallet_verifier, wallet_janitor;
