/** What staff do in a day: every operation below /admin, through the raw client. */

import assert from "node:assert/strict";

import { isProblem, Wallet, type Attempt, type RawClient } from "wallet-sdk";

import { codeOf } from "./authenticator.js";
import { PASSWORD, type Service } from "./service.js";

const WHY = { reason: "Because of ticket 4711." };
type OnAttempt = (attempt: Attempt) => void;

/** Return the data of a raw call that has to succeed. */
async function data<Data>(call: Promise<{ data?: Data; error?: unknown }>): Promise<Data> {
  const { data: found, error } = await call;
  assert.ok(found !== undefined, JSON.stringify(error));
  return found;
}

/** Appoint an administrator and set up the second factor, without which they may do nothing. */
async function administrator(
  service: Service,
  name: string,
  onAttempt: OnAttempt,
): Promise<RawClient> {
  const email = `${name}@example.com`;
  service.appoint(email);
  const wallet = new Wallet({ baseUrl: service.url, onAttempt });
  await wallet.sessions.logIn({ email, password: PASSWORD });
  const { error } = await wallet.raw.GET("/admin/overview");
  assert.equal(error?.code, "second-factor-required-for-staff");
  const { secret } = await wallet.secondFactor.begin(PASSWORD);
  await wallet.secondFactor.confirm(codeOf(secret));
  return wallet.raw;
}

/** Do everything once; two administrators, because one alone corrects no balance. */
export async function aDayOfStaff(service: Service, onAttempt: OnAttempt): Promise<void> {
  const emma = await service.person("emma", { onAttempt });
  const finn = await service.person("finn", { onAttempt });
  const [emmas, finns] = [await emma.users.me(), await finn.users.me()];
  const [walletId, otherId] = [emmas.wallet?.id ?? "", finns.wallet?.id ?? ""];
  await emma.wallets.topUp({ amount: 1_000 });
  const paid = await emma.transfers.create({ to_handle: "finn", amount: 400 });
  assert.equal((await emma.raw.GET("/admin/overview")).response.status, 404);

  const ada = await administrator(service, "ada", onAttempt);
  const max = await administrator(service, "max", onAttempt);
  await lookAround(ada, emmas.id, paid.id);

  const wallet = { params: { path: { id: walletId } } };
  const freeze = { direction: "send", ...WHY } as const;
  const frozen = await data(ada.POST("/admin/wallets/{id}/freeze", { ...wallet, body: freeze }));
  assert.equal(frozen.frozen, "send");
  const refused = emma.transfers.create({ to_handle: "finn", amount: 1 });
  await assert.rejects(refused, (error) => isProblem(error, "wallet-frozen"));
  const why = { code: "wallet-frozen", limit: 1 };
  const refusals = await data(ada.GET("/admin/refusals", { params: { query: why } }));
  const found = { params: { path: { id: refusals.items[0]!.id } } };
  assert.equal((await data(ada.GET("/admin/refusals/{id}", found))).account_id, walletId);
  const query = { frozen: true };
  const listed = await data(ada.GET("/admin/wallets", { params: { query } }));
  assert.ok(listed.items.some(({ id }) => id === walletId));
  await data(ada.POST("/admin/wallets/{id}/unfreeze", { ...wallet, body: WHY }));
  const limit = { limit: 50, ...WHY };
  await data(ada.POST("/admin/wallets/{id}/overdraft", { ...wallet, body: limit }));
  const seen = await data(ada.GET("/admin/wallets/{id}", wallet));
  assert.deepEqual([seen.frozen, seen.overdraft_limit], ["none", 50]);

  const movement = { params: { path: { id: paid.id } }, body: { force: false, ...WHY } };
  const refund = await data(ada.POST("/admin/transactions/{id}/refund", movement));
  assert.equal(refund.amount, 400);
  await correct(ada, max, walletId);

  const other = { params: { path: { id: otherId } }, body: WHY };
  assert.equal((await data(ada.POST("/admin/wallets/{id}/close", other))).status, "closed");
  const person = { params: { path: { id: finns.id } }, body: WHY };
  assert.equal((await data(ada.DELETE("/admin/people/{id}/sessions", person))).ended, 1);
  const trail = await data(max.GET("/admin/audit-trail"));
  const closing = trail.items.find(({ subject }) => subject.id === otherId);
  assert.ok(closing);
  const act = { params: { path: { id: closing.id } } };
  assert.equal((await data(max.GET("/admin/audit-trail/{id}", act))).reason, WHY.reason);
}

async function lookAround(ada: RawClient, personId: string, paidId: string): Promise<void> {
  assert.equal((await data(ada.GET("/admin/overview"))).integrity.safe_mode, null);
  assert.equal((await data(ada.GET("/admin/integrity"))).safe_mode, null);
  const found = await data(ada.GET("/admin/search", { params: { query: { q: "emma" } } }));
  assert.deepEqual(
    found.people.map(({ id }) => id),
    [personId],
  );
  const people = await data(ada.GET("/admin/people", { params: { query: { q: "emma" } } }));
  assert.equal(people.items.length, 1);
  const person = { params: { path: { id: personId } } };
  assert.equal((await data(ada.GET("/admin/people/{id}", person))).second_factor, false);
  const lines = await data(ada.GET("/admin/people/{id}/transactions", person));
  assert.equal(lines.items.length, 2);
  assert.ok((await data(ada.GET("/admin/people/{id}/timeline", person))).items.length > 0);
  const movement = { params: { path: { id: paidId } } };
  assert.equal((await data(ada.GET("/admin/transactions/{id}", movement))).refundable, 400);
  const query = { amount_min: 400 };
  const moved = await data(ada.GET("/admin/transactions", { params: { query } }));
  assert.ok(moved.items.some(({ id }) => id === paidId));
}

async function correct(ada: RawClient, max: RawClient, walletId: string): Promise<void> {
  const body = { wallet_id: walletId, amount: 25, ...WHY };
  const asked = await data(ada.POST("/admin/adjustments", { body }));
  const approval = { params: { path: { id: asked.id } }, body: WHY };
  const alone = await ada.POST("/admin/adjustments/{id}/approve", approval);
  assert.equal(alone.error?.code, "second-approver-needed");
  const approved = await data(max.POST("/admin/adjustments/{id}/approve", approval));
  assert.equal(approved.status, "approved");
  const { id } = await data(ada.POST("/admin/adjustments", { body }));
  const rejection = { params: { path: { id } }, body: WHY };
  await data(max.POST("/admin/adjustments/{id}/reject", rejection));
  const seen = await data(max.GET("/admin/adjustments/{id}", { params: { path: { id } } }));
  assert.equal(seen.status, "rejected");
  const query = { status: "rejected" } as const;
  const listed = await data(max.GET("/admin/adjustments", { params: { query } }));
  assert.ok(listed.items.some((adjustment) => adjustment.id === id));
}
