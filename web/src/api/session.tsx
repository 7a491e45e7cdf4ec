// Who is logged in. The cookie is the credential, and no script can read it.
import { useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { api, asked, CSRF_HEADER, csrfTokenNow, onSessionLost, Problem, sameHolder, setHolder, untilDefinite, type Schemas } from "./client";

export type Session = Schemas["BrowserSessionAnswer"];

const SESSION_KEY = ["session"];

/** Find the session again after a reload, and whose it is by now; null without one. */
async function findSession({ client }: { client: QueryClient }): Promise<Session | null> {
  // Who wants to leave does not come back because the service could not be told.
  if (leaving !== "no") return null;
  const isStillSo = sameHolder();
  let found: Session | null = null;
  try {
    found = await asked(api.GET("/session"));
  } catch (error) {
    if (!(error instanceof Problem && error.status === 401)) throw error;
  }
  const before = client.getQueryData<Session | null>(SESSION_KEY) ?? null;
  // Somebody has logged in or out here while it was asked: the answer is of before.
  if (!isStillSo()) return before;
  if (found === null) return null;
  setHolder({ userId: found.user.id, csrfToken: found.csrf_token });
  // Another window may have logged in as somebody else: the cookie is one for all of them.
  if (before && before.user.id !== found.user.id) forgetOthers(client);
  return found;
}

/** Return who is logged in, and whether whoever was has lost their session. */
export function useFoundSession() {
  const client = useQueryClient();
  const found = useQuery({ queryKey: SESSION_KEY, queryFn: findSession, staleTime: Infinity, retry: 2 });
  const [ended, setEnded] = useState(false);
  useEffect(() => {
    onSessionLost(() => {
      setEnded(true);
      hold(client, null);
    });
  }, [client]);
  if (found.data && ended) setEnded(false);
  return { ...found, ended };
}

/** From now on this is who is logged in here; nothing of anybody else is kept. */
function hold(client: QueryClient, session: Session | null): void {
  setHolder(session && { userId: session.user.id, csrfToken: session.csrf_token });
  void client.cancelQueries({ queryKey: SESSION_KEY });
  client.setQueryData(SESSION_KEY, session);
  forgetOthers(client);
}

export interface Credentials {
  email: string;
  password: string;
  otp?: string;
}

/** Log in; throws `second-factor-required` when a code is needed too. */
export async function beginSession(client: QueryClient, body: Credentials): Promise<Session> {
  ++entering;
  try {
    // A log-out under way would take the new cookie with it.
    await departure;
    const begun = await asked(api.POST("/session", { body }));
    setLeaving("no");
    hold(client, begun);
    return begun;
  } finally {
    --entering;
  }
}

// Whether somebody is logging out, or has tried to: the cookie is gone only when the service says so.
let leaving: "no" | "now" | "failed" = "no";
let leaversToken = "";
let departure: Promise<void> = Promise.resolve();
let entering = 0;
const leavingListeners = new Set<() => void>();

function setLeaving(next: typeof leaving): void {
  leaving = next;
  leavingListeners.forEach((listener) => listener());
}

/** Whether the service could not be told that somebody has logged out: the browser still is in. */
export function useStillIn(): boolean {
  const subscribe = (listener: () => void) => {
    leavingListeners.add(listener);
    return () => void leavingListeners.delete(listener);
  };
  return useSyncExternalStore(subscribe, () => leaving === "failed");
}

/** Log out: here at once, and at the service as soon as it can be told. */
export function endSession(client: QueryClient): Promise<void> {
  leaversToken = csrfTokenNow() || leaversToken;
  setLeaving("now");
  hold(client, null);
  departure = tellOfLeaving(leaversToken);
  return departure;
}

async function tellOfLeaving(csrfToken: string): Promise<void> {
  let told = false;
  const attempt = () => {
    told = true;
    // It arrives although the page may be closed, or another one gone to, before it is answered.
    return asked(api.DELETE("/session", { headers: { [CSRF_HEADER]: csrfToken }, keepalive: true }));
  };
  try {
    // Who wants to log in waits for one attempt, and for no more.
    await untilDefinite(attempt, () => undefined, null, () => !told || entering === 0);
  } catch (error) {
    setLeaving(error instanceof Problem && error.status === 401 ? "no" : "failed");
    return;
  }
  setLeaving("no");
}

/** Forget what somebody else has seen here. */
function forgetOthers(client: QueryClient): void {
  client.removeQueries({ predicate: (query) => query.queryKey[0] !== SESSION_KEY[0] });
}

export const SessionContext = createContext<Session | null>(null);

/** Return the session of whoever is logged in; only below a view that needs one. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("nobody is logged in");
  return session;
}

export function useRefreshedSession(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: SESSION_KEY });
}
