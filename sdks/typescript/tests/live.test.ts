import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { ProblemError, Wallet, type LiveEntry, type LiveReady } from "wallet-sdk";

import { cut, problem, ScriptedServer, type Answering } from "./support/scripted_server.js";

const ready = (place: string): string =>
  `id: ${place}\nevent: ready\ndata: {"type": "ready", "balances": []}\n\n`;
const entry = (id: string, place = id): string =>
  `id: ${place}\nevent: entry\ndata: {"type": "entry", "id": "${id}",\ndata: ` +
  `"balance": {"wallet_id": "${id.split(":")[0]}"}, "transaction": null}\n\n`;

/** Send a stream in pieces of so many characters, then end it or leave it open. */
function stream(text: string, { piece = 1_000, open = false } = {}): Answering {
  return async (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += piece) {
      response.write(bytes.subarray(at, at + piece));
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!open) response.end();
  };
}

async function scripted(
  t: TestContext,
  ...answers: Answering[]
): Promise<{ server: ScriptedServer; wallet: Wallet }> {
  const server = await ScriptedServer.started(...answers);
  t.after(() => server.stop());
  const backoff = { firstMs: 5, mostMs: 20 };
  return { server, wallet: new Wallet({ baseUrl: server.url, apiKey: "wk_test", backoff }) };
}

async function taken(
  events: AsyncIterable<LiveReady | LiveEntry>,
  count: number,
): Promise<(LiveReady | LiveEntry)[]> {
  const found = [];
  for await (const event of events) {
    found.push(event);
    if (found.length >= count) break;
  }
  return found;
}

test("a stream goes on where it was cut, with nothing missing and nothing twice", async (t) => {
  const { server, wallet } = await scripted(
    t,
    stream(ready("a:3") + entry("a:4") + entry("a:5").slice(0, 30)),
    cut,
    problem(503, "streams-exhausted", { "retry-after": "0" }),
    // One that is repeated, and one in pieces of a byte, in the middle of characters.
    stream(ready("a:4") + entry("a:4") + entry("a:5") + ": alive ☕\n\n" + entry("a:6"), {
      piece: 1,
    }),
    stream(ready("a:6") + entry("a:7"), { open: true }),
  );
  const found = await taken(wallet.live.entries(), 4);
  assert.deepEqual(
    found.map((event) => event.type === "entry" && event.id),
    ["a:4", "a:5", "a:6", "a:7"],
  );
  const asked = server.received.map(({ lastEventId }) => lastEventId);
  assert.deepEqual(asked, [undefined, "a:4", "a:4", "a:4", "a:6"]);
  assert.equal(server.received[0]?.token, "Bearer wk_test");
});

test("an entry that was left out is fetched by connecting again", async (t) => {
  const { server, wallet } = await scripted(
    t,
    stream(ready("a:3") + entry("a:5"), { open: true }),
    stream(ready("a:3") + entry("a:4") + entry("a:5"), { open: true }),
  );
  const found = await taken(wallet.live.entries(), 2);
  assert.deepEqual(
    found.map((event) => event.type === "entry" && event.id),
    ["a:4", "a:5"],
  );
  assert.deepEqual(
    server.received.map(({ lastEventId }) => lastEventId),
    [undefined, "a:3"],
  );
});

test("a kept position is gone on from, and each event has the next one to keep", async (t) => {
  const { server, wallet } = await scripted(
    t,
    stream(ready("a:3,b:7") + entry("b:8", "a:3,b:8"), { open: true }),
  );
  const [first, second] = await taken(
    wallet.live.events({ lastEventId: "a:3,b:7", walletIds: ["a", "b"] }),
    2,
  );
  assert.equal(first?.position, "a:3,b:7");
  assert.equal(second?.position, "a:3,b:8");
  assert.equal(server.received[0]?.lastEventId, "a:3,b:7");
  assert.match(server.received[0]?.path ?? "", /\?wallet_id=a&wallet_id=b$/);
});

test("a wallet that was opened while the line was down is seen from its first entry", async (t) => {
  const { server, wallet } = await scripted(
    t,
    stream(ready("a:3")),
    stream(ready("a:3,n:2"), { open: true }),
    stream(ready("a:3,n:0") + entry("n:1", "a:3,n:1") + entry("n:2", "a:3,n:2"), { open: true }),
  );
  const found = await taken(wallet.live.entries(), 2);
  assert.deepEqual(
    found.map((event) => event.type === "entry" && event.id),
    ["n:1", "n:2"],
  );
  assert.deepEqual(
    server.received.map(({ lastEventId }) => lastEventId),
    [undefined, "a:3", "a:3,n:0"],
  );
});

test("a signal ends the loop without an error, also in the middle of a pause", async (t) => {
  const { wallet } = await scripted(t, stream(ready("a:1"), { open: true }));
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 50);
  const seen: string[] = [];
  for await (const event of wallet.live.events({ signal: controller.signal }))
    seen.push(event.type);
  assert.deepEqual(seen, ["ready"]);

  const down = await scripted(t, cut);
  const slow = new Wallet({
    baseUrl: down.server.url,
    apiKey: "wk_test",
    backoff: { firstMs: 60_000, mostMs: 60_000 },
  });
  const pauses: number[] = [];
  const signal = AbortSignal.timeout(100);
  for await (const _ of slow.live.events({
    signal,
    onReconnect: (_why, ms) => pauses.push(ms),
  })) {
    assert.fail("nothing comes");
  }
  assert.equal(pauses.length, 1);
});

test("leaving the loop closes the connection", async (t) => {
  let closed = false;
  const { wallet } = await scripted(t, (request, response) => {
    response.on("close", () => (closed = true));
    return stream(ready("a:1"), { open: true })(request, response);
  });
  await taken(wallet.live.events(), 1);
  for (let round = 0; round < 100 && !closed; round += 1) await sleep(10);
  assert.equal(closed, true);
});

test("what waiting does not mend is thrown", async (t) => {
  for (const [status, code] of [
    [422, "last-event-id-invalid"],
    [404, "wallet-not-found"],
    [401, "unauthenticated"],
  ] as const) {
    const { wallet } = await scripted(t, problem(status, code));
    await assert.rejects(taken(wallet.live.events(), 1), (error: unknown) => {
      assert.equal((error as ProblemError).code, code);
      return true;
    });
  }
});

test("a stream that its token ends goes on with the next token", async (t) => {
  const end =
    'event: problem\ndata: {"type": "problem", "problem": {"code": "token-expired", ' +
    '"title": "x", "status": 401, "request_id": "r"}}\n\n';
  const reasons: unknown[] = [];
  const { server, wallet } = await scripted(
    t,
    stream(ready("a:1") + end, { open: true }),
    stream(ready("a:1") + entry("a:2"), { open: true }),
  );
  const options = { onReconnect: (why: unknown) => reasons.push((why as ProblemError).code) };
  await taken(wallet.live.entries(options), 1);
  assert.deepEqual(reasons, ["token-expired"]);
  assert.equal(server.received.length, 2);
});

test("events that are ended by any line break are read alike", async (t) => {
  const text = ready("a:1") + entry("a:2");
  for (const ending of ["\r\n", "\r"]) {
    const { wallet } = await scripted(
      t,
      // The beginning of the next event tells that a \r at the end of the last one was alone.
      stream((text + ": end\n").replaceAll("\n", ending), { piece: 1, open: true }),
    );
    const found = await taken(wallet.live.events(), 2);
    assert.equal(found[1]?.type === "entry" && found[1].id, "a:2");
  }
});
