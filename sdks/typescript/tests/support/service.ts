/** A wallet service of its own, as a process that can be killed. */

import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Wallet, type WalletOptions } from "wallet-sdk";

export const PASSWORD = "seven green lamps at dusk";

interface Mails {
  readonly items: readonly { readonly subject: string; readonly text: string }[];
}

/** The service's command, which whoever runs the tests says: `python -m wallet`. */
const COMMAND = JSON.parse(process.env["WALLET_COMMAND"] ?? '["wallet"]') as string[];

/** A port that nobody listens on, below those that systems give to whoever asks for any. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

export class Service {
  readonly url: string;
  readonly #port: number;
  readonly #directory: string;
  readonly #settings: Record<string, string>;
  #process: ChildProcess | undefined;

  private constructor(port: number, settings: Record<string, string>) {
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#settings = settings;
    // PostgreSQL may run as another user, who has to reach its data.
    this.#directory = mkdtempSync(join(tmpdir(), "wallet-sdk-"));
    chmodSync(this.#directory, 0o755);
  }

  static async started(settings: Record<string, string> = {}): Promise<Service> {
    const service = new Service(await freePort(), settings);
    await service.start();
    return service;
  }

  async start(): Promise<void> {
    const [command = "", ...before] = COMMAND;
    const log = openSync(join(this.#directory, "log"), "a");
    this.#process = spawn(command, [...before, "serve", "--port", String(this.#port)], {
      cwd: this.#directory,
      env: this.#environment(),
      stdio: ["ignore", log, log],
    });
    await this.#ready();
  }

  /** Make an administrator, as an operator does: by the command line, beside the service. */
  appoint(email: string): void {
    const [command = "", ...before] = COMMAND;
    const name = ["--first-name", "Ada", "--last-name", "Operator"];
    const done = spawnSync(command, [...before, "create-admin", "--email", email, ...name], {
      cwd: this.#directory,
      env: this.#environment(),
      input: `${PASSWORD}\n`,
      encoding: "utf8",
    });
    assert.equal(done.status, 0, done.stderr);
  }

  #environment(): NodeJS.ProcessEnv {
    const kept = Object.entries(process.env).filter(
      ([name]) => !name.startsWith("WALLET_") && !name.startsWith("PROMETHEUS_"),
    );
    return {
      ...Object.fromEntries(kept),
      WALLET_DATA_DIRECTORY: join(this.#directory, "data"),
      WALLET_SIGN_UP_LIMIT: "1000",
      WALLET_LOG_IN_LIMIT: "1000",
      ...this.#settings,
    };
  }

  async #ready(): Promise<void> {
    for (const until = Date.now() + 60_000; Date.now() < until; await sleep(30)) {
      if (this.#process?.exitCode != null) break;
      const answer = await fetch(`${this.url}/health/ready`).catch(() => undefined);
      if (answer?.ok) return;
    }
    throw new Error(`It did not come up:\n${this.log().slice(-4000)}`);
  }

  log(): string {
    return readFileSync(join(this.#directory, "log"), "utf8");
  }

  /** kill -9: nothing is said goodbye to. */
  async kill(): Promise<void> {
    await this.#ended("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#ended("SIGTERM");
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #ended(signal: NodeJS.Signals): Promise<void> {
    const running = this.#process;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const exit = once(running, "exit");
    running.kill(signal);
    await exit;
  }

  /** Sign somebody up, and return their client. */
  async person(name: string, options: Partial<WalletOptions> = {}): Promise<Wallet> {
    const credentials = { email: `${name}@example.com`, password: PASSWORD };
    const wallet = new Wallet({ baseUrl: this.url, credentials, ...options });
    await wallet.users.signUp({
      first_name: name[0]?.toUpperCase() + name.slice(1),
      last_name: "Tester",
      email: credentials.email,
      password: PASSWORD,
      handle: name,
    });
    return wallet;
  }

  /** Return the token of the newest mail to somebody with such a subject, once it has come. */
  async mailedToken(recipient: string, subject: RegExp): Promise<string> {
    const address = `${this.url}/dev/mail?recipient=${encodeURIComponent(recipient)}`;
    for (const until = Date.now() + 5_000; Date.now() < until; await sleep(50)) {
      const { items } = (await (await fetch(address)).json()) as Mails;
      const mail = items.find((item) => subject.test(item.subject));
      const token = mail && /^\s*([\w-]{40,})\s*$/m.exec(mail.text)?.[1];
      if (token) return token;
    }
    throw new Error(`no mail to ${recipient}`);
  }
}
