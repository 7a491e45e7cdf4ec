"""How often people may do what could be guessing, spam or bulk look-up; all of it are settings."""

from typing import NamedTuple

from wallet.domain.guards import Guard

MINUTE_S = 60
HOUR_S = 3600


class PeopleLimits(NamedTuple):
    """One guard for each; the comment says who is counted."""

    sign_up: Guard = Guard("sign-up", 60, MINUTE_S)  # address
    log_in: Guard = Guard("log-in", 60, MINUTE_S)  # address
    refresh: Guard = Guard("refresh", 120, MINUTE_S)  # address
    mail_token: Guard = Guard("mail-token", 30, MINUTE_S)  # address
    reset_request: Guard = Guard("reset-request", 30, MINUTE_S)  # address
    mail: Guard = Guard("mail", 5, HOUR_S)  # receiving e-mail address, as a digest
    look_up: Guard = Guard("look-up", 120, MINUTE_S)  # person
    failed_recipient: Guard = Guard("failed-recipient", 30, HOUR_S)  # person
    export: Guard = Guard("export", 10, HOUR_S)  # person
    live_ticket: Guard = Guard("live-ticket", 120, MINUTE_S)  # person
    api_key: Guard = Guard("api-key", 60, HOUR_S)  # person; making and rotating


DEFAULT_LIMITS = PeopleLimits()
