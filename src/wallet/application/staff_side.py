"""The staff side: everything that staff can ask for, in one place for the composition root."""

from dataclasses import dataclass

from wallet.application.adjustments import WalletAdjustments
from wallet.application.back_office import BackOfficeDesk
from wallet.application.controls import WalletControls
from wallet.application.movements import MovementDesk
from wallet.application.overview import Overviews
from wallet.application.refunds import Refunds
from wallet.application.staff_access import StaffAccess


@dataclass(frozen=True, slots=True)
class StaffSide:
    """One object per noun; each owns its transactions."""

    access: StaffAccess
    desk: BackOfficeDesk
    movements: MovementDesk
    controls: WalletControls
    refunds: Refunds
    adjustments: WalletAdjustments
    overviews: Overviews
