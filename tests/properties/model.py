"""A ledger in sixty lines that knows nothing of the real one: the oracle of what must happen."""

from dataclasses import dataclass, field

LIMIT = 9 * 10**15
SEND, RECEIVE = 1, 2
NOT_STORED = {"account-missing", "not-your-wallet", "funding-not-found", "funding-not-settled"} | {
    "api-key-revoked"
}


@dataclass(frozen=True)
class Command:
    """One thing to do; `funding` names the top-up that a request makes or a step decides.

    Of a payment it is its name, which a refund repeats.

    `api_key` is the label of the spending key it is asked for with; the same request is the same
    with any credential.
    """

    verb: str
    actor: str
    source: str
    target: str
    currency: str
    amount: int
    key: str
    funding: str = ""
    api_key: str = ""

    @property
    def scope(self) -> str:
        if self.verb in ("refund", "force"):
            return "staff"
        return "system" if self.verb in ("settle", "decline") else self.actor

    @property
    def body(self) -> tuple[object, ...]:
        said = (self.verb, self.source, self.target, self.currency, self.amount)
        return (*said, self.funding) if self.scope == "staff" else said


@dataclass
class Wallet:
    posted: int = 0
    version: int = 0
    floor: int = 0
    freeze: int = 0

    def refuse_debit(self, amount: int, *, staff: bool = False) -> str | None:
        if self.freeze & SEND and not staff:
            return "wallet-frozen"
        return "insufficient-funds" if self.posted - amount < self.floor else None

    def refuse_credit(self, amount: int, *, settled: bool = False) -> str | None:
        if self.freeze & RECEIVE and not settled:
            return "wallet-frozen"
        return "balance-limit-exceeded" if self.posted + amount > LIMIT else None


@dataclass
class SpendingKey:
    """A budget of one wallet; without payees, for anybody."""

    owner: str
    currency: str
    budget: int
    cap: int
    payees: tuple[str, ...] = ()
    spent: int = 0
    ended: bool = False

    def refuse(self, command: Command) -> str | None:
        if (self.owner, self.currency) != (command.source, command.currency):
            return "spending-wallet-other"
        if self.ended:
            return "api-key-revoked"
        if self.payees and command.target not in self.payees:
            return "payee-not-allowed"
        if command.amount > self.cap:
            return "spending-payment-too-large"
        return "spending-budget-exceeded" if self.spent + command.amount > self.budget else None


@dataclass
class ModelLedger:
    wallets: dict[tuple[str, str], Wallet] = field(default_factory=dict)
    outside: dict[tuple[str, int], Wallet] = field(default_factory=dict)
    fundings: dict[str, str] = field(default_factory=dict)
    transfers: dict[str, Command] = field(default_factory=dict)
    refunded: dict[str, int] = field(default_factory=dict)
    keys: dict[str, SpendingKey] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[tuple[object, ...], str]] = field(default_factory=dict)

    def carry_out(self, command: Command, stripe: int) -> str:
        place = (command.scope, command.key)
        if place in self.answers:
            body, word = self.answers[place]
            return f"{word} again" if body == command.body else "idempotency-key-reused"
        word = self._decide(command, stripe) or "accepted"
        if word not in NOT_STORED:
            self.answers[place] = (command.body, word)
        return word

    def _decide(self, command: Command, stripe: int) -> str | None:
        if command.verb in ("settle", "decline"):
            return self._finish(command, stripe)
        if command.scope == "staff":
            return self._refund(command)
        wallet = self.wallets.get((command.source, command.currency))
        if wallet is None:
            return "account-missing"
        if command.actor != command.source:
            return "not-your-wallet"
        if command.verb == "request":
            refusal = wallet.refuse_credit(command.amount)
            if refusal is None:
                self.fundings[command.funding] = "pending"
            return refusal
        return self._send(command, wallet)

    def _send(self, command: Command, wallet: Wallet) -> str | None:
        if command.target == command.actor:
            return "self-transfer"
        target = self.wallets.get((command.target, command.currency))
        if target is None:
            return "recipient-has-no-wallet"
        key = self.keys.get(command.api_key)
        refusal = None if key is None else key.refuse(command)
        if refusal is None:
            refusal = self._move(wallet, target, command.amount)
            if key is not None and refusal is None:
                key.spent += command.amount
        if refusal is None:
            self.transfers[command.funding] = command
        return refusal

    def _refund(self, command: Command) -> str | None:
        before = self.refunded.get(command.funding, 0)
        if before + command.amount > self.transfers[command.funding].amount:
            return "refund-exceeds-transfer"
        source = self.wallets[(command.source, command.currency)]
        target = self.wallets[(command.target, command.currency)]
        rest = source.posted - command.amount
        if rest < source.floor:
            if command.verb != "force" or rest < -LIMIT:
                return "insufficient-funds"
            refusal = target.refuse_credit(command.amount, settled=True)
            if refusal is None:
                self._book(source, target, command.amount)
        else:
            refusal = self._move(source, target, command.amount, settled=True, staff=True)
        if refusal is None:
            self.refunded[command.funding] = before + command.amount
        return refusal

    def _finish(self, command: Command, stripe: int) -> str | None:
        status = self.fundings.get(command.funding)
        if status != "pending":
            return "funding-not-found" if status is None else "funding-already-decided"
        if command.verb == "settle":
            outside = self.outside.setdefault(
                (command.currency, stripe), Wallet(floor=-1000 * LIMIT)
            )
            wallet = self.wallets[(command.source, command.currency)]
            if self._move(outside, wallet, command.amount, settled=True) is not None:
                return "funding-not-settled"
        self.fundings[command.funding] = "decided"
        return None

    def _move(
        self,
        source: Wallet,
        target: Wallet,
        amount: int,
        *,
        settled: bool = False,
        staff: bool = False,
    ) -> str | None:
        refusal = source.refuse_debit(amount, staff=staff) or target.refuse_credit(
            amount, settled=settled
        )
        if refusal is None:
            self._book(source, target, amount)
        return refusal

    def _book(self, source: Wallet, target: Wallet, amount: int) -> None:
        source.posted, source.version = source.posted - amount, source.version + 1
        target.posted, target.version = target.posted + amount, target.version + 1
