// Who did what, why, and what was before and after. Nobody can edit it.
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, asked, type Schemas } from "../api/client";
import { Link, useQuery } from "../parts/router";
import { exactText, When } from "../parts/time";
import { Badge, Dialog, Identifier, useTitle } from "../parts/ui";
import { words as all } from "../text/console";
import { Json, Table } from "./shared";

const words = all.audit;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

type Act = Schemas["ActAnswer"];

export function AuditTrail() {
  useTitle(words.title, all.name);
  const [query, change] = useQuery();
  const [open, setOpen] = useState<Act | null>(null);
  const filters = {
    ...(query.act && { act: query.act }),
    ...(UUID.test(query.subject ?? "") && { subject: query.subject }),
    ...(UUID.test(query.actor ?? "") && { actor: query.actor }),
    ...(query.from && { from: new Date(`${query.from}T00:00:00`).toISOString() }),
    ...(query.until && { to: new Date(`${query.until}T23:59:59.999`).toISOString() }),
  };
  const pages = useInfiniteQuery({
    queryKey: ["audit-trail", filters],
    queryFn: ({ pageParam }) =>
      asked(api.GET("/admin/audit-trail", { params: { query: { ...filters, ...(pageParam && { cursor: pageParam }) } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
  return (
    <div className="stack">
      <div>
        <h1>{words.title}</h1>
        <p className="quiet">{words.words}</p>
      </div>
      <div className="inputs">
        <input className="input compact grow" aria-label={words.filterAct} placeholder={words.filterAct} maxLength={50} value={query.act ?? ""} onChange={(event) => change({ act: event.target.value })} />
        <input className="input compact" type="date" aria-label={words.from} value={query.from ?? ""} onChange={(event) => change({ from: event.target.value })} />
        <input className="input compact" type="date" aria-label={words.to} value={query.until ?? ""} onChange={(event) => change({ until: event.target.value })} />
      </div>
      <Table
        caption={words.title}
        head={[words.when, words.who, words.act, words.subject, words.reason]}
        pages={pages}
        empty={words.empty}
        row={(act) => (
          <tr key={act.id} className="opens" onClick={() => setOpen(act)}>
            <th scope="row">
              <button type="button" onClick={() => setOpen(act)}>
                <When time={act.happened_at} />
              </button>
            </th>
            <td dir="auto">
              {act.actor_name} <span className="quieter">{act.role ?? words.commandLine}</span>
            </td>
            <td>
              <Badge>{act.act}</Badge>
            </td>
            <td>
              {act.subject.kind} {act.subject.id && <span className="quieter">…{act.subject.id.slice(-8)}</span>}
            </td>
            <td className="free" dir="auto">
              {act.reason}
            </td>
          </tr>
        )}
      />
      {open && (
        <Dialog side title={open.act} onClose={() => setOpen(null)}>
          <ActFacts act={open} />
        </Dialog>
      )}
    </div>
  );
}

const PLACES: Readonly<Record<string, string>> = { person: "people", wallet: "wallets", transaction: "transfers" };

function ActFacts({ act }: { act: Act }) {
  const place = PLACES[act.subject.kind];
  return (
    <div className="stack wide">
      {act.reason && (
        <p className="strong" dir="auto">
          {act.reason}
        </p>
      )}
      <dl className="facts">
        <dt>{words.when}</dt>
        <dd>{exactText(act.happened_at)}</dd>
        <dt>{words.who}</dt>
        <dd dir="auto">
          {act.actor_name} ({act.role ?? words.commandLine})
        </dd>
        <dt>{words.subject}</dt>
        <dd>
          {act.subject.id && place ? <Link to={`/${place}/${act.subject.id}`}>{act.subject.kind}</Link> : act.subject.kind}
        </dd>
        {act.request_id && (
          <>
            <dt>{words.request}</dt>
            <dd>
              <Identifier id={act.request_id} />
            </dd>
          </>
        )}
      </dl>
      <div className="stack tight">
        <h3>{words.before}</h3>
        <Json value={act.before} />
        <h3>{words.after}</h3>
        <Json value={act.after} />
      </div>
    </div>
  );
}
