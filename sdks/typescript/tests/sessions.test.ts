import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import {
  ConnectionError,
  isProblem,
  NotLoggedInError,
  ProblemError,
  Wallet,
  type Tokens,
  type TokenStore,
  type WalletOptions,
} from "wallet-sdk";

import {
  byPath,
  cut,
  json,
  problem,
  ScriptedServer,
  type Answering,
} from "./support/scripted_server.js";

const CREDENTIALS = { email: "ada@example.com", password: "seven green lamps at dusk" };
const kept = (name: string, forMs: number): Tokens => ({
  accessToken: `access-${name}`,
  refreshToken: `refresh-${name}`,
  expiresAt: Date.now() + forMs,
});

/** A service with rotating refresh tokens: each good once, and reuse ends the session. */
class Rotating {
  refreshes = 0;
  logIns = 0;
  isRevoked = false;
  #good = "refresh-0";
  #access = "access-0";
  readonly lifeS: number;
  readonly answering: Answering;
  /** How many answers to refreshes are lost; their tokens are used up all the same. */
  lose = 0;

  constructor(lifeS = 900) {
    this.lifeS = lifeS;
    this.answering = byPath({
      "/users/login": (request, response) => {
        this.logIns += 1;
        this.isRevoked = false;
        this.#answer(`in${this.logIns}`)(request, response);
      },
      "/users/refresh": async (request, response) => {
        this.refreshes += 1;
        const { refresh_token } = JSON.parse(request.body) as { refresh_token: string };
        await sleep(30);
        if (refresh_token !== this.#good) this.isRevoked = true;
        if (this.isRevoked) return problem(401, "refresh-token-reused")(request, response);
        const next = this.#answer(String(this.refreshes));
        return this.lose-- > 0 ? cut(request, response) : next(request, response);
      },
      "/users/me": (request, response) => {
        const good = !this.isRevoked && request.token === `Bearer ${this.#access}`;
        const me = good ? json(200, { id: request.token }) : problem(401, "token-expired");
        return me(request, response);
      },
      "/users/logout": (_, response) => {
        response.writeHead(204).end();
      },
    });
  }

  #answer(name: string): Answering {
    this.#good = `refresh-${name}`;
    this.#access = `access-${name}`;
    return json(200, {
      access_token: this.#access,
      refresh_token: this.#good,
      token_type: "Bearer",
      expires_in: this.lifeS,
    });
  }
}

async function scripted(
  t: TestContext,
  options: Partial<WalletOptions>,
  rotating = new Rotating(),
): Promise<{ rotating: Rotating; server: ScriptedServer; wallet: Wallet }> {
  const server = await ScriptedServer.started(rotating.answering);
  t.after(() => server.stop());
  const backoff = { firstMs: 10, mostMs: 50 };
  const wallet = new Wallet({ baseUrl: server.url, backoff, ...options });
  return { rotating, server, wallet };
}

test("a hundred requests with a token that has ended refresh once", async (t) => {
  const { rotating, wallet } = await scripted(t, { tokens: kept("0", -1) });
  const answers = await Promise.all(Array.from({ length: 100 }, () => wallet.users.me()));
  assert.equal(rotating.refreshes, 1);
  assert.equal(rotating.isRevoked, false);
  assert.deepEqual(new Set(answers.map(({ id }) => id)), new Set(["Bearer access-1"]));
});

test("a hundred 401s at different times refresh once", async (t) => {
  const { rotating, wallet, server } = await scripted(t, { tokens: kept("old", 600_000) });
  const seen = { ...kept("0", 600_000), accessToken: "access-stale" };
  const other = new Wallet({ baseUrl: server.url, tokens: seen });
  const late = Array.from({ length: 100 }, async (_, index) => {
    await sleep(index);
    return other.users.me();
  });
  await Promise.all(late);
  assert.equal(rotating.refreshes, 1);
  assert.equal(rotating.isRevoked, false);
  assert.ok(wallet.sessions.tokens);
});

test("tokens are renewed before they end, and short-lived ones not all the time", async (t) => {
  const { rotating, wallet } = await scripted(t, { tokens: kept("0", 5_000) });
  await wallet.users.me();
  assert.equal(rotating.refreshes, 0);
  const brief = await scripted(t, { tokens: kept("0", -1) }, new Rotating(1));
  for (let round = 0; round < 5; round += 1) await brief.wallet.users.me();
  assert.equal(brief.rotating.refreshes, 1);
  await sleep(850);
  await brief.wallet.users.me();
  assert.equal(brief.rotating.refreshes, 2);
});

test("with credentials the first request logs in, once for all", async (t) => {
  const { rotating, wallet } = await scripted(t, { credentials: CREDENTIALS });
  await Promise.all(Array.from({ length: 20 }, () => wallet.users.me()));
  assert.equal(rotating.logIns, 1);
  const asked = await scripted(t, { credentials: () => Promise.resolve(CREDENTIALS) });
  await asked.wallet.users.me();
  assert.equal(asked.rotating.logIns, 1);
});

test("a code is sent once, and asked for again when the next log-in needs one", async (t) => {
  const codes: (string | undefined)[] = [];
  const rotating = new Rotating();
  const answering: Answering = (request, response) => {
    if (!request.body.includes("password")) return rotating.answering(request, response);
    const { otp } = JSON.parse(request.body) as { otp?: string };
    codes.push(otp);
    if (otp === undefined) return problem(401, "second-factor-required")(request, response);
    return rotating.answering(request, response);
  };
  const server = await ScriptedServer.started(answering);
  t.after(() => server.stop());
  const credentials = { ...CREDENTIALS, otp: "492039" };
  const wallet = new Wallet({ baseUrl: server.url, credentials });
  await wallet.users.me();
  rotating.isRevoked = true;
  const later = wallet.users.me();
  await assert.rejects(later, (error) => isProblem(error, "second-factor-required"));
  assert.deepEqual(codes, ["492039", undefined]);

  rotating.isRevoked = false;
  const app = ["111111", "222222"];
  const asked = async () => ({ ...CREDENTIALS, otp: app.shift() });
  const patient = new Wallet({ baseUrl: server.url, credentials: asked });
  await patient.users.me();
  rotating.isRevoked = true;
  await patient.users.me();
  assert.deepEqual(codes.slice(2), ["111111", "222222"]);
});

test("a session that was ended elsewhere begins anew with credentials, else says so", async (t) => {
  const { rotating, wallet } = await scripted(t, {
    credentials: CREDENTIALS,
    tokens: kept("0", 9e5),
  });
  await wallet.users.me();
  rotating.isRevoked = true;
  await wallet.users.me();
  assert.deepEqual([rotating.refreshes, rotating.logIns], [1, 1]);

  const without = await scripted(t, { tokens: kept("0", 9e5) });
  without.rotating.isRevoked = true;
  await assert.rejects(without.wallet.users.me(), (error: unknown) => {
    assert.ok(error instanceof NotLoggedInError);
    assert.equal((error.cause as ProblemError).code, "refresh-token-reused");
    return true;
  });
});

test("a refresh whose answer was lost costs no session where there are credentials", async (t) => {
  const { rotating, wallet } = await scripted(t, {
    credentials: CREDENTIALS,
    tokens: kept("0", -1),
  });
  rotating.lose = 1;
  await wallet.users.me();
  assert.deepEqual([rotating.refreshes, rotating.logIns], [1, 1]);
  assert.equal(rotating.isRevoked, false);

  const without = await scripted(t, { tokens: kept("0", -1) });
  without.rotating.lose = 1;
  await assert.rejects(without.wallet.users.me(), NotLoggedInError);
});

test("an outage while a token is asked for is waited out", async (t) => {
  const rotating = new Rotating();
  let outage = 3;
  const answering: Answering = (request, response) =>
    outage-- > 0
      ? problem(503, "database-unavailable", { "retry-after": "0" })(request, response)
      : rotating.answering(request, response);
  const server = await ScriptedServer.started(answering);
  t.after(() => server.stop());
  const tokens = kept("0", -1);
  const wallet = new Wallet({ baseUrl: server.url, tokens, backoff: { firstMs: 5, mostMs: 20 } });
  assert.equal((await wallet.users.me()).id, "Bearer access-1");
  assert.equal(rotating.isRevoked, false);
});

test("nobody is logged in: said without a request", async (t) => {
  const { server, wallet } = await scripted(t, {});
  await assert.rejects(wallet.users.me(), NotLoggedInError);
  await assert.rejects(
    wallet.transfers.create({ to_handle: "bob", amount: 1 }),
    NotLoggedInError,
  );
  assert.equal(server.received.length, 0);
});

test("logging in, and out again, is for everything that follows", async (t) => {
  const { rotating, wallet } = await scripted(t, {});
  const tokens = await wallet.sessions.logIn(CREDENTIALS);
  assert.deepEqual(wallet.sessions.tokens, tokens);
  assert.ok(Math.abs(tokens.expiresAt - Date.now() - 900_000) < 5_000);
  await wallet.users.me();
  await wallet.sessions.logOut();
  assert.equal(wallet.sessions.tokens, undefined);
  await assert.rejects(wallet.users.me(), NotLoggedInError);
  assert.equal(rotating.logIns, 1);
});

/** Tokens that several clients share, as tabs of a browser do. */
class SharedStore implements TokenStore {
  tokens: Tokens | undefined = kept("0", -1);
  #line: Promise<unknown> = Promise.resolve();

  load(): Tokens | undefined {
    return this.tokens;
  }

  async save(tokens: Tokens | undefined): Promise<void> {
    await sleep(5);
    this.tokens = tokens;
  }

  exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#line.then(work);
    this.#line = result.catch(() => undefined);
    return result;
  }
}

test("clients that share a store refresh one at a time and share what they get", async (t) => {
  const tokenStore = new SharedStore();
  const { rotating, server, wallet } = await scripted(t, { tokenStore });
  const tabs = [
    wallet,
    ...Array.from({ length: 9 }, () => new Wallet({ baseUrl: server.url, tokenStore })),
  ];
  await Promise.all(tabs.flatMap((tab) => [tab.users.me(), tab.users.me()]));
  assert.equal(rotating.refreshes, 1);
  assert.equal(rotating.isRevoked, false);
  assert.equal(tokenStore.tokens?.accessToken, "access-1");
  await wallet.sessions.logOut();
  assert.equal(tokenStore.tokens, undefined);
});

test("a store that cannot be read fails the request, and is asked again", async (t) => {
  let broken = true;
  const tokenStore: TokenStore = {
    load: () => (broken ? Promise.reject(new Error("locked")) : kept("0", 9e5)),
    save: () => undefined,
  };
  const { wallet } = await scripted(t, { tokenStore });
  await assert.rejects(wallet.users.me(), /locked/);
  broken = false;
  assert.equal((await wallet.users.me()).id, "Bearer access-0");
});

test("one caller's signal does not end the refresh that others wait for", async (t) => {
  const { rotating, wallet } = await scripted(t, { tokens: kept("0", -1) });
  const controller = new AbortController();
  const impatient = wallet.users.me({ signal: controller.signal });
  const patient = wallet.users.me();
  controller.abort(new Error("enough"));
  await assert.rejects(impatient, /enough/);
  assert.equal((await patient).id, "Bearer access-1");
  assert.equal(rotating.refreshes, 1);
});

test("an API key is sent as it is, and refused without a second attempt", async (t) => {
  const { server, wallet } = await scripted(t, { apiKey: "wk_abc" });
  await assert.rejects(wallet.users.me(), ProblemError);
  assert.deepEqual(
    server.received.map(({ token }) => token),
    ["Bearer wk_abc"],
  );
  await assert.rejects(() => wallet.sessions.logIn(CREDENTIALS), /API key/);
});

test("no connection is an error of its own", async () => {
  const server = await ScriptedServer.started(cut);
  const { url } = server;
  await server.stop();
  const wallet = new Wallet({ baseUrl: url, apiKey: "wk_test", attemptsMax: 1 });
  await assert.rejects(wallet.users.me(), ConnectionError);
});
