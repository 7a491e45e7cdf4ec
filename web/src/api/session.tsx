// Who is logged in. The cookie is the credential, and no script can read it.
import { useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { createContext, useContext, useSyncExternalStore } from "react";
import { api, asked, Problem, setCsrfToken, untilDefinite, type Schemas } from "./client";

export type Session = Schemas["BrowserSessionAnswer"];

export const SESSION_KEY = ["session"];

/** Find the session again after a reload, and whose it is by now; null without one. */
async function findSession({ client }: { client: QueryClient }): Promise<Session | null> {
  // Who wants to leave does not come back because the service could not be told.
  if (leaving !== "no") return null;
  try {
    const found = await asked(api.GET("/session"));
    setCsrfToken(found.csrf_token);
    const before = client.getQueryData<Session | null>(SESSION_KEY);
    // Another window may have logged in as somebody else: the cookie is one for all of them.
    if (before && before.user.id !== found.user.id) forgetOthers(client);
    return found;
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return null;
    throw error;
  }
}

export function useFoundSession() {
  return useQuery({ queryKey: SESSION_KEY, queryFn: findSession, staleTime: Infinity, retry: 2 });
}

export interface Credentials {
  email: string;
  password: string;
  otp?: string;
}

/** Log in; throws `second-factor-required` when a code is needed too. */
export async function beginSession(client: QueryClient, body: Credentials): Promise<Session> {
  const begun = await asked(api.POST("/session", { body }));
  setLeaving("no");
  setCsrfToken(begun.csrf_token);
  forgetOthers(client);
  client.setQueryData(SESSION_KEY, begun);
  return begun;
}

// Whether somebody is logging out, or has tried to: the cookie is gone only when the service says so.
let leaving: "no" | "now" | "failed" = "no";
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
export async function endSession(client: QueryClient): Promise<void> {
  setLeaving("now");
  client.setQueryData(SESSION_KEY, null);
  forgetOthers(client);
  try {
    await untilDefinite(() => asked(api.DELETE("/session")), () => undefined);
  } catch (error) {
    if (!(error instanceof Problem && error.status === 401)) {
      setLeaving("failed");
      return;
    }
  }
  setCsrfToken("");
  setLeaving("no");
}

export function forgetSession(client: QueryClient): void {
  setCsrfToken("");
  client.setQueryData(SESSION_KEY, null);
  forgetOthers(client);
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
