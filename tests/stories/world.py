"""A world to tell ledger stories in: one line per instruction, the expected outcome last.

open alice USD
top-up alice 100 -> accepted
send alice bob 30 key=k1 -> accepted
balance alice 70
refund k1 -> accepted
freeze alice send -> done
adjust alice -20 as=a1 by=ada -> accepted
approve a1 by=max -> accepted
each alice key=k2 : send alice bob 30 ; send alice bob 99 -> accepted: accepted, insufficient-funds
key till alice budget=50 max=20 payees=bob,carol
send alice bob 20 with=till -> accepted
spent till 20
revoke till
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from uuid import UUID, uuid5

from wallet.application.idempotency import fingerprint, system_key
from wallet.application.ledger_writer import LedgerWriter
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain import controls
from wallet.domain.accounts import (
    Account,
    Freeze,
    Purpose,
    adjustment_accounts,
    system_accounts,
)
from wallet.domain.adjustments import BookAdjustment, RequestAdjustment, adjustment_id_of
from wallet.domain.api_keys import ApiKey, KeySecret
from wallet.domain.audit_trail import Act, ActKind, SubjectKind
from wallet.domain.controls import Controls
from wallet.domain.errors import WalletError
from wallet.domain.funding import DeclineTopUp, RequestTopUp, SettleTopUp, funding_id_of
from wallet.domain.journal import Details, Kind
from wallet.domain.ledger import Header, Instruction, Parts, Result, part_digest
from wallet.domain.money import BALANCE_MAX, currency_of
from wallet.domain.refunds import BookedTransfer, RefundTransfer
from wallet.domain.spending import Interval, Spending, SpendingRule
from wallet.domain.staff import StaffMember
from wallet.domain.transfer_batches import CreateTransferBatch
from wallet.domain.transfers import CreateTransfer
from wallet.domain.users import Role
from wallet.infrastructure.identifiers import new_id, utc_now

NAMESPACE = UUID("6f3c0c2e-26a5-4a7e-9d53-1f1f6a9f5c11")


def person(name: str) -> UUID:
    return uuid5(NAMESPACE, f"person {name}")


def wallet(name: str, currency: str) -> UUID:
    return uuid5(NAMESPACE, f"wallet {name} {currency}")


def spoken(result: Result) -> str:
    """Return a result as a story says it."""
    if isinstance(result, Exception):
        return getattr(result, "code", type(result).__name__)
    word = "accepted" if result.refusal is None else result.refusal.code
    return f"{word} again" if result.replayed else word


def spoken_with_parts(result: Result) -> str:
    """Return the same of a batch of transfers and of each part."""
    if isinstance(result, Exception) or not result.parts:
        return spoken(result)
    return f"{spoken(result)}: {', '.join(map(spoken, result.parts))}"


def member(name: str) -> StaffMember:
    """Return one of the staff."""
    return StaffMember(person(name), name.title(), Role.ADMIN)


async def control(
    unit_of_work: UnitOfWorkFactory, wallet_id: UUID, decide: Callable[[Account], Controls]
) -> str:
    """Do to a wallet what staff decide, and tell the audit trail."""
    async with unit_of_work() as work:
        book = await work.ledger.lock([wallet_id], 0)
        account = book.account(wallet_id)
        try:
            before, after = Controls.of(account), decide(account)
        except WalletError as error:
            return error.code
        closed_at = book.booked_at if after.closed else None
        await work.wallets.control(wallet_id, after.freeze, after.floor, closed_at)
        act = Act(
            id=new_id(),
            kind=ActKind.OVERDRAFT_SET,
            happened_at=book.booked_at,
            actor=member("ada"),
            subject_kind=SubjectKind.WALLET,
            subject_id=wallet_id,
            person_id=account.owner_id,
            reason="because",
            before=before.facts(),
            after=after.facts(),
        )
        await work.audit_trail.add(act)
        await work.commit()
    return "done"


@dataclass
class World:
    """People and their wallets, on any unit of work."""

    unit_of_work: UnitOfWorkFactory
    fundings: dict[str, UUID] = field(default_factory=dict)
    transfers: dict[str, BookedTransfer] = field(default_factory=dict)
    adjustments: dict[str, tuple[Header, UUID]] = field(default_factory=dict)
    keys: dict[str, tuple[UUID, UUID]] = field(default_factory=dict)
    stripe: int = 0
    adjusts: bool = False
    """Whether wallets are opened with the accounts that adjustments need."""

    def __post_init__(self) -> None:
        self.writer = LedgerWriter(self.unit_of_work)

    async def tell(self, story: str) -> None:
        """Carry out a story line by line and check each expectation."""
        for line in filter(None, (line.strip() for line in story.splitlines())):
            said, _, expected = line.partition(" -> ")
            outcome = await self._line(said.split())
            assert outcome == (expected or "done"), f"{line!r}: {outcome}"

    async def _line(self, words: list[str]) -> str:
        verb, *rest = words
        options = dict(word.split("=", 1) for word in rest if "=" in word)
        names = [word for word in rest if "=" not in word]
        match verb:
            case "open":
                await self.open(names[0], names[1])
                return "done"
            case "balance":
                return await self._check_balance(names, options)
            case "batch":
                return await self._batch(" ".join(rest))
            case "key":
                await self.make_key(names[0], names[1], options)
                return "done"
            case "spent":
                assert (await self.spending(names[0])).spent == int(names[1])
                return "done"
            case "revoke":
                await self.revoke(names[0])
                return "done"
            case "each" | "atomic":
                group = self.group(" ".join(rest), atomic=verb == "atomic")
                return spoken_with_parts(await self.carry_out(group))
            case "freeze" | "unfreeze" | "close" | "overdraft":
                return await self._control(verb, names, options)
            case _:
                return spoken(await self.carry_out(self.instruction(verb, names, options)))

    async def _control(self, verb: str, names: list[str], options: dict[str, str]) -> str:
        def decide(account: Account) -> Controls:
            if verb == "freeze":
                return controls.frozen(account, Freeze[names[1].upper()])
            if verb == "unfreeze":
                return controls.unfrozen(account)
            if verb == "close":
                return controls.closed(account)
            return controls.with_overdraft(account, int(names[1]), BALANCE_MAX)

        wallet_id = wallet(names[0], options.get("in", "USD"))
        return await control(self.unit_of_work, wallet_id, decide)

    async def make_key(self, label: str, name: str, options: dict[str, str]) -> None:
        """Make a spending key: `max` is its cap per payment, `payees` have commas between."""
        key_id, currency = new_id(), options.get("in", "USD")
        payees = options.get("payees")
        rule = SpendingRule(
            wallet(name, currency),
            currency,
            int(options["budget"]),
            int(options["max"]) if "max" in options else None,
            None if payees is None else [person(payee) for payee in payees.split(",")],
            Interval(options["each"]) if "each" in options else None,
        )
        expires_at = None
        if "expires-in" in options:
            expires_at = utc_now() + timedelta(seconds=float(options["expires-in"]))
        now = utc_now()
        spending = Spending.begin(key_id, rule, now, expires_at)
        key = ApiKey(
            key_id, person(name), label, ("transfers:write",), "", now, expires_at, None, spending
        )
        digest = sha256(key_id.bytes).digest()
        async with self.unit_of_work() as work:
            await work.api_keys.add(key, KeySecret(new_id(), digest, key_id, now, expires_at))
            await work.commit()
        self.keys[label] = (person(name), key_id)

    async def spending(self, label: str) -> Spending:
        async with self.unit_of_work() as work:
            key = await work.api_keys.get(*self.keys[label])
        assert key is not None
        assert key.spending is not None
        return key.spending

    async def revoke(self, label: str) -> None:
        async with self.unit_of_work() as work:
            await work.api_keys.revoke([self.keys[label][1]], utc_now())
            await work.commit()

    def group(self, text: str, *, atomic: bool) -> CreateTransferBatch:
        """Return a batch of transfers: `alice key=k : send alice bob 30 ; send alice carol 5`."""
        whole, _, parts = text.partition(" : ")
        name, *words = whole.split()
        options = dict(word.split("=", 1) for word in words)
        header = self._header(
            Kind.TRANSFER_BATCH, name, wallet(name, "USD"), 0, options, [parts, atomic]
        )
        instructions = []
        for index, instruction in enumerate(self._instructions(parts)):
            assert isinstance(instruction, CreateTransfer)
            digest = part_digest(header.key_digest, index)
            changed = replace(instruction.header, key_digest=digest, fingerprint=digest)
            key_id = self._key_id(options)
            instructions.append(replace(instruction, header=changed, api_key_id=key_id))
        parts_ = Parts(tuple(instructions), atomic)
        return CreateTransferBatch(header, person(name), parts_, self._key_id(options))

    def _instructions(self, text: str) -> list[Instruction]:
        instructions = []
        for part in text.split(" ; "):
            verb, *rest = part.split()
            options = dict(word.split("=", 1) for word in rest if "=" in word)
            names = [word for word in rest if "=" not in word]
            instructions.append(self.instruction(verb, names, options))
        return instructions

    async def _batch(self, text: str) -> str:
        instructions = self._instructions(text)
        results = await self.writer.carry_out(instructions, self.stripe)
        return ", ".join(map(spoken, results))

    async def _check_balance(self, names: list[str], options: dict[str, str]) -> str:
        currency = options.get("in", "USD")
        async with self.unit_of_work() as work:
            view = await work.wallets.get(person(names[0]), currency)
        assert view is not None
        assert view.posted == int(names[1]), f"{names[0]} holds {view.posted}"
        if "version" in options:
            assert view.version == int(options["version"])
        return "done"

    async def open(self, name: str, currency: str) -> UUID:
        code = currency_of(currency)
        account = Account(wallet(name, currency), code, Purpose.WALLET, person(name))
        async with self.unit_of_work() as work:
            await work.wallets.add_system_accounts(system_accounts(code), utc_now())
            if self.adjusts:
                await work.wallets.add_system_accounts(adjustment_accounts(code), utc_now())
            await work.wallets.open(account, utc_now())
            await work.commit()
        return account.id

    async def carry_out(self, instruction: Instruction) -> Result:
        (result,) = await self.writer.carry_out([instruction], self.stripe)
        return result

    def instruction(self, verb: str, names: list[str], options: dict[str, str]) -> Instruction:
        match verb:
            case "send":
                return self.transfer(names[0], names[1], int(names[2]), options)
            case "request":
                return self.request(names[0], int(names[1]), options)
            case "settle":
                return self.settle(names[0], names[1], options)
            case "decline":
                return self.decline(names[0], names[1], options)
            case "refund":
                return self.refund(names[0], options)
            case "adjust":
                return self.adjust(names[0], int(names[1]), options)
            case "approve":
                return self.approve(names[0], options)
        raise ValueError(verb)

    def transfer(
        self, source: str, target: str, amount: int, options: dict[str, str] | None = None
    ) -> CreateTransfer:
        options = options or {}
        currency = options.get("in", "USD")
        actor = options.get("by", source)
        note, reference, metadata = options.get("note"), options.get("ref"), options.get("meta")
        header = self._header(
            Kind.TRANSFER,
            actor,
            wallet(source, currency),
            amount,
            options,
            [source, target, amount, currency, note],
            counterparty=None
            if options.keys() & {"no-wallet", "nobody"}
            else wallet(target, currency),
            counterparty_owner=None if "nobody" in options else person(target),
        )
        details = None
        if note or reference or metadata:
            pairs = dict([metadata.split("=", 1)]) if metadata else None
            details = Details(bytes(range(32)), note, reference, pairs)
        if header.counterparty_id is not None and "key" in options:
            self.transfers.setdefault(
                options["key"],
                BookedTransfer(
                    header.id,
                    header.account_id,
                    person(source),
                    header.counterparty_id,
                    person(target),
                    amount,
                    header.currency,
                ),
            )
        return CreateTransfer(header, person(actor), details, self._key_id(options))

    def _key_id(self, options: dict[str, str]) -> UUID | None:
        return self.keys[options["with"]][1] if "with" in options else None

    def refund(self, key: str, options: dict[str, str]) -> RefundTransfer:
        """Give back the payment that had this key, or a part of it."""
        transfer = self.transfers[key]
        amount = int(options.get("of", transfer.amount))
        actor = options.get("by", "sam")
        header = replace(
            self._header(
                Kind.REFUND,
                actor,
                transfer.counterparty_id,
                amount,
                options
                | {"in": transfer.currency, "key": f"refund {options.get('key', new_id())}"},
                [key, amount, options.get("force")],
                transfer.account_id,
                transfer.owner_id,
            ),
            owner_id=transfer.counterparty_owner_id,
        )
        details = Details(bytes(range(32)), metadata={"refund_of": str(transfer.id)})
        return RefundTransfer(
            header,
            transfer,
            member(actor),
            "because",
            new_id(),
            "force" in options,
            int(options.get("debt", BALANCE_MAX)),
            details,
        )

    def adjust(self, name: str, amount: int, options: dict[str, str]) -> RequestAdjustment:
        """Ask for a correction of a wallet."""
        actor = options.get("by", "ada")
        asked = self._header(
            Kind.ADJUSTMENT_REQUEST,
            actor,
            wallet(name, options.get("in", "USD")),
            abs(amount),
            options,
            [name, amount],
        )
        header = replace(asked, owner_id=person(name))
        if "as" in options:
            self.adjustments[options["as"]] = (header, adjustment_id_of(header.id))
        return RequestAdjustment(header, amount, member(actor), "because", new_id())

    def approve(self, label: str, options: dict[str, str]) -> BookAdjustment:
        """Approve a correction that was asked for."""
        asked, id_ = self.adjustments[label]
        scope, digest = system_key("adjustments", f"adjustment:{id_}")
        header = replace(
            asked,
            id=id_,
            kind=Kind.ADJUSTMENT,
            scope=scope,
            key_digest=digest,
            fingerprint=fingerprint({"adjustment": str(id_)}),
        )
        return BookAdjustment(header, id_, member(options.get("by", "max")), "because", new_id())

    def request(self, name: str, amount: int, options: dict[str, str]) -> RequestTopUp:
        currency = options.get("in", "USD")
        header = self._header(
            Kind.TOP_UP_REQUEST, name, wallet(name, currency), amount, options, [name, amount]
        )
        if "as" in options:
            self.fundings[options["as"]] = funding_id_of(header.id)
        return RequestTopUp(header, person(name), "sandbox")

    def settle(self, name: str, funding: str, options: dict[str, str]) -> SettleTopUp:
        header = self._step(name, funding, Kind.TOP_UP, "settle", options)
        return SettleTopUp(header, header.id)

    def decline(self, name: str, funding: str, options: dict[str, str]) -> DeclineTopUp:
        header = self._step(name, funding, Kind.TOP_UP_DECLINE, "decline", options)
        return DeclineTopUp(header, self.fundings[funding], "said-no")

    def _step(
        self, name: str, funding: str, kind: Kind, step: str, options: dict[str, str]
    ) -> Header:
        id_ = self.fundings[funding]
        currency = currency_of(options.get("in", "USD"))
        scope, digest = system_key("funding", f"funding:{id_}:{step}")
        return Header(
            id=id_ if step == "settle" else new_id(),
            kind=kind,
            scope=scope,
            key_digest=digest,
            fingerprint=fingerprint([str(id_), step]),
            account_id=wallet(name, currency),
            currency=currency,
            amount=int(options.get("of", "1")),
            owner_id=person(name),
        )

    def _header(
        self,
        kind: Kind,
        actor: str,
        account_id: UUID,
        amount: int,
        options: dict[str, str],
        said: list[object],
        counterparty: UUID | None = None,
        counterparty_owner: UUID | None = None,
    ) -> Header:
        id_ = new_id()
        return Header(
            id=id_,
            kind=kind,
            scope=f"person:{person(actor)}",
            key_digest=sha256(options.get("key", str(id_)).encode()).digest(),
            fingerprint=fingerprint(said),
            account_id=account_id,
            currency=currency_of(options.get("in", "USD")),
            amount=amount,
            owner_id=person(actor),
            counterparty_id=counterparty,
            counterparty_owner_id=counterparty_owner,
        )

    async def fund(self, name: str, amount: int, currency: str = "USD") -> None:
        """Put money into a wallet through the front door."""
        label = f"{name} {amount} {new_id()}"
        options = {"in": currency, "as": label}
        await self.carry_out(self.request(name, amount, options))
        result = await self.carry_out(self.settle(name, label, options | {"of": str(amount)}))
        assert spoken(result) == "accepted", result
