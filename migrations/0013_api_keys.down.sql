DROP TABLE key_payments;
DROP TABLE spendings;
DROP TABLE api_key_secrets;
DROP TABLE api_keys;
