DROP TABLE login_delays;
DROP TABLE guards;
