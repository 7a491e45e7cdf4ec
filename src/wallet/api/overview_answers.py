"""The overview on the wire, rendered by pure functions."""

from typing import Any

from wallet.api.answers import moment
from wallet.api.staff_answers import title_of
from wallet.domain.money import display
from wallet.domain.overview import Integrity, Latency, Overview, Period, Point, Sums

JsonObject = dict[str, Any]


def overview(found: Overview) -> JsonObject:
    """Return what has happened lately, and how the service is."""
    return {
        "made_at": moment(found.made_at),
        "counted_to": moment(found.counted_to),
        "today": _period(found.today),
        "yesterday": _period(found.yesterday),
        "yesterday_by_now": _period(found.yesterday_by_now),
        "minutes": [_point(point) for point in found.minutes],
        "hours": [
            _point(hour) | {"sign_ups": hour.sign_ups, "active_people": hour.active_people}
            for hour in found.hours
        ],
        "refusals": _refusals(found.today.sums, found.yesterday.sums),
        "balances": [
            {
                "currency": balance.currency,
                "people": balance.people,
                "display": display(balance.people, balance.currency),
                "money_in": balance.money_in,
                "money_out": 0,
                "adjusted": balance.adjusted,
            }
            for balance in found.balances
        ],
        "latency": _latency(found.latency),
        "integrity": integrity(found.integrity),
    }


def integrity(found: Integrity) -> JsonObject:
    """Return whether the books are what they should be."""
    safe_mode, audit, checkpoint = found.safe_mode, found.audit, found.last_checkpoint
    return {
        "safe_mode": safe_mode
        and {"entered_at": moment(safe_mode.entered_at), "reason": safe_mode.reason},
        "audit": {
            "began_at": None if audit.began_at is None else moment(audit.began_at),
            "entries": audit.entries,
            "completed_at": None if audit.completed_at is None else moment(audit.completed_at),
        },
        "last_checkpoint": checkpoint
        and {
            "number": checkpoint.number,
            "tree_size": checkpoint.tree_size,
            "made_at": moment(checkpoint.made_at),
        },
        "sealed_entries": found.sealed_entries,
    }


def _period(period: Period) -> JsonObject:
    sums = period.sums
    return {
        "since": moment(period.since),
        "until": moment(period.until),
        "transfers": sums.transfers,
        "refused": sums.refused,
        "sign_ups": period.sign_ups,
        "active_people": period.active_people,
        "volumes": [
            {
                "currency": currency,
                "transfers": volume.transfers,
                "amount": volume.amount,
                "display": display(volume.amount, currency),
                "money_in": volume.money_in,
                "money_out": 0,
                "refunded": volume.refunded,
            }
            for currency, volume in sorted(sums.volumes.items())
        ],
    }


def _point(point: Point) -> JsonObject:
    sums = point.sums
    return {
        "at": moment(point.at),
        "transfers": sums.transfers,
        "refused": sums.refused,
        "volumes": {code: v.amount for code, v in sorted(sums.volumes.items()) if v.transfers},
    }


def _refusals(today: Sums, yesterday: Sums) -> list[JsonObject]:
    codes = today.refusals.keys() | yesterday.refusals.keys()
    counted = [
        {
            "code": code,
            "title": title_of(code),
            "today": today.refusals.get(code, 0),
            "yesterday": yesterday.refusals.get(code, 0),
        }
        for code in codes
    ]
    return sorted(counted, key=lambda r: (-r["today"] - r["yesterday"], r["code"]))


def _latency(found: Latency) -> JsonObject:
    return {
        "since": moment(found.since),
        "requests": found.requests,
        "p50_ms": found.p50_ms,
        "p99_ms": found.p99_ms,
        "error_share": found.error_share,
    }
