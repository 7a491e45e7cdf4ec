// Acts, events and facts in words; what is newer than this page is shown as the code that it is.
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api, asked, type Schemas } from "../api/client";
import { Money } from "../parts/money";
import { exactText } from "../parts/time";
import { Identifier, Skeleton } from "../parts/ui";
import { words as all } from "../text/console";

export type Act = Schemas["ActAnswer"];
type Facts = Readonly<Record<string, unknown>>;

const told = all.told;
const MONEY = new Set([
  "overdraft_limit", "debt", "refunded", "refundable", "amount", "available", "posted", "held", "limit", "maximum", "budget", "left",
  "per_payment_max",
]);

export const actName = (act: string): string => told.acts[act] ?? act;
export const eventName = (kind: string): string => told.events[kind] ?? kind;
export const kindName = (kind: string): string => told.kinds[kind] ?? kind;
export const subjectName = (kind: string): string => told.subjects[kind] ?? kind;
export const roleName = (role: string): string => told.roles[role] ?? role;
const factName = (name: string): string => told.facts[name] ?? name;

/** What amounts are in: null while that is being asked, undefined where nobody knows. */
export type KnownCurrency = string | null | undefined;

/** One fact as people read it: money as money where the currency is known, ids short with a way to copy them. */
function Value({ name, value, currency }: { name: string; value: unknown; currency: KnownCurrency }): ReactNode {
  if (value === undefined || value === null) return "–";
  const amount = typeof value === "string" && /^-?\d{1,16}$/.test(value) ? Number(value) : value;
  if (MONEY.has(name) && typeof amount === "number" && currency === null) return <Skeleton width="4em" />;
  if (MONEY.has(name) && typeof amount === "number" && currency) return <Money amount={amount} currency={currency} />;
  if (typeof value === "boolean") return value ? told.yes : told.no;
  if (typeof value === "object") return JSON.stringify(value);
  if (name.endsWith("_at") && !Number.isNaN(Date.parse(String(value)))) return exactText(String(value));
  if (name.endsWith("_id")) return <Identifier id={String(value)} />;
  return <span dir="auto">{told.values[String(value)] ?? String(value)}</span>;
}

/** What was before and what is after, fact by fact. */
export function Changes({ before, after, currency }: { before: Facts; after: Facts; currency: KnownCurrency }) {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  if (names.length === 0) return null;
  return (
    <table className="changes">
      <thead>
        <tr>
          <td />
          <th scope="col">{all.acts.before}</th>
          <th scope="col">{all.acts.after}</th>
        </tr>
      </thead>
      <tbody>
        {names.map((name) => (
          <tr key={name} data-same={JSON.stringify(before[name]) === JSON.stringify(after[name])}>
            <th scope="row" title={name}>
              {factName(name)}
            </th>
            <td>
              <Value name={name} value={before[name]} currency={currency} />
            </td>
            <td>
              <Value name={name} value={after[name]} currency={currency} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Facts beside each other, such as what a problem told besides its code. */
export function FactList({ facts, currency }: { facts: Facts; currency: string | undefined }) {
  const { currency: own, ...rest } = facts;
  const known = typeof own === "string" ? own : currency;
  return Object.entries(rest).map(([name, value]) => (
    <div key={name} className="pair">
      <dt title={name}>{factName(name)}</dt>
      <dd>
        <Value name={name} value={value} currency={known} />
      </dd>
    </div>
  ));
}

/** Return the currency that an act's amounts are in, which its subject knows. */
export function useCurrencyOf(act: Act): KnownCurrency {
  const { kind, id } = act.subject;
  const own = act.after.currency;
  const path = { path: { id: id ?? "" } };
  const wanted = (of: string) => ({ enabled: kind === of && Boolean(id) && typeof own !== "string" });
  const wallet = useQuery({ queryKey: ["wallet", id], queryFn: () => asked(api.GET("/admin/wallets/{id}", { params: path })), ...wanted("wallet") });
  const movement = useQuery({ queryKey: ["movement", id], queryFn: () => asked(api.GET("/admin/transactions/{id}", { params: path })), ...wanted("transaction") });
  if (typeof own === "string") return own;
  return wallet.isLoading || movement.isLoading ? null : (wallet.data?.currency ?? movement.data?.currency);
}
