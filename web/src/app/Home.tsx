// The first view: one number, two buttons, the last lines.
import { useMutation, useQuery as useAsked, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, asked, isRefusal } from "../api/client";
import { useSession } from "../api/session";
import { Icon } from "../parts/icons";
import { LiveMoney, moneyText } from "../parts/money";
import { goBack, isId, Link, useQuery } from "../parts/router";
import { Avatar, Button, Empty, Failure, Note, ProblemNote, Skeleton, tell, textOf, useTitle } from "../parts/ui";
import { app } from "../text/app";
import { cannotSend, partyName, recentPeople, standingOf, useLive, useProfile, useRecentLines, useWallet, type Party, type Wallet } from "./data";
import { LineList, LinePanel, LinesLoading } from "./Lines";
import { addMoney, usePendingMoney, usePendingPayment, useUndecidedMoney, type AddedMoney } from "./payments";

const words = app.home;
const SHOWN = 8;

export function Home() {
  useTitle("", app.name);
  const [query] = useQuery();
  const { wallet, wallets, failed, retry } = useWallet();
  const all = useRecentLines();
  const recent = useRecentLines(wallets.length > 1 ? wallet?.id : undefined);
  const lines = (recent.data ?? []).filter((line) => line.wallet_id === wallet?.id);
  const people = recentPeople(all.data ?? [], 6);
  const rest = query.currency ? `?currency=${query.currency}` : "";
  const toLine = (id: string) => `/?${new URLSearchParams({ ...query, line: id })}`;
  if (!wallet) return failed ? <Failure problem={failed} retry={retry} /> : <HomeLoading />;
  return (
    <div className="home">
      <h1 className="unseen">{words.title}</h1>
      <div className="stack">
        <Unanswered />
        <UndecidedMoney />
        <BalanceCard wallet={wallet} wallets={wallets} />
        <Verification />
        {all.data ? <Recents people={people} /> : !all.error && <RecentsLoading />}
      </div>
      <section className="card lines-card" aria-label={words.latest}>
        <header>
          <h2>{words.latest}</h2>
          <Link className="button bare compact" to="/history">
            {words.all}
          </Link>
        </header>
        {recent.error && !recent.data ? (
          <Failure problem={recent.error} retry={() => void recent.refetch()} />
        ) : !recent.data ? (
          <LinesLoading />
        ) : lines.length === 0 ? (
          <Empty icon="list" title={words.emptyTitle}>
            <p>{words.empty}</p>
          </Empty>
        ) : (
          <LineList lines={lines.slice(0, SHOWN)} toLine={(line) => toLine(line.id)} selected={query.line ?? ""} />
        )}
      </section>
      {query.line && isId(query.line) && <LinePanel key={query.line} id={query.line} onClose={() => goBack(`/${rest}`)} />}
    </div>
  );
}

function BalanceCard({ wallet, wallets }: { wallet: Wallet; wallets: Wallet[] }) {
  const { staleSince } = useLive();
  const [, change] = useQuery();
  const rest = wallets.length > 1 ? `?currency=${wallet.currency}` : "";
  return (
    <section className="card balance" aria-label={words.balance} data-stale={staleSince !== null}>
      <div className="row apart">
        <h2 className="quiet small">{words.balance}</h2>
        {wallets.length > 1 && (
          <select
            className="input compact narrow"
            aria-label={words.wallet}
            value={wallet.currency}
            onChange={(event) => change({ currency: event.target.value })}
          >
            {wallets.map((each) => (
              <option key={each.id}>{each.currency}</option>
            ))}
          </select>
        )}
      </div>
      <p className="figure" data-testid="balance">
        <LiveMoney amount={wallet.available} currency={wallet.currency} />
      </p>
      <p className="small quiet held">{wallet.held > 0 ? words.held(moneyText(wallet.held, wallet.currency)) : ""}</p>
      {standingOf(wallet) !== "none" && (
        <Note look="warn" icon="lock">
          {words.frozen[standingOf(wallet)]}
        </Note>
      )}
      <div className="actions">
        <Link className={`button ${cannotSend(wallet) ? "plain" : "main"} large`} to={`/send${rest}`}>
          <Icon name="send" />
          {words.send}
        </Link>
        <Link className="button plain large" to={`/add${rest}`}>
          <Icon name="add" />
          {words.add}
        </Link>
        <Link className="button plain large" to="/receive">
          <Icon name="qr" />
          {words.receive}
        </Link>
      </div>
    </section>
  );
}

/** A payment without an answer is not forgotten because one has gone elsewhere. */
function Unanswered() {
  const { pending } = usePendingPayment();
  const { pending: adding } = usePendingMoney();
  return (
    <>
      {pending && (
        <Note look="warn" icon="clock">
          <strong>{app.send.pendingTitle}</strong>
          <p dir="auto">
            {app.send.pendingWords(moneyText(pending.body.amount, pending.body.currency ?? ""), partyName(pending.party))}
          </p>
          <Link to="/send">{app.send.findOut}</Link>
        </Note>
      )}
      {adding && (
        <Note look="warn" icon="clock">
          <strong>{app.add.unknownTitle}</strong>
          <p>{app.add.unknownWords(moneyText(adding.body.amount, adding.body.currency))}</p>
          <Link to={`/add?currency=${adding.body.currency}`}>{app.send.findOut}</Link>
        </Note>
      )}
    </>
  );
}

const LOOK_EVERY_MS = 30_000;

function UndecidedMoney() {
  const { all, drop } = useUndecidedMoney();
  return all.map((one) => <Undecided key={one.key} added={one} drop={drop} />);
}

/** Money whose source had not decided: asked for again under its key, until it has. */
function Undecided({ added, drop }: { added: AddedMoney; drop: (one: AddedMoney) => void }) {
  const { amount, currency } = added.body;
  const found = useAsked({
    queryKey: ["undecided", added.key],
    queryFn: () => addMoney(added),
    refetchInterval: LOOK_EVERY_MS,
    retry: false,
  });
  const declined = isRefusal(found.error) ? found.error : null;
  const over = declined !== null || (found.data !== undefined && found.data.status !== "pending");
  useEffect(() => {
    if (!over) return;
    drop(added);
    if (declined) tell(`${app.add.notAdded}. ${textOf(declined)}`, 10_000);
  });
  return (
    <Note icon="clock">
      <strong>{app.add.undecidedTitle(moneyText(amount, currency))}</strong>
      <p>{app.add.undecided}</p>
    </Note>
  );
}

/** What the view will look like, until it is known whose it is. */
function HomeLoading() {
  return (
    <div className="home" aria-busy="true">
      <h1 className="unseen">{words.title}</h1>
      <div className="stack">
        <section className="card balance" aria-hidden="true">
          <div className="row apart">
            <h2 className="quiet small">{words.balance}</h2>
          </div>
          <p className="figure">
            <Skeleton width="5.5em" height="1em" />
          </p>
          <p className="held" />
          <div className="actions">
            {[0, 1, 2].map((each) => (
              <span key={each} className="button large">
                <Skeleton height="52px" />
              </span>
            ))}
          </div>
        </section>
        <RecentsLoading />
      </div>
      <section className="card lines-card">
        <header aria-hidden="true">
          <h2>{words.latest}</h2>
        </header>
        <LinesLoading count={SHOWN} />
      </section>
    </div>
  );
}

function RecentsLoading() {
  return (
    <section className="card" aria-hidden="true">
      <header>
        <h2>{words.recents}</h2>
      </header>
      <ul className="recents">
        {[0, 1, 2, 3, 4, 5].map((each) => (
          <li key={each}>
            <span className="like-link">
              <Skeleton width="52px" height="52px" round />
              <span className="tiny">
                <Skeleton width="3em" />
              </span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Recents({ people }: { people: Party[] }) {
  return (
    <section className="card" aria-label={words.recents}>
      <header>
        <h2>{words.recents}</h2>
      </header>
      {people.length === 0 && <p className="padded-text quiet small">{app.send.noRecents}</p>}
      <ul className="recents">
        {people.map((party) => (
          <li key={party.user_id}>
            <Link to={`/send?to=${party.handle ?? party.user_id}`}>
              <Avatar name={`${party.first_name} ${party.initial}`} seed={party.user_id} size="large" />
              <span className="cut tiny" dir="auto">
                {partyName(party)}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Verification() {
  const client = useQueryClient();
  const profile = useProfile();
  const session = useSession();
  const [token, setToken] = useState("");
  const confirming = useMutation({
    mutationFn: () => asked(api.POST("/email-verifications", { body: { token: token.trim() } })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["profile"] }),
  });
  const again = useMutation({ mutationFn: () => asked(api.POST("/users/me/email-verification")) });
  if (!profile.data || profile.data.email_verified || !session.user.email) return null;
  return (
    <section className="card padded stack" aria-label={words.verifyTitle}>
      <div>
        <h2>{words.verifyTitle}</h2>
        <p className="small quiet">{words.verify}</p>
      </div>
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          confirming.mutate();
        }}
      >
        <input
          className="input"
          aria-label={app.entrance.resetCode}
          autoCapitalize="none"
          autoComplete="one-time-code"
          spellCheck={false}
          required
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
        <Button type="submit" busy={confirming.isPending}>
          {words.verifyDo}
        </Button>
      </form>
      <ProblemNote problem={confirming.error ?? again.error} />
      {again.isSuccess ? (
        <p className="small quiet">{words.verifySent}</p>
      ) : (
        <div>
          <Button look="bare" size="compact" busy={again.isPending} onClick={() => again.mutate()}>
            {words.verifyAgain}
          </Button>
        </div>
      )}
    </section>
  );
}
