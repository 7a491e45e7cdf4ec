/** The whole SDK against a running service: every operation of the document, called and checked. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import {
  isProblem,
  Money,
  OPERATIONS,
  OutcomeUnknownError,
  ProblemError,
  verifyWebhook,
  Wallet,
  type Attempt,
  type LiveEntry,
  type SavedPayment,
  type WebhookMessage,
} from "wallet-sdk";

import { codeOf } from "./support/authenticator.js";
import { PASSWORD, Service } from "./support/service.js";
import { aDayOfStaff } from "./support/staff.js";

const called = new Set<string>();
const onAttempt = ({ operationId, status }: Attempt): void => {
  if (operationId !== undefined && status !== undefined) called.add(operationId);
};
let service: Service;
let alice: Wallet;
let bob: Wallet;

before(async () => {
  service = await Service.started();
  alice = await service.person("alice", { onAttempt });
  bob = await service.person("bob", { onAttempt });
});
after(() => service.stop());

/** A server of somebody who gets webhooks; answers 204, or 400 where taking them fails. */
async function receiver(
  take: (body: string, headers: IncomingHttpHeaders) => Promise<void>,
): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    void text(request)
      .then((body) => take(body, request.headers))
      .then(
        () => response.writeHead(204).end(),
        () => response.writeHead(400).end(),
      );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks` };
}

async function until(isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end; await sleep(20)) if (isSo()) return;
  throw new Error("it did not happen within 10 s");
}

test("people sign up, look at themselves, change and find each other", async () => {
  const me = await alice.users.me();
  assert.equal(me.handle, "alice");
  assert.equal(me.wallet?.currency, "USD");
  const changed = await alice.users.update({ last_name: "Archer" });
  assert.equal(changed.last_name, "Archer");
  const found = await alice.users.find({ handle: "bob" });
  assert.deepEqual([found.first_name, found.initial], ["Bob", "T"]);
  const taken = service.person("alice");
  await assert.rejects(taken, (error) => isProblem(error, "email-taken"));
  const nobody = alice.users.find({ handle: "nobody" });
  await assert.rejects(nobody, (error) => isProblem(error, "recipient-not-found"));
  const wrong = alice.users.signUp({ first_name: "", last_name: "", email: "x", password: "y" });
  await assert.rejects(wrong, (error) => {
    assert.ok(isProblem(error, "validation-failed"));
    assert.ok(error.document.errors?.some(({ field }) => field === "first_name"));
    return true;
  });
});

test("an e-mail address is verified, and a password changed and reset by mail", async () => {
  const email = "carol@example.com";
  const carol = await service.person("carol", { onAttempt });
  await carol.users.requestEmailVerification();
  await carol.users.verifyEmail(await service.mailedToken(email, /^Confirm/));
  assert.equal((await alice.users.find({ email })).handle, "carol");
  const again = carol.users.requestEmailVerification();
  await assert.rejects(again, (error) => isProblem(error, "email-already-verified"));

  const changed = "nine slow boats at noon";
  await carol.users.changePassword({ current_password: PASSWORD, new_password: changed });
  await carol.users.requestPasswordReset(email);
  const reset = "four tall trees at dawn";
  const token = await service.mailedToken(email, /password/);
  await carol.users.resetPassword({ token, new_password: reset });
  // All sessions have ended, and the password that the client knew is none any more.
  await assert.rejects(carol.users.me(), (error) => isProblem(error, "credentials-invalid"));
  await carol.sessions.logIn({ email, password: reset });
  await carol.users.close(reset);
  await assert.rejects(carol.users.me(), /logged in/);
});

test("sessions are listed, ended one by one, and logged out of", async () => {
  const credentials = { email: "bob@example.com", password: PASSWORD };
  const phone = new Wallet({ baseUrl: service.url, onAttempt });
  await phone.sessions.logIn(credentials);
  const sessions = await bob.sessions.list().take(10);
  const other = sessions.find((session) => !session.current);
  assert.ok(other);
  await bob.sessions.revoke(other.id);
  await assert.rejects(phone.users.me(), /session has ended/);

  const laptop = new Wallet({ baseUrl: service.url, onAttempt });
  await laptop.sessions.logIn(credentials);
  const tokens = laptop.sessions.tokens;
  assert.ok(tokens);
  const stale = { ...tokens, expiresAt: 0 };
  const later = new Wallet({ baseUrl: service.url, tokens: stale, onAttempt });
  assert.equal((await later.users.me()).handle, "bob");
  assert.notEqual(later.sessions.tokens?.refreshToken, tokens.refreshToken);
  await later.sessions.logOut();
  await assert.rejects(laptop.users.me(), /session has ended/);
});

test("a second factor is set up, asked for, and taken off; each code is good once", async () => {
  const otto = await service.person("otto", { onAttempt });
  const credentials = { email: "otto@example.com", password: PASSWORD };
  assert.equal((await otto.secondFactor.state()).enabled, false);
  const begun = await otto.secondFactor.begin(PASSWORD);
  assert.match(begun.otpauth_uri, /^otpauth:\/\/totp\//);
  const codes = await otto.secondFactor.confirm(codeOf(begun.secret));
  assert.equal(codes.length, 10);

  const phone = new Wallet({ baseUrl: service.url, onAttempt });
  const alone = phone.sessions.logIn(credentials);
  await assert.rejects(alone, (error) => isProblem(error, "second-factor-required"));
  const otp = codeOf(begun.secret, 1);
  await phone.sessions.logIn({ ...credentials, otp });
  assert.equal((await phone.users.me()).handle, "otto");
  const again = phone.sessions.logIn({ ...credentials, otp });
  await assert.rejects(again, (error) => isProblem(error, "second-factor-wrong"));

  const proof = { password: PASSWORD, otp: codes[0] ?? "" };
  const newer = await phone.secondFactor.replaceRecoveryCodes(proof);
  const used = phone.secondFactor.disable(proof);
  await assert.rejects(used, (error) => isProblem(error, "otp-wrong"));
  assert.equal((await phone.secondFactor.state()).recovery_codes_left, 10);
  await phone.secondFactor.disable({ ...proof, otp: newer[0] ?? "" });
  await new Wallet({ baseUrl: service.url, onAttempt }).sessions.logIn(credentials);
});

test("money comes in, is sent, and both sides see it", async () => {
  const topUp = await alice.wallets.topUp({ amount: Money.parse("100.00", "USD") });
  assert.equal(topUp.balance?.display, "100.00 USD");
  const declined = alice.wallets.topUp({ amount: 90_001 });
  await assert.rejects(declined, (error) => isProblem(error, "top-up-declined"));
  const pending = await alice.wallets.topUp({ amount: 90_003 });
  assert.equal(pending.status, "pending");

  const lunch = { to_handle: "bob", amount: Money.parse("25.00", "USD"), note: "Lunch" };
  const preview = await alice.transfers.preview(lunch);
  assert.equal(preview.outcome, "accepted");
  const transfer = await alice.transfers.create(lunch, { idempotencyKey: "lunch / 1" });
  assert.deepEqual([transfer.display, transfer.balance.posted], ["25.00 USD", 7_500]);
  assert.deepEqual(
    await alice.transfers.create(lunch, { idempotencyKey: "lunch / 1" }),
    transfer,
  );
  const outcome = await alice.transactions.outcome("lunch / 1");
  assert.deepEqual([outcome.status, outcome.id], ["accepted", transfer.id]);

  const other = { ...lunch, note: "Dinner" };
  const reused = alice.transfers.create(other, { idempotencyKey: "lunch / 1" });
  await assert.rejects(reused, (error) => isProblem(error, "idempotency-key-reused"));
  const much = alice.transfers.create({ to_handle: "bob", amount: 1_000_000 });
  await assert.rejects(much, (error) => {
    assert.ok(isProblem(error, "insufficient-funds"));
    assert.equal(error.facts["available"], 7_500);
    return true;
  });
  const line = await bob.transactions.get(transfer.id);
  assert.equal(Money.ofLine(line).toString(), "25.00 USD");
  assert.equal((await bob.wallets.balance()).available, 2_500);
  assert.equal((await bob.wallets.balance("USD")).display, "25.00 USD");
});

test("a payment that was kept pays once, however often it is sent", async () => {
  const payment = alice.transfers.prepare({ to_handle: "bob", amount: 100 });
  assert.equal((await payment.outcome()).status, "unknown");
  const kept = JSON.parse(JSON.stringify(payment)) as SavedPayment;
  const sent = await Promise.all(Array.from({ length: 20 }, () => alice.resume(kept).send()));
  assert.equal(new Set(sent.map(({ id }) => id)).size, 1);
  assert.equal((await payment.outcome()).status, "accepted");
  assert.equal((await alice.wallets.balance()).posted, 7_400);
});

test("an aborted payment is settled to one transfer", async () => {
  // Aborted before, while and after it is carried out: whatever became of it, settling pays once.
  for (const delay of [0, 1, 2, 4, 8, 16]) {
    const before = (await alice.wallets.balance()).posted;
    const controller = new AbortController();
    const paying = alice.transfers.create(
      { to_handle: "bob", amount: 1 },
      { signal: controller.signal },
    );
    setTimeout(() => controller.abort(), delay);
    await paying.catch(async (error: unknown) => {
      if (error instanceof OutcomeUnknownError) return error.settle();
      assert.equal((error as Error).name, "AbortError");
      return alice.transfers.create({ to_handle: "bob", amount: 1 });
    });
    assert.equal((await alice.wallets.balance()).posted, before - 1);
  }
});

test("many are paid at once, each alone or all together", async () => {
  const good = { to_handle: "bob", amount: 10 };
  const bad = { to_handle: "nobody-at-all", amount: Money.ofMinor(10, "USD") };
  const batch = await alice.transfers.createBatch({ transfers: [good, bad, good] });
  assert.deepEqual([batch.accepted, batch.refused], [2, 1]);
  assert.equal(batch.results[1]?.refusal?.["code"], "recipient-unknown");
  const atomic = alice.transfers.createBatch({ transfers: [good, bad], atomic: true });
  await assert.rejects(atomic, (error) => isProblem(error, "batch-refused"));
});

test("wallets in other currencies, with other exponents", async () => {
  const wallet = await alice.wallets.open("KWD");
  const again = alice.wallets.open("KWD");
  await assert.rejects(again, (error) => isProblem(error, "wallet-already-open"));
  const topUp = await alice.wallets.topUp({ amount: Money.parse("2.500", "KWD") });
  assert.deepEqual([topUp.wallet_id, topUp.display], [wallet.id, "2.500 KWD"]);
  const wallets = await alice.wallets.list().take(10);
  assert.deepEqual(wallets.map(({ currency }) => currency).sort(), ["KWD", "USD"]);
  assert.equal(Money.ofBalance(await alice.wallets.balance("KWD")).toString(), "2.500 KWD");
});

test("pages of history hold every line once, and filters choose among them", async () => {
  const before = await alice.transactions.count();
  const batch = Array.from({ length: 60 }, (_, index) => ({
    to_handle: "bob",
    amount: 1,
    reference: `page-${index}`,
    metadata: { run: "pages" },
  }));
  await alice.transfers.createBatch({ transfers: batch });
  const all: string[] = [];
  for await (const line of alice.transactions.list({ limit: 7 })) all.push(line.id);
  assert.equal(all.length, before.lines + 60);
  assert.equal(new Set(all).size, all.length);
  const filter = { metadata_key: "run", metadata_value: "pages", kind: ["transfer"] } as const;
  const found = [];
  for await (const page of alice.transactions
    .list({ ...filter, sort: "oldest", limit: 25 })
    .pages()) {
    found.push(...page.items);
  }
  assert.deepEqual(
    found.map(({ reference }) => reference),
    batch.map(({ reference }) => reference),
  );
  assert.deepEqual((await alice.transactions.count(filter)).lines, 60);
  const future = { booked_from: new Date(Date.now() + 3_600_000) };
  assert.deepEqual(await alice.transactions.list(future).take(5), []);
  const bad = alice.transactions.list({}, { cursor: "AAAA" }).first();
  await assert.rejects(bad, (error) => isProblem(error, "cursor-invalid"));
});

test("a statement adds up, and comes as files too", async () => {
  const { wallet_id: id, posted } = await alice.wallets.balance("USD");
  const month = new Date().toISOString().slice(0, 7);
  const statement = await alice.statements.get(id, { month });
  const { opening, totals, closing } = statement;
  assert.equal(closing.posted, posted);
  assert.equal(opening.posted + totals.amount_in - totals.amount_out, closing.posted);
  const period = { booked_from: new Date(0), booked_to: new Date(Date.now() + 60_000) };
  const pdf = await alice.statements.download(id, period, "pdf");
  assert.equal(new TextDecoder().decode(pdf.content.slice(0, 5)), "%PDF-");
  assert.match(pdf.fileName ?? "", /^statement-USD-1970-01-01-.*\.pdf$/);
  const csv = await alice.statements.download(id, { month }, "csv");
  assert.match(csv.mediaType, /^text\/csv/);
  assert.match(new TextDecoder().decode(csv.content), /Lunch/);
  const camt = await alice.statements.download(id, { month }, "camt.053");
  assert.match(new TextDecoder().decode(camt.content), /camt\.053/);
  const past = await alice.wallets.balanceAt(id, new Date(0));
  assert.equal(past.posted, 0);
  const insight = await alice.statements.insights(id, { month_from: month, month_to: month });
  assert.equal(insight.months[0]?.total.amount_in, totals.amount_in);
  const backwards = { booked_from: "2026-11-02", booked_to: "2026-11-01" };
  const refused = alice.statements.get(id, backwards);
  await assert.rejects(refused, (error) => isProblem(error, "period-invalid"));
});

test("a receipt is waited for, and the log proves that it only grew", async () => {
  const transfer = await alice.transfers.create({ to_handle: "bob", amount: 5 });
  const receipt = await alice.transactions.receipt(transfer.id);
  assert.equal(receipt.entry.posted_delta, -5);
  const latest = await alice.proofs.latest();
  assert.ok(latest.tree_size >= receipt.checkpoint.tree_size);
  const small = await alice.proofs.checkpoint(receipt.checkpoint.tree_size);
  assert.deepEqual(small, receipt.checkpoint);
  const proof = await alice.proofs.consistency(small.tree_size, latest.tree_size);
  assert.deepEqual([proof.first, proof.second], [small.tree_size, latest.tree_size]);
  const keys = await new Wallet({ baseUrl: service.url, onAttempt }).proofs.keys();
  assert.ok(keys.keys.some((key) => key["kid"] === receipt.key_id));
  const sizes: number[] = [];
  for await (const checkpoint of alice.proofs.checkpoints()) sizes.push(checkpoint.tree_size);
  assert.deepEqual(
    sizes,
    [...sizes].sort((one, other) => other - one),
  );
  assert.ok(sizes.includes(small.tree_size));
});

test("what is booked is seen live, and from a kept position later", async () => {
  const seen: LiveEntry[] = [];
  const controller = new AbortController();
  const { signal } = controller;
  for await (const event of bob.live.events({ signal })) {
    if (event.type === "ready") {
      assert.equal(event.balances[0]?.currency, "USD");
      for (const amount of [11, 12, 13]) {
        await alice.transfers.create({ to_handle: "bob", amount });
      }
    } else {
      seen.push(event);
      if (seen.length === 3) controller.abort();
    }
  }
  assert.deepEqual(
    seen.map((entry) => entry.transaction?.amount),
    [11, 12, 13],
  );
  const again: LiveEntry[] = [];
  for await (const entry of bob.live.entries({ lastEventId: seen[0]?.position })) {
    again.push(entry);
    if (again.length === 2) break;
  }
  assert.deepEqual(again, seen.slice(1));
  for await (const balance of bob.live.balances({
    walletIds: [seen[0]?.balance.wallet_id ?? ""],
  })) {
    assert.equal(balance.posted, seen[2]?.balance.posted);
    break;
  }
});

test("webhooks come, are genuine, and can be caught up with", async () => {
  const received: WebhookMessage[] = [];
  let secret = "";
  const { server, url } = await receiver(async (body, headers) => {
    received.push(await verifyWebhook(body, headers, { secret }));
  });
  const { webhookEndpoints, events } = bob;
  const begin = await events.position();
  const made = await webhookEndpoints.create({ url, events: ["transfer.received"] });
  secret = made.secret;
  const tested = await webhookEndpoints.test(made.id);
  assert.equal(tested.status, "succeeded");
  const paid = await alice.transfers.create({ to_handle: "bob", amount: 77 });
  await until(() => received.length === 2);
  const [, message] = received;
  assert.ok(message?.event.type === "transfer.received");
  assert.equal(message.event.data.transaction?.id, paid.id);
  const happened = await events.list({ after: begin, types: ["transfer.received"] }).take(9);
  assert.deepEqual(
    happened.map(({ id }) => id),
    [message.id],
  );
  assert.deepEqual(await events.get(message.id), happened[0]);

  const { id } = made;
  const rotated = await webhookEndpoints.rotateSecret(id, { overlap_s: 60 });
  const delivery = (await webhookEndpoints.deliveries(id).take(9)).find(
    ({ event_id }) => event_id === message.id,
  );
  assert.ok(delivery);
  // Two secrets sign now: the old one is still good, and so is the new one.
  await webhookEndpoints.resend(id, delivery.id);
  secret = rotated.secret;
  assert.ok((await webhookEndpoints.resendSince(id, new Date(Date.now() - 60_000))) >= 1);
  await until(() => received.length >= 4);
  const forged = { webhook_id: "1:1", webhook_timestamp: "1", webhook_signature: "v1,AAAA" };
  const verdict = await webhookEndpoints.checkSignature(id, { ...forged, body: "{}" });
  assert.equal(verdict.valid, false);
  const changed = await webhookEndpoints.update(id, { enabled: false });
  assert.equal(changed.enabled, false);
  assert.equal((await webhookEndpoints.get(id)).disabled_reason, "owner");
  assert.equal((await webhookEndpoints.list().take(9)).length, 1);
  await webhookEndpoints.remove(id);
  const gone = webhookEndpoints.get(id);
  await assert.rejects(gone, (error) => error instanceof ProblemError && error.status === 404);
  server.close();
});

test("a machine pays with a key within its budget, and no further", async () => {
  const spending = { currency: "USD", budget: 500, payees: ["bob"] };
  const scopes = ["wallets:read", "transfers:write", "transactions:read"] as const;
  const key = await alice.apiKeys.create({ name: "Coffee", scopes: [...scopes], spending });
  const machine = new Wallet({ baseUrl: service.url, apiKey: key.secret, onAttempt });
  const beans = await machine.transfers.create({ to_handle: "bob", amount: 400 });
  assert.equal((await machine.transactions.get(beans.id)).amount, 400);
  const more = machine.transfers.create({ to_handle: "bob", amount: 200 });
  await assert.rejects(more, (error) => {
    return error instanceof ProblemError && error.code === "spending-budget-exceeded";
  });
  const scope = machine.users.me();
  await assert.rejects(scope, (error) => {
    return error instanceof ProblemError && error.code === "insufficient-scope";
  });
  const rotated = await alice.apiKeys.rotate(key.id, { overlap_seconds: 0 });
  const newer = new Wallet({ baseUrl: service.url, apiKey: rotated.secret, onAttempt });
  assert.equal((await newer.wallets.balance()).currency, "USD");
  assert.deepEqual(
    (await alice.apiKeys.list().take(9)).map(({ id }) => id),
    [key.id],
  );
  assert.equal((await alice.apiKeys.get(key.id)).name, "Coffee");
  await alice.apiKeys.revoke(key.id);
  await assert.rejects(newer.wallets.balance(), (error) => {
    return error instanceof ProblemError && error.code === "api-key-revoked";
  });
});

test("everything that is held about a person can be taken along", async () => {
  const data = await alice.users.export();
  assert.equal(data.profile["handle"], "alice");
  assert.ok(data.transactions.length > 60);
});

test("what no namespace has is called through the raw client", async () => {
  const { raw } = alice;
  assert.equal((await raw.GET("/health/live")).data?.status, "alive");
  assert.equal((await raw.GET("/health/ready")).data?.status, "ready");
  const metrics = await raw.GET("/metrics", { parseAs: "text" });
  assert.match(metrics.data ?? "", /^# HELP /m);
  const kind = await raw.GET("/problems/{code}", { params: { path: { code: "self-transfer" } } });
  assert.equal(kind.data?.status, 422);
  const keys = await raw.GET("/.well-known/jwks.json");
  assert.equal(keys.data?.["keys"]?.[0]?.["kty"], "EC");
  const form = {
    grant_type: "password",
    username: "bob@example.com",
    password: PASSWORD,
  } as const;
  const token = await raw.POST("/oauth/token", {
    body: form,
    bodySerializer: (body) => new URLSearchParams(Object.entries(body) as [string, string][]),
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
  });
  assert.equal(token.data?.token_type, "Bearer");
});

test("what the service's own pages do is done without a token, as a browser does it", async () => {
  let cookie: string | undefined;
  const browser: typeof fetch = async (address, given) => {
    const headers = new Headers(given?.headers);
    headers.set("Sec-Fetch-Site", "same-origin");
    if (cookie !== undefined) headers.set("Cookie", cookie);
    const response = await fetch(address, { ...given, headers });
    cookie = response.headers.getSetCookie()[0]?.split(";")[0] ?? cookie;
    return response;
  };
  // It has a session besides, whose token would be refused beside the cookie.
  const page = await service.person("paula", { onAttempt, fetch: browser });
  const body = { email: "paula@example.com", password: PASSWORD };
  const begun = await page.raw.POST("/session", { body });
  assert.equal(begun.data?.user.handle, "paula");
  const found = await page.raw.GET("/session");
  assert.equal(found.data?.csrf_token, begun.data?.csrf_token);
  const headers = { "X-CSRF-Token": found.data?.csrf_token ?? "" };
  const ended = await page.raw.DELETE("/session", { headers });
  assert.equal(ended.response.status, 204);
  assert.equal((await page.raw.GET("/session")).response.status, 401);
  const ticket = await alice.raw.POST("/live/tickets");
  assert.equal(ticket.data?.expires_in, 30);
});

test("staff look around, freeze, refund and correct", () => aDayOfStaff(service, onAttempt));

test("every operation of the document was called", () => {
  const missing = OPERATIONS.map(({ id }) => id).filter((id) => !called.has(id));
  assert.deepEqual(missing, []);
});
