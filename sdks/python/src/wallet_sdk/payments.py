"""One payment of a batch, as it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass

from wallet_sdk._arguments import Id, amount_of, given, id_of, metadata_of
from wallet_sdk._generated.types import UNSET
from wallet_sdk.models import (
    TransferBody,
    TransferBodyMetadataType0,
    TransferFields,
    TransferFieldsMetadataType0,
)
from wallet_sdk.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Whom to pay (exactly one of the three), how much, and what it is for.

    `amount` is Money, or an int of minor units, which are those of `currency` or of the payer's
    default wallet. Floats are refused.
    """

    amount: Money | int
    to_handle: str | None = None
    to_user_id: Id | None = None
    to_email: str | None = None
    currency: str | None = None
    note: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        named = (self.to_handle, self.to_user_id, self.to_email)
        if sum(name is not None for name in named) != 1:
            raise ValueError("exactly one of to_handle, to_user_id and to_email is needed")
        amount_of(self.amount, self.currency)
        metadata_of(self.metadata)

    def fields(self) -> TransferFields:
        """Return it as a part of a batch."""
        amount, currency = amount_of(self.amount, self.currency)
        metadata = metadata_of(self.metadata)
        return TransferFields(
            amount=amount,
            currency=currency,
            to_handle=given(self.to_handle),
            to_user_id=id_of(self.to_user_id),
            to_email=given(self.to_email),
            note=given(self.note),
            reference=given(self.reference),
            metadata=UNSET if metadata is None else TransferFieldsMetadataType0.from_dict(metadata),
        )

    def body(self, *, dry_run: bool = False) -> TransferBody:
        """Return it as a request of its own."""
        amount, currency = amount_of(self.amount, self.currency)
        metadata = metadata_of(self.metadata)
        return TransferBody(
            amount=amount,
            currency=currency,
            to_handle=given(self.to_handle),
            to_user_id=id_of(self.to_user_id),
            to_email=given(self.to_email),
            note=given(self.note),
            reference=given(self.reference),
            metadata=UNSET if metadata is None else TransferBodyMetadataType0.from_dict(metadata),
            dry_run=dry_run,
        )
