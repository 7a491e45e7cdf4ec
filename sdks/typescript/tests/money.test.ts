import assert from "node:assert/strict";
import { test } from "node:test";

import { exponentOf, Money, MoneyError } from "wallet-sdk";

test("a decimal becomes minor units with the exponent of its currency", () => {
  const amounts: [string, string, number][] = [
    ["25.00", "USD", 2500],
    ["25", "USD", 2500],
    ["25.5", "USD", 2550],
    ["0.01", "EUR", 1],
    ["-12.34", "USD", -1234],
    ["+1", "JPY", 1],
    ["2500", "JPY", 2500],
    ["2.500", "KWD", 2500],
    ["1.2345", "CLF", 12345],
    ["90000000000000.00", "USD", 9_000_000_000_000_000],
    ["0.1", "USD", 10],
    ["1.10", "USD", 110],
    ["4.35", "USD", 435],
    ["-0.00", "USD", 0],
  ];
  for (const [text, currency, minor] of amounts) {
    const parsed = Money.parse(text, currency);
    assert.ok(Object.is(parsed.amount, minor), `${text} ${currency}`);
  }
});

test("what is no exact amount is refused", () => {
  const refused: [string, string][] = [
    ["0.005", "USD"],
    ["25.000", "USD"],
    ["1.5", "JPY"],
    ["1.2345", "KWD"],
    ["", "USD"],
    [".5", "USD"],
    ["5.", "USD"],
    ["1e3", "USD"],
    [" 1", "USD"],
    ["1,000", "USD"],
    ["1_000", "USD"],
    ["٢٥", "USD"],
    ["NaN", "USD"],
    ["0x10", "USD"],
    ["90000000000000.01", "USD"],
    ["99999999999999999999", "JPY"],
    ["1", "XYZ"],
    ["1", "usd"],
    ["1", "toString"],
  ];
  for (const [text, currency] of refused) {
    assert.throws(() => Money.parse(text, currency), MoneyError, `${text} ${currency}`);
  }
  for (const amount of [0.1, NaN, Infinity, 2 ** 53, 9_000_000_000_000_001, -(2 ** 53)]) {
    assert.throws(() => Money.ofMinor(amount, "USD"), MoneyError, String(amount));
  }
});

test("an amount is written as the service writes it", () => {
  const written: [number, string, string][] = [
    [-1234, "USD", "-12.34 USD"],
    [5, "USD", "0.05 USD"],
    [-5, "USD", "-0.05 USD"],
    [0, "USD", "0.00 USD"],
    [2500, "JPY", "2500 JPY"],
    [1, "KWD", "0.001 KWD"],
    [9_000_000_000_000_000, "USD", "90000000000000.00 USD"],
  ];
  for (const [amount, currency, text] of written) {
    assert.equal(Money.ofMinor(amount, currency).toString(), text);
  }
  assert.equal(
    Money.ofMinor(9_000_000_000_000_000, "USD").format("en-US"),
    "$90,000,000,000,000.00",
  );
  assert.equal(Money.ofMinor(123456, "EUR").format("de-DE"), "1.234,56\u00a0€");
  assert.equal(Money.ofMinor(2500, "JPY").format("en-US"), "¥2,500");
});

test("sums stay exact, in range and in one currency", () => {
  const price = Money.parse("19.99", "USD");
  assert.equal(price.times(3).toString(), "59.97 USD");
  assert.equal(price.plus(Money.parse("0.01", "USD")).amount, 2000);
  assert.equal(price.minus(Money.parse("20.00", "USD")).toString(), "-0.01 USD");
  assert.equal(Money.sum([price, price], "USD").amount, 3998);
  assert.equal(Money.zero("USD").negated().amount, 0);
  assert.equal(price.compare(Money.parse("20", "USD")), -1);
  assert.equal(price.equals(Money.ofMinor(1999, "USD")), true);
  assert.equal(price.equals(Money.ofMinor(1999, "EUR")), false);
  const most = Money.ofMinor(9_000_000_000_000_000, "USD");
  assert.throws(() => most.plus(Money.ofMinor(1, "USD")), MoneyError);
  assert.throws(() => most.times(2), MoneyError);
  assert.throws(() => price.times(1.5), MoneyError);
  assert.throws(() => price.plus(Money.ofMinor(1, "EUR")), MoneyError);
  assert.throws(() => price.compare(Money.ofMinor(1, "EUR")), MoneyError);
});

test("a split loses nothing", () => {
  const parts = (amount: number, count: number): number[] =>
    Money.ofMinor(amount, "USD")
      .split(count)
      .map((part) => part.amount);
  assert.deepEqual(parts(1000, 3), [334, 333, 333]);
  assert.deepEqual(parts(-1000, 3), [-334, -333, -333]);
  assert.deepEqual(parts(2, 4), [1, 1, 0, 0]);
  assert.deepEqual(
    parts(8_999_999_999_999_999, 2),
    [4_500_000_000_000_000, 4_499_999_999_999_999],
  );
  assert.throws(() => parts(1, 0), MoneyError);
});

test("answers become amounts, and amounts the fields of a request", () => {
  const line = { amount: 2500, currency: "USD", direction: "out" };
  assert.equal(Money.ofLine(line).toString(), "-25.00 USD");
  assert.equal(Money.of(line).toString(), "25.00 USD");
  const balance = { posted: 900, held: 200, available: 700, currency: "USD" };
  assert.equal(Money.ofBalance(balance).amount, 700);
  assert.equal(Money.ofBalance(balance, "posted").amount, 900);
  assert.equal(JSON.stringify(Money.of(line)), '{"amount":2500,"currency":"USD"}');
  assert.deepEqual(["JPY", "USD", "KWD", "CLF"].map(exponentOf), [0, 2, 3, 4]);
});
