// The frame of /app: who is not logged in sees the entrance, everybody else their wallet.
import { useEffect, useRef, useState, type ReactNode } from "react";
import { SessionContext, useFoundSession } from "../api/session";
import { Icon, type IconName } from "../parts/icons";
import { Link, usePath } from "../parts/router";
import { Sign } from "../parts/Sign";
import { When } from "../parts/time";
import { Badge, Empty, Failure, Note, useTitle } from "../parts/ui";
import { app } from "../text/app";
import { common } from "../text/common";
import { AddMoney } from "./AddMoney";
import { LiveProvider, useLive } from "./data";
import { Entrance } from "./Entrance";
import { History } from "./History";
import { Home } from "./Home";
import { Receive } from "./Receive";
import { Send } from "./Send";
import { Settings } from "./Settings";
import { Spending } from "./Spending";

const NAVIGATION: readonly (readonly [string, IconName, string])[] = [
  ["/", "home", app.nav.home],
  ["/history", "list", app.nav.history],
  ["/spending", "bars", app.nav.spending],
  ["/settings", "gear", app.nav.settings],
];

export function App() {
  const { data: session, error, refetch, isPending, ended } = useFoundSession();
  if (isPending) return <div className="waiting" aria-busy="true" />;
  // What was found before stays valid while the line is broken.
  if (error && session === undefined) return <Failure problem={error} retry={() => void refetch()} />;
  if (!session) return <Entrance ended={ended} />;
  return (
    <SessionContext key={session.user.id} value={session}>
      <LiveProvider>
        <Frame>
          <View />
        </Frame>
      </LiveProvider>
    </SessionContext>
  );
}

function View() {
  const path = usePath();
  const [, first = "", second = ""] = path.split("/");
  switch (first) {
    case "":
    case "login":
    case "signup":
    case "reset":
      return <Home />;
    case "send":
      return <Send />;
    case "add":
      return <AddMoney />;
    case "receive":
      return <Receive />;
    case "history":
      return <History id={second} />;
    case "spending":
      return <Spending />;
    case "settings":
      return <Settings />;
    default:
      return <Nowhere />;
  }
}

function Nowhere() {
  useTitle(app.notFoundTitle, app.name);
  return (
    <Empty icon="search" title={app.notFoundTitle}>
      <p>{app.notFound}</p>
      <Link className="button plain" to="/">
        {app.nav.home}
      </Link>
    </Empty>
  );
}

function Frame({ children }: { children: ReactNode }) {
  const path = usePath();
  const view = path.split("/")[1] ?? "";
  const content = useRef<HTMLElement>(null);
  const before = useRef(view);
  useEffect(() => {
    // A new view is where the reader goes on, unless it has put them into a field or a dialog.
    if (before.current !== view && !content.current?.contains(document.activeElement)) {
      content.current?.focus({ preventScroll: true });
    }
    before.current = view;
  }, [view]);
  const at = (to: string) => (to === "/" ? path === "/" : path.startsWith(to));
  return (
    <div className="frame">
      <a className="skip" href="#content">
        {common.skip}
      </a>
      <header className="bar">
        <Link className="brand" to="/" aria-label={app.name}>
          <Sign />
          <span>{app.name}</span>
        </Link>
        <nav className="tabs" aria-label={app.name}>
          {NAVIGATION.map(([to, icon, text]) => (
            <Link key={to} to={to} aria-current={at(to) ? "page" : undefined}>
              <Icon name={icon} size={20} />
              <span>{text}</span>
            </Link>
          ))}
        </nav>
        <Liveness />
      </header>
      <main id="content" ref={content} className="content" tabIndex={-1}>
        <Stale />
        {children}
      </main>
    </div>
  );
}

const STALE_TOLD_MS = 3_000;

/** A short break is mended unseen; of a longer one it is said what it means. */
function Stale() {
  const { staleSince } = useLive();
  const [told, setTold] = useState(false);
  useEffect(() => {
    setTold(false);
    if (staleSince === null) return undefined;
    const timer = setTimeout(() => setTold(true), STALE_TOLD_MS);
    return () => clearTimeout(timer);
  }, [staleSince]);
  if (!told || staleSince === null) return null;
  return (
    <div className="stale">
      <Note look="warn" icon="clock">
        <strong>
          {common.staleSince("")}
          <When time={staleSince} clockOnly />
        </strong>
        <p>{app.stale}</p>
      </Note>
    </div>
  );
}

function Liveness() {
  const { live, staleSince } = useLive();
  return (
    <div className="liveness" role="status">
      {live ? (
        <Badge look="good" dot>
          {common.live}
        </Badge>
      ) : staleSince === null ? (
        <Badge>{common.connecting}</Badge>
      ) : (
        <Badge look="warn" dot>
          <span>
            {common.staleSince("")}
            <When time={staleSince} clockOnly />
          </span>
        </Badge>
      )}
    </div>
  );
}
