// People, by whatever is known of them.
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, asked } from "../api/client";
import { navigate, useQuery } from "../parts/router";
import { When } from "../parts/time";
import { Badge, useSettled, useTitle } from "../parts/ui";
import { words as all } from "../text/console";
import { PersonLink, Table, within } from "./shared";
import { roleName } from "./telling";

const words = all.people;
const ROLES = ["user", "support", "auditor", "admin"] as const;
const STATUSES = ["open", "closed"] as const;

const oneOf = <T extends string>(values: readonly T[], text: string | undefined): T | undefined =>
  values.find((value) => value === text);

export function People() {
  useTitle(all.nav.people, all.name);
  const [query, change] = useQuery();
  const [text, setText] = useState(query.q ?? "");
  const q = useSettled(text.trim());
  useEffect(() => change({ q }), [q, change]);
  // Another address, by the rail or the browser's buttons: then the field follows.
  const [known, setKnown] = useState(query.q ?? "");
  if (known !== (query.q ?? "")) {
    setKnown(query.q ?? "");
    if (q !== (query.q ?? "")) setText(query.q ?? "");
  }
  const role = oneOf(ROLES, query.role);
  const status = oneOf(STATUSES, query.status);
  const filters = { ...(q && { q }), ...(role && { role }), ...(status && { status }) };
  const pages = useInfiniteQuery({
    queryKey: ["people", filters],
    queryFn: ({ pageParam }) =>
      asked(api.GET("/admin/people", { params: { query: { ...filters, ...(pageParam && { cursor: pageParam }) } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
  return (
    <div className="stack">
      <h1>{all.nav.people}</h1>
      <div className="inputs">
        <input className="input compact grow" type="search" dir="auto" maxLength={200} aria-label={words.filter} placeholder={words.filter} value={text} onChange={(event) => setText(event.target.value)} />
        <select className="input compact" aria-label={words.role} value={role ?? ""} onChange={(event) => change({ role: event.target.value })}>
          <option value="">{words.anyRole}</option>
          {ROLES.map((each) => (
            <option key={each} value={each}>
              {roleName(each)}
            </option>
          ))}
        </select>
        <select className="input compact" aria-label={words.status} value={status ?? ""} onChange={(event) => change({ status: event.target.value })}>
          <option value="">{words.anyStatus}</option>
          {STATUSES.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </div>
      <Table
        caption={all.nav.people}
        head={[words.name, { text: words.handle, wide: true }, { text: words.email, wide: true }, words.role, words.status, { text: words.since, wide: true }]}
        pages={pages}
        empty={words.empty}
        row={(person) => (
          <tr key={person.id} className="opens" onClick={() => navigate(`/people/${person.id}`)}>
            <th scope="row">
              <span onClick={within}>
                <PersonLink person={person} />
              </span>
              {person.handle && <p className="small-only tiny quieter">@{person.handle}</p>}
            </th>
            <td className="wide">{person.handle && `@${person.handle}`}</td>
            <td className="free wide">{person.email}</td>
            <td>{person.role === "user" ? <span className="quieter">{roleName(person.role)}</span> : <Badge look="good">{roleName(person.role)}</Badge>}</td>
            <td>{person.status === "open" ? <span className="quieter">{words.open}</span> : <Badge>{words.closed}</Badge>}</td>
            <td className="quiet wide">
              <When time={person.created_at} />
            </td>
          </tr>
        )}
      />
    </div>
  );
}
