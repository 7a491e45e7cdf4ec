"""A month of a small shop.

Customers pay, some want their money back, suppliers are paid, and at the end the shop's own book is
compared with the wallet's statement. `make show-sdk-python` runs it against a service of its own.
The month goes by in seconds, so the statement is that of the running month.
"""

import itertools
import os
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from wallet_sdk import Money, OutcomeUnknown, Payment, Retries, Wallet, problems
from wallet_sdk.models import StatementAnswer, Transaction, TransferAnswer, TransferBatchAnswer
from wallet_sdk.money import total

URL = os.environ.get("WALLET_URL", "http://localhost:4000")
CURRENCY = "USD"
PASSWORD = "nine calm owls by the river"
CUSTOMERS = ("ada", "ben", "cleo", "dan")
HASTY = Retries(attempts_max=3)


def usd(text: str) -> Money:
    """Return dollars as a price tag has them."""
    return Money.of(text, CURRENCY)


GOODS = (("coffee", usd("3.20")), ("bread", usd("4.75")), ("a kilo of beans", usd("18.90")))


@dataclass
class Sale:
    """What the shop writes down itself, before anything is sent."""

    order: str
    customer: str
    goods: str
    price: Money
    paid: TransferAnswer | None = None
    returned: TransferAnswer | None = None


class Weather(httpx.HTTPTransport):
    """A bad network: answers to transfers are lost on their way back, and the money has moved.

    Every fourth one to the customers; to the shop all of them, while there is a storm.
    """

    sent = itertools.count(1)
    lost = 0
    is_stormy = False

    def __init__(self, handle: str) -> None:
        super().__init__()
        self._is_shop = handle == "shop"

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and lose some of the answers."""
        response = super().handle_request(request)
        if request.url.path != "/wallets/transfer":
            return response
        is_lost = Weather.is_stormy if self._is_shop else next(Weather.sent) % 4 == 0
        if is_lost:
            Weather.lost += 1
            response.close()
            raise httpx.ReadError("the connection was cut", request=request)
        return response


def heading(text: str) -> None:
    """Print the title of a scene."""
    print(f"\n{text}\n{'-' * len(text)}")


def person(handle: str, first_name: str) -> Wallet:
    """Sign somebody up and log them in."""
    wallet = Wallet(http=httpx.Client(base_url=URL, transport=Weather(handle)))
    email = f"{handle}@example.com"
    wallet.users.sign_up(
        first_name=first_name, last_name="Example", email=email, password=PASSWORD, handle=handle
    )
    wallet.log_in(email, PASSWORD)
    return wallet


class Till:
    """Listens to the shop's wallet in a thread of its own, and notes what comes in as it comes."""

    def __init__(self, shop: Wallet) -> None:
        self.heard: list[str] = []
        self.is_open = threading.Event()
        self._shop = shop
        threading.Thread(target=self._listen, daemon=True).start()
        self.is_open.wait(10)

    def _listen(self) -> None:
        with closing(self._shop.live.events()) as stream:
            for event in stream:
                if event.resume_from and not self.is_open.is_set():
                    self.is_open.set()
                elif transaction := getattr(event, "transaction", None):
                    self.heard.append(transaction.id)

    def has_heard(self, ids: list[str]) -> bool:
        """Tell whether it has heard of these, once and in order; the last may be on its way."""
        for _ in range(200):
            if len(self.heard) >= len(ids):
                break
            time.sleep(0.025)
        return self.heard == ids


def open_doors() -> tuple[Wallet, dict[str, Wallet]]:
    """Day 1."""
    heading("Day 1: doors open")
    shop = person("shop", "Corner")
    person("mill", "Mill")
    person("roaster", "Roaster")
    customers = {}
    for name in CUSTOMERS:
        customers[name] = person(name, name.title())
        top_up = customers[name].wallets.top_up(usd("60.00"))
        print(f"{name:8} signs up and tops up {top_up.money}")
    return shop, customers


def sell(customers: dict[str, Wallet]) -> list[Sale]:
    """28 days of sales; the order's number is the key: whatever is pressed twice is paid once."""
    heading("Days 1 to 28: sales")
    book = []
    for day in range(1, 29):
        customer = CUSTOMERS[day % len(CUSTOMERS)]
        goods, price = GOODS[day % len(GOODS)]
        sale = Sale(f"order-{day}", customer, goods, price)
        book.append(sale)
        line = f"{sale.order:8} {customer:5} {price}"
        try:
            sale.paid = pay(customers[customer], sale)
        except problems.InsufficientFunds as refusal:
            print(f"{line}  refused: {Money(refusal.available, refusal.currency)} left")
        else:
            if day <= 6:
                print(f"{line}  {goods}")
    print(f"… {sum(sale.paid is not None for sale in book)} of {len(book)} orders were paid.")
    print(f"{Weather.lost} answers were lost on the way; each request was repeated with its key.")
    return book


def pay(customer: Wallet, sale: Sale) -> TransferAnswer:
    """Let a customer pay for an order."""
    return customer.transfers.create(
        to_handle="shop",
        amount=sale.price,
        note=sale.goods,
        reference=sale.order,
        idempotency_key=sale.order,
    )


def press_twice(ada: Wallet, sale: Sale) -> None:
    """Pay for an order that is paid."""
    heading("Day 12: ada presses twice")
    again = pay(ada, sale)
    print(f"The same payment is answered: {yes(again == sale.paid)}")


def give_back(shop: Wallet, sales: list[Sale]) -> None:
    """Return the price of some sales."""
    heading("Day 20: money back")
    for sale in sales:
        sale.returned = shop.transfers.create(
            to_handle=sale.customer,
            amount=sale.price,
            note=f"Back: {sale.goods}",
            reference=sale.order,
            idempotency_key=f"{sale.order}-back",
        )
        print(f"{sale.order:8} {sale.customer:5} gets {sale.returned.display} back")


def storm(shop: Wallet) -> None:
    """Pay an invoice while no answer comes through."""
    heading("Day 24: a storm")
    invoice = Payment(to_handle="roaster", amount=usd("15.00"), note="Beans", reference="invoice-7")
    Weather.is_stormy = True
    try:
        shop.patient(HASTY).transfers.pay(invoice, idempotency_key="invoice-7")
    except OutcomeUnknown as unknown:
        print(f"For a while nobody knows whether {unknown.idempotency_key} is paid.")
        Weather.is_stormy = False
        print(f"The key says: {shop.settle('invoice-7').status}")
        settled = shop.transfers.pay(invoice, idempotency_key="invoice-7")
        print(f"The same request with the same key: {settled.status}, {settled.money}")


def pay_suppliers(shop: Wallet) -> TransferBatchAnswer:
    """Pay two invoices, or none."""
    heading("Day 28: suppliers, all or none")
    supplies = [
        Payment(to_handle="mill", amount=usd("21.50"), note="Flour", reference="invoice-8"),
        Payment(to_handle="roaster", amount=usd("12.00"), note="More beans", reference="invoice-9"),
    ]
    batch = shop.transfers.create_batch(supplies, atomic=True, idempotency_key="suppliers")
    print(f"{batch.accepted} invoices paid, {batch.refused} refused")
    return batch


def get_statement(shop: Wallet) -> StatementAnswer:
    """Read the statement of the month, and download it."""
    heading("The statement")
    wallet_id = shop.wallets.balance().wallet_id
    month = f"{datetime.now(UTC):%Y-%m}"
    statement = shop.statements.get(wallet_id, month=month)
    totals, of = statement.totals, statement.in_currency
    print(f"Opening  {statement.opening.display:>12}")
    print(f"In       {of(totals.amount_in)!s:>12}  in {totals.lines_in} lines")
    print(f"Out      {-of(totals.amount_out)!s:>12}  in {totals.lines_out} lines")
    print(f"Closing  {statement.closing.display:>12}")
    pdf = shop.statements.download(wallet_id, month=month, format="pdf")
    print(f"As a file: a PDF, {'whole' if pdf.rstrip().endswith(b'%%EOF') else 'cut off'}")
    return statement


def signed(line: Transaction) -> Money:
    """Return what a line adds to the wallet."""
    return line.money if line.direction == "in" else -line.money


def reconcile(
    shop: Wallet, book: list[Sale], batch: TransferBatchAnswer, statement: StatementAnswer
) -> bool:
    """Compare the shop's own book with the statement, line by line."""
    heading("Reconciliation: our book against the statement")
    expected = {sale.paid.id: sale.price for sale in book if sale.paid}
    expected |= {sale.returned.id: -sale.price for sale in book if sale.returned}
    expected |= {r.transfer.id: -r.transfer.money for r in batch.results if r.transfer}
    expected |= {str(shop.settle("invoice-7").id): -usd("15.00")}
    lines = statement.lines
    differences = sum(expected.pop(line.id, None) != signed(line) for line in lines)
    print(f"{len(lines)} lines; {differences} differ, {len(expected)} of ours are missing")
    summed = statement.opening.posted_money + total(map(signed, lines), CURRENCY)
    is_right = summed == statement.closing.posted_money
    print(f"Opening and all lines make the closing balance: {yes(is_right)}")
    return is_right and not differences and not expected


def prove(shop: Wallet, sales: list[Sale]) -> bool:
    """Get a receipt that can be shown to anybody."""
    heading("A receipt for the largest sale")
    largest = max(sales, key=lambda sale: sale.price)
    assert largest.paid is not None
    receipt = shop.transactions.receipt(largest.paid.id)
    amount = Money(receipt.entry.posted_delta, receipt.entry.currency)
    print(f"{largest.order}: {amount}, signed, and in the log")
    is_proven = receipt.checkpoint.tree_size > receipt.inclusion.position
    print(f"with {'a proof of its place under a signed checkpoint' if is_proven else 'no proof'}")
    return is_proven


def yes(is_so: bool) -> str:
    """Return a truth as a word."""
    return "true" if is_so else "false"


def main() -> int:
    """Let the month go by, and answer whether the books balance."""
    shop, customers = open_doors()
    till = Till(shop)
    book = sell(customers)
    paid = [sale for sale in book if sale.paid]
    press_twice(customers["ada"], next(sale for sale in paid if sale.customer == "ada"))
    give_back(shop, paid[4::9])
    storm(shop)
    batch = pay_suppliers(shop)
    statement = get_statement(shop)
    is_right = reconcile(shop, book, batch, statement)
    heard = till.has_heard([line.id for line in statement.lines])
    print(f"The till heard of each of them once and in order: {yes(heard)}")
    is_proven = prove(shop, paid)
    return 0 if is_right and heard and is_proven else 1


if __name__ == "__main__":
    sys.exit(main())
