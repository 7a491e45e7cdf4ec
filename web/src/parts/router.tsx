// Addresses: where one is, and everything that a view can be found by again stands in them.
import { useCallback, useMemo, useSyncExternalStore, type AnchorHTMLAttributes } from "react";

// The script lies in <root>/pages/assets/, wherever the root is (a proxy may add a prefix).
const here = import.meta.url;
export const ROOT = new URL("../../", here);

/** Whether a text is an id as the service makes them. */
export const isId = (text: string): boolean => /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text);

let base = "";

/** Say which page this is: every path of `navigate` and `Link` lies below it. */
export function startRouter(page: string): void {
  base = `${ROOT.pathname}${page}`;
}

/** Return the address of a path of this page. */
export function addressOf(path: string): string {
  return path === "/" ? base : `${base}${path}`;
}

const listeners = new Set<() => void>();
const told = () => listeners.forEach((listener) => listener());

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

/** What the browser keeps with a place that was reached from another one of this page. */
const WITHIN = { within: true };

interface Going {
  /** The place that is left is not come back to. */
  replace?: boolean;
  /** What opens does so beside what is there, which stays where it was scrolled to. */
  stay?: boolean;
}

/** Go somewhere. */
export function navigate(path: string, options: Going = {}): void {
  const address = addressOf(path);
  if (options.replace) history.replaceState(history.state, "", address);
  else history.pushState(WITHIN, "", address);
  if (!options.replace && !options.stay) window.scrollTo(0, 0);
  told();
}

/** Go back to where this place was reached from, or to `path` if it was opened by itself. */
export function goBack(path: string): void {
  if ((history.state as { within?: boolean } | null)?.within) history.back();
  else navigate(path, { replace: true });
}

/** Return the path below the page, always beginning with a slash. */
export function usePath(): string {
  const path = useSyncExternalStore(subscribe, () => location.pathname);
  const below = path.startsWith(base) ? path.slice(base.length) : path;
  return below.replace(/\/+$/, "") || "/";
}

export type Query = Record<string, string>;

/** Return what stands behind the question mark, and a way to change some of it in place. */
export function useQuery(): [Query, (changes: Record<string, string | null>) => void] {
  const search = useSyncExternalStore(subscribe, () => location.search);
  const query = useMemo(() => Object.fromEntries(new URLSearchParams(search)), [search]);
  const change = useCallback((changes: Record<string, string | null>) => {
    const next = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") next.delete(name);
      else next.set(name, value);
    }
    const rest = next.toString();
    history.replaceState(history.state, "", `${location.pathname}${rest ? `?${rest}` : ""}`);
    told();
  }, []);
  return [query, change];
}

type LinkProps = AnchorHTMLAttributes<HTMLAnchorElement> & { to: string; stay?: boolean };

/** A link within the page, that opens in a new tab like any other. */
export function Link({ to, stay = false, onClick, ...rest }: LinkProps) {
  return (
    <a
      {...rest}
      href={addressOf(to)}
      onClick={(event) => {
        onClick?.(event);
        const elsewhere = event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0;
        if (event.defaultPrevented || elsewhere) return;
        event.preventDefault();
        navigate(to, { stay });
      }}
    />
  );
}
