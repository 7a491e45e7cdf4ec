// The frame of /console: the rail, the search for everything, and who may see it.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { LogIn } from "../app/Entrance";
import { Sign } from "../parts/Sign";
import { api, asked } from "../api/client";
import { endSession, SessionContext, useFoundSession, type Session } from "../api/session";
import { Icon, type IconName } from "../parts/icons";
import { Money } from "../parts/money";
import { isId, Link, ROOT, usePath } from "../parts/router";
import { Avatar, Badge, Button, Empty, Failure, IconButton, useSettled, useTitle } from "../parts/ui";
import { common } from "../text/common";
import { words } from "../text/console";
import { Approvals } from "./Approvals";
import { AuditTrail } from "./AuditTrail";
import { IntegrityView } from "./Integrity";
import { Overview } from "./Overview";
import { People } from "./People";
import { PersonView } from "./Person";
import { Transfers } from "./Transfers";
import { nameOf } from "./shared";
import { roleName } from "./telling";
import { Wallets } from "./Wallets";

const NAVIGATION: readonly (readonly [string, IconName, string])[] = [
  ["/", "gauge", words.nav.overview],
  ["/people", "people", words.nav.people],
  ["/wallets", "wallet", words.nav.wallets],
  ["/transfers", "send", words.nav.transfers],
  ["/approvals", "approve", words.nav.approvals],
  ["/audit", "book", words.nav.audit],
  ["/integrity", "shield", words.nav.integrity],
];

export function App() {
  const { data: session, error, refetch, isPending, ended } = useFoundSession();
  if (isPending) return <div aria-busy="true" />;
  // What was found before stays valid while the line is broken.
  if (error && session === undefined) return <Failure problem={error} retry={() => void refetch()} />;
  if (!session) return <LogIn ended={ended} page={words.logInTitle} />;
  if (session.user.role === "user") return <NotStaff title={words.noStaffTitle} text={words.noStaff} to="app" link={words.toWallet} />;
  if (!session.second_factor) {
    return <NotStaff title={words.factorTitle} text={words.factor} to="app/settings" link={words.factorDo} />;
  }
  return (
    <SessionContext key={session.user.id} value={session}>
      <Desk session={session} />
    </SessionContext>
  );
}

function NotStaff({ title, text, to, link }: { title: string; text: string; to: string; link: string }) {
  const client = useQueryClient();
  return (
    <main className="door">
      <div className="card">
        <Empty icon="shield" title={title}>
          <p>{text}</p>
          <a className="button main" href={new URL(to, ROOT).href}>
            {link}
          </a>
          <Button look="bare" onClick={() => void endSession(client)}>
            {common.logOut}
          </Button>
        </Empty>
      </div>
    </main>
  );
}

function Nowhere() {
  useTitle(words.notFoundTitle, words.name);
  return (
    <Empty icon="search" title={words.notFoundTitle}>
      <p>{words.notFound}</p>
      <Link className="button plain" to="/">
        {words.nav.overview}
      </Link>
    </Empty>
  );
}

function View() {
  const [, first = "", id = ""] = usePath().split("/");
  if (id && !isId(id)) return <Nowhere />;
  switch (first) {
    case "people":
      return id ? <PersonView key={id} id={id} /> : <People />;
    case "wallets":
      return <Wallets id={id} />;
    case "transfers":
      return <Transfers id={id} />;
    case "approvals":
      return <Approvals id={id} />;
    case "audit":
      return <AuditTrail id={id} />;
    case "integrity":
      return <IntegrityView />;
    case "":
      return <Overview />;
    default:
      return <Nowhere />;
  }
}

const environment = document.querySelector<HTMLMetaElement>('meta[name="environment"]')?.content;

function Desk({ session }: { session: Session }) {
  const client = useQueryClient();
  const path = usePath();
  const [menu, setMenu] = useState(false);
  const at = (to: string) => (to === "/" ? path === "/" : path.startsWith(to));
  const { user } = session;
  return (
    <div className="desk">
      <a className="skip" href="#content">
        {common.skip}
      </a>
      <header className="rail">
        <Link className="brand" to="/" aria-label={words.name}>
          <Sign />
          <span>{words.name}</span>
        </Link>
        <button type="button" className="menu button compact plain" aria-expanded={menu} aria-controls="menu" onClick={() => setMenu(!menu)}>
          <Icon name="menu" size={18} />
          {NAVIGATION.find(([to]) => at(to))?.[2] ?? words.menu}
        </button>
        <nav id="menu" aria-label={words.name} data-open={menu} onClick={() => setMenu(false)}>
          {NAVIGATION.map(([to, icon, text]) => (
            <Link key={to} to={to} aria-current={at(to) ? "page" : undefined}>
              <Icon name={icon} size={18} />
              {text}
            </Link>
          ))}
        </nav>
        <div className="me row">
          <Avatar size="small" name={nameOf(user)} seed={user.id} />
          <span className="grow">
            <span className="cut small strong" dir="auto">
              {nameOf(user)}
            </span>{" "}
            <span className="tiny quieter">{roleName(user.role)}</span>
          </span>
          <IconButton icon="out" label={common.logOut} onClick={() => void endSession(client)} />
        </div>
      </header>
      <div>
        <div className="desk-bar">
          <Finder />
          <Badge look={environment === "production" ? "" : "warn"} dot>
            {environment === "production" ? words.production : words.development}
          </Badge>
        </div>
        <main id="content" className="desk-content" tabIndex={-1}>
          <View />
        </main>
      </div>
    </div>
  );
}

/** One search for everything; `/` leads to it from anywhere. */
function Finder() {
  const input = useRef<HTMLInputElement>(null);
  const place = useRef<HTMLDivElement>(null);
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const [entered, setEntered] = useState("");
  const q = useSettled(text.trim(), 200);
  const found = useQuery({
    queryKey: ["search", q],
    queryFn: () => asked(api.GET("/admin/search", { params: { query: { q } } })),
    enabled: q.length >= 2 && open,
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const writing = event.target instanceof HTMLElement && event.target.closest("input, textarea, select, dialog");
      if (event.key !== "/" || writing || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
  const close = () => {
    setOpen(false);
    setText("");
    setEntered("");
  };
  const step = (by: number) => {
    const stops = [input.current, ...(place.current?.querySelectorAll("a") ?? [])];
    const next = stops.indexOf(document.activeElement as HTMLAnchorElement) + by;
    stops[Math.max(0, Math.min(next, stops.length - 1))]?.focus();
  };
  const data = found.data;
  // Enter opens what stands first, and waits for it where it was pressed before the answer came.
  useEffect(() => {
    if (!data || !entered || entered !== q || entered !== text.trim()) return;
    place.current?.querySelector<HTMLAnchorElement>(".found a")?.click();
    setEntered("");
  }, [data, entered, q, text]);
  const none = data && data.people.length + data.wallets.length + data.transactions.length + data.refusals.length === 0;
  return (
    <div
      className="finder"
      role="search"
      ref={place}
      onBlur={(event) => !place.current?.contains(event.relatedTarget) && setOpen(false)}
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
        if (event.key === "Enter" && event.target === input.current) setEntered(text.trim());
        if (event.key === "ArrowDown" || event.key === "ArrowUp") {
          event.preventDefault();
          step(event.key === "ArrowDown" ? 1 : -1);
        }
      }}
    >
      <Icon name="search" size={18} />
      <input
        ref={input}
        className="input"
        type="search"
        dir="auto"
        aria-label={words.search}
        placeholder={words.search}
        title={words.searchHint}
        maxLength={200}
        value={text}
        onFocus={() => setOpen(true)}
        onChange={(event) => {
          setText(event.target.value);
          setEntered("");
          setOpen(true);
        }}
      />
      <kbd aria-hidden="true">/</kbd>
      {open && q.length >= 2 && (found.data || found.error) && (
        <div className="found" onClick={close} onFocus={() => setOpen(true)}>
          {found.error && <Failure problem={found.error} />}
          {none && <p className="setting quiet">{words.nothingFound}</p>}
          {data && data.people.length > 0 && <h3>{words.nav.people}</h3>}
          {data?.people.map((person) => (
            <Link key={person.id} to={`/people/${person.id}`}>
              <Avatar size="small" name={nameOf(person)} seed={person.id} />
              <span className="grow cut" dir="auto">
                {nameOf(person)} <span className="quieter">{person.handle ? `@${person.handle}` : person.email}</span>
              </span>
            </Link>
          ))}
          {data && data.wallets.length > 0 && <h3>{words.nav.wallets}</h3>}
          {data?.wallets.map((wallet) => (
            <Link key={wallet.id} to={`/wallets/${wallet.id}`}>
              <Icon name="wallet" size={18} />
              <span className="grow cut" dir="auto">
                {wallet.currency} · {nameOf(wallet.owner)}
              </span>
              <Money amount={wallet.available} currency={wallet.currency} />
            </Link>
          ))}
          {data && data.transactions.length + data.refusals.length > 0 && <h3>{words.nav.transfers}</h3>}
          {data?.refusals.map((refusal) => (
            <Link key={refusal.id} to={`/transfers/${refusal.id}?show=refused`}>
              <Icon name="alert" size={18} />
              <span className="grow cut">{refusal.title}</span>
              <Money amount={refusal.amount} currency={refusal.currency} />
            </Link>
          ))}
          {data?.transactions.map((transfer) => (
            <Link key={transfer.id} to={`/transfers/${transfer.id}`}>
              <Icon name="send" size={18} />
              <span className="grow cut" dir="auto">
                {transfer.reference ?? transfer.note ?? `…${transfer.id.slice(-8)}`}
              </span>
              <Money amount={transfer.amount} currency={transfer.currency} />
            </Link>
          ))}
        </div>
      )}
    </div>
  );
}
