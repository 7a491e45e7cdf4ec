// What /app knows: asked for once, kept by TanStack Query, changed by the live stream.
import { useInfiniteQuery, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import { api, asked, type Schemas } from "../api/client";
import { openLive, type Balance, type Entry, type LiveState, type Transaction } from "../api/live";
import { moneyText } from "../parts/money";
import { useQuery as useAddressQuery } from "../parts/router";
import { tell } from "../parts/ui";
import { Icon } from "../parts/icons";
import { app } from "../text/app";

export type Wallet = Schemas["Wallet"];
export type Profile = Schemas["ProfileAnswer"];
export type Party = Schemas["Party"];

export const partyName = (party: Party): string => `${party.first_name} ${party.initial}${party.initial ? "." : ""}`.trim();

const RECENT_LINES = 100;

export function useProfile() {
  return useQuery({ queryKey: ["profile"], queryFn: () => asked(api.GET("/users/me")), staleTime: 60_000 });
}

export function useWallets() {
  return useQuery({
    queryKey: ["wallets"],
    queryFn: async () => (await asked(api.GET("/wallets"))).items,
    staleTime: 30_000,
    // What staff decide about a wallet moves no money, and so is not on the live stream.
    refetchInterval: 30_000,
  });
}

/** Return what keeps money from moving: a freeze, or that the wallet is closed for ever. */
export const standingOf = (wallet: Wallet): string => (wallet.status === "closed" ? "closed" : wallet.frozen);

const isStopped = (wallet: Wallet, way: string) => [way, "both", "closed"].includes(standingOf(wallet));
export const cannotSend = (wallet: Wallet): boolean => isStopped(wallet, "send");
export const cannotReceive = (wallet: Wallet): boolean => isStopped(wallet, "receive");

/** Return the wallet that is looked at: the one in the address, else the default one, else one that is open. */
export function useWallet() {
  const [query] = useAddressQuery();
  const profile = useProfile();
  const { data, error, refetch } = useWallets();
  const wallets: Wallet[] = data ?? [];
  const retry = () => void Promise.all([refetch(), profile.refetch()]);
  const isOpen = (each: Wallet) => each.status === "open";
  const asked = wallets.find((each) => each.currency === query.currency);
  const usual = wallets.find((each) => isOpen(each) && each.currency === profile.data?.default_currency);
  const wallet = asked ?? usual ?? (profile.data && (wallets.find(isOpen) ?? wallets[0]));
  return { wallet, wallets, failed: error ?? profile.error, retry };
}

/** Return the last lines: of all wallets, or of one that would be lost among those of another. */
export function useRecentLines(walletId?: string) {
  const query = { limit: RECENT_LINES, ...(walletId ? { wallet_id: walletId } : {}) };
  return useQuery({
    queryKey: walletId ? ["transactions", "recent", walletId] : ["transactions", "recent"],
    queryFn: async () => (await asked(api.GET("/transactions", { params: { query } }))).items,
    staleTime: 30_000,
  });
}

/** Return whom one has dealt with lately, the last one first. */
export function recentPeople(lines: readonly Transaction[], max: number): Party[] {
  const found = new Map<string, Party>();
  for (const { counterparty } of lines) {
    if (counterparty && !found.has(counterparty.user_id)) found.set(counterparty.user_id, counterparty);
  }
  return [...found.values()].slice(0, max);
}

export type HistoryFilters = NonNullable<
  import("../api/schema").paths["/transactions"]["get"]["parameters"]["query"]
>;

export function useHistory(filters: HistoryFilters) {
  return useInfiniteQuery({
    queryKey: ["transactions", "history", filters],
    queryFn: ({ pageParam }) => {
      const cursor = pageParam === null ? {} : { cursor: pageParam };
      return asked(api.GET("/transactions", { params: { query: { ...filters, ...cursor, limit: 40 } } }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    staleTime: 15_000,
  });
}

// Live

const LiveContext = createContext<LiveState>({ live: false, staleSince: null });

export const useLive = (): LiveState => useContext(LiveContext);

function takeBalance(client: QueryClient, balance: Balance): void {
  client.setQueryData<Wallet[]>(["wallets"], (wallets) =>
    wallets?.map((wallet) =>
      wallet.id === balance.wallet_id && wallet.version <= balance.version ? { ...wallet, ...balance } : wallet,
    ),
  );
}

const FRESH_MS = 2_000;
const fresh = new Map<string, number>();

/** Whether a line has come only now, and so slides in. */
export const isFresh = (line: Transaction): boolean => Date.now() - (fresh.get(line.id) ?? 0) < FRESH_MS;

function takeLine(client: QueryClient, line: Transaction): void {
  fresh.set(line.id, Date.now());
  setTimeout(() => fresh.delete(line.id), FRESH_MS);
  const holds = ({ queryKey }: { queryKey: readonly unknown[] }) =>
    queryKey[1] === "recent" && (queryKey[2] === undefined || queryKey[2] === line.wallet_id);
  client.setQueriesData<Transaction[]>({ queryKey: ["transactions"], predicate: holds }, (lines) => {
    if (!lines || lines.some((each) => each.id === line.id && each.wallet_id === line.wallet_id)) return lines;
    return [line, ...lines].slice(0, RECENT_LINES);
  });
}

/** What was asked before an entry came may be answered without it: then it is asked again. */
function askAgain(client: QueryClient): void {
  const underWay = { fetchStatus: "fetching" as const };
  for (const queryKey of [["wallets"], ["transactions", "recent"]]) {
    if (client.isFetching({ queryKey }) > 0) void client.invalidateQueries({ queryKey, ...underWay });
  }
}

/** Whether something was booked after the lines were asked for and before the stream began. */
function isBehind(client: QueryClient, balances: readonly Balance[]): boolean {
  const wallets = client.getQueryData<Wallet[]>(["wallets"]) ?? [];
  const lines = client.getQueryData<Transaction[]>(["transactions", "recent"]);
  if (!lines) return false;
  return balances.some(({ wallet_id: id, version }) => {
    const shown = lines.find((line) => line.wallet_id === id)?.balance.version ?? 0;
    const asked = wallets.find((wallet) => wallet.id === id)?.version ?? version;
    return version > asked || (shown < version && lines.length < RECENT_LINES);
  });
}

function announce(line: Transaction): void {
  if (line.direction !== "in") return;
  const amount = moneyText(line.amount, line.currency, true);
  tell(
    <>
      <Icon name="receive" />
      <span dir="auto">
        {line.counterparty ? app.home.received(amount, partyName(line.counterparty)) : app.home.added(amount)}
      </span>
    </>,
  );
}

/** Keep what is shown up to date while anybody looks. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [state, setState] = useState<LiveState>({ live: false, staleSince: null });
  useEffect(() => {
    let timer = 0;
    const later = () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => {
        for (const kind of ["history", "count"]) void client.invalidateQueries({ queryKey: ["transactions", kind] });
        void client.invalidateQueries({ queryKey: ["insights"] });
      }, 400);
    };
    const stop = openLive({
      state: setState,
      ready: (balances) => {
        askAgain(client);
        if (isBehind(client, balances)) {
          for (const kind of ["transactions", "insights"]) void client.invalidateQueries({ queryKey: [kind] });
        }
        balances.forEach((balance) => takeBalance(client, balance));
      },
      entry: ({ balance, transaction }: Entry) => {
        askAgain(client);
        takeBalance(client, balance);
        if (transaction) {
          takeLine(client, transaction);
          announce(transaction);
        }
        later();
      },
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [client]);
  return <LiveContext value={state}>{children}</LiveContext>;
}
