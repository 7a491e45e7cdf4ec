"""All use cases about people, wired up on their in-memory twins."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from itertools import count
from uuid import UUID

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes.guards import MemoryGuards, MemoryLogInDelays
from tests.fakes.ledger import (
    MemoryClock,
    MemoryStore,
)
from tests.fakes.outside import FastHasher, MemoryMailer
from tests.fakes.people import MemoryPeopleUnitOfWork, PeopleStore
from tests.fakes.second_factors import code_at
from wallet.application.account_mail import AccountMail
from wallet.application.api_keys import ApiKeyKeeping
from wallet.application.authentication import Authentication
from wallet.application.background import Background
from wallet.application.browser_sessions import BrowserSessions
from wallet.application.browser_sessions import LiveTickets as TicketOffice
from wallet.application.credentials import Credentials
from wallet.application.entrance import Attempt, Client, Entrance
from wallet.application.key_authentication import KeyAuthentication
from wallet.application.limits import DEFAULT_LIMITS, PeopleLimits
from wallet.application.log_in import LogIn, Tokens
from wallet.application.password_checks import PasswordChecks
from wallet.application.people import People, Profile, SignUp
from wallet.application.ports import Clock, NewId
from wallet.application.recipients import Recipients
from wallet.application.revocations import Revocations
from wallet.application.second_factor_checks import SecondFactorChecks
from wallet.application.second_factors import SecondFactors as SecondFactorKeeping
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.guards import Guards, LogInDelays
from wallet.domain.ids import uuid7
from wallet.domain.money import Currency
from wallet.domain.sessions import (
    Principal,
)
from wallet.infrastructure.identifiers import new_number
from wallet.infrastructure.security import JwtTokens, SigningKey, SigningKeys
from wallet.infrastructure.security.one_time_codes import PasslibOneTimeCodes

PASSWORD = "violet kettle orbit sandal"
OTHER_PASSWORD = "seven quiet rivers of amber"
HERE = Client("203.0.113.7", "pytest")


@cache
def signing_key() -> SigningKey:
    return SigningKey.of_pem(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def new_ids() -> Callable[[], UUID]:
    numbers = count(1)
    return lambda: uuid7(1_767_225_600_000, next(numbers).to_bytes(10, "big"))


def new_secrets() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"secret-{next(numbers):036d}"


def new_randoms() -> Callable[[int], bytes]:
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def owner(profile: Profile) -> Principal:
    """Return the person of a profile as if they were logged in."""
    return Principal(profile.user.id, profile.user.id)


def attempt(
    email: str,
    password: str = PASSWORD,
    client: Client = HERE,
    *,
    otp: str | None = None,
    alone: bool = False,
) -> Attempt:
    return Attempt(email, password, client, otp, alone)


class Town:
    """All use cases about people, in memory unless told otherwise.

    `process()` is the log-in of another process on the same store.
    """

    def __init__(
        self,
        limits: PeopleLimits = DEFAULT_LIMITS,
        *,
        unit_of_work: UnitOfWorkFactory | None = None,
        guards: Guards | None = None,
        delays: LogInDelays | None = None,
        new_id: NewId | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = MemoryClock()
        self.people_store = PeopleStore(self.clock)
        self.books = MemoryStore(self.clock)
        self.hasher = FastHasher()
        self.mailer = MemoryMailer()
        self.guards = guards or MemoryGuards(self.clock)
        self.delays = delays or MemoryLogInDelays(self.clock)
        self.tokens = JwtTokens(
            keys=SigningKeys(signing_key()), issuer="https://wallet.example", audience="wallet"
        )
        self.reported: list[BaseException] = []
        self.key_authentications: list[KeyAuthentication] = []
        self.background = Background(self.reported.append)
        self.new_id = new_id or new_ids()
        self.time = clock or self.clock
        self.new_secret = new_secrets()
        self.limits = limits
        self._lock = asyncio.Lock()
        self.unit_of_work = unit_of_work or self._in_memory
        self.revocations = self._revocations()
        self.checks = checks = PasswordChecks(hasher=self.hasher, delays=self.delays)
        self.mail = mail = AccountMail(
            mailer=self.mailer,
            background=self.background,
            guards=self.guards,
            limits=limits,
            new_secret=self.new_secret,
            public_url="https://wallet.example",
        )
        self.codes = PasslibOneTimeCodes(["a key that encrypts second factors"])
        self.second_factor_checks = SecondFactorChecks(
            unit_of_work=self.unit_of_work,
            codes=self.codes,
            delays=self.delays,
            mail=mail,
            clock=self.time,
            new_id=self.new_id,
        )
        self.second_factors = SecondFactorKeeping(
            unit_of_work=self.unit_of_work,
            password_checks=checks,
            checks=self.second_factor_checks,
            codes=self.codes,
            mail=mail,
            revocations=self.revocations,
            clock=self.time,
            new_id=self.new_id,
            new_number=new_number,
        )
        self.people = People(
            unit_of_work=self.unit_of_work,
            guards=self.guards,
            hasher=self.hasher,
            password_checks=checks,
            mail=mail,
            revocations=self.revocations,
            clock=self.time,
            new_id=self.new_id,
            default_currency=Currency("USD"),
            limits=limits,
        )
        self.credentials = Credentials(
            unit_of_work=self.unit_of_work,
            guards=self.guards,
            hasher=self.hasher,
            password_checks=checks,
            mail=mail,
            background=self.background,
            revocations=self.revocations,
            clock=self.time,
            new_id=self.new_id,
            limits=limits,
        )
        self.recipients = Recipients(
            unit_of_work=self.unit_of_work, guards=self.guards, limits=limits
        )
        self.log_in = self.process(self.revocations)
        self.browser_sessions = self.browser_process(self.revocations)
        self.live_tickets = TicketOffice(
            unit_of_work=self.unit_of_work,
            guards=self.guards,
            revocations=self.revocations,
            clock=self.time,
            new_secret=self.new_secret,
            limits=limits,
        )
        self.api_keys = ApiKeyKeeping(
            unit_of_work=self.unit_of_work,
            reading=self.unit_of_work,
            guards=self.guards,
            find_recipients=self.recipients.find_many,
            revocations=self.revocations,
            mail=self.mail,
            clock=self.time,
            new_id=self.new_id,
            random_bytes=new_randoms(),
            limits=limits,
        )

    def _in_memory(self) -> UnitOfWork:
        return MemoryPeopleUnitOfWork(self.people_store, self.books, self._lock)

    def process(self, revocations: Revocations | None = None) -> LogIn:
        """Return the log-in of another process: the same store, but memory of its own."""
        revocations = revocations or self._revocations()
        keys = KeyAuthentication(
            unit_of_work=self.unit_of_work,
            reading=self.unit_of_work,
            revocations=revocations,
            clock=self.time,
        )
        self.key_authentications.append(keys)
        return LogIn(
            unit_of_work=self.unit_of_work,
            entrance=self.entrance(revocations),
            guards=self.guards,
            tokens=self.tokens,
            authentication=Authentication(
                tokens=self.tokens, revocations=revocations, clock=self.time, keys=keys
            ),
            revocations=revocations,
            clock=self.time,
            new_id=self.new_id,
            new_secret=self.new_secret,
            limits=self.limits,
        )

    def browser_process(self, revocations: Revocations | None = None) -> BrowserSessions:
        """Return the browsers' sessions of another process."""
        revocations = revocations or self._revocations()
        return BrowserSessions(
            unit_of_work=self.unit_of_work,
            entrance=self.entrance(revocations),
            revocations=revocations,
            clock=self.time,
            new_secret=self.new_secret,
        )

    def entrance(self, revocations: Revocations) -> Entrance:
        return Entrance(
            unit_of_work=self.unit_of_work,
            guards=self.guards,
            hasher=self.hasher,
            password_checks=self.checks,
            second_factor_checks=self.second_factor_checks,
            revocations=revocations,
            clock=self.time,
            new_id=self.new_id,
            limits=self.limits,
        )

    def _revocations(self) -> Revocations:
        return Revocations(
            unit_of_work=self.unit_of_work, clock=self.time, report=self.reported.append
        )

    async def sign_up(self, name: str = "ada", *, verified: bool = False) -> Profile:
        profile = await self.people.sign_up(
            SignUp(
                first_name=name.title(),
                last_name="Lovelace",
                email=f"{name}@example.com",
                password=PASSWORD,
                handle=name,
                address=HERE.address,
            )
        )
        await self.background.drain()
        if verified:
            await self.credentials.verify_email(owner(profile), self.mailed_token())
        return profile

    async def enter(
        self, name: str = "ada", password: str = PASSWORD, otp: str | None = None
    ) -> Tokens:
        return await self.log_in.log_in(attempt(f"{name}@example.com", password, otp=otp))

    async def turn_on(self, person: Principal) -> tuple[str, Sequence[str]]:
        """Set up somebody's second factor; return its secret and the recovery codes."""
        made = await self.second_factors.begin(person, PASSWORD)
        otp = code_at(made.secret, self.time())
        return made.secret, await self.second_factors.confirm(person, otp)

    def mailed_token(self) -> str:
        """Return the token of the last mail."""
        lines = self.mailer.outbox[-1].text.splitlines()
        return next(line for line in lines if line.startswith("secret-"))

    def pass_time(self, **duration: float) -> None:
        self.clock.now += timedelta(**duration)
