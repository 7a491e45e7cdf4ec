DROP TABLE live_tickets;
DROP TABLE session_cookies;
