"""Money: wallets and what is in them, top-ups, and transfers to others."""

from collections.abc import Iterable, Mapping

from wallet_sdk._arguments import Id, Instant, amount_of, given, instant_of
from wallet_sdk._async.namespace import AsyncNamespace
from wallet_sdk._generated.api.statements import get_balance_at
from wallet_sdk._generated.api.wallets import (
    create_top_up,
    create_transfer,
    create_transfer_batch,
    get_balance,
    list_wallets,
    open_wallet,
)
from wallet_sdk.models import (
    Balance,
    OpenWallet,
    PastBalance,
    PreviewAnswer,
    TopUpAnswer,
    TopUpBody,
    TransferAnswer,
    TransferBatchAnswer,
    TransferBatchBody,
    Wallet,
)
from wallet_sdk.money import Money
from wallet_sdk.payments import Payment


class AsyncWallets(AsyncNamespace):
    """The person's wallets, one per currency, and money that comes in."""

    async def list(self) -> "list[Wallet]":
        """Return all wallets with their balances, by currency."""
        return (await self._call(list_wallets.operation())).items

    async def open(self, currency: str) -> Wallet:
        """Open a wallet in another currency. Raises `WalletAlreadyOpen`, `UnknownCurrency`."""
        return await self._call(open_wallet.operation(body=OpenWallet(currency=currency)))

    async def balance(self, currency: str | None = None) -> Balance:
        """Return a balance: that of the default wallet, or of the one in a currency."""
        return await self._call(get_balance.operation(currency=given(currency)))

    async def balance_at(self, wallet_id: Id, at: Instant) -> PastBalance:
        """Return what a wallet held right before an instant."""
        at_text = instant_of(at) or ""
        return await self._call(get_balance_at.operation(str(wallet_id), at=at_text))

    async def top_up(
        self,
        amount: Money | int,
        *,
        currency: str | None = None,
        idempotency_key: str | None = None,
    ) -> TopUpAnswer:
        """Add money from the funding source.

        `status` is `pending` while the source has not decided: repeat it with the same key, or
        `wallet.settle(key)`. Raises `TopUpDeclined`. Without a key of yours one is made before the
        first send, and is in the exception if it comes to one.
        """
        minor, code = amount_of(amount, currency)
        body = TopUpBody(amount=minor, currency=code)
        operation = create_top_up.operation(body=body, idempotency_key=given(idempotency_key))
        return await self._call(operation)


class AsyncTransfers(AsyncNamespace):
    """Paying others."""

    async def create(
        self,
        *,
        amount: Money | int,
        to_handle: str | None = None,
        to_user_id: Id | None = None,
        to_email: str | None = None,
        currency: str | None = None,
        note: str | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> TransferAnswer:
        """Pay somebody, named by exactly one of handle, id and verified e-mail address.

        Whatever happens on the way, the money moves once. Raises `InsufficientFunds` and other
        problems, which are definite, and `OutcomeUnknown`, which is not. To find out after a crash
        of your own program, keep an `idempotency_key` of yours before you call.
        """
        payment = Payment(
            amount=amount,
            to_handle=to_handle,
            to_user_id=to_user_id,
            to_email=to_email,
            currency=currency,
            note=note,
            reference=reference,
            metadata=metadata,
        )
        return await self.pay(payment, idempotency_key=idempotency_key)

    async def pay(self, payment: Payment, *, idempotency_key: str | None = None) -> TransferAnswer:
        """Carry out a payment; the same as `create`."""
        operation = create_transfer.operation(
            body=payment.body(), idempotency_key=given(idempotency_key)
        )
        answer = await self._call(operation)
        assert isinstance(answer, TransferAnswer)  # noqa: S101 - a preview was not asked for
        return answer

    async def preview(self, payment: Payment) -> PreviewAnswer:
        """Ask what a payment would come to, or which refusal it would meet; nothing moves."""
        answer = await self._call(create_transfer.operation(body=payment.body(dry_run=True)))
        assert isinstance(answer, PreviewAnswer)  # noqa: S101 - it was asked for
        return answer

    async def create_batch(
        self,
        payments: Iterable[Payment],
        *,
        atomic: bool = False,
        idempotency_key: str | None = None,
    ) -> TransferBatchAnswer:
        """Carry out up to 1,000 payments in their order, in one database transaction.

        With `atomic` all of them or none (`BatchRefused`); otherwise each stands alone, and the
        result at its index says what became of it. One key covers the whole batch.
        """
        body = TransferBatchBody(
            transfers=[payment.fields() for payment in payments], atomic=atomic
        )
        operation = create_transfer_batch.operation(
            body=body, idempotency_key=given(idempotency_key)
        )
        return await self._call(operation)
