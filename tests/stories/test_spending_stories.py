"""What spending keys do, told as stories: the same ones in memory and on PostgreSQL."""

import pytest
from tests.stories.world import World

OPENING = """
    open alice USD
    open bob USD
    open carol USD
    request alice 1000 as=f1 -> accepted
    settle alice f1 of=1000 -> accepted
"""
STORIES = {
    "a key spends its budget": """
        key till alice budget=50
        send alice bob 30 with=till -> accepted
        spent till 30
        send alice bob 21 with=till -> spending-budget-exceeded
        send alice bob 20 with=till -> accepted
        send alice bob 1 with=till -> spending-budget-exceeded
        spent till 50
        send alice bob 500 -> accepted
        balance alice 450 version=4
    """,
    "a cap and a list of payees": """
        key till alice budget=50 max=20 payees=bob
        send alice bob 21 with=till -> spending-payment-too-large
        send alice carol 1 with=till -> payee-not-allowed
        send alice bob 20 with=till -> accepted
        spent till 20
    """,
    "a key of one wallet pays from no other": """
        open alice EUR
        open bob EUR
        request alice 100 as=f2 in=EUR -> accepted
        settle alice f2 of=100 in=EUR -> accepted
        key till alice budget=50
        send alice bob 1 in=EUR with=till -> spending-wallet-other
        spent till 0
    """,
    "somebody else's key pays nothing of mine": """
        key till bob budget=50
        send alice bob 1 with=till -> spending-wallet-other
        send alice carol 1 by=bob with=till -> not-your-wallet
        spent till 0
    """,
    "what is refused for other reasons is not spent": """
        key till alice budget=5000
        send alice bob 1001 with=till -> insufficient-funds
        send alice alice 1 with=till -> self-transfer
        send alice bob 1 no-wallet=yes with=till -> recipient-has-no-wallet
        spent till 0
    """,
    "a repeated key spends once": """
        key till alice budget=50
        send alice bob 30 key=k with=till -> accepted
        send alice bob 30 key=k with=till -> accepted again
        send alice bob 30 key=k -> accepted again
        spent till 30
        send alice bob 30 key=m with=till -> spending-budget-exceeded
        send alice bob 30 key=m -> spending-budget-exceeded again
        balance alice 970
    """,
    "payments of one batch share the budget": """
        key till alice budget=50
        batch send alice bob 30 with=till ; send alice bob 30 ; send alice carol 30 with=till ; \
            send alice carol 20 with=till \
            -> accepted, accepted, spending-budget-exceeded, accepted
        spent till 50
    """,
    "two keys in one batch": """
        key till alice budget=50
        key shop alice budget=10
        batch send alice bob 50 with=till ; send alice bob 11 with=shop ; \
            send alice bob 10 with=shop -> accepted, spending-budget-exceeded, accepted
        spent till 50
        spent shop 10
    """,
    "the parts of a batch request count one by one": """
        key till alice budget=50
        each alice key=b with=till : \
            send alice bob 30 ; send alice bob 30 ; send alice carol 20 \
            -> accepted: accepted, spending-budget-exceeded, accepted
        spent till 50
        each alice key=b with=till : \
            send alice bob 30 ; send alice bob 30 ; send alice carol 20 \
            -> accepted again: accepted, spending-budget-exceeded, accepted
        spent till 50
    """,
    "an atomic batch that is refused spends nothing": """
        key till alice budget=50
        atomic alice with=till : send alice bob 30 ; send alice bob 30 -> batch-refused
        spent till 0
        atomic alice with=till : send alice bob 30 ; send alice bob 20 \
            -> accepted: accepted, accepted
        spent till 50
        atomic alice with=till : send alice bob 1 -> batch-refused
        balance alice 950 version=3
    """,
    "a revoked key decides nothing and keeps no idempotency key": """
        key till alice budget=50
        send alice bob 10 key=k with=till -> accepted
        revoke till
        send alice bob 10 key=m with=till -> api-key-revoked
        each alice key=n with=till : send alice bob 1 ; send alice bob 2 -> api-key-revoked
        batch send alice bob 1 with=till ; send alice bob 2 -> api-key-revoked, accepted
        send alice bob 10 key=k with=till -> accepted again
        send alice bob 10 key=m -> accepted
        each alice key=n : send alice bob 1 ; send alice bob 2 -> accepted: accepted, accepted
        balance alice 975
    """,
}


@pytest.mark.parametrize("name", STORIES)
async def test_story(name: str, world: World) -> None:
    await world.tell(OPENING + STORIES[name])
