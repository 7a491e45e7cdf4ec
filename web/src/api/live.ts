// The live stream: by WebSocket, opened with a ticket that is good once. It goes on behind the last
// event that was seen, so nothing is missing after a reconnect and nothing comes twice.
import { api, asked, Problem, type Schemas } from "./client";
import { ROOT } from "../parts/router";

export type Balance = Schemas["Balance"];
export type Transaction = Schemas["Transaction"];

export interface Entry {
  type: "entry";
  id: string;
  balance: Balance;
  transaction: Transaction | null;
}

interface Ready {
  type: "ready";
  balances: Balance[];
}

export interface LiveState {
  live: boolean;
  /** Since when nothing new is known, as milliseconds of the epoch; null while it is live. */
  staleSince: number | null;
}

export interface LiveHandlers {
  ready(balances: Balance[]): void;
  entry(entry: Entry): void;
  state(state: LiveState): void;
}

const WAITS_MS = [500, 1_000, 2_000, 5_000, 10_000, 20_000];
const TOO_MANY = 4429;

/** Open the stream and keep it open; the answer ends it. */
export function openLive(handlers: LiveHandlers): () => void {
  const seen = new Map<string, number>();
  let socket: WebSocket | null = null;
  let timer = 0;
  let tries = 0;
  let over = false;
  // Of two that are being opened at once, the later one counts.
  let newest = 0;
  let staleSince: number | null = null;

  const stale = () => {
    staleSince ??= Date.now();
    handlers.state({ live: false, staleSince });
  };
  const again = (waitMs = WAITS_MS[Math.min(tries++, WAITS_MS.length - 1)] ?? 20_000) => {
    if (over) return;
    clearTimeout(timer);
    timer = window.setTimeout(() => void connect(), waitMs * (0.75 + Math.random() / 2));
  };
  const connect = async () => {
    const mine = ++newest;
    let ticket: string;
    try {
      ({ ticket } = await asked(api.POST("/live/tickets")));
    } catch (error) {
      if (mine !== newest) return;
      stale();
      if (!(error instanceof Problem && error.status === 401)) again();
      return;
    }
    if (over || mine !== newest) return;
    socket?.close();
    const address = new URL("live", ROOT);
    address.protocol = address.protocol.replace("http", "ws");
    const opened = (socket = new WebSocket(address));
    opened.onopen = () => {
      const ids = [...seen].map(([wallet, version]) => `${wallet}:${version}`);
      opened.send(JSON.stringify({ ticket, last_event_ids: ids }));
    };
    opened.onmessage = ({ data }: MessageEvent<string>) => take(JSON.parse(data) as Ready | Entry);
    opened.onclose = ({ code }) => {
      if (opened !== socket) return;
      stale();
      again(code === TOO_MANY ? 30_000 : undefined);
    };
  };
  const take = (message: Ready | Entry) => {
    if (message.type === "ready") {
      tries = 0;
      staleSince = null;
      handlers.state({ live: true, staleSince: null });
      handlers.ready(message.balances);
      for (const balance of message.balances) {
        if (!seen.has(balance.wallet_id)) seen.set(balance.wallet_id, balance.version);
      }
    } else if (message.type === "entry") {
      const { wallet_id: wallet, version } = message.balance;
      if (version <= (seen.get(wallet) ?? 0)) return;
      seen.set(wallet, version);
      handlers.entry(message);
    }
  };
  const online = () => {
    if (staleSince !== null) again(0);
  };
  const offline = () => {
    stale();
    socket?.close();
  };
  window.addEventListener("online", online);
  window.addEventListener("offline", offline);
  void connect();
  return () => {
    over = true;
    clearTimeout(timer);
    window.removeEventListener("online", online);
    window.removeEventListener("offline", offline);
    socket?.close();
  };
}
