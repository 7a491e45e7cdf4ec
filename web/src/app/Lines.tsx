// Lines of a history: in a list by day, and one of them with its whole story.
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, asked, download, Problem } from "../api/client";
import type { Transaction } from "../api/live";
import { Icon, type IconName } from "../parts/icons";
import { Money } from "../parts/money";
import { Link, ROOT } from "../parts/router";
import { clockText, dayText, exactText, timeLanguage, useNow } from "../parts/time";
import { Avatar, Button, Dialog, Failure, Identifier, ProblemNote, Skeleton } from "../parts/ui";
import { app } from "../text/app";
import { common } from "../text/common";
import { isFresh, partyName } from "./data";

const words = app.line;

const TITLES: Readonly<Record<string, string>> = {
  "top-up": words.topUp,
  refund: words.refund,
  adjustment: words.adjustment,
};

export function titleOf(line: Transaction): string {
  const known = TITLES[line.kind];
  if (known) return known;
  return line.counterparty ? partyName(line.counterparty) : line.kind;
}

const iconOf = (line: Transaction): IconName => (line.kind === "top-up" ? "add" : line.kind === "refund" ? "undo" : "wallet");

interface LineProps {
  line: Transaction;
  to: string;
  selected?: boolean;
}

/** One line; all of it is the link to its story. */
export function Line({ line, to, selected }: LineProps) {
  const title = titleOf(line);
  const incoming = line.direction === "in";
  return (
    <li className={isFresh(line) ? "line fresh" : "line"}>
      <Link to={to} aria-current={selected ? "true" : undefined}>
        {line.counterparty ? (
          <Avatar name={`${line.counterparty.first_name} ${line.counterparty.initial}`} seed={line.counterparty.user_id} />
        ) : (
          <span className="avatar" aria-hidden="true">
            <Icon name={iconOf(line)} size={18} />
          </span>
        )}
        <span className="grow">
          <span className="title cut" dir="auto">
            {title}
          </span>
          <span className="below cut" dir="auto">
            {line.note ?? (line.counterparty?.handle ? `@${line.counterparty.handle}` : "\u00a0")}
          </span>
        </span>
        <span className="amount">
          <span className="unseen">{incoming ? common.incoming : common.outgoing} </span>
          <Money amount={incoming ? line.amount : -line.amount} currency={line.currency} signed />
          <span className="below numbers">{clockText(line.booked_at)}</span>
        </span>
      </Link>
    </li>
  );
}

interface ListProps {
  lines: readonly Transaction[];
  toLine: (line: Transaction) => string;
  selected?: string;
}

/** Lines under the days on which they were booked. */
export function LineList({ lines, toLine, selected }: ListProps) {
  // At midnight, what was today is yesterday.
  useNow();
  const days: { day: string; lines: Transaction[] }[] = [];
  for (const line of lines) {
    const day = dayText(line.booked_at);
    const last = days.at(-1);
    if (last?.day === day) last.lines.push(line);
    else days.push({ day, lines: [line] });
  }
  return (
    <>
      {days.map(({ day, lines: ofDay }) => (
        <section key={day} className="day" aria-label={day}>
          <h3 lang={timeLanguage}>{day}</h3>
          <ul>
            {ofDay.map((line) => (
              <Line key={`${line.wallet_id}${line.id}`} line={line} to={toLine(line)} selected={line.id === selected} />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

export function LinesLoading({ count = 6 }: { count?: number }) {
  return (
    <div className="day" aria-busy="true" aria-label={common.loading}>
      <h3>
        <Skeleton width="80px" />
      </h3>
      <ul>
        {Array.from({ length: count }, (_, index) => (
          <li key={index} className="line">
            <span className="like-link">
              <Skeleton width="36px" height="36px" round />
              <span className="grow stack tight">
                <Skeleton width={`${40 + ((index * 17) % 30)}%`} />
                <Skeleton width={`${25 + ((index * 29) % 35)}%`} height="0.8em" />
              </span>
              <Skeleton width="84px" />
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

// One line

/** A line's story in a panel at the side; the list stays where it was. */
export function LinePanel({ id, onClose }: { id: string; onClose: () => void }) {
  const { data, error, refetch } = useQuery({
    queryKey: ["transaction", id],
    queryFn: () => asked(api.GET("/transactions/{id}", { params: { path: { id } } })),
    staleTime: Infinity,
  });
  return (
    <Dialog side title={words.title} onClose={onClose}>
      {error && !data ? (
        <Failure problem={error} retry={() => void refetch()} />
      ) : data ? (
        <Story line={data} />
      ) : (
        <div className="stack">
          <Skeleton width="60%" height="2.5em" />
          <Skeleton height="10em" />
        </div>
      )}
    </Dialog>
  );
}

function Story({ line }: { line: Transaction }) {
  const incoming = line.direction === "in";
  const party = line.counterparty;
  const handle = party?.handle ? ` @${party.handle}` : "";
  const facts: [string, string][] = [];
  if (line.reference) facts.push([words.reference, line.reference]);
  facts.push(...Object.entries(line.metadata));
  return (
    <div className="stack wide story">
      <div className="stack tight">
        <p className="quiet" dir="auto">
          {party
            ? (incoming ? words.receivedFrom : words.sentTo)(partyName(party))
            : titleOf(line)}
          <span className="quieter">{handle}</span>
        </p>
        <p className="figure">
          <Money amount={incoming ? line.amount : -line.amount} currency={line.currency} signed />
        </p>
        {line.note && (
          <blockquote dir="auto" className="said">
            {line.note}
          </blockquote>
        )}
      </div>
      <dl className="facts">
        <dt>{words.when}</dt>
        <dd lang={timeLanguage}>{exactText(line.booked_at)}</dd>
        {facts.map(([name, value], place) => (
          <Fact key={place} name={name} value={value} />
        ))}
        <dt>{words.balanceAfter}</dt>
        <dd>
          <Money amount={line.balance.posted} currency={line.currency} />
        </dd>
        <dt>{words.id}</dt>
        <dd>
          <Identifier id={line.id} />
        </dd>
      </dl>
      <Proof line={line} />
      {party && (
        <Link className="button plain" to={`/send?to=${party.handle ?? party.user_id}&currency=${line.currency}`}>
          <Icon name="send" size={18} />
          {incoming ? app.home.send : words.again}
        </Link>
      )}
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt dir="auto">{name}</dt>
      <dd dir="auto">{value}</dd>
    </>
  );
}

/** How it came to be certain: booked, then sealed; with the receipt that proves both. */
function Proof({ line }: { line: Transaction }) {
  const [failed, setFailed] = useState<unknown>(null);
  const { data } = useQuery({
    queryKey: ["receipt", line.id],
    queryFn: () => asked(api.GET("/transactions/{id}/receipt", { params: { path: { id: line.id } } })),
    retry: (count, error) => error instanceof Problem && error.code === "receipt-not-ready" && count < 20,
    retryDelay: 700,
    staleTime: Infinity,
  });
  const save = () => {
    setFailed(null);
    download(`transactions/${line.id}/receipt`, `receipt-${line.id}.json`).catch(setFailed);
  };
  const receipt = data as { inclusion: { position: number }; checkpoint: { tree_size: number } } | undefined;
  return (
    <section className="stack tight" aria-label={words.story}>
      <ol className="steps-done">
        <li className="reached">
          <strong>{words.booked}</strong>
          <span className="quiet small">{words.bookedWords}</span>
        </li>
        <li className={receipt ? "reached" : ""}>
          <strong>{receipt ? words.sealed : words.sealing}</strong>
          <span className="quiet small">
            {receipt ? words.sealedWords(receipt.inclusion.position + 1, receipt.checkpoint.tree_size) : "\u00a0"}
          </span>
        </li>
      </ol>
      <div className="row wrap">
        <Button icon="download" size="compact" disabled={!receipt} onClick={save}>
          {words.receipt}
        </Button>
        <a className="small" href={new URL("verify", ROOT).href}>
          {words.check}
        </a>
      </div>
      <ProblemNote problem={failed} />
    </section>
  );
}
