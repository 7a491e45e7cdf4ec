import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import {
  ConnectionError,
  DatabaseUnavailableProblem,
  DeadlineError,
  InsufficientFundsProblem,
  isProblem,
  OutcomeUnknownError,
  ProblemError,
  Wallet,
  type Attempt,
  type SavedPayment,
  type WalletOptions,
} from "wallet-sdk";

import {
  byPath,
  cut,
  cutInTheMiddle,
  inTurn,
  json,
  problem,
  ScriptedServer,
  silence,
  type Answering,
} from "./support/scripted_server.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const PAY = { to_handle: "bob", amount: 2500 };
const PAID = { id: "t1", kind: "transfer", status: "completed", amount: 2500 };
const paid = json(201, PAID);
const unknown = problem(503, "outcome-unknown", { "retry-after": "0" });
const TRANSFER = "/wallets/transfer";

/** A server that answers as told, and a client of it with an API key. */
async function scripted(
  t: TestContext,
  answers: Answering[],
  options: Partial<WalletOptions> = {},
): Promise<{ server: ScriptedServer; wallet: Wallet; attempts: Attempt[] }> {
  const server = await ScriptedServer.started(...answers);
  t.after(() => server.stop());
  const attempts: Attempt[] = [];
  const wallet = new Wallet({
    baseUrl: server.url,
    apiKey: "wk_test",
    backoff: { firstMs: 20, mostMs: 100 },
    onAttempt: (attempt) => attempts.push(attempt),
    ...options,
  });
  return { server, wallet, attempts };
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

test("a transfer is repeated with its one key until the answer is definite", async (t) => {
  const answers = [cut, cutInTheMiddle, unknown, problem(500, "internal-error"), paid];
  const { server, wallet, attempts } = await scripted(t, answers);
  assert.deepEqual(await wallet.transfers.create(PAY), PAID);
  const keys = server.received.map((request) => request.key);
  assert.equal(keys.length, 5);
  assert.equal(new Set(keys).size, 1);
  assert.match(keys[0] ?? "", UUID);
  assert.deepEqual(
    new Set(server.received.map(({ body }) => body)),
    new Set([JSON.stringify(PAY)]),
  );
  const statuses = attempts.map(({ status }) => status);
  assert.deepEqual(statuses, [undefined, undefined, 503, 500, 201]);
  assert.deepEqual(
    new Set(attempts.map((attempt) => attempt.operationId)),
    new Set(["createTransfer"]),
  );
  assert.equal(attempts.at(-1)?.retryInMs, undefined);
});

test("two transfers have two keys, and a caller's own key is taken", async (t) => {
  const { server, wallet } = await scripted(t, [paid]);
  await wallet.transfers.create(PAY);
  await wallet.transfers.create(PAY);
  await wallet.transfers.create(PAY, { idempotencyKey: "order 77" });
  const [first, second, third] = server.received.map((request) => request.key);
  assert.notEqual(first, second);
  assert.equal(third, "order 77");
  for (const idempotencyKey of ["", " x", "x ", "ü", "x\n", "x".repeat(256)]) {
    await assert.rejects(async () => wallet.transfers.create(PAY, { idempotencyKey }), TypeError);
  }
  assert.equal(server.received.length, 3);
});

test("a refusal is a typed error and is not repeated", async (t) => {
  const facts = { wallet_id: "w1", currency: "USD", available: 1200, amount: 2500 };
  const { server, wallet } = await scripted(t, [problem(422, "insufficient-funds", {}, facts)]);
  const error = await failure(wallet.transfers.create(PAY));
  assert.ok(error instanceof InsufficientFundsProblem);
  assert.ok(isProblem(error, "insufficient-funds", "wallet-frozen"));
  assert.equal(isProblem(error, "wallet-frozen"), false);
  assert.equal(error.status, 422);
  assert.equal(error.requestId, "r1");
  assert.deepEqual(error.facts, facts);
  assert.equal(error.name, "InsufficientFundsProblem");
  assert.equal(server.received.length, 1);
});

test("a code that is newer than the package comes as the base class", async (t) => {
  const { wallet } = await scripted(t, [problem(422, "moon-phase-wrong", {}, { phase: 3 })]);
  const error = await failure(wallet.transfers.create(PAY));
  assert.ok(error instanceof ProblemError);
  assert.equal(error.constructor, ProblemError);
  assert.equal(error.code, "moon-phase-wrong");
  assert.deepEqual(error.facts, { phase: 3 });
  const inherited = await scripted(t, [problem(422, "toString")]);
  assert.equal(((await failure(inherited.wallet.users.me())) as ProblemError).code, "toString");
});

test("an answer of a proxy that knows no problems is an error with its status", async (t) => {
  const proxy: Answering = (_, response) => {
    response.writeHead(418, { "content-type": "text/html" }).end("<h1>I am a teapot</h1>");
  };
  const { wallet } = await scripted(t, [proxy]);
  const error = (await failure(wallet.users.me())) as ProblemError;
  assert.equal(error.code, "http-418");
  assert.match(error.detail, /teapot/);
});

test("when money may have moved, the error says how to know", async (t) => {
  const { server, wallet } = await scripted(
    t,
    [
      byPath({
        [TRANSFER]: inTurn(cut, cut, paid),
        "/idempotency-keys/order-78": json(200, { status: "unknown", kind: null, id: null }),
      }),
    ],
    { attemptsMax: 2 },
  );
  const error = await failure(wallet.transfers.create(PAY, { idempotencyKey: "order-78" }));
  assert.ok(error instanceof OutcomeUnknownError);
  assert.ok(error.cause instanceof ConnectionError);
  assert.equal(error.idempotencyKey, "order-78");
  assert.equal((await error.outcome()).status, "unknown");
  assert.deepEqual(await error.settle(), PAID);
  assert.deepEqual(
    server.requests(TRANSFER).map((request) => request.key),
    ["order-78", "order-78", "order-78"],
  );
});

test("what follows a lost answer cannot say that nothing happened", async (t) => {
  // The token ends between the first attempt, which may have paid, and the second.
  for (const after of [
    problem(401, "session-revoked"),
    problem(403, "forbidden"),
    problem(404, "recipient-not-found"),
    problem(429, "too-many-requests", { "retry-after": "900" }),
    problem(503, "overloaded", { "retry-after": "900" }),
  ]) {
    const { wallet } = await scripted(t, [cut, after]);
    const error = await failure(wallet.transfers.create(PAY));
    assert.ok(error instanceof OutcomeUnknownError);
    assert.ok(error.cause instanceof ProblemError);
  }
  const { wallet } = await scripted(t, [cut, problem(422, "insufficient-funds")]);
  assert.ok((await failure(wallet.transfers.create(PAY))) instanceof InsufficientFundsProblem);
});

test("where nothing was done by any attempt, the outcome is known", async (t) => {
  const busy = problem(503, "database-unavailable", { "retry-after": "0" });
  const { server, wallet } = await scripted(t, [busy], { attemptsMax: 3 });
  const error = await failure(wallet.transfers.create(PAY));
  assert.ok(error instanceof DatabaseUnavailableProblem);
  assert.equal(server.received.length, 3);
});

test("Retry-After is waited for; beyond the deadline it is told at once", async (t) => {
  const later = problem(429, "too-many-requests", { "retry-after": "1" });
  const { server, wallet } = await scripted(t, [later, paid]);
  await wallet.transfers.create(PAY);
  const [first, second] = server.received;
  assert.ok(second && first && second.at - first.at >= 1000);

  const tooLate = problem(429, "too-many-requests", { "retry-after": "60" });
  const strict = await scripted(t, [tooLate]);
  const began = performance.now();
  const error = (await failure(
    strict.wallet.transfers.create(PAY, { timeoutMs: 5_000 }),
  )) as ProblemError;
  assert.equal(error.code, "too-many-requests");
  assert.equal(error.retryAfterMs, 60_000);
  assert.equal(strict.server.received.length, 1);
  assert.ok(performance.now() - began < 4_000);
});

test("pauses are drawn anew within bounds that double", async (t) => {
  const { wallet, attempts } = await scripted(t, [cut], {
    attemptsMax: 7,
    backoff: { firstMs: 4, mostMs: 32 },
  });
  for (let round = 0; round < 4; round += 1) await failure(wallet.users.me());
  const pauses = attempts.filter(({ retryInMs }) => retryInMs !== undefined);
  for (const { number, retryInMs = 0 } of pauses) {
    assert.ok(retryInMs <= Math.min(32, 4 * 2 ** (number - 1)), `${number}: ${retryInMs}`);
  }
  assert.equal(new Set(pauses.map(({ retryInMs }) => retryInMs)).size, pauses.length);
  assert.equal(pauses.length, 24);
});

test("what is neither a question nor carries a key is sent once", async (t) => {
  const person = { first_name: "A", last_name: "B", email: "a@example.com", password: "secret" };
  const { server, wallet } = await scripted(t, [cut]);
  assert.ok((await failure(wallet.users.signUp(person))) instanceof ConnectionError);
  assert.equal(server.received.length, 1);
  assert.equal(server.received[0]?.key, undefined);
  assert.equal(server.received[0]?.token, undefined);

  const crash = await scripted(t, [problem(500, "internal-error")]);
  assert.ok((await failure(crash.wallet.wallets.open("EUR"))) instanceof ProblemError);
  assert.equal(crash.server.received.length, 1);

  const busy = problem(503, "overloaded", { "retry-after": "0" });
  const again = await scripted(t, [busy, json(201, { id: "w1" })]);
  assert.equal((await again.wallet.wallets.open("EUR")).id, "w1");
});

test("a preview is only a question: it is repeated, has no key and leaves no doubt", async (t) => {
  const preview = { dry_run: true, outcome: "accepted", transfer: null, refusal: null };
  const { server, wallet } = await scripted(t, [cut, json(200, preview)]);
  assert.deepEqual(await wallet.transfers.preview(PAY), preview);
  assert.deepEqual(
    server.received.map((request) => request.key),
    [undefined, undefined],
  );
  const lost = await scripted(t, [cut], { attemptsMax: 2 });
  assert.ok((await failure(lost.wallet.transfers.preview(PAY))) instanceof ConnectionError);
});

test("a service that is silent ends an attempt, and the deadline ends them all", async (t) => {
  const { server, wallet } = await scripted(t, [silence, json(200, { id: "u1" })], {
    attemptTimeoutMs: 200,
  });
  assert.equal((await wallet.users.me()).id, "u1");
  assert.equal(server.received.length, 2);

  const dead = await scripted(t, [silence], { attemptTimeoutMs: 150 });
  const error = await failure(dead.wallet.users.me({ timeoutMs: 500 }));
  assert.ok(error instanceof DeadlineError);
  const lost = await failure(dead.wallet.transfers.create(PAY, { timeoutMs: 300 }));
  assert.ok(lost instanceof OutcomeUnknownError);
  assert.ok(lost.cause instanceof DeadlineError);
});

test("a caller's signal ends a call with its own reason, and never a doubt silently", async (t) => {
  const reason = new Error("the page was left");
  const { server, wallet } = await scripted(t, [silence]);
  const asked = wallet.users.me({ signal: AbortSignal.timeout(60) });
  assert.equal(((await failure(asked)) as Error).name, "TimeoutError");
  const before = AbortSignal.abort(reason);
  assert.equal(await failure(wallet.transfers.create(PAY, { signal: before })), reason);
  assert.equal(server.requests(TRANSFER).length, 0);

  const controller = new AbortController();
  const paying = wallet.transfers.create(PAY, { signal: controller.signal });
  while (server.requests(TRANSFER).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  controller.abort(reason);
  const error = await failure(paying);
  assert.ok(error instanceof OutcomeUnknownError);
  assert.equal(error.cause, reason);
});

test("a payment that was kept is sent by another process with the same key and body", async (t) => {
  const { server, wallet } = await scripted(t, [
    paid,
    json(201, { id: "b1" }),
    json(201, { id: "p1" }),
  ]);
  const other = new Wallet({ baseUrl: server.url, apiKey: "wk_other" });
  const batch = { transfers: [PAY, PAY], atomic: true };
  for (const payment of [
    wallet.transfers.prepare(PAY),
    wallet.transfers.prepareBatch(batch),
    wallet.wallets.prepareTopUp({ amount: 100, currency: "EUR" }),
  ]) {
    const kept = JSON.parse(JSON.stringify(payment)) as SavedPayment;
    await other.resume(kept).send();
    assert.equal(server.received.at(-1)?.key, payment.idempotencyKey);
  }
  assert.deepEqual(
    server.received.map(({ path, body }) => [path, JSON.parse(body) as object]),
    [
      [TRANSFER, PAY],
      ["/transfers/batch", batch],
      ["/wallets/topup", { amount: 100, currency: "EUR" }],
    ],
  );
});

test("the raw client has the same tokens, keys and attempts", async (t) => {
  const { server, wallet } = await scripted(t, [cut, paid, problem(422, "self-transfer")]);
  const answered = await wallet.raw.POST("/wallets/transfer", { body: PAY });
  assert.deepEqual(answered.data, PAID);
  const [first, second] = server.received;
  assert.match(first?.key ?? "", UUID);
  assert.equal(second?.key, first?.key);
  assert.equal(second?.token, "Bearer wk_test");
  const refused = await wallet.raw.POST("/wallets/transfer", {
    body: PAY,
    headers: { "Idempotency-Key": "mine" },
  });
  assert.equal(refused.error?.code, "self-transfer");
  assert.equal(server.received.at(-1)?.key, "mine");
});

test("a receipt that is early is asked for again when the service says", async (t) => {
  const early = problem(409, "receipt-not-ready", { "retry-after": "1" });
  const { server, wallet } = await scripted(t, [early, early, json(200, { format: "r" })]);
  assert.equal((await wallet.transactions.receipt("t1")).format, "r");
  const times = server.received.map(({ at }) => at);
  assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 1000);
  assert.ok((times[2] ?? 0) - (times[1] ?? 0) >= 1000);
});

test("a list goes through pages that are empty, and can be gone on with", async (t) => {
  const line = (id: string): object => ({ id });
  const { server, wallet } = await scripted(t, [
    json(200, { items: [line("a"), line("b")], next_cursor: "c1" }),
    json(200, { items: [], next_cursor: "c2", scanned_to: "2026-11-01T00:00:00Z" }),
    json(200, { items: [line("c")], next_cursor: null }),
  ]);
  const ids: string[] = [];
  const since = new Date("2026-11-01T00:00:00Z");
  const filter = { direction: "in", kind: ["transfer", "top-up"], booked_from: since } as const;
  for await (const { id } of wallet.transactions.list(filter)) ids.push(id);
  assert.deepEqual(ids, ["a", "b", "c"]);
  const asked = server.received.map(({ path }) => new URL(path, server.url).searchParams);
  assert.deepEqual(
    asked.map((query) => query.get("cursor")),
    [null, "c1", "c2"],
  );
  assert.deepEqual(asked[2]?.getAll("kind"), ["transfer", "top-up"]);
  assert.equal(asked[2]?.get("booked_from"), "2026-11-01T00:00:00.000Z");

  const other = await scripted(t, [
    json(200, { items: [line("a"), line("b")], next_cursor: "x" }),
  ]);
  const list = other.wallet.transactions.list({}, { cursor: "kept" });
  assert.equal((await list.take(3)).length, 3);
  assert.equal(other.server.received.length, 2);
  assert.match(other.server.received[0]?.path ?? "", /cursor=kept/);
  assert.deepEqual(await list.take(0), []);
});

test("a base URL may have a path, and must be one", async (t) => {
  const { server } = await scripted(t, [paid]);
  const wallet = new Wallet({ baseUrl: `${server.url}/money/`, apiKey: "wk_test" });
  await wallet.transfers.create(PAY);
  assert.equal(server.received[0]?.path, "/money/wallets/transfer");
  assert.match(server.received[0]?.key ?? "", UUID);
  assert.throws(() => new Wallet({ baseUrl: "localhost:4000" }), TypeError);
  assert.throws(() => new Wallet({ baseUrl: "" }), TypeError);
});

test("a token never follows a redirect", async (t) => {
  const away: Answering = (_, response) => {
    response.writeHead(307, { location: "/elsewhere" }).end();
  };
  const { server, wallet } = await scripted(t, [away], { attemptsMax: 1 });
  assert.ok((await failure(wallet.users.me())) instanceof ConnectionError);
  assert.equal(server.requests("/elsewhere").length, 0);
});
