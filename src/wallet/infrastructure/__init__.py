"""The only rooms that touch the world: database, passwords, tokens, mail, logs."""
