/** A server over a real socket that answers as it is told, also badly. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it came. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly key: string | undefined;
  readonly token: string | undefined;
  readonly lastEventId: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly at: number;
}

export type Answering = (request: Received, response: ServerResponse) => void | Promise<void>;

export class ScriptedServer {
  readonly received: Received[] = [];
  readonly #server: Server;
  readonly #answering: Answering;

  private constructor(answering: Answering) {
    this.#answering = answering;
    this.#server = createServer((incoming, response) => void this.#answer(incoming, response));
  }

  static async started(...answers: Answering[]): Promise<ScriptedServer> {
    const server = new ScriptedServer(inTurn(...answers));
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  requests(path: string): Received[] {
    return this.received.filter((request) => request.path.split("?")[0] === path);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const { headers } = incoming;
    const request: Received = {
      method: incoming.method ?? "",
      path: incoming.url ?? "",
      key: headers["idempotency-key"] as string | undefined,
      token: headers.authorization,
      lastEventId: headers["last-event-id"] as string | undefined,
      headers,
      body: Buffer.concat(chunks).toString(),
      at: performance.now(),
    };
    this.received.push(request);
    await this.#answering(request, response);
  }
}

/** Answer with JSON. */
export function json(
  status: number,
  document: object,
  headers: Record<string, string> = {},
): Answering {
  return (_, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(document));
  };
}

/** Answer with a problem of this code. */
export function problem(
  status: number,
  code: string,
  headers: Record<string, string> = {},
  facts: object = {},
): Answering {
  const document = {
    type: `/problems/${code}`,
    title: code,
    status,
    detail: code,
    instance: "/",
    code,
    request_id: "r1",
    ...facts,
  };
  return json(status, document, { "content-type": "application/problem+json", ...headers });
}

/** Cut the connection without a word. */
export const cut: Answering = (_, response) => {
  response.destroy();
};

/** Begin a good answer, and cut the connection in the middle of it. */
export const cutInTheMiddle: Answering = (_, response) => {
  response.writeHead(201, { "content-type": "application/json", "content-length": "1000" });
  response.write('{"id": "half');
  setTimeout(() => response.destroy(), 20);
};

/** Never answer. */
export const silence: Answering = () => undefined;

/** Answer each path by its own script. */
export function byPath(scripts: Record<string, Answering>): Answering {
  return (request, response) => {
    const script = scripts[request.path.split("?")[0] ?? ""];
    if (!script) throw new Error(`nobody expected ${request.path}`);
    return script(request, response);
  };
}

/** Answer one after another; the last one for ever. */
export function inTurn(...answers: Answering[]): Answering {
  return (request, response) => {
    const next = answers.length > 1 ? answers.shift() : answers[0];
    return next?.(request, response);
  };
}
