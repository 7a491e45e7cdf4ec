"""Sessions of browsers: begun by a log-in, known by a cookie, recognised without asking anybody.

A cookie that was verified is remembered by its digest, like an access token: then a request costs
no statement. Once a minute the database is asked, which at the same time writes down that the
session is being used. Revocation is checked every time.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest

from wallet.application.account_mail import digest_of
from wallet.application.entrance import Attempt, Entrance
from wallet.application.limits import DEFAULT_LIMITS, PeopleLimits
from wallet.application.ports import Clock, NewSecret
from wallet.application.revocations import Revocations
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.browser_sessions import (
    IDLE_MAX,
    LIFETIME_MAX,
    TICKET_LIFETIME,
    LiveTicket,
    SessionCookie,
    TicketInvalid,
)
from wallet.domain.guards import Guards
from wallet.domain.sessions import Principal, Session, SessionRevoked
from wallet.domain.users import AccountClosed, User

CACHE_SIZE_MAX = 10_000
SECRET_LENGTH = 43
"""256 bits in base 64; whatever has another length was not made here."""
ASKED_EVERY = timedelta(minutes=1)
CSRF_DOMAIN = b"wallet-csrf-v1"


@dataclass(frozen=True, slots=True)
class Browser:
    """A live session of a browser: whose it is, until when, and what its pages must send along."""

    principal: Principal
    expires_at: datetime
    csrf_token: str = field(repr=False)

    def accepts(self, csrf_token: str) -> bool:
        """Tell whether this is the session's token, in the same time whatever it is."""
        return compare_digest(csrf_token.encode("utf-8", "replace"), self.csrf_token.encode())


@dataclass(frozen=True, slots=True)
class Shown:
    """A browser's session as its page shows it."""

    browser: Browser
    user: User
    second_factor: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a cookie, until the database is asked again."""

    browser: Browser
    ask_at: datetime


class BrowserSessions:
    """Sessions by cookie, of one process."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        entrance: Entrance,
        revocations: Revocations,
        clock: Clock,
        new_secret: NewSecret,
        idle_max: timedelta = IDLE_MAX,
        lifetime_max: timedelta = LIFETIME_MAX,
        cache_size_max: int = CACHE_SIZE_MAX,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._entrance = entrance
        self._revocations = revocations
        self._clock = clock
        self._new_secret = new_secret
        self._idle_max = min(idle_max, lifetime_max)
        self.lifetime_max = lifetime_max
        self._ask_every = min(ASKED_EVERY, self._idle_max / 10)
        self._cache_size_max = cache_size_max
        self._known: dict[bytes, Known] = {}

    async def begin(self, attempt: Attempt, former: str | None = None) -> tuple[Shown, str]:
        """Begin a session; return it and the secret of its cookie, always a new one.

        The session of a `former` cookie ends: the browser is going to forget it. Raises what
        `Entrance.enter` raises.
        """
        secret = self._new_secret()
        ended = []

        async def keep(work: UnitOfWork, session: Session) -> None:
            now = session.created_at
            cookie = SessionCookie(digest_of(secret), session.id, now + self.lifetime_max)
            if former is not None:
                known = await work.session_cookies.find(digest_of(former), now)
                ended.extend([] if known is None else [known])
            await work.sessions.revoke(ended, now)
            await work.session_cookies.add(session, cookie)

        entered = await self._entrance.enter(attempt, self._idle_max, keep)
        self._revocations.add(ended)
        session = entered.session
        browser = Browser(
            Principal(entered.user.id, session.id), session.expires_at, csrf_token_of(secret)
        )
        self._remember(digest_of(secret), browser, session.created_at)
        return Shown(browser, entered.user, entered.second_factor), secret

    async def authenticate(self, secret: str) -> Browser:
        """Return the session of a cookie.

        Raises `SessionRevoked` if there is none, or `Interrupted` if only the database could tell
        and it cannot be reached.
        """
        if len(secret) != SECRET_LENGTH:
            raise SessionRevoked
        now = self._clock()
        digest = sha256(secret.encode("utf-8", "replace")).digest()
        known = self._known.get(digest)
        if known is None or now >= known.ask_at:
            known = await self._ask(secret, digest, now)
        await self._revocations.require_live(known.browser.principal.session_id, now)
        return known.browser

    async def show(self, browser: Browser) -> Shown:
        """Return what a page shows of its session."""
        user_id = browser.principal.user_id
        async with self._unit_of_work() as work:
            user = await work.users.get(user_id)
            factor = await work.second_factors.get(user_id)
        if user is None or user.closed_at is not None:
            raise AccountClosed
        return Shown(browser, user, factor is not None and factor.is_on)

    async def _ask(self, secret: str, digest: bytes, now: datetime) -> Known:
        async with self._unit_of_work() as work:
            found = await work.session_cookies.use(digest, now, self._idle_max)
            await work.commit()
        if found is None:
            self._known.pop(digest, None)
            raise SessionRevoked
        principal, expires_at = found
        return self._remember(digest, Browser(principal, expires_at, csrf_token_of(secret)), now)

    def _remember(self, digest: bytes, browser: Browser, now: datetime) -> Known:
        known = Known(browser, min(now + self._ask_every, browser.expires_at))
        if digest not in self._known and len(self._known) >= self._cache_size_max:
            # The one that came first is forgotten; it only costs another question.
            del self._known[next(iter(self._known))]
        self._known[digest] = known
        return known


class LiveTickets:
    """What opens a live stream without a lasting credential: good once, in any process."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        guards: Guards,
        revocations: Revocations,
        clock: Clock,
        new_secret: NewSecret,
        limits: PeopleLimits = DEFAULT_LIMITS,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._guards = guards
        self._revocations = revocations
        self._clock = clock
        self._new_secret = new_secret
        self._limits = limits

    async def issue(self, principal: Principal, expires_at: datetime) -> str:
        """Return a ticket for a stream that lasts as long as the credential it is asked for with.

        Raises `GuardTripped` if that was too often.
        """
        await self._guards.count(self._limits.live_ticket, str(principal.user_id))
        ticket = self._new_secret()
        now = self._clock()
        async with self._unit_of_work() as work:
            await work.live_tickets.add(
                LiveTicket(digest_of(ticket), principal, now + TICKET_LIFETIME, expires_at)
            )
            await work.commit()
        return ticket

    async def redeem(self, ticket: str) -> tuple[Principal, datetime]:
        """Use up a ticket; return whose stream it opens, and until when.

        Raises `TicketInvalid` or `SessionRevoked`.
        """
        if len(ticket) != SECRET_LENGTH or not ticket.isascii():
            raise TicketInvalid
        now = self._clock()
        async with self._unit_of_work() as work:
            taken = await work.live_tickets.take(digest_of(ticket), now)
            await work.commit()
        if taken is None:
            raise TicketInvalid
        await self._revocations.require_live(taken.principal.session_id, now)
        return taken.principal, taken.stream_ends_at


def csrf_token_of(secret: str) -> str:
    """Return what pages of a session must send along; it tells nothing about the secret."""
    mac = hmac_digest(secret.encode("utf-8", "replace"), CSRF_DOMAIN, "sha256")
    return urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")
