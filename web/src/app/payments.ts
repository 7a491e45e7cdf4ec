// What somebody is about to send, and what was sent without an answer: kept in this tab through a
// reload, for the person it belongs to and for nobody who logs in after them.
import { useEffect, useRef, useState } from "react";
import { api, asked, Discarded, isUnknown, newKey, Problem, untilDefinite, Unreachable, type Schemas } from "../api/client";
import { useSession } from "../api/session";
import type { Party } from "./data";

export type Transfer = Schemas["TransferAnswer"];

/** A payment that is ready to go; whoever repeats it with its key pays once. */
export interface Payment {
  key: string;
  party: Party;
  body: Schemas["TransferBody"];
}

/** What has been typed so far. */
export interface Draft {
  party: Party;
  text: string;
  note: string;
  currency: string;
  /** There once it has been looked over: from then on it keeps its key. */
  payment: Payment | null;
}

export interface AddedMoney {
  key: string;
  body: { amount: number; currency: string };
}

const DRAFT = "wallet-draft";
const PENDING = "wallet-pending-payment";
const ADDING = "wallet-pending-money";
const UNDECIDED = "wallet-undecided-money";

const UNDECIDED_MAX = 20;

interface Kept {
  owner: string;
  value: unknown;
}

// What is known in this page; the tab's storage is for the next one.
const known = new Map<string, Kept | null>();
const listeners = new Set<(name: string) => void>();

function kept<T>(name: string, owner: string): T | null {
  if (!known.has(name)) {
    try {
      known.set(name, JSON.parse(sessionStorage.getItem(name) ?? "null") as Kept | null);
    } catch {
      known.set(name, null);
    }
  }
  const found = known.get(name);
  return found?.owner === owner ? (found.value as T) : null;
}

function keep(name: string, owner: string, value: unknown): void {
  known.set(name, value ? { owner, value } : null);
  listeners.forEach((listener) => listener(name));
  try {
    if (value) sessionStorage.setItem(name, JSON.stringify({ owner, value }));
    else sessionStorage.removeItem(name);
  } catch {
    // A browser that keeps nothing: then a reload forgets, and nothing else is lost.
  }
}

/** Return something that outlives a reload, and how to keep another one in its place. */
function useKept<T>(name: string): [T | null, (value: T | null) => void] {
  const owner = useSession().user.id;
  const [value, setValue] = useState(() => kept<T>(name, owner));
  useEffect(() => {
    // A payment goes on while one looks at something else, and is answered there.
    const changed = (which: string) => which === name && setValue(kept<T>(name, owner));
    listeners.add(changed);
    return () => void listeners.delete(changed);
  }, [name, owner]);
  return [value, (next) => keep(name, owner, next)];
}

/** Return the draft, how to keep another, and how to ask for what is one now. */
export function useDraft(): [Draft | null, (value: Draft | null) => void, () => Draft | null] {
  const owner = useSession().user.id;
  return [...useKept<Draft>(DRAFT), () => kept<Draft>(DRAFT, owner)];
}

interface Pending<T> {
  /** What was sent without an answer, even after a reload: its key makes it safe. */
  pending: T | null;
  /** Keep this one while its answer is not definite, then let go of it, and of no other. */
  remember: (one: T) => (on: boolean) => void;
  /** Whether it is still to be found out. */
  wants: (one: T) => boolean;
  forget: () => void;
}

function usePending<T extends { key: string }>(name: string): Pending<T> {
  const owner = useSession().user.id;
  const [pending, keepOne] = useKept<T>(name);
  const wants = (one: T) => kept<T>(name, owner)?.key === one.key;
  const remember = (one: T) => (on: boolean) => {
    if (on) keepOne(one);
    else if (wants(one)) keepOne(null);
  };
  return { pending, remember, wants, forget: () => keepOne(null) };
}

export const usePendingPayment = () => usePending<Payment>(PENDING);
export const usePendingMoney = () => usePending<AddedMoney>(ADDING);

/** Money that a payment source has not decided about, and what to do with one: add it, or let go of it. */
export function useUndecidedMoney() {
  const owner = useSession().user.id;
  const [all, keepAll] = useKept<AddedMoney[]>(UNDECIDED);
  const others = ({ key }: AddedMoney) => (kept<AddedMoney[]>(UNDECIDED, owner) ?? []).filter((one) => one.key !== key);
  const keepSome = (some: AddedMoney[]) => keepAll(some.length > 0 ? some.slice(-UNDECIDED_MAX) : null);
  return {
    all: all ?? [],
    add: (one: AddedMoney) => keepSome([...others(one), one]),
    drop: (one: AddedMoney) => keepSome(others(one)),
  };
}

export const paymentOf = (party: Party, amount: number, currency: string, note: string): Payment => ({
  key: newKey(),
  party,
  body: { to_user_id: party.user_id, amount, currency, note: note.trim() || null, dry_run: false },
});

interface Repeated<T> {
  /** Repeats one and the same request. */
  attempt: () => Promise<T>;
  /** Called before the first attempt with true, and with false once the answer is definite. */
  remember: (pending: boolean) => void;
  /** Whether it is still to be tried again; who has discarded it wants no further attempt. */
  wanted: () => boolean;
  /** Whether it was sent before, and nobody knows what has become of it. */
  inDoubt: boolean;
  /** What was done; `here` is whether whoever asked is still looking at it. */
  onDone: (done: T, here: boolean) => void;
  /** It was not done, for good: the key has been used up. */
  onRefused: (problem: Problem, here: boolean) => void;
}

/** Repeat a request that moves money until its answer is definite. */
export function useRepeated<T>({ attempt, remember, wanted, inDoubt, onDone, onRefused }: Repeated<T>) {
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => void (here.current = false);
  }, []);
  const [busy, setBusy] = useState(false);
  const [waits, setWaits] = useState<Problem | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const send = async () => {
    if (busy) return;
    const doubt = isUnknown(problem) ? problem : inDoubt ? new Unreachable() : null;
    setBusy(true);
    setProblem(null);
    remember(true);
    const over = () => {
      setBusy(false);
      setWaits(null);
    };
    let done: T;
    try {
      done = await untilDefinite(attempt, setWaits, doubt, wanted);
    } catch (error) {
      over();
      if (error instanceof Discarded) return;
      const found = error instanceof Problem ? error : new Unreachable();
      setProblem(found);
      if (isUnknown(found)) return;
      remember(false);
      onRefused(found, here.current);
      return;
    }
    over();
    remember(false);
    onDone(done, here.current);
  };
  return { busy, waits, problem, send };
}

export const sendPayment = async ({ key, body }: Payment): Promise<Transfer> =>
  (await asked(api.POST("/wallets/transfer", { body, params: { header: { "Idempotency-Key": key } } }))) as Transfer;

export const addMoney = ({ key, body }: AddedMoney) =>
  asked(api.POST("/wallets/topup", { body, params: { header: { "Idempotency-Key": key } } }));
