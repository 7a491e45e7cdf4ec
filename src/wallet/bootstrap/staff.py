"""The staff side of the application, and what counts for its overview."""

import os

from wallet.application.adjustments import WalletAdjustments
from wallet.application.back_office import BackOfficeDesk
from wallet.application.controls import WalletControls
from wallet.application.movements import MovementDesk
from wallet.application.overview import Overviews
from wallet.application.refunds import Refunds
from wallet.application.second_factor_checks import second_factor_of_staff
from wallet.application.staff_access import StaffAccess
from wallet.application.staff_side import StaffSide
from wallet.application.tallying import Tallying
from wallet.bootstrap.ground import Ground
from wallet.bootstrap.money import MoneyParts
from wallet.bootstrap.people import PeopleParts
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.telemetry import LatencyWindow, Metrics


def staff_side(
    ground: Ground, people: PeopleParts, money: MoneyParts, metrics: Metrics
) -> StaffSide:
    """Build what staff can ask for; their money moves through the same door as everybody's."""
    return StaffSide(
        access=StaffAccess(unit_of_work=ground.reading, checks=[second_factor_of_staff]),
        desk=BackOfficeDesk(
            unit_of_work=ground.unit_of_work,
            reading=ground.reading,
            clock=utc_now,
            new_id=new_id,
        ),
        movements=MovementDesk(reading=ground.reading),
        controls=WalletControls(
            unit_of_work=ground.unit_of_work,
            revocations=people.revocations,
            clock=utc_now,
            new_id=new_id,
            overdraft_max=ground.settings.overdraft_max,
        ),
        refunds=Refunds(
            mover=money.mover,
            unit_of_work=ground.reading,
            new_id=new_id,
            random_bytes=os.urandom,
            debt_max=ground.settings.overdraft_max,
        ),
        adjustments=WalletAdjustments(
            mover=money.mover,
            unit_of_work=ground.unit_of_work,
            reading=ground.reading,
            new_id=new_id,
        ),
        overviews=Overviews(reading=ground.reading, latency=LatencyWindow(metrics, utc_now).read),
    )


def tallying(ground: Ground) -> Tallying:
    """Return what counts minute by minute."""
    return Tallying(unit_of_work=ground.unit_of_work, holder=new_id(), report=ground.report)
