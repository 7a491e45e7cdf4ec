// Everything that moved and everything that was refused, newest first; each opens at the side.
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { api, asked, type Schemas } from "../api/client";
import { useSession } from "../api/session";
import { Money, parseAmount } from "../parts/money";
import { Link, navigate, useQuery as useAddressQuery, type Query } from "../parts/router";
import { exactText, When } from "../parts/time";
import { Button, Choice, Identifier, useSettled, useTitle } from "../parts/ui";
import { words as all } from "../text/console";
import { ActDialog, DayInput, nameOf, Panel, PersonLink, startOf, Table, useMay, whileFirst, type Movement, within } from "./shared";
import { FactList, kindName } from "./telling";

const words = all.transfers;
const KINDS = {
  completed: ["transfer", "top-up", "refund", "adjustment"],
  refused: ["transfer", "top-up-request", "refund", "transfer-batch"],
} as const;
const EVERY_MS = 5_000;

type Shown = keyof typeof KINDS;
type Refusal = Schemas["StaffRefusal"];

export function Transfers({ id }: { id: string }) {
  useTitle(words.title, all.name);
  const [query, change] = useAddressQuery();
  const shown: Shown = query.show === "refused" ? "refused" : "completed";
  const q = useSettled((query.q ?? "").trim());
  const close = () => navigate(`/transfers${location.search}`, { replace: true });
  return (
    <div className="stack">
      <h1>{words.title}</h1>
      <Filters shown={shown} query={query} change={change} />
      {q.length >= 2 ? (
        <Found q={q} shown={shown} id={id} />
      ) : shown === "refused" ? (
        <Refusals query={query} id={id} />
      ) : (
        <Movements query={query} id={id} />
      )}
      {id && (shown === "refused" ? <RefusalPanel key={id} id={id} onClose={close} /> : <MovementPanel key={id} id={id} onClose={close} />)}
    </div>
  );
}

interface FiltersProps {
  shown: Shown;
  query: Query;
  change: (changes: Record<string, string | null>) => void;
}

function Filters({ shown, query, change }: FiltersProps) {
  const input = (name: string, label: string, more: object) => (
    <input className="input compact" aria-label={label} placeholder={label} value={query[name] ?? ""} onChange={(event) => change({ [name]: event.target.value })} {...more} />
  );
  const amount = { inputMode: "decimal", size: 9, maxLength: 24 };
  const byId = (query.q ?? "").trim().length >= 2;
  return (
    <div className="inputs">
      <Choice
        label={words.show}
        value={shown}
        options={[["completed", words.completed], ["refused", words.refusedOnes]]}
        onChange={(value) => change({ show: value === "refused" ? value : null, kind: null, code: null })}
      />
      <input className="input compact grow" type="search" aria-label={words.find} placeholder={words.find} maxLength={200} value={query.q ?? ""} onChange={(event) => change({ q: event.target.value })} />
      {/* An id is looked for among everything. */}
      <fieldset className="inputs" disabled={byId} title={byId ? words.byId : undefined}>
        {shown === "refused" && query.code && (
          <Button size="compact" icon="close" title={words.anyReason} onClick={() => change({ code: null })}>
            {query.code}
          </Button>
        )}
        <select className="input compact" aria-label={words.kind} value={query.kind ?? ""} onChange={(event) => change({ kind: event.target.value })}>
          <option value="">{words.anyKind}</option>
          {KINDS[shown].map((kind) => (
            <option key={kind} value={kind}>
              {kindName(kind)}
            </option>
          ))}
        </select>
        {input("currency", words.currency, { maxLength: 3, size: 9 })}
        {/* What an amount means depends on its currency. */}
        {currencyOf(query) && input("least", words.least, amount)}
        {currencyOf(query) && input("most", words.most, amount)}
        <DayInput label={words.since} value={query.from} onChange={(from) => change({ from })} />
        <DayInput label={words.until} value={query.until} onChange={(until) => change({ until })} />
      </fieldset>
    </div>
  );
}

const currencyOf = (query: Query): string | undefined =>
  /^[A-Za-z]{3}$/.test(query.currency ?? "") ? query.currency?.toUpperCase() : undefined;

/** What both lists are asked for, as it stands in the address. */
function filtersOf(query: Query) {
  const currency = currencyOf(query);
  const [least, most] = [query.least, query.most].map((text) => (currency && text ? parseAmount(text, currency) : null));
  const [from, to] = [startOf(query.from), startOf(query.until, 1)];
  return {
    ...(currency && { currency }),
    ...(least && { amount_min: least }),
    ...(most && { amount_max: most }),
    ...(from && { booked_from: from }),
    ...(to && { booked_to: to }),
  };
}

const oneOf = <T extends string>(values: readonly T[], text: string | undefined) => {
  const found = values.find((value) => value === text);
  return found ? { kind: [found] } : {};
};

const again = whileFirst(EVERY_MS);

const lookedTo = (pages: { scanned_to: string | null }[] | undefined): string | undefined => {
  const last = pages?.at(-1)?.scanned_to;
  return last ? words.lookedTo(exactText(last)) : undefined;
};

function Movements({ query, id }: { query: Query; id: string }) {
  const filters = { ...filtersOf(query), ...oneOf(KINDS.completed, query.kind) };
  const pages = useInfiniteQuery({
    queryKey: ["movements", filters],
    queryFn: ({ pageParam }) =>
      asked(api.GET("/admin/transactions", { params: { query: { ...filters, ...(pageParam && { cursor: pageParam }) } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: again,
  });
  return (
    <Table caption={words.completed} head={MOVEMENT_HEAD} pages={pages} empty={words.empty} partial={lookedTo(pages.data?.pages)} row={(movement) => <MovementRow key={movement.id} movement={movement} open={movement.id === id} />} />
  );
}

const MOVEMENT_HEAD = [
  words.when, words.from, { text: words.to, wide: true }, { text: words.kind, wide: true }, { text: words.written, wide: true }, { text: words.amount, number: true },
] as const;

function placeOf(id: string, shown: Shown): string {
  const query = new URLSearchParams(location.search);
  if (shown === "refused") query.set("show", shown);
  else query.delete("show");
  return `/transfers/${id}${query.size > 0 ? `?${query.toString()}` : ""}`;
}

function MovementRow({ movement, open }: { movement: Movement; open: boolean }) {
  const place = placeOf(movement.id, "completed");
  return (
    <tr className="opens" data-open={open} onClick={() => navigate(place, { stay: true })}>
      <th scope="row">
        <Link stay to={place} onClick={within}>
          <When time={movement.booked_at} />
        </Link>
      </th>
      <td className="free">
        <bdi>{sideName(movement.source)}</bdi>
        <span className="small-only tiny quieter">
          → <bdi>{sideName(movement.target)}</bdi>
        </span>
      </td>
      <td className="free wide">
        <bdi>{sideName(movement.target)}</bdi>
      </td>
      <td className="quiet wide">{kindName(movement.kind)}</td>
      <td className="fills quiet wide" title={movement.note ?? movement.reference ?? undefined}>
        <bdi>{movement.note ?? movement.reference}</bdi>
      </td>
      <td className="number">
        <Money amount={movement.amount} currency={movement.currency} />
      </td>
    </tr>
  );
}

function Refusals({ query, id }: { query: Query; id: string }) {
  const filters = { ...filtersOf(query), ...oneOf(KINDS.refused, query.kind), ...(query.code && { code: query.code }) };
  const pages = useInfiniteQuery({
    queryKey: ["refusals", filters],
    queryFn: ({ pageParam }) =>
      asked(api.GET("/admin/refusals", { params: { query: { ...filters, ...(pageParam && { cursor: pageParam }) } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: again,
  });
  return (
    <Table caption={words.refusedOnes} head={REFUSAL_HEAD} pages={pages} empty={words.emptyRefused} partial={lookedTo(pages.data?.pages)} row={(refusal) => <RefusalRow key={refusal.id} refusal={refusal} open={refusal.id === id} />} />
  );
}

const REFUSAL_HEAD = [
  words.when, words.whose, { text: words.to, wide: true }, { text: words.kind, wide: true }, { text: words.why, wide: true }, { text: words.amount, number: true },
] as const;

function RefusalRow({ refusal, open }: { refusal: Refusal; open: boolean }) {
  const place = placeOf(refusal.id, "refused");
  return (
    <tr className="opens" data-open={open} onClick={() => navigate(place, { stay: true })}>
      <th scope="row">
        <Link stay to={place} onClick={within}>
          <When time={refusal.happened_at} />
        </Link>
      </th>
      <td className="free">
        <bdi>{refusal.owner ? nameOf(refusal.owner) : words.system}</bdi>
        <span className="small-only tiny quieter">{refusal.title}</span>
      </td>
      <td className="free wide">
        <bdi>{refusal.counterparty && nameOf(refusal.counterparty)}</bdi>
      </td>
      <td className="quiet wide">{kindName(refusal.kind)}</td>
      <td className="fills wide" title={refusal.code}>
        {refusal.title}
      </td>
      <td className="number">
        <Money amount={refusal.amount} currency={refusal.currency} />
      </td>
    </tr>
  );
}

/** What has an id or a reference: whatever it is, and whichever list is open. */
function Found({ q, shown, id }: { q: string; shown: Shown; id: string }) {
  const found = useQuery({
    queryKey: ["search", q],
    queryFn: () => asked(api.GET("/admin/search", { params: { query: { q } } })),
  });
  const { data, error, refetch, dataUpdatedAt } = found;
  const onePage = <T,>(items: T[] | undefined) => ({
    data: items && { pages: [{ items }] }, error, refetch, dataUpdatedAt, hasNextPage: false, isFetchingNextPage: false, isFetchNextPageError: false, fetchNextPage: () => undefined,
  });
  const refused = data ? data.refusals.length > 0 || (shown === "refused" && data.transactions.length === 0) : shown === "refused";
  return refused ? (
    <Table caption={words.refusedOnes} head={REFUSAL_HEAD} pages={onePage(data?.refusals)} empty={words.none} row={(refusal) => <RefusalRow key={refusal.id} refusal={refusal} open={refusal.id === id} />} />
  ) : (
    <Table caption={words.completed} head={MOVEMENT_HEAD} pages={onePage(data?.transactions)} empty={words.none} row={(movement) => <MovementRow key={movement.id} movement={movement} open={movement.id === id} />} />
  );
}

function RefusalPanel({ id, onClose }: { id: string; onClose: () => void }) {
  const found = useQuery({
    queryKey: ["refusal", id],
    queryFn: () => asked(api.GET("/admin/refusals/{id}", { params: { path: { id } } })),
  });
  return (
    <Panel title={found.data ? `${kindName(found.data.kind)}, ${words.refusedOnes.toLowerCase()}` : words.refusedOnes} found={found} onClose={onClose}>
      {(refusal) => <Why refusal={refusal} />}
    </Panel>
  );
}

function Why({ refusal }: { refusal: Refusal }) {
  const { owner, counterparty, currency } = refusal;
  const { wallet_id: _wallet, amount: _amount, ...facts } = refusal.facts;
  return (
    <div className="stack wide">
      <p className="value">
        <Money amount={refusal.amount} currency={currency} />
      </p>
      <p className="strong" title={refusal.code}>
        {refusal.title}. <span className="quiet">{words.noSides}</span>
      </p>
      <dl className="facts">
        <FactList facts={facts} currency={currency} />
        <dt>{words.whose}</dt>
        <dd>{owner ? <PersonLink person={owner} /> : words.system}</dd>
        {counterparty && (
          <>
            <dt>{words.to}</dt>
            <dd>
              <PersonLink person={counterparty} />
            </dd>
          </>
        )}
        <dt>{words.account}</dt>
        <dd>
          <Link to={`/wallets/${refusal.account_id}`}>…{refusal.account_id.slice(-8)}</Link>
        </dd>
        <dt>{words.when}</dt>
        <dd>{exactText(refusal.happened_at)}</dd>
        <dt>{words.id}</dt>
        <dd>
          <Identifier id={refusal.id} />
        </dd>
      </dl>
    </div>
  );
}

type Side = Schemas["Side"];

const sideName = (side: Side): string =>
  side.owner ? nameOf(side.owner) : `${words.system} (${side.purpose})`;

function SideFacts({ side, currency }: { side: Side; currency: string }): ReactNode {
  return (
    <>
      {side.owner ? <PersonLink person={side.owner} /> : sideName(side)}
      <br />
      <span className="quieter">
        {words.balanceAfter} <Money amount={side.posted_after} currency={currency} />
      </span>
    </>
  );
}

function MovementPanel({ id, onClose }: { id: string; onClose: () => void }) {
  const found = useQuery({
    queryKey: ["movement", id],
    queryFn: () => asked(api.GET("/admin/transactions/{id}", { params: { path: { id } } })),
  });
  return (
    <Panel title={found.data ? kindName(found.data.kind) : words.title} found={found} onClose={onClose}>
      {(movement) => <Facts movement={movement} />}
    </Panel>
  );
}

function Facts({ movement }: { movement: Movement }) {
  const { currency } = movement;
  const may = useMay("refund");
  const [refunding, setRefunding] = useState(false);
  return (
    <div className="stack wide">
      <p className="value">
        <Money amount={movement.amount} currency={currency} />
      </p>
      <dl className="facts">
        <dt>{words.from}</dt>
        <dd>
          <SideFacts side={movement.source} currency={currency} />
        </dd>
        <dt>{words.to}</dt>
        <dd>
          <SideFacts side={movement.target} currency={currency} />
        </dd>
        <dt>{words.when}</dt>
        <dd>{exactText(movement.booked_at)}</dd>
        {movement.note && (
          <>
            <dt>{words.note}</dt>
            <dd dir="auto">{movement.note}</dd>
          </>
        )}
        {movement.reference && (
          <>
            <dt>{words.reference}</dt>
            <dd dir="auto">{movement.reference}</dd>
          </>
        )}
        {movement.refunded > 0 && (
          <>
            <dt>{words.refunded}</dt>
            <dd>
              <Money amount={movement.refunded} currency={currency} />
            </dd>
          </>
        )}
        {movement.refund_of && (
          <>
            <dt>{words.refundOf}</dt>
            <dd>
              <Link to={`/transfers/${movement.refund_of}`}>…{movement.refund_of.slice(-8)}</Link>
            </dd>
          </>
        )}
        {movement.refunds.map((refund) => (
          <RefundLink key={refund.id} id={refund.id} />
        ))}
        <dt>{words.id}</dt>
        <dd>
          <Identifier id={movement.id} />
        </dd>
      </dl>
      {may && movement.refundable > 0 && (
        <div>
          <Button icon="undo" onClick={() => setRefunding(true)}>
            {all.acts.refund}
          </Button>
        </div>
      )}
      {refunding && <Refund movement={movement} onClose={() => setRefunding(false)} />}
    </div>
  );
}

function RefundLink({ id }: { id: string }) {
  return (
    <>
      <dt>{words.refunds}</dt>
      <dd>
        <Link to={placeOf(id, "completed")}>…{id.slice(-8)}</Link>
      </dd>
    </>
  );
}

function Refund({ movement, onClose }: { movement: Movement; onClose: () => void }) {
  const { user } = useSession();
  const [force, setForce] = useState(false);
  return (
    <ActDialog
      danger
      title={all.acts.refund}
      words={all.acts.refundWords}
      onClose={onClose}
      act={(reason, key) =>
        asked(
          api.POST("/admin/transactions/{id}/refund", {
            params: { path: { id: movement.id } },
            headers: { "Idempotency-Key": key },
            body: { reason, force },
          }),
        )
      }
    >
      <p className="strong" dir="auto">
        <Money amount={movement.refundable} currency={movement.currency} /> · {sideName(movement.target)} → {sideName(movement.source)}
      </p>
      {user.role === "admin" && (
        <label className="row">
          <input type="checkbox" checked={force} onChange={(event) => setForce(event.target.checked)} />
          {all.acts.force}
        </label>
      )}
    </ActDialog>
  );
}
