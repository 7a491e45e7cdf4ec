"""What fingerprints cover of a transfer is canonical JSON, whichever way it is written."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from wallet.application.directory import Recipient
from wallet.application.idempotency import digest_of, fingerprint
from wallet.application.transfers import TransferRequest, asked
from wallet.domain.money import AMOUNT_MAX, Currency

ALICE = UUID("0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
RECIPIENTS = st.one_of(
    st.uuids().map(lambda id_: Recipient(user_id=id_)),
    TEXTS.map(lambda text: Recipient(email=text)),
    TEXTS.map(lambda text: Recipient(handle=text)),
)


@given(
    recipient=RECIPIENTS,
    amount=st.integers(1, AMOUNT_MAX),
    note=st.none() | TEXTS,
    reference=st.none() | TEXTS,
    metadata=st.none() | st.dictionaries(TEXTS, TEXTS, max_size=3),
)
def test_it_is_what_the_general_form_would_be(
    recipient: Recipient,
    amount: int,
    note: str | None,
    reference: str | None,
    metadata: dict[str, str] | None,
) -> None:
    request = TransferRequest(ALICE, recipient, amount, None, note, reference, metadata)
    general = {
        "amount": amount,
        "currency": "USD",
        "kind": "transfer",
        "metadata": metadata or {},
        "note": note,
        "reference": reference,
        **recipient.canonical(),
    }
    assert digest_of(asked(request, Currency("USD"))) == fingerprint(general)


def test_the_form_is_written_out_and_stays() -> None:
    request = TransferRequest(ALICE, Recipient(user_id=ALICE), 25)
    assert asked(request, Currency("USD")) == (
        '{"amount":25,"currency":"USD","kind":"transfer","metadata":{},"note":null,'
        '"reference":null,"to_user_id":"0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a"}'
    )
