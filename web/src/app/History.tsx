// Everything that moved; each filter stands in the address.
import { useEffect, useMemo, useState } from "react";
import { api, asked } from "../api/client";
import { Icon } from "../parts/icons";
import { exampleOf } from "../parts/amount";
import { parseAmount } from "../parts/money";
import { goBack, isId, useQuery, type Query } from "../parts/router";
import { dateText, dayStart, DAYS } from "../parts/time";
import { Button, Choice, Empty, Failure, Field, ProblemNote, useSettled, useTitle } from "../parts/ui";
import { app } from "../text/app";
import { common } from "../text/common";
import { useHistory, useWallet, type HistoryFilters } from "./data";
import { LineList, LinePanel, LinesLoading } from "./Lines";
import { StatementDialog } from "./Statement";
import { useQuery as useAsked } from "@tanstack/react-query";

const words = app.history;

/** Return what to ask for, from what stands in the address. */
function filtersOf(query: Query, currency: string | undefined): HistoryFilters {
  const filters: HistoryFilters = {};
  if (query.q?.trim()) filters.q = query.q.trim().slice(0, 200);
  if (query.direction === "in" || query.direction === "out") filters.direction = query.direction;
  if (query.kind === "transfer" || query.kind === "top-up") filters.kind = [query.kind];
  const [from, until] = [dayStart(query.from ?? ""), dayStart(query.until ?? "", 1)];
  if (from) filters.booked_from = from;
  if (until) filters.booked_to = until;
  // An amount is one of a currency: over wallets of several, 100 would mean another one in each.
  const [min, max] = [query.min, query.max].map((text) => (currency && text ? parseAmount(text, currency) : null));
  if (min) filters.amount_min = min;
  if (max) filters.amount_max = max;
  if (query.currency && /^[A-Z]{3}$/.test(query.currency)) filters.currency = query.currency;
  return filters;
}

const NAMES = ["q", "direction", "kind", "from", "until", "min", "max", "currency"];

export function History({ id }: { id: string }) {
  useTitle(words.title, app.name);
  const [query, change] = useQuery();
  const { wallet, wallets } = useWallet();
  const [statement, setStatement] = useState(false);
  const currency = query.currency ?? (wallets.length === 1 ? wallet?.currency : undefined);
  const filters = useMemo(() => filtersOf(query, currency), [query, currency]);
  const rest = location.search;
  return (
    <div className="stack">
      <div className="row apart wrap">
        <h1>{words.title}</h1>
        <Button icon="download" onClick={() => setStatement(true)}>
          {words.statement}
        </Button>
      </div>
      <Filters
        query={query}
        change={change}
        currency={currency}
        currencies={wallets.map((each) => each.currency)}
      />
      <Results filters={filters} selected={id} clear={() => change(Object.fromEntries(NAMES.map((name) => [name, null])))} />
      {isId(id) && <LinePanel key={id} id={id} onClose={() => goBack(`/history${rest}`)} />}
      {statement && <StatementDialog wallets={wallets} chosen={wallet} onClose={() => setStatement(false)} />}
    </div>
  );
}

interface FiltersProps {
  query: Query;
  change: (changes: Record<string, string | null>) => void;
  /** That of every line that is asked for, if it is one. */
  currency: string | undefined;
  currencies: string[];
}

const FURTHER = ["kind", "currency", "from", "until", "min", "max"];

function Filters({ query, change, currency, currencies }: FiltersProps) {
  const [text, setText] = useState(query.q ?? "");
  const settled = useSettled(text);
  // An amount counts only beside its currency.
  const further = FURTHER.filter((name) => query[name] && (currency || !["min", "max"].includes(name))).length;
  const [open, setOpen] = useState(further > 0);
  useEffect(() => change({ q: settled }), [settled, change]);
  // Cleared by the button, or another address by the browser's: then the field follows.
  const [known, setKnown] = useState(query.q ?? "");
  if (known !== (query.q ?? "")) {
    setKnown(query.q ?? "");
    if (settled !== (query.q ?? "")) setText(query.q ?? "");
  }
  const direction = query.direction === "in" || query.direction === "out" ? query.direction : "all";
  return (
    <div className="stack tight">
      <div className="row wrap">
        <label className="search grow">
          <span className="unseen">{words.search}</span>
          <Icon name="search" size={18} />
          <input className="input" type="search" dir="auto" maxLength={200} placeholder={words.search} value={text} onChange={(event) => setText(event.target.value)} />
        </label>
        <Choice
          label={words.direction}
          value={direction}
          options={[["all", words.all], ["in", words.in], ["out", words.out]]}
          onChange={(value) => change({ direction: value === "all" ? null : value })}
        />
        <Button aria-expanded={open} onClick={() => setOpen(!open)}>
          {further > 0 ? words.filtersOf(further) : words.filters}
        </Button>
      </div>
      {open && (
        <div className="card padded filters">
          <Field label={words.kind}>
            {(attributes) => (
              <select {...attributes} className="input" value={query.kind ?? ""} onChange={(event) => change({ kind: event.target.value })}>
                <option value="">{words.anyKind}</option>
                <option value="transfer">{words.transfer}</option>
                <option value="top-up">{words.topUp}</option>
              </select>
            )}
          </Field>
          {currencies.length > 1 && (
            <Field label={app.home.wallet}>
              {(attributes) => (
                <select {...attributes} className="input" value={query.currency ?? ""} onChange={(event) => change({ currency: event.target.value, min: null, max: null })}>
                  <option value="">{words.allWallets}</option>
                  {currencies.map((currency) => (
                    <option key={currency}>{currency}</option>
                  ))}
                </select>
              )}
            </Field>
          )}
          {(["from", "until"] as const).map((name) => (
            <Field key={name} label={name === "from" ? words.from : words.to}>
              {(attributes) => (
                <input {...attributes} className="input" type="date" {...DAYS} value={query[name] ?? ""} onChange={(event) => change({ [name]: event.target.value })} />
              )}
            </Field>
          ))}
          {currency && (["min", "max"] as const).map((name) => (
            <Field
              key={name}
              label={words[name]}
              wrong={query[name] && parseAmount(query[name], currency) === null ? words.notAmount : undefined}
            >
              {(attributes) => (
                <input {...attributes} className="input" inputMode="decimal" autoComplete="off" placeholder={exampleOf(currency)} value={query[name] ?? ""} onChange={(event) => change({ [name]: event.target.value })} />
              )}
            </Field>
          ))}
        </div>
      )}
    </div>
  );
}

function Results({ filters, selected, clear }: { filters: HistoryFilters; selected: string; clear: () => void }) {
  const { data, error, isPending, hasNextPage, isFetchingNextPage, fetchNextPage, refetch } = useHistory(filters);
  const filtered = Object.keys(filters).length > 0;
  const count = useAsked({
    queryKey: ["transactions", "count", filters],
    queryFn: async () =>
      (await asked(api.GET("/transactions", { params: { query: { ...filters, limit: 1, count: true } } }))).count,
    enabled: filtered,
  });
  if (isPending) {
    return (
      <div className="card">
        <LinesLoading count={8} />
      </div>
    );
  }
  if (error && !data) return <Failure problem={error} retry={() => void refetch()} />;
  const lines = data.pages.flatMap((page) => page.items);
  const scannedTo = data.pages.at(-1)?.scanned_to;
  return (
    <>
      {filtered && (
        <p className="row small quiet" role="status">
          {count.data ? (count.data.lines === 1 ? words.countOne : words.count(count.data.display)) : "\u00a0"}
          <Button look="bare" size="compact" onClick={clear}>
            {words.clear}
          </Button>
        </p>
      )}
      <div className="card">
        {lines.length === 0 && !hasNextPage ? (
          <Empty icon={filtered ? "search" : "list"} title={filtered ? words.emptyTitle : app.home.emptyTitle}>
            <p>{filtered ? words.empty : app.home.empty}</p>
          </Empty>
        ) : lines.length === 0 ? (
          <p className="padded-text quiet">{words.nothingSoFar}</p>
        ) : (
          <LineList lines={lines} selected={selected} toLine={(line) => `/history/${line.id}${location.search}`} />
        )}
        {error && (
          <div className="more">
            <ProblemNote problem={error} />
          </div>
        )}
        {hasNextPage && (
          <div className="more row wrap">
            {scannedTo && <span className="small quiet">{common.lookingFurther(dateText(scannedTo))}</span>}
            <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
              {common.more}
            </Button>
          </div>
        )}
      </div>
    </>
  );
}
