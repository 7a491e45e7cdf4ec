"""Transfer batches: many transfers of one payer in one request, decided and saved together."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from wallet.application.directory import Directory, Place, Recipient
from wallet.application.idempotency import IdempotencyKey, digest_of, person_scope
from wallet.application.ledger_writer import definite
from wallet.application.transfers import Mover, TransferRequest, asked, details_of
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.errors import Invalid
from wallet.domain.guards import GuardTripped
from wallet.domain.journal import Kind
from wallet.domain.ledger import Header, Outcome, Parts, part_digest
from wallet.domain.money import Currency, check_amount, currency_of
from wallet.domain.transfer_batches import BATCH_SIZE_MAX, CreateTransferBatch
from wallet.domain.transfers import CreateTransfer
from wallet.domain.wallets import WalletNotFound

FindRecipients = Callable[[UUID, Iterable[Recipient]], Awaitable[Mapping[Recipient, UUID]]]
"""Returns those whom a payer names; leaves out, and counts, those who are not there."""


class BatchSizeOutOfRange(Invalid):
    """A batch has 1 to 1,000 transfers."""

    code = "batch-size-out-of-range"


@dataclass(frozen=True, slots=True)
class TransferBatchRequest:
    """What a payer asks for; one refused transfer of an `atomic` batch refuses them all."""

    payer_id: UUID
    transfers: Sequence[TransferRequest]
    atomic: bool = False
    api_key_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Resolved:
    """What the names in a request stand for."""

    default_currency: Currency
    currencies: Sequence[Currency]
    people: Mapping[Recipient, UUID]
    wallets: Mapping[Place, UUID]


class TransferBatches:
    """Pays many people at once."""

    def __init__(
        self,
        *,
        mover: Mover,
        directory: Directory,
        find_recipients: FindRecipients,
        unit_of_work: UnitOfWorkFactory,
        new_id: Callable[[], UUID],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._mover = mover
        self._directory = directory
        self._find_recipients = find_recipients
        self._unit_of_work = unit_of_work
        self._new_id = new_id
        self._random_bytes = random_bytes

    async def create(self, request: TransferBatchRequest, key: IdempotencyKey) -> Outcome:
        """Carry a batch out, once per key; the outcome has one part per transfer, in order.

        Raises `PartsRefused` if it is atomic and a transfer was refused, `WalletNotFound` if the
        payer lacks a wallet, `GuardTripped` after too many unknown recipients, or an `Unavailable`
        of which only `OutcomeUnknown` leaves open whether it happened.
        """
        if not 1 <= len(request.transfers) <= BATCH_SIZE_MAX:
            raise BatchSizeOutOfRange
        for transfer in request.transfers:
            check_amount(transfer.amount)
        default = await self._directory.default_currency(request.payer_id)
        currencies = [_currency(transfer, default) for transfer in request.transfers]
        try:
            people = await self._people(request, currencies)
        except GuardTripped:
            # A retry never changes an outcome, whoever can be found by now.
            if not await self._is_known(request.payer_id, key):
                raise
            people = {}
        wallets = await self._wallets(request, currencies, people)
        resolved = _Resolved(default, currencies, people, wallets)
        return definite(await self._mover.carry_out(self._instruction(request, key, resolved)))

    async def _people(
        self, request: TransferBatchRequest, currencies: Sequence[Currency]
    ) -> Mapping[Recipient, UUID]:
        """Return who is meant. An id is taken at its word while it has a wallet."""
        asked_for = [transfer.recipient for transfer in request.transfers]
        by_id = {r: r.user_id for r in asked_for if r.user_id is not None}
        places = {
            recipient: (recipient.user_id, currency)
            for recipient, currency in zip(asked_for, currencies, strict=True)
            if recipient.user_id is not None
        }
        known = await self._directory.wallet_ids(places.values())
        unsure = [r for r in asked_for if r not in places or places[r] not in known]
        found = await self._find_recipients(request.payer_id, unsure)
        sure = {r: id_ for r, id_ in by_id.items() if places[r] in known}
        return {**sure, **found}

    async def _wallets(
        self,
        request: TransferBatchRequest,
        currencies: Sequence[Currency],
        people: Mapping[Recipient, UUID],
    ) -> Mapping[Place, UUID]:
        default = await self._directory.default_currency(request.payer_id)
        own = {(request.payer_id, code) for code in {default, *currencies}}
        theirs = {
            (people[transfer.recipient], code)
            for transfer, code in zip(request.transfers, currencies, strict=True)
            if transfer.recipient in people
        }
        wallets = await self._directory.wallet_ids(own | theirs)
        for index, code in enumerate(currencies):
            if (request.payer_id, code) not in wallets:
                raise WalletNotFound(currency=code, index=index)
        return wallets

    def _instruction(
        self, request: TransferBatchRequest, key: IdempotencyKey, resolved: _Resolved
    ) -> CreateTransferBatch:
        payer_id = request.payer_id
        pairs = list(zip(request.transfers, resolved.currencies, strict=True))
        transfers = ",".join([asked(transfer, code) for transfer, code in pairs])
        whole = digest_of(
            f'{{"atomic":{"true" if request.atomic else "false"},'
            f'"kind":"{Kind.TRANSFER_BATCH.word}","transfers":[{transfers}]}}'
        )
        header = Header(
            id=self._new_id(),
            kind=Kind.TRANSFER_BATCH,
            scope=person_scope(payer_id),
            key_digest=key.digest,
            fingerprint=whole,
            account_id=resolved.wallets[payer_id, resolved.default_currency],
            currency=resolved.default_currency,
            amount=0,
            owner_id=payer_id,
        )
        parts = tuple(
            self._part(header, index, transfer, code, resolved)
            for index, (transfer, code) in enumerate(pairs)
        )
        return CreateTransferBatch(
            header, payer_id, Parts(parts, request.atomic), request.api_key_id
        )

    def _part(
        self,
        whole: Header,
        index: int,
        transfer: TransferRequest,
        currency: Currency,
        resolved: _Resolved,
    ) -> CreateTransfer:
        payee_id = resolved.people.get(transfer.recipient)
        digest = part_digest(whole.key_digest, index)
        return CreateTransfer(
            Header(
                self._new_id(),
                Kind.TRANSFER,
                whole.scope,
                digest,
                # The fingerprint of the whole covers what was asked of every part.
                sha256(whole.fingerprint + digest).digest(),
                resolved.wallets[transfer.payer_id, currency],
                currency,
                transfer.amount,
                transfer.payer_id,
                None if payee_id is None else resolved.wallets.get((payee_id, currency)),
                payee_id,
            ),
            transfer.payer_id,
            details_of(transfer, self._random_bytes),
            transfer.api_key_id,
        )

    async def _is_known(self, payer_id: UUID, key: IdempotencyKey) -> bool:
        scoped = (person_scope(payer_id), key.digest)
        async with self._unit_of_work() as work:
            return scoped in await work.ledger.outcomes([scoped])


def _currency(transfer: TransferRequest, default: Currency) -> Currency:
    return default if transfer.currency is None else currency_of(transfer.currency)
