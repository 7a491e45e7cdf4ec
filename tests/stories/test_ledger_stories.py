"""What the books do, told as stories: the same ones in memory and on PostgreSQL."""

import pytest
from tests.stories.world import World

STORIES = {
    "a person pays another": """
        open alice USD
        open bob USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        send alice bob 30 -> accepted
        balance alice 70 version=2
        balance bob 30 version=1
    """,
    "nobody pays what they do not have": """
        open alice USD
        open bob USD
        send alice bob 1 -> insufficient-funds
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        send alice bob 101 -> insufficient-funds
        send alice bob 100 -> accepted
        send alice bob 1 -> insufficient-funds
        balance alice 0 version=2
        balance bob 100 version=1
    """,
    "the same key is the same payment": """
        open alice USD
        open bob USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        send alice bob 30 key=k -> accepted
        send alice bob 30 key=k -> accepted again
        send alice bob 31 key=k -> idempotency-key-reused
        send alice bob 30 -> accepted
        balance alice 40
        balance bob 60
    """,
    "a refusal is an outcome too": """
        open alice USD
        open bob USD
        send alice bob 30 key=k -> insufficient-funds
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        send alice bob 30 key=k -> insufficient-funds again
        balance alice 100
    """,
    "two people may use the same key": """
        open alice USD
        open bob USD
        request alice 100 as=f1 key=k -> accepted
        settle alice f1 of=100 -> accepted
        send alice bob 50 key=m -> accepted
        send bob alice 20 key=m -> accepted
        balance alice 70
        balance bob 30
    """,
    "the transfers of a batch each stand alone": """
        open alice USD
        open bob USD
        open carol USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        each alice key=b : \
            send alice bob 60 ; send alice carol 50 ; send alice carol 40 \
            -> accepted: accepted, insufficient-funds, accepted
        balance alice 0 version=3
        balance bob 60 version=1
        balance carol 40 version=1
        each alice key=b : \
            send alice bob 60 ; send alice carol 50 ; send alice carol 40 \
            -> accepted again: accepted, insufficient-funds, accepted
        each alice key=b : send alice bob 60 ; send alice carol 50 -> idempotency-key-reused
        send alice bob 1 key=b -> idempotency-key-reused
        balance alice 0 version=3
    """,
    "an atomic batch is all or nothing": """
        open alice USD
        open bob USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        atomic alice key=b : send alice bob 60 ; send alice bob 50 -> batch-refused
        balance alice 100 version=1
        balance bob 0 version=0
        request alice 10 as=f2 -> accepted
        settle alice f2 of=10 -> accepted
        atomic alice key=b : send alice bob 60 ; send alice bob 50 -> batch-refused again
        atomic alice key=c : send alice bob 60 ; send alice bob 50 -> accepted: accepted, accepted
        balance alice 0 version=4
        balance bob 110 version=2
    """,
    "what an atomic batch undoes does not disturb its neighbours": """
        open alice USD
        open bob USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        batch send alice bob 10 ; send bob alice 5 -> accepted, accepted
        atomic alice : send alice bob 95 ; send alice bob 1 -> batch-refused
        send alice bob 95 -> accepted
        balance alice 0 version=4
        balance bob 100 version=3
    """,
    "money may pass through a batch": """
        open alice USD
        open bob USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        each alice : \
            send alice bob 100 ; send bob alice 100 by=bob ; send alice bob 100 \
            -> accepted: accepted, accepted, accepted
        balance alice 0 version=4
        balance bob 100 version=3
    """,
    "a batch by somebody else is forbidden as a whole": """
        open alice USD
        open bob USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        each alice : send alice bob 10 ; send alice bob 10 by=bob -> not-your-wallet
        balance alice 100 version=1
        balance bob 0 version=0
    """,
    "whoever is not there refuses a part": """
        open alice USD
        open bob USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        each alice : \
            send alice zoe 10 nobody=1 ; send alice bob 10 ; send alice zoe 10 no-wallet=1 \
            -> accepted: recipient-unknown, accepted, recipient-has-no-wallet
        atomic alice : send alice zoe 10 nobody=1 ; send alice bob 10 -> batch-refused
        balance alice 90 version=2
    """,
    "a key is not shared between kinds of requests": """
        open alice USD
        open bob USD
        request alice 100 as=f1 key=k -> accepted
        settle alice f1 of=100 -> accepted
        send alice bob 100 key=k -> idempotency-key-reused
        balance alice 100
    """,
    "a batch is decided in order, and a refusal disturbs nobody": """
        open alice USD
        open bob USD
        open carol USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        batch send bob carol 1 ; send alice bob 60 ; send alice bob 60 ; send bob carol 10 \
            -> insufficient-funds, accepted, insufficient-funds, accepted
        balance alice 40
        balance bob 50 version=2
        balance carol 10
    """,
    "one key twice in a batch is one payment": """
        open alice USD
        open bob USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        batch send alice bob 10 key=k ; send alice bob 10 key=k ; send alice bob 11 key=k \
            -> accepted, accepted again, idempotency-key-reused
        balance bob 10 version=1
    """,
    "nobody pays from somebody else's wallet, and the key stays free": """
        open alice USD
        open bob USD
        open eve USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        send alice eve 50 by=eve key=k -> not-your-wallet
        send alice eve 50 by=eve key=k -> not-your-wallet
        balance alice 100 version=1
    """,
    "nobody pays themselves": """
        open alice USD
        request alice 100 as=f1 -> accepted
        settle alice f1 of=100 -> accepted
        send alice alice 5 -> self-transfer
        balance alice 100 version=1
    """,
    "a recipient without a wallet in the currency is refused": """
        open alice USD
        open bob USD
        send alice bob 5 no-wallet=yes key=k -> recipient-has-no-wallet
        send alice bob 5 no-wallet=yes key=k -> recipient-has-no-wallet again
    """,
    "a top-up is credited once, however often it is settled": """
        open alice USD
        request alice 100 as=f1 key=k -> accepted
        settle alice f1 of=100 -> accepted
        settle alice f1 of=100 -> accepted again
        decline alice f1 of=100 -> funding-already-decided
        balance alice 100 version=1
    """,
    "a declined top-up credits nothing": """
        open alice USD
        request alice 100 as=f1 -> accepted
        decline alice f1 of=100 -> accepted
        settle alice f1 of=100 -> funding-already-decided
        balance alice 0 version=0
    """,
    "settle and decline in one batch: the first one wins": """
        open alice USD
        request alice 100 as=f1 -> accepted
        batch settle alice f1 of=100 ; decline alice f1 of=100 -> accepted, funding-already-decided
        balance alice 100
    """,
    "currencies do not mix": """
        open alice USD
        open alice JPY
        open bob USD
        open bob JPY
        request alice 100 as=f1 in=JPY -> accepted
        settle alice f1 of=100 in=JPY -> accepted
        send alice bob 10 -> insufficient-funds
        send alice bob 10 in=JPY -> accepted
        balance alice 90 in=JPY
        balance bob 0
    """,
    "a balance stays within what JavaScript keeps exact": """
        open alice USD
        request alice 1000000000000000 as=a -> accepted
        settle alice a of=1000000000000000 -> accepted
        request alice 1000000000000000 as=b -> accepted
        settle alice b of=1000000000000000 -> accepted
        request alice 1000000000000000 as=c -> accepted
        settle alice c of=1000000000000000 -> accepted
        request alice 1000000000000000 as=d -> accepted
        settle alice d of=1000000000000000 -> accepted
        request alice 1000000000000000 as=e -> accepted
        settle alice e of=1000000000000000 -> accepted
        request alice 1000000000000000 as=f -> accepted
        settle alice f of=1000000000000000 -> accepted
        request alice 1000000000000000 as=g -> accepted
        settle alice g of=1000000000000000 -> accepted
        request alice 1000000000000000 as=h -> accepted
        settle alice h of=1000000000000000 -> accepted
        request alice 1000000000000000 as=i -> accepted
        settle alice i of=1000000000000000 -> accepted
        request alice 1 -> balance-limit-exceeded
        balance alice 9000000000000000
    """,
}


@pytest.mark.parametrize("name", STORIES)
async def test_story(name: str, world: World) -> None:
    await world.tell(STORIES[name])
