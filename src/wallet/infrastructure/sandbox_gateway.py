"""The sandbox funding source: no money, but every answer that a real one can give.

It approves at once, except for amounts that end in one of these digits (in minor units):

=======  ==========================================================================
…90001   declined, `insufficient-source-funds`
…90002   declined, `source-blocked`
…90003   stays pending for ever, as a bank transfer does that never arrives
…90004   the source cannot be reached: the top-up stays pending and is asked again
=======  ==========================================================================
"""

from wallet.domain.errors import Unavailable
from wallet.domain.funding import Funding, GatewayAnswer, Verdict

_DECLINES = {90_001: "insufficient-source-funds", 90_002: "source-blocked"}
_STAYS_PENDING = 90_003
_UNREACHABLE = 90_004
_MAGIC_MODULUS = 100_000


class SandboxGateway:
    """A funding source for development; production refuses to run with it unless told to."""

    name = "sandbox"

    async def charge(self, funding: Funding) -> GatewayAnswer:
        """Answer by the amount; the same funding always gets the same answer."""
        magic = funding.amount % _MAGIC_MODULUS
        if magic in _DECLINES:
            return GatewayAnswer(Verdict.DECLINED, _DECLINES[magic])
        if magic == _STAYS_PENDING:
            return GatewayAnswer(Verdict.PENDING)
        if magic == _UNREACHABLE:
            raise Unavailable
        return GatewayAnswer(Verdict.APPROVED)
