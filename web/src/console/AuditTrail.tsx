// Who did what, why, and what was before and after. Nobody can edit it.
import { useInfiniteQuery, useQuery as useAsked } from "@tanstack/react-query";
import { api, asked, type Schemas } from "../api/client";
import { isId, Link, navigate, useQuery } from "../parts/router";
import { exactText, When } from "../parts/time";
import { Button, Identifier, useTitle } from "../parts/ui";
import { words as all } from "../text/console";
import { DayInput, Panel, startOf, Table, within } from "./shared";
import { actName, Changes, roleName, subjectName, useCurrencyOf, type Act } from "./telling";

const words = all.audit;

const isAct = (text: string | undefined): text is Schemas["ActKind"] => text !== undefined && text in all.told.acts;

const placeOf = (id: string): string => `/audit/${id}${location.search}`;

export function AuditTrail({ id }: { id: string }) {
  useTitle(words.title, all.name);
  const [query, change] = useQuery();
  const idOf = (text: string | undefined) => (text && isId(text) ? text : undefined);
  const [subject, actor] = [idOf(query.subject), idOf(query.actor)];
  const [from, to] = [startOf(query.from), startOf(query.until, 1)];
  const filters = {
    ...(isAct(query.act) && { act: query.act }),
    ...(subject && { subject }),
    ...(actor && { actor }),
    ...(from && { from }),
    ...(to && { to }),
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
        <select className="input compact" aria-label={words.act} value={query.act ?? ""} onChange={(event) => change({ act: event.target.value })}>
          <option value="">{words.anyAct}</option>
          {Object.entries(all.told.acts).map(([act, name]) => (
            <option key={act} value={act}>
              {name}
            </option>
          ))}
        </select>
        {Object.entries({ subject, actor }).map(
          ([name, id]) =>
            id && (
              <Button key={name} size="compact" icon="close" title={words.everybody} onClick={() => change({ [name]: null })}>
                {name === "subject" ? words.subject : words.who} …{id.slice(-8)}
              </Button>
            ),
        )}
        <DayInput label={words.from} value={query.from} onChange={(from) => change({ from })} />
        <DayInput label={words.to} value={query.until} onChange={(until) => change({ until })} />
      </div>
      <Table
        caption={words.title}
        head={[words.when, { text: words.who, wide: true }, words.act, { text: words.subject, wide: true }, { text: words.reason, wide: true }]}
        pages={pages}
        empty={words.empty}
        row={(act) => (
          <tr key={act.id} className="opens" data-open={act.id === id} onClick={() => navigate(placeOf(act.id), { stay: true })}>
            <th scope="row">
              <Link stay to={placeOf(act.id)} onClick={within}>
                <When time={act.happened_at} />
              </Link>
            </th>
            <td className="free wide" dir="auto">
              {act.actor_name} {act.role && <span className="quieter">{roleName(act.role)}</span>}
            </td>
            <td title={act.act}>
              {actName(act.act)}
              <p className="small-only tiny quieter">
                <bdi>{act.actor_name}</bdi>
                {act.reason && (
                  <>
                    : <bdi>{act.reason}</bdi>
                  </>
                )}
              </p>
            </td>
            <td className="wide">
              {subjectName(act.subject.kind)} {act.subject.id && <span className="quieter">…{act.subject.id.slice(-8)}</span>}
            </td>
            <td className="fills wide" dir="auto" title={act.reason ?? undefined}>
              {act.reason}
            </td>
          </tr>
        )}
      />
      {id && <ActPanel key={id} id={id} known={pages.data?.pages.flatMap((page) => page.items).find((act) => act.id === id)} />}
    </div>
  );
}

/** One act, beside the list that it may not be in; nothing about it changes any more. */
function ActPanel({ id, known }: { id: string; known: Act | undefined }) {
  const found = useAsked({
    queryKey: ["act", id],
    queryFn: () => asked(api.GET("/admin/audit-trail/{id}", { params: { path: { id } } })),
    ...(known && { initialData: known }),
    staleTime: Infinity,
  });
  return (
    <Panel title={found.data ? actName(found.data.act) : words.one} found={found} onClose={() => navigate(`/audit${location.search}`, { replace: true })}>
      {(act) => <ActFacts act={act} />}
    </Panel>
  );
}

const PLACES: Readonly<Record<string, (id: string) => string>> = {
  person: (id) => `/people/${id}`,
  wallet: (id) => `/wallets/${id}`,
  transaction: (id) => `/transfers/${id}`,
  adjustment: (id) => `/approvals/${id}?status=all`,
};

function ActFacts({ act }: { act: Act }) {
  const place = PLACES[act.subject.kind];
  const currency = useCurrencyOf(act);
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
          {act.actor ? <Link to={`/audit?actor=${act.actor.id}`}>{act.actor_name}</Link> : act.actor_name}
          {act.role && ` (${roleName(act.role)})`}
        </dd>
        <dt>{words.subject}</dt>
        <dd>
          {act.subject.id && place ? <Link to={place(act.subject.id)}>{subjectName(act.subject.kind)}</Link> : subjectName(act.subject.kind)}
        </dd>
        <dt>{words.id}</dt>
        <dd>
          <Identifier id={act.id} />
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
      <Changes before={act.before} after={act.after} currency={currency} />
    </div>
  );
}
