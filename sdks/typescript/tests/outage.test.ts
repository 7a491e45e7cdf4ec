/** A service that is killed in the middle of everything: no payment twice, none lost. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { OutcomeUnknownError, type Attempt, type LiveEntry, type Wallet } from "wallet-sdk";

import { Service } from "./support/service.js";

const KILLS = 3;
const PAYERS = 8;
let service: Service;
let alice: Wallet;
let bob: Wallet;
const attempts: Attempt[] = [];

before(async () => {
  service = await Service.started();
  const onAttempt = (attempt: Attempt): void => void attempts.push(attempt);
  alice = await service.person("alice", { onAttempt, fetch: hasty(2) });
  bob = await service.person("bob");
  await alice.wallets.topUp({ amount: 1_000_000 });
});
after(() => service.stop());

/** A fetch by which tokens end soon, so that sessions renew while the service comes and goes. */
function hasty(lifeS: number): typeof fetch {
  return async (...request) => {
    const response = await fetch(...request);
    if (!/\/users\/(login|refresh)$/.test(response.url) || !response.ok) return response;
    return Response.json({ ...((await response.json()) as object), expires_in: lifeS });
  };
}

/** Pay until told to stop; returns the references that were paid for, each exactly once. */
async function payer(name: number, stop: AbortSignal): Promise<string[]> {
  const references: string[] = [];
  while (!stop.aborted) {
    const reference = `${name}-${references.length}`;
    const payment = alice.transfers.prepare({ to_handle: "bob", amount: 1, reference });
    for (;;) {
      try {
        await payment.send({ timeoutMs: 2_000 });
        break;
      } catch (error) {
        // A short deadline in a long outage: the same payment once more, as the error says.
        if (!(error instanceof OutcomeUnknownError)) await sleep(100);
      }
    }
    references.push(reference);
  }
  return references;
}

test("kill -9 and restart in mid-use: every payment once, every entry seen once", async () => {
  const seen: LiveEntry[] = [];
  const watching = new AbortController();
  let reconnects = 0;
  let isReady = false;
  const watch = (async () => {
    const onReconnect = (): void => void (reconnects += 1);
    for await (const event of bob.live.events({ signal: watching.signal, onReconnect })) {
      if (event.type === "entry") seen.push(event);
      else isReady = true;
    }
  })();
  while (!isReady) await sleep(10);

  const stop = new AbortController();
  const payers = Array.from({ length: PAYERS }, (_, name) => payer(name, stop.signal));
  for (let kill = 0; kill < KILLS; kill += 1) {
    await sleep(1_000);
    await service.kill();
    await sleep(300);
    await service.start();
  }
  await sleep(1_000);
  stop.abort();
  const paid = (await Promise.all(payers)).flat().sort();

  const lines: string[] = [];
  for await (const line of bob.transactions.list({ limit: 100 }))
    lines.push(line.reference ?? "");
  assert.deepEqual(lines.sort(), paid);
  assert.ok(paid.length > 100, `only ${paid.length} payments`);
  const balances = [await alice.wallets.balance(), await bob.wallets.balance()];
  assert.deepEqual(
    balances.map(({ posted }) => posted),
    [1_000_000 - paid.length, paid.length],
  );
  assert.ok(attempts.some(({ number, status }) => number > 1 && status === 201));
  assert.ok(
    attempts.some(({ operationId, status }) => operationId === "refreshTokens" && status === 200),
  );

  for (const until = Date.now() + 10_000; Date.now() < until; await sleep(20)) {
    if (seen.length >= paid.length) break;
  }
  watching.abort();
  await watch;
  assert.ok(reconnects >= KILLS);
  assert.deepEqual(
    seen.map(({ balance }) => balance.version),
    Array.from({ length: paid.length }, (_, index) => index + 1),
  );
  assert.deepEqual(seen.map(({ transaction }) => transaction?.reference ?? "").sort(), paid);
});

test("many requests at once with a token that has ended keep the session", async () => {
  const name = "dora";
  const calls: (string | undefined)[] = [];
  const dora = await service.person(name, {
    onAttempt: ({ operationId }) => calls.push(operationId),
    fetch: hasty(1),
  });
  await dora.users.me();
  for (let round = 0; round < 2; round += 1) {
    await sleep(1_000);
    await Promise.all(Array.from({ length: 50 }, () => dora.users.me()));
  }
  assert.equal(calls.filter((id) => id === "logIn").length, 1);
  assert.equal(calls.filter((id) => id === "refreshTokens").length, 2);
});
