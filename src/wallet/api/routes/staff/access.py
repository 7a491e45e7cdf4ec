"""Who may ask: the one dependency of every staff route, and what all of them may answer."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer as BearerScheme
from fastapi.security.base import SecurityBase

from wallet.api.dependencies import SCHEME_NAME, current_person
from wallet.api.money import SIGNED_IN
from wallet.api.problems import ValidationFailed
from wallet.api.state import use_cases
from wallet.application.staff_side import StaffSide
from wallet.domain.errors import NotFound, OutcomeUnknown
from wallet.domain.second_factors import SecondFactorRequiredForStaff
from wallet.domain.staff import OwnAffairs, ReasonInvalid, Right, RightMissing, StaffMember

TAG = "Staff"
STAFF = (*SIGNED_IN, ValidationFailed, NotFound, RightMissing, SecondFactorRequiredForStaff)
"""What any staff route may answer: nobody else learns that there is anything (404)."""
STAFF_ACT = (*STAFF, ReasonInvalid, OwnAffairs, OutcomeUnknown)
"""What any act of staff may answer besides."""


class StaffWith(SecurityBase):
    """The dependency of a staff route: somebody of the staff who has this right.

    Roles are read from the database on every request; what else must hold of the staff (such as a
    second factor) is a check of `StaffAccess`, so that it holds everywhere at once.
    """

    def __init__(self, right: Right) -> None:
        self.right = right
        self.model = BearerScheme(
            bearerFormat="JWT",
            description="The `access_token` that POST /users/login answers.",
        )
        self.scheme_name = SCHEME_NAME

    async def __call__(self, request: Request) -> StaffMember:
        """Return who is asking; raise what `current_person` and `StaffAccess.member` raise."""
        principal = await current_person(request)
        request_id = request.scope["state"].get("request_id")
        return await staff_side(request).access.member(principal, self.right, request_id)


def staff_side(request: Request) -> StaffSide:
    """Return what staff can ask for."""
    return use_cases(request).staff_side


Reader = Annotated[StaffMember, Depends(StaffWith(Right.READ))]
Freezer = Annotated[StaffMember, Depends(StaffWith(Right.FREEZE))]
Refunder = Annotated[StaffMember, Depends(StaffWith(Right.REFUND))]
SessionEnder = Annotated[StaffMember, Depends(StaffWith(Right.END_SESSIONS))]
WalletCloser = Annotated[StaffMember, Depends(StaffWith(Right.CLOSE_WALLET))]
OverdraftGranter = Annotated[StaffMember, Depends(StaffWith(Right.GRANT_OVERDRAFT))]
AdjustmentRequester = Annotated[StaffMember, Depends(StaffWith(Right.REQUEST_ADJUSTMENT))]
AdjustmentDecider = Annotated[StaffMember, Depends(StaffWith(Right.DECIDE_ADJUSTMENT))]
