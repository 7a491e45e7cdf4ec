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
