"""The one error of this package."""

DATA_DIRECTORY_SETTING = "WALLET_DATA_DIRECTORY"


class EmbeddedPostgresFailed(RuntimeError):
    """The embedded PostgreSQL could not be made, started, reached or stopped.

    The message says what failed, what to do about it, and ends with the end of the server's log
    where there is one. `what`, `advice` and `log` are its parts.
    """

    def __init__(self, what: str, *, advice: str = "", log: str = "") -> None:
        self.what = what
        self.advice = advice
        self.log = log.strip()
        parts = [what, advice, f"The end of the server's log:\n{self.log}" if self.log else ""]
        super().__init__("\n".join(part for part in parts if part))
