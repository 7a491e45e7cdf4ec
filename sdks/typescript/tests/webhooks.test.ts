import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import { Webhook } from "standardwebhooks";
import { verifyWebhook, WebhookError } from "wallet-sdk";

const SECRET = `whsec_${randomBytes(32).toString("base64")}`;
const OTHER = `whsec_${randomBytes(32).toString("base64")}`;
const BODY = '{"type": "entry.booked", "data": {"note": "Zürich ☕"}}';
const NOW = 1_795_348_800_000;

/** Sign as the reference implementation does. */
function signed(body = BODY, at = NOW, secret = SECRET): Record<string, string> {
  return {
    "webhook-id": "msg_1",
    "webhook-timestamp": String(at / 1000),
    "webhook-signature": new Webhook(secret).sign("msg_1", new Date(at), body),
  };
}

test("a message that the reference implementation signed is genuine", async () => {
  const message = await verifyWebhook(BODY, signed(), { secret: SECRET, now: NOW });
  assert.equal(message.id, "msg_1");
  assert.equal(message.sentAt.getTime(), NOW);
  assert.deepEqual(message.event, { type: "entry.booked", data: { note: "Zürich ☕" } });
});

test("bytes, Headers, any case of names and lists of one are taken too", async () => {
  const check = { secret: SECRET, now: NOW };
  const bytes = new TextEncoder().encode(BODY);
  await verifyWebhook(bytes, new Headers(signed()), check);
  const upper = Object.entries(signed()).map(([name, value]) => [name.toUpperCase(), [value]]);
  await verifyWebhook(bytes, Object.fromEntries(upper) as Record<string, string[]>, check);
});

test("during a rotation either secret and any of several signatures will do", async () => {
  const both = signed();
  const old = signed(BODY, NOW, OTHER)["webhook-signature"];
  both["webhook-signature"] = `v1a,ignored ${old} ${both["webhook-signature"]}`;
  await verifyWebhook(BODY, both, { secret: SECRET, now: NOW });
  await verifyWebhook(BODY, both, { secret: OTHER, now: NOW });
  await verifyWebhook(BODY, signed(), { secret: [OTHER, SECRET], now: NOW });
});

test("what was changed, forged, delayed or left out is refused", async () => {
  const refused: [string, string, Record<string, string | string[]>, object][] = [
    ["another body", `${BODY} `, signed(), {}],
    ["another secret", BODY, signed(BODY, NOW, OTHER), {}],
    ["another id", BODY, { ...signed(), "webhook-id": "msg_2" }, {}],
    ["another time", BODY, { ...signed(), "webhook-timestamp": String(NOW / 1000 + 1) }, {}],
    ["too old", BODY, signed(BODY, NOW - 301_000), {}],
    ["from the future", BODY, signed(BODY, NOW + 301_000), {}],
    ["no signature", BODY, { ...signed(), "webhook-signature": "" }, {}],
    ["an empty signature", BODY, { ...signed(), "webhook-signature": "v1," }, {}],
    ["no base64", BODY, { ...signed(), "webhook-signature": "v1,***" }, {}],
    ["another version", BODY, { ...signed(), "webhook-signature": "v2,aaaa" }, {}],
    ["a time that is none", BODY, { ...signed(), "webhook-timestamp": "NaN" }, {}],
    ["two ids", BODY, { ...signed(), "webhook-id": ["msg_1", "msg_1"] }, {}],
    ["an empty secret", BODY, signed(), { secret: "whsec_" }],
    ["no secret", BODY, signed(), { secret: [] }],
  ];
  for (const [why, body, headers, given] of refused) {
    const checked = verifyWebhook(body, headers, { secret: SECRET, now: NOW, ...given });
    await assert.rejects(checked, WebhookError, why);
  }
  await verifyWebhook(BODY, signed(BODY, NOW - 299_000), { secret: SECRET, now: NOW });
  await verifyWebhook(BODY, signed(BODY, NOW + 299_000), { secret: SECRET, now: NOW });
});

test("a genuine message that is no JSON says so", async () => {
  const checked = verifyWebhook("hello", signed("hello"), { secret: SECRET, now: NOW });
  await assert.rejects(checked, /genuine but no JSON/);
});
