"""What staff do to the books, told as stories: the same ones in memory and on PostgreSQL."""

import pytest
from tests.stories.world import World

ALICE_HAS_100 = """
    open alice USD
    open bob USD
    request alice 100 as=f1 -> accepted
    settle alice f1 of=100 -> accepted
"""
STORIES = {
    "a transfer is given back once": """
        send alice bob 30 key=k -> accepted
        refund k -> accepted
        refund k -> refund-exceeds-transfer
        balance alice 100 version=3
        balance bob 0 version=2
    """,
    "a transfer is given back in parts, together never more than it was": """
        send alice bob 30 key=k -> accepted
        refund k of=10 -> accepted
        refund k of=21 -> refund-exceeds-transfer
        refund k of=20 -> accepted
        refund k of=1 -> refund-exceeds-transfer
        balance alice 100
    """,
    "two refunds in one batch give back once": """
        send alice bob 30 key=k -> accepted
        send alice bob 50 -> accepted
        batch refund k ; refund k -> accepted, refund-exceeds-transfer
        balance alice 50
        balance bob 50
    """,
    "the same key is the same refund": """
        send alice bob 30 key=k -> accepted
        refund k key=r -> accepted
        refund k key=r -> accepted again
        refund k key=r of=5 -> idempotency-key-reused
        balance alice 100
    """,
    "who has spent the money cannot give it back unless that is forced": """
        send alice bob 30 key=k -> accepted
        send bob alice 20 -> accepted
        refund k -> insufficient-funds
        refund k force=yes -> accepted
        balance bob -20
        balance alice 120
        send bob alice 1 -> insufficient-funds
        overdraft bob 10 -> done
        send bob alice 1 -> insufficient-funds
        overdraft bob 5 -> overdraft-in-use
        overdraft bob 25 -> done
        send bob alice 5 -> accepted
        balance bob -25
    """,
    "a refund that was forced for nothing grants no overdraft": """
        send alice bob 30 key=k -> accepted
        refund k force=yes -> accepted
        send bob alice 1 -> insufficient-funds
    """,
    "what comes in repays a debt, and cannot be spent again": """
        send alice bob 30 key=k -> accepted
        send bob alice 30 -> accepted
        refund k force=yes -> accepted
        send alice bob 20 -> accepted
        send bob alice 1 -> insufficient-funds
        balance bob -10
        send alice bob 15 -> accepted
        send bob alice 6 -> insufficient-funds
        send bob alice 5 -> accepted
        send bob alice 1 -> insufficient-funds
        balance bob 0
    """,
    "a debt deepens by another forced refund alone": """
        send alice bob 30 key=k -> accepted
        send alice bob 20 key=l -> accepted
        send bob alice 50 -> accepted
        refund k force=yes -> accepted
        refund l -> insufficient-funds
        adjust bob -1 as=a -> accepted
        approve a by=max -> adjustment-not-booked
        batch refund l force=yes ; send alice bob 45 -> accepted, accepted
        send bob alice 1 -> insufficient-funds
        balance bob -5
        overdraft bob 0 -> done
    """,
    "one administrator alone forces a wallet no further than they may": """
        send alice bob 30 key=k -> accepted
        send alice bob 20 key=l -> accepted
        send bob alice 50 -> accepted
        refund k force=yes debt=29 -> overdraft-limit-too-high
        refund k force=yes debt=30 -> accepted
        refund l force=yes debt=49 -> overdraft-limit-too-high
        overdraft bob 10 -> done
        refund l force=yes debt=40 -> accepted
        balance bob -50
        balance alice 150
    """,
    "a freeze stops people and no refund": """
        send alice bob 30 key=k -> accepted
        freeze bob both -> done
        freeze alice both -> done
        send bob alice 1 -> wallet-frozen
        refund k -> accepted
        unfreeze bob -> done
        unfreeze alice -> done
        send alice bob 100 -> accepted
    """,
    "freezing one direction leaves the other": """
        freeze alice send -> done
        send alice bob 1 -> wallet-frozen
        freeze bob receive -> done
        unfreeze alice -> done
        send alice bob 1 -> wallet-frozen
        freeze bob send -> done
        unfreeze bob -> done
        send alice bob 1 -> accepted
    """,
    "a closed wallet stays closed": """
        close alice -> wallet-not-empty
        send alice bob 100 key=k -> accepted
        close alice -> done
        close alice -> done
        send bob alice 1 -> wallet-closed
        freeze alice send -> wallet-closed
        unfreeze alice -> wallet-closed
        overdraft alice 5 -> wallet-closed
        refund k -> wallet-closed
        refund k force=yes -> wallet-closed
        adjust alice 5 -> wallet-closed
        balance bob 100
    """,
    "staff decide nothing that is their own": """
        open sam USD
        send alice sam 30 key=k -> accepted
        refund k by=sam -> own-affairs
        refund k by=alice -> own-affairs
        refund k by=ada -> accepted
        adjust sam 5 by=sam -> own-affairs
        adjust sam 5 by=ada as=a1 -> accepted
        approve a1 by=sam -> own-affairs
        approve a1 by=max -> accepted
        balance sam 5
    """,
    "an adjustment moves nothing before another has approved it, and then once": """
        adjust alice 20 as=a1 by=ada -> accepted
        balance alice 100 version=1
        approve a1 by=ada -> second-approver-needed
        approve a1 by=max -> accepted
        approve a1 by=otto -> accepted again
        batch approve a1 by=max ; approve a1 by=otto -> accepted again, accepted again
        balance alice 120 version=2
    """,
    "two approvals in one batch are one": """
        adjust alice -20 as=a1 by=ada -> accepted
        batch approve a1 by=max ; approve a1 by=otto -> accepted, accepted again
        balance alice 80 version=2
    """,
    "an adjustment that the books refuse waits": """
        adjust bob -20 as=a1 by=ada -> accepted
        approve a1 by=max -> adjustment-not-booked
        send alice bob 20 -> accepted
        freeze bob both -> done
        approve a1 by=max -> accepted
        balance bob 0
    """,
    "an adjustment that nobody asked for is not there": """
        adjust bob 20 as=a1 by=ada key=k -> accepted
        adjust bob 20 as=a2 by=ada key=k -> accepted again
        approve a2 by=max -> adjustment-not-found
        approve a1 by=max -> accepted
        balance bob 20
    """,
}


@pytest.mark.parametrize("name", STORIES)
async def test_story(name: str, world: World) -> None:
    world.adjusts = True
    await world.tell(ALICE_HAS_100 + STORIES[name])
