-- The roles belong to the cluster and may serve other databases: they stay.
REVOKE USAGE ON SCHEMA public FROM wallet_application, wallet_verifier, wallet_janitor;
