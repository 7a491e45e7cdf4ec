DROP TABLE mail_tokens;
DROP TABLE revoked_sessions;
DROP TABLE refresh_tokens;
DROP TABLE sessions;
DROP TABLE user_handles;
DROP TABLE user_emails;
DROP TABLE users;
