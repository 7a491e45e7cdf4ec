"""Who of the staff may do what, what they decide about wallets, and how an act is sealed."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from wallet.domain import controls
from wallet.domain.accounts import Account, Freeze, Purpose, WalletClosed
from wallet.domain.adjustments import (
    Adjustment,
    AdjustmentAlreadyDecided,
    AdjustmentAmountInvalid,
    AdjustmentStatus,
    SecondApproverNeeded,
    adjustment_id_of,
    check_adjustment,
)
from wallet.domain.audit_trail import Act, ActKind, SubjectKind
from wallet.domain.controls import Controls, OverdraftInUse, OverdraftLimitTooHigh
from wallet.domain.money import Currency
from wallet.domain.staff import (
    RIGHTS,
    OwnAffairs,
    ReasonInvalid,
    Right,
    RightMissing,
    StaffMember,
    command_line,
    reason_of,
)
from wallet.domain.users import Role
from wallet.domain.wallets import WalletNotEmpty

USD = Currency("USD")
ADA, MAX, BOB = (StaffMember(UUID(int=n), f"S{n}", Role.ADMIN) for n in (1, 2, 3))
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def account(
    posted: int = 0,
    *,
    held: int = 0,
    floor: int = 0,
    freeze: Freeze = Freeze.NONE,
    closed: bool = False,
) -> Account:
    return Account(
        UUID(int=9),
        USD,
        Purpose.WALLET,
        UUID(int=3),
        posted=posted,
        held=held,
        floor=floor,
        freeze=freeze,
        closed=closed,
    )


# Rights.


def test_every_role_is_in_the_table_and_a_person_has_no_right() -> None:
    assert set(RIGHTS) == set(Role)
    assert RIGHTS[Role.USER] == frozenset()
    assert RIGHTS[Role.AUDITOR] == {Right.READ}
    assert RIGHTS[Role.ADMIN] == frozenset(Right)


@pytest.mark.parametrize("right", Right)
def test_support_reads_freezes_refunds_and_ends_sessions(right: Right) -> None:
    sam = StaffMember(UUID(int=4), "Sam", Role.SUPPORT)
    if right in {Right.READ, Right.FREEZE, Right.REFUND, Right.END_SESSIONS}:
        sam.require(right)
    else:
        with pytest.raises(RightMissing):
            sam.require(right)


def test_the_command_line_has_no_right_of_staff() -> None:
    with pytest.raises(RightMissing):
        command_line("root").require(Right.READ)
    command_line("root").require_other(UUID(int=1), None)


def test_nobody_decides_about_what_is_their_own() -> None:
    ADA.require_other(UUID(int=5), None)
    with pytest.raises(OwnAffairs):
        ADA.require_other(UUID(int=5), UUID(int=1))


@pytest.mark.parametrize("text", ["", "ab", "  a ", "\t\n ", "x" * 501])
def test_a_reason_says_something(text: str) -> None:
    with pytest.raises(ReasonInvalid):
        reason_of(text)


def test_a_reason_loses_the_blanks_around_it() -> None:
    assert reason_of("  because \n") == "because"
    assert reason_of("x" * 500) == "x" * 500


# Controls.


@pytest.mark.parametrize(
    ("before", "direction", "after"),
    [
        (Freeze.NONE, Freeze.SEND, Freeze.SEND),
        (Freeze.SEND, Freeze.SEND, Freeze.SEND),
        (Freeze.SEND, Freeze.RECEIVE, Freeze.BOTH),
        (Freeze.BOTH, Freeze.SEND, Freeze.BOTH),
    ],
)
def test_freezing_never_lets_go_of_another_direction(
    before: Freeze, direction: Freeze, after: Freeze
) -> None:
    assert controls.frozen(account(freeze=before), direction).freeze == after


def test_an_overdraft_covers_what_is_owed_already() -> None:
    assert controls.with_overdraft(account(-50, floor=-80), 50, 100).floor == -50
    with pytest.raises(OverdraftInUse):
        controls.with_overdraft(account(-50, floor=-80), 49, 100)
    with pytest.raises(OverdraftInUse):
        controls.with_overdraft(account(10, held=20, floor=-80), 9, 100)


def test_an_overdraft_may_be_granted_to_who_is_in_debt_and_covers_some_of_it() -> None:
    assert account(-50).debt == 50
    assert controls.with_overdraft(account(-50), 20, 100).floor == -20
    assert account(-50, floor=-20).debt == 30
    assert (account(-50, floor=-50).debt, account(1).debt) == (0, 0)


def test_one_administrator_alone_grants_no_more_than_they_may() -> None:
    assert controls.with_overdraft(account(), 100, 100).floor == -100
    with pytest.raises(OverdraftLimitTooHigh) as told:
        controls.with_overdraft(account(), 101, 100)
    assert told.value.facts == {"maximum": 100, "currency": "USD"}
    # What is more than that already may be lowered, and stay.
    assert controls.with_overdraft(account(floor=-300), 200, 100).floor == -200
    assert controls.with_overdraft(account(floor=-300), 300, 100).floor == -300
    with pytest.raises(OverdraftLimitTooHigh):
        controls.with_overdraft(account(floor=-300), 301, 100)


def test_a_wallet_is_closed_only_when_nothing_is_in_it() -> None:
    assert controls.closed(account()).closed
    for one in (account(1), account(-1), account(held=1)):
        with pytest.raises(WalletNotEmpty):
            controls.closed(one)


def test_a_closed_wallet_takes_no_control_but_being_closed() -> None:
    shut = account(closed=True)
    with pytest.raises(WalletClosed):
        controls.frozen(shut, Freeze.SEND)
    with pytest.raises(WalletClosed):
        controls.unfrozen(shut)
    with pytest.raises(WalletClosed):
        controls.with_overdraft(shut, 5, 100)
    assert controls.closed(shut) == Controls.of(shut)


def test_controls_are_told_in_words() -> None:
    assert Controls(Freeze.BOTH, -50, closed=True).facts() == {
        "frozen": "both",
        "overdraft_limit": 50,
        "status": "closed",
    }
    assert Controls(Freeze.NONE, 0, closed=False).facts()["frozen"] == "none"


# Adjustments.

PENDING = Adjustment(
    UUID(int=7), UUID(int=9), UUID(int=3), USD, -50, "because", UUID(int=1), NOON
)  # fmt: skip


def test_who_asked_cannot_approve_but_may_take_it_back() -> None:
    with pytest.raises(SecondApproverNeeded):
        PENDING.decided(AdjustmentStatus.APPROVED, ADA, "yes", NOON)
    with pytest.raises(SecondApproverNeeded):
        PENDING.decided(AdjustmentStatus.APPROVED, command_line("root"), "yes", NOON)
    rejected = PENDING.decided(AdjustmentStatus.REJECTED, ADA, "no", NOON)
    assert (rejected.status, rejected.decided_by) == (AdjustmentStatus.REJECTED, UUID(int=1))


def test_what_is_decided_stays_decided() -> None:
    approved = PENDING.decided(AdjustmentStatus.APPROVED, MAX, "yes", NOON)
    for status in (AdjustmentStatus.APPROVED, AdjustmentStatus.REJECTED):
        with pytest.raises(AdjustmentAlreadyDecided):
            approved.decided(status, BOB, "again", NOON)


@pytest.mark.parametrize("amount", [0, 10**15 + 1, -(10**15) - 1])
def test_an_adjustment_moves_something_within_bounds(amount: int) -> None:
    with pytest.raises(AdjustmentAmountInvalid):
        check_adjustment(amount)
    assert check_adjustment(-(10**15)) == -(10**15)


def test_an_adjustments_id_follows_from_its_request_and_back() -> None:
    assert adjustment_id_of(adjustment_id_of(UUID(int=6))) == UUID(int=6)
    assert adjustment_id_of(UUID(int=6)) == UUID(int=7)


# Acts.


def test_the_seal_of_an_act_is_final() -> None:
    act = Act(
        id=UUID("0198a1b2-c3d4-7e5f-8a6b-0123456789ab"),
        kind=ActKind.WALLET_FROZEN,
        happened_at=NOON,
        actor=replace(ADA, request_id="r-1"),
        subject_kind=SubjectKind.WALLET,
        subject_id=UUID(int=9),
        person_id=None,
        reason="because",
        before={"frozen": "none"},
        after={"frozen": "send"},
    )
    assert act.seal.hex() == "74047f18ac9c3811c2069b67987d5b7e17e28cf12edd8457375d0e635ff0bf40"
    assert replace(act, reason="because ").seal != act.seal
