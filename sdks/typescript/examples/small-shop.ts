/**
 * A month of a small shop: customers pay, some want their money back, suppliers are paid, and at
 * the end the shop's own book is compared with the wallet's statement.
 *
 * `make show-sdk-typescript` runs it against a service of its own. The month goes by in seconds, so
 * the statement is that of the running month.
 */

import {
  isProblem,
  Money,
  OutcomeUnknownError,
  Wallet,
  type SavedPayment,
  type Transfer,
} from "wallet-sdk";

const baseUrl = process.env["WALLET_URL"] ?? "http://localhost:4000";
const CURRENCY = "USD";
const usd = (text: string): Money => Money.parse(text, CURRENCY);

/** What the shop writes down itself, before anything is sent. */
interface Sale {
  readonly order: string;
  readonly customer: string;
  readonly goods: string;
  readonly price: Money;
  paid?: Transfer;
  returned?: Transfer;
}

const PRICES = { coffee: usd("3.20"), bread: usd("4.75"), "a kilo of beans": usd("18.90") };
const CUSTOMERS = ["ada", "ben", "cleo", "dan"];

async function person(handle: string, firstName: string): Promise<Wallet> {
  const credentials = { email: `${handle}@example.com`, password: "nine calm owls by the river" };
  const wallet = new Wallet({ baseUrl, credentials, fetch: weatherOf(handle) });
  await wallet.users.signUp({
    ...credentials,
    first_name: firstName,
    last_name: "Example",
    handle,
  });
  return wallet;
}

// Networks are bad: every fourth answer to a customer is lost on its way back, and for a while
// every answer to the shop. The payments have been carried out all the same.
let sent = 0;
let lost = 0;
let isStormy = false;
function weatherOf(handle: string): typeof fetch {
  return async (...request) => {
    const response = await fetch(...request);
    if (!response.url.endsWith("/wallets/transfer")) return response;
    const isLost = handle === "shop" ? isStormy : (sent += 1) % 4 === 0;
    if (!isLost) return response;
    lost += 1;
    await response.body?.cancel();
    throw new TypeError("the connection was cut");
  };
}

function heading(text: string): void {
  console.log(`\n${text}\n${"-".repeat(text.length)}`);
}

// --- The month begins --------------------------------------------------------------------------

heading("Day 1: doors open");
const shop = await person("shop", "Corner");
await person("mill", "Mill");
await person("roaster", "Roaster");
const customers = new Map<string, Wallet>();
for (const name of CUSTOMERS) {
  const wallet = await person(name, name[0]?.toUpperCase() + name.slice(1));
  const topUp = await wallet.wallets.topUp({ amount: usd("60.00") });
  customers.set(name, wallet);
  console.log(`${name.padEnd(8)} signs up and tops up ${topUp.display}`);
}

// The till listens: it shows what comes in, as it comes in.
const closing = new AbortController();
const till: string[] = [];
let ringing = Promise.resolve();
await new Promise<void>((isListening) => {
  ringing = (async () => {
    for await (const event of shop.live.events({ signal: closing.signal })) {
      if (event.type === "ready") isListening();
      else if (event.transaction) till.push(event.transaction.id);
    }
  })();
});

// --- Sales -------------------------------------------------------------------------------------

heading("Days 1 to 28: sales");
const book: Sale[] = [];
const goods = Object.entries(PRICES);
for (let day = 1; day <= 28; day += 1) {
  const customer = CUSTOMERS[day % CUSTOMERS.length] ?? "ada";
  const [name = "", price = usd("0")] = goods[day % goods.length] ?? [];
  const sale: Sale = { order: `order-${day}`, customer, goods: name, price };
  book.push(sale);
  const wallet = customers.get(customer);
  if (!wallet) continue;
  try {
    sale.paid = await wallet.transfers.create(
      { to_handle: "shop", amount: price, note: name, reference: sale.order },
      // The order's number is the key: whatever is pressed twice is paid once.
      { idempotencyKey: sale.order },
    );
    if (day <= 6) console.log(`${sale.order.padEnd(8)} ${customer.padEnd(5)} ${price}  ${name}`);
  } catch (error) {
    if (!isProblem(error, "insufficient-funds")) throw error;
    const left = Money.ofMinor(Number(error.facts["available"]), CURRENCY);
    console.log(`${sale.order.padEnd(8)} ${customer.padEnd(5)} ${price}  refused: ${left} left`);
  }
}
const paidSales = book.filter((sale) => sale.paid);
console.log(`… ${paidSales.length} of ${book.length} orders were paid.`);
console.log(`${lost} answers were lost on the way; each request was repeated with its key.`);

heading("Day 12: ada presses twice");
const first = book.find((sale) => sale.customer === "ada" && sale.paid);
if (first?.paid) {
  const again = await customers
    .get("ada")
    ?.transfers.create(
      { to_handle: "shop", amount: first.price, note: first.goods, reference: first.order },
      { idempotencyKey: first.order },
    );
  console.log(`The same payment is answered: ${String(again?.id === first.paid.id)}`);
}

heading("Day 20: money back");
for (const sale of paidSales.filter((_, index) => index % 9 === 4)) {
  // Kept before it is sent: the shop's machine may go off at any moment.
  const payment = shop.transfers.prepare(
    {
      to_handle: sale.customer,
      amount: sale.price,
      note: `Back: ${sale.goods}`,
      reference: sale.order,
    },
    { idempotencyKey: `${sale.order}-back` },
  );
  const disk = JSON.stringify(payment);
  const kept = JSON.parse(disk) as SavedPayment & { kind: "transfer" };
  sale.returned = await shop.resume(kept).send();
  console.log(
    `${sale.order.padEnd(8)} ${sale.customer.padEnd(5)} gets ${sale.returned.display} back`,
  );
}

heading("Day 24: a storm");
isStormy = true;
try {
  await shop.transfers.create(
    { to_handle: "roaster", amount: usd("15.00"), note: "Beans", reference: "invoice-7" },
    { idempotencyKey: "invoice-7", timeoutMs: 1_500 },
  );
} catch (error) {
  if (!(error instanceof OutcomeUnknownError)) throw error;
  console.log(`For a while nobody knows whether ${error.idempotencyKey} is paid.`);
  isStormy = false;
  console.log(`The key says: ${(await error.outcome()).status}`);
  const settled = (await error.settle()) as Transfer;
  console.log(`The same request with the same key: ${settled.status}, ${settled.display}`);
}

heading("Day 28: suppliers, all or none");
const supplies = [
  { to_handle: "mill", amount: usd("21.50"), note: "Flour", reference: "invoice-8" },
  { to_handle: "roaster", amount: usd("12.00"), note: "More beans", reference: "invoice-9" },
];
const batch = await shop.transfers.createBatch(
  { transfers: supplies, atomic: true },
  { idempotencyKey: "suppliers" },
);
console.log(`${batch.accepted} invoices paid, ${batch.refused} refused`);

// --- The end of the month ----------------------------------------------------------------------

heading("The statement");
const { wallet_id: walletId } = await shop.wallets.balance();
const month = new Date().toISOString().slice(0, 7);
const statement = await shop.statements.get(walletId, { month });
const { opening, totals, closing: closingBalance, lines } = statement;
const of = (minor: number): Money => Money.ofMinor(minor, CURRENCY);
console.log(`Opening  ${opening.display.padStart(12)}`);
console.log(`In       ${String(of(totals.amount_in)).padStart(12)}  in ${totals.lines_in} lines`);
console.log(
  `Out      ${String(of(-totals.amount_out)).padStart(12)}  in ${totals.lines_out} lines`,
);
console.log(`Closing  ${closingBalance.display.padStart(12)}`);
const pdf = await shop.statements.download(walletId, { month }, "pdf");
console.log(`As a file: ${pdf.fileName?.replace(/\d{4}-\d\d-\d\d/g, "…")}, a PDF`);

heading("Reconciliation: our book against the statement");
const expected = new Map<string, Money>();
const expect = (key: string, amount: Money): void => void expected.set(key, amount);
for (const sale of book) {
  if (sale.paid) expect(sale.paid.id, sale.price);
  if (sale.returned) expect(sale.returned.id, sale.price.negated());
}
for (const { transfer } of batch.results) {
  if (transfer) expect(transfer.id, Money.of(transfer).negated());
}
const invoice = await shop.transactions.outcome("invoice-7");
if (invoice.id) expect(invoice.id, usd("15.00").negated());
let differences = 0;
for (const line of lines) {
  const ours = expected.get(line.id);
  if (!ours?.equals(Money.ofLine(line))) differences += 1;
  expected.delete(line.id);
}
const sum = Money.sum(lines.map(Money.ofLine), CURRENCY);
console.log(`${lines.length} lines; ${differences} differ, ${expected.size} of ours are missing`);
const isRight = of(opening.posted).plus(sum).equals(of(closingBalance.posted));
console.log(`Opening and all lines make the closing balance: ${String(isRight)}`);

// The till has heard of every line, once.
for (let round = 0; till.length < lines.length && round < 200; round += 1) {
  await new Promise((resolve) => setTimeout(resolve, 25));
}
closing.abort();
await ringing;
const heard = till.join() === lines.map(({ id }) => id).join();
console.log(`The till heard of each of them once and in order: ${String(heard)}`);

heading("A receipt for the largest sale");
const largest = paidSales.reduce((one, other) =>
  one.price.compare(other.price) < 0 ? other : one,
);
const receipt = await shop.transactions.receipt(largest.paid?.id ?? "");
const { inclusion, checkpoint } = receipt;
console.log(`${largest.order}: ${of(receipt.entry.posted_delta)}, signed, and in the log`);
const isProven = inclusion.hashes.length > 0 && checkpoint.tree_size > inclusion.position;
console.log(`with ${isProven ? "a proof of its place under a signed checkpoint" : "no proof"}`);
console.log();
process.exitCode =
  differences === 0 && expected.size === 0 && isRight && heard && isProven ? 0 : 1;
