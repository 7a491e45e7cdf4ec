// A person's whole picture, in order of time.
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, asked, type Schemas } from "../api/client";
import { Money } from "../parts/money";
import { Link } from "../parts/router";
import { exactText, When } from "../parts/time";
import { Avatar, Badge, Button, Empty, Failure, Identifier, Skeleton, useTitle } from "../parts/ui";
import { common } from "../text/common";
import { words as all } from "../text/console";
import { ActDialog, More, WalletBadges, nameOf, Stale, useMay } from "./shared";
import { actName, eventName, kindName, roleName } from "./telling";
import { WalletActs } from "./Wallets";

const words = all.person;

type WholePerson = Schemas["WholePerson"];

/** How many sessions are shown before somebody asks for them all. */
const SESSIONS_FIRST = 8;

export function PersonView({ id }: { id: string }) {
  const found = useQuery({
    queryKey: ["person", id],
    queryFn: () => asked(api.GET("/admin/people/{id}", { params: { path: { id } } })),
  });
  const { data, error, refetch } = found;
  useTitle(data ? nameOf(data) : all.nav.people, all.name);
  if (error && !data) return <Failure problem={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton height="320px" />;
  return (
    <div className="stack">
      <Stale found={found} />
      <Head person={data} />
      <div className="two">
        <div className="stack">
          <Holdings person={data} />
          <Story id={id} />
        </div>
        <div className="stack">
          <Profile person={data} />
          <Refused person={data} />
          <Sessions person={data} />
        </div>
      </div>
    </div>
  );
}

function Head({ person }: { person: WholePerson }) {
  return (
    <div className="person-head">
      <Avatar size="large" name={nameOf(person)} seed={person.id} />
      <div className="grow">
        <h1 dir="auto">{nameOf(person)}</h1>
        <p className="quiet">{[person.handle && `@${person.handle}`, person.email].filter(Boolean).join(" · ")}</p>
      </div>
      {person.role !== "user" && <Badge look="good">{roleName(person.role)}</Badge>}
      {person.status === "closed" && <Badge>{all.people.closed}</Badge>}
    </div>
  );
}

function Profile({ person }: { person: WholePerson }) {
  const factor = person.second_factor;
  return (
    <section className="card" aria-label={words.profile}>
      <header>
        <h2>{words.profile}</h2>
      </header>
      <dl className="facts padded-text">
        <dt>{common.email}</dt>
        <dd>{person.email_verified ? words.verified : words.unverified}</dd>
        <dt>{words.factor}</dt>
        <dd>{factor ? words.on : words.off}</dd>
        <dt>{words.movements}</dt>
        <dd>{person.counts.movements.toLocaleString()}</dd>
        <dt>{words.acts}</dt>
        <dd>
          {person.counts.acts > 0 ? <Link to={`/audit?subject=${person.id}`}>{upTo(person.counts.acts)}</Link> : 0}
        </dd>
        {person.former_handles.length > 0 && (
          <>
            <dt>{words.former}</dt>
            <dd>{person.former_handles.map((handle) => `@${handle}`).join(", ")}</dd>
          </>
        )}
        <dt>{words.created}</dt>
        <dd>
          <When time={person.created_at} />
        </dd>
        <dt>{words.id}</dt>
        <dd>
          <Identifier id={person.id} />
        </dd>
      </dl>
    </section>
  );
}

function Holdings({ person }: { person: WholePerson }) {
  return (
    <section className="card" aria-label={words.wallets}>
      <header>
        <h2>{words.wallets}</h2>
      </header>
      {person.wallets.map((wallet) => (
        <div key={wallet.id} className="setting">
          <div className="grow whole">
            <p className="strong">
              <Money amount={wallet.available} currency={wallet.currency} />
            </p>
            <WalletBadges wallet={wallet} />
          </div>
          <WalletActs wallet={wallet} />
        </div>
      ))}
    </section>
  );
}

function Refused({ person }: { person: WholePerson }) {
  if (person.recent_refusals.length === 0) return null;
  return (
    <section className="card" aria-label={words.refusals}>
      <header>
        <h2>{words.refusals}</h2>
      </header>
      {person.recent_refusals.map((refused) => (
        <div key={refused.id} className="setting">
          <div className="grow">
            <p>
              <Link to={`/transfers/${refused.id}?show=refused`} title={refused.code}>
                {refused.title}
              </Link>
            </p>
            <p className="tiny quieter">
              <When time={refused.happened_at} />
            </p>
          </div>
          <Money amount={refused.amount} currency={refused.currency} />
        </div>
      ))}
    </section>
  );
}

function Sessions({ person }: { person: WholePerson }) {
  const may = useMay("sessions");
  const [ending, setEnding] = useState(false);
  const [whole, setWhole] = useState(false);
  return (
    <section className="card" aria-label={words.sessions}>
      <header>
        <h2>{words.sessions}</h2>
        {may && person.sessions.length > 0 && (
          <Button size="compact" onClick={() => setEnding(true)}>
            {words.endSessions}
          </Button>
        )}
      </header>
      {person.sessions.length === 0 && <p className="padded-text quiet">{words.noSessions}</p>}
      {person.sessions.slice(0, whole ? undefined : SESSIONS_FIRST).map((session) => (
        <div key={session.id} className="setting">
          <div className="grow">
            <p className="cut" title={session.user_agent ?? ""}>
              {(session.user_agent ?? "?").slice(0, 48)}
            </p>
            <p className="tiny quieter">
              {session.address} · <When time={session.last_used_at} />
            </p>
          </div>
        </div>
      ))}
      {!whole && person.sessions.length > SESSIONS_FIRST && (
        <div className="more">
          <Button size="compact" onClick={() => setWhole(true)}>
            {words.allSessions(person.sessions.length)}
          </Button>
        </div>
      )}
      {ending && (
        <ActDialog
          danger
          title={words.endSessions}
          words={all.acts.endSessionsWords}
          onClose={() => setEnding(false)}
          act={(reason) => asked(api.DELETE("/admin/people/{id}/sessions", { params: { path: { id: person.id } }, body: { reason } }))}
        />
      )}
    </section>
  );
}

/** The service counts no further. */
const COUNTED_MAX = 1_000;
const upTo = (count: number): string => `${count.toLocaleString()}${count >= COUNTED_MAX ? "+" : ""}`;

type Item = Schemas["TimelineItem"];

function Story({ id }: { id: string }) {
  const pages = useInfiniteQuery({
    queryKey: ["timeline", id],
    queryFn: ({ pageParam }) =>
      asked(api.GET("/admin/people/{id}/timeline", { params: { path: { id }, query: pageParam ? { cursor: pageParam } : {} } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
  const items = pages.data?.pages.flatMap((page) => page.items);
  return (
    <section className="card" aria-label={words.story}>
      <header>
        <h2>{words.story}</h2>
        <Stale found={pages} />
      </header>
      {pages.error && !items ? (
        <Failure problem={pages.error} retry={() => void pages.refetch()} />
      ) : !items ? (
        <Skeleton height="220px" />
      ) : items.length === 0 ? (
        <Empty icon="clock" title={words.noStory} />
      ) : (
        <ol className="story-list">
          {items.map((item) => (
            <Happened key={`${item.type}${item.id}${item.at}`} item={item} />
          ))}
        </ol>
      )}
      <More pages={pages} />
    </section>
  );
}

function Happened({ item }: { item: Item }) {
  const { transaction, event, act } = item;
  const look = transaction ? "money-moved" : act ? "by-staff" : "";
  return (
    <li className={look}>
      <div className="row apart">
        {transaction ? (
          <Link to={`/transfers/${transaction.id}`} dir="auto" className="cut">
            {kindName(transaction.kind)}
            {transaction.counterparty && ` · ${transaction.counterparty.first_name} ${transaction.counterparty.initial}`}
            {transaction.note && <span className="quieter"> · {transaction.note}</span>}
          </Link>
        ) : act ? (
          <Link to={`/audit/${act.id}`} dir="auto" className="cut" title={act.act}>
            {actName(act.act)}
            <span className="quieter"> · {act.actor_name}</span>
            {act.reason && <span className="quieter"> · {act.reason}</span>}
          </Link>
        ) : (
          event && (
            <span dir="auto" className="cut" title={event.kind}>
              {eventName(event.kind)}
            </span>
          )
        )}
        {transaction && (
          <Money amount={transaction.direction === "in" ? transaction.amount : -transaction.amount} currency={transaction.currency} signed />
        )}
      </div>
      <p className="tiny quieter" title={exactText(item.at)}>
        <When time={item.at} />
      </p>
    </li>
  );
}
