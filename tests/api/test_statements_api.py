"""Looking back at a wallet over HTTP."""

import csv
import io
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.api.people import Person, sign_up, sign_up_with

EVER = "booked_from=2026-01-01&booked_to=2299-01-01"


async def with_a_month(client: httpx.AsyncClient) -> Person:
    """Alice has 1,000, pays 30 and 20 to Bob, and gets 5 back."""
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    for payer, to, amount, note in (
        (alice, "bob", 30, "Rent"),
        (alice, "bob", 20, "=1+1"),
        (bob, "alice", 5, "<b>back</b> \u2192 \u05e9\u05dc\u05d5\u05dd"),
    ):
        body = {"to_handle": to, "amount": amount, "note": note}
        assert (await payer.post("/wallets/transfer", body)).status_code == 201
    return alice


async def statement(person: Person, query: str = EVER) -> httpx.Response:
    return await person.get(f"/wallets/{person.wallet_id}/statement?{query}")


async def test_a_statement_has_opening_lines_totals_and_closing(client: httpx.AsyncClient) -> None:
    alice = await with_a_month(client)
    answer = await statement(alice)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["opening"]["posted"], found["closing"]["posted"]) == (0, 955)
    assert found["totals"] == {"amount_in": 1_005, "lines_in": 2, "amount_out": 50, "lines_out": 2}
    assert [line["amount"] for line in found["lines"]] == [1_000, 30, 20, 5]
    assert (found["final"], found["currency"]) == (False, "USD")
    history = (await alice.get("/transactions?sort=oldest")).json()["items"]
    assert found["lines"] == history


async def test_the_statement_of_a_month_is_that_of_its_ends(client: httpx.AsyncClient) -> None:
    alice = await with_a_month(client)
    this_month = (await alice.get("/transactions")).json()["items"][0]["booked_at"][:7]
    by_month = (await statement(alice, f"month={this_month}")).json()
    assert by_month["booked_from"] == f"{this_month}-01T00:00:00.000000Z"
    assert len(by_month["lines"]) == 4
    before = (await statement(alice, "month=2025-12")).json()
    assert (before["lines"], before["final"], before["closing"]["version"]) == ([], True, 0)


async def test_a_part_of_a_day_can_be_stated(client: httpx.AsyncClient) -> None:
    alice = await with_a_month(client)
    lines = (await alice.get("/transactions?sort=oldest")).json()["items"]
    ends = f"booked_from={lines[1]['booked_at']}&booked_to={lines[3]['booked_at']}"
    found = (await statement(alice, ends)).json()
    assert [line["amount"] for line in found["lines"]] == [30, 20]
    assert (found["opening"]["posted"], found["closing"]["posted"]) == (1_000, 950)


@pytest.mark.parametrize(
    ("form", "media_type", "suffix", "begins"),
    [
        ("csv", "text/csv; charset=utf-8", "csv", b""),
        ("camt.053", "application/xml", "xml", b"<?xml"),
        ("pdf", "application/pdf", "pdf", b"%PDF-1."),
    ],
)
async def test_a_statement_comes_as_a_file(
    client: httpx.AsyncClient, form: str, media_type: str, suffix: str, begins: bytes
) -> None:
    alice = await with_a_month(client)
    answer = await statement(alice, f"{EVER}&format={form}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == media_type
    name = f"statement-USD-2026-01-01-2299-01-01.{suffix}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.content.startswith(begins)
    assert len(answer.content) > 500


async def test_a_spreadsheet_finds_no_formula_in_a_statement(client: httpx.AsyncClient) -> None:
    alice = await with_a_month(client)
    answer = await statement(alice, f"{EVER}&format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    notes = [row["note"] for row in rows]
    assert "'=1+1" in notes
    assert "=1+1" not in notes
    assert "-0.30" in [row["amount_decimal"] for row in rows]


async def test_nobody_gets_the_statement_of_somebody_else(client: httpx.AsyncClient) -> None:
    alice = await with_a_month(client)
    eve = await sign_up(client, "eve")
    missing = "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a"
    for wallet_id in (alice.wallet_id, missing):
        for path in (f"statement?{EVER}", "balance?at=2026-11-24", "insights"):
            answer = await eve.get(f"/wallets/{wallet_id}/{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "wallet-not-found")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "validation-failed"),
        ("month=2026-13", "validation-failed"),
        ("month=202611", "validation-failed"),
        (f"month=2026-11&{EVER}", "validation-failed"),
        ("booked_from=2026-01-01", "validation-failed"),
        (f"{EVER}&format=xls", "validation-failed"),
        (f"{EVER}&currency=USD", "validation-failed"),
        ("booked_from=2026-02-01&booked_to=2026-02-01", "period-invalid"),
    ],
)
async def test_a_statement_of_nonsense_is_refused(
    client: httpx.AsyncClient, query: str, code: str
) -> None:
    alice = await sign_up(client, "alice")
    answer = await statement(alice, query)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_statement_that_is_too_long_says_how_far_one_reaches(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallet.application.statements.LINES_MAX", 2)
    alice = await with_a_month(client)
    refused = (await statement(alice)).json()
    assert (refused["code"], refused["entries"], refused["lines_max"]) == (
        "statement-too-long",
        4,
        2,
    )
    shorter = f"booked_from=2026-01-01&booked_to={quote(refused['booked_to'])}"
    assert len((await statement(alice, shorter)).json()["lines"]) == 2


async def test_lines_of_statements_count_as_requests(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await with_a_month(client)
    monkeypatch.setattr("wallet.api.routes.statements.LINES_FOR_A_REQUEST", 1)
    before = int((await alice.get("/wallets")).headers["ratelimit"].split(";")[1][2:])
    after = int((await statement(alice)).headers["ratelimit"].split(";")[1][2:])
    assert before - after == 5


async def test_the_balance_of_any_instant_can_be_seen(client: httpx.AsyncClient) -> None:
    alice = await with_a_month(client)
    lines = (await alice.get("/transactions?sort=oldest")).json()["items"]

    async def at(instant: str) -> dict[str, Any]:
        answer = await alice.get(f"/wallets/{alice.wallet_id}/balance?at={instant}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    assert (await at("2026-01-01"))["posted"] == 0
    assert (await at("2026-01-01"))["booked_at"] is None
    assert (await at(lines[2]["booked_at"]))["posted"] == 970
    now = await at("2299-12-31")
    assert (now["posted"], now["display"]) == (955, "9.55 USD")
    assert now["booked_at"] == lines[3]["booked_at"]


async def test_insight_tells_who_money_came_from_and_went_to(client: httpx.AsyncClient) -> None:
    alice = await with_a_month(client)
    found = (await alice.get(f"/wallets/{alice.wallet_id}/insights")).json()
    assert len(found["months"]) == 6
    month = found["months"][-1]
    assert month["total"] == {"amount_in": 1_005, "lines_in": 2, "amount_out": 50, "lines_out": 2}
    assert [kind["kind"] for kind in month["kinds"]] == ["transfer", "top-up"]
    (bob,) = month["counterparties"]
    assert bob["counterparty"]["handle"] == "bob"
    assert (bob["amount_in"], bob["amount_out"]) == (5, 50)
    assert month["others"]["amount_in"] == 1_000
    assert month["complete"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("month_from=2026-11&month_to=2026-10", "months-invalid"),
        ("month_from=2020-01&month_to=2026-10", "months-invalid"),
        ("month_from=november", "validation-failed"),
    ],
)
async def test_insight_into_nonsense_is_refused(
    client: httpx.AsyncClient, query: str, code: str
) -> None:
    alice = await sign_up(client, "alice")
    answer = await alice.get(f"/wallets/{alice.wallet_id}/insights?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, code)
