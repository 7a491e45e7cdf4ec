// What several views of the console share: tables with keyset paging, and acts with their reasons.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type MouseEvent, type ReactNode } from "react";
import { isUnknown, newKey, untilDefinite, type Problem, type Schemas } from "../api/client";
import { useSession } from "../api/session";
import { Icon } from "../parts/icons";
import { Link } from "../parts/router";
import { clockText, dayStart, DAYS } from "../parts/time";
import { Badge, Button, Dialog, Empty, Failure, Field, Note, ProblemNote, Skeleton, tell, textOf } from "../parts/ui";
import { common } from "../text/common";
import { words } from "../text/console";

export type Person = Schemas["StaffPerson"];
export type StaffWallet = Schemas["StaffWallet"];
export type Movement = Schemas["StaffTransaction"];

export const nameOf = (person: { first_name: string; last_name: string }): string =>
  `${person.first_name} ${person.last_name}`.trim();

export function PersonLink({ person }: { person: Person }) {
  return (
    <Link to={`/people/${person.id}`} dir="auto">
      {nameOf(person)}
    </Link>
  );
}

const RIGHTS: Readonly<Record<string, readonly string[]>> = {
  freeze: ["support", "admin"],
  refund: ["support", "admin"],
  sessions: ["support", "admin"],
  admin: ["admin"],
};

/** Whether the role allows an act. It only decides what is offered: the service decides what is done. */
export function useMay(act: "freeze" | "refund" | "sessions" | "admin"): boolean {
  const { user } = useSession();
  return RIGHTS[act]?.includes(user.role) ?? false;
}

/** What is out of the ordinary about a wallet, if anything. */
export function WalletBadges({ wallet }: { wallet: StaffWallet }) {
  if (wallet.status === "closed") return <Badge>{words.people.closed}</Badge>;
  if (wallet.frozen === "none" && wallet.debt === 0) return null;
  return (
    <span className="row wrap tight">
      {wallet.frozen !== "none" && <Badge look="warn">{words.freezes[wallet.frozen]}</Badge>}
      {wallet.debt > 0 && <Badge look="bad">{words.wallets.inDebt}</Badge>}
    </span>
  );
}

/** A day to look from or to; an empty one shows nothing of itself, so its label stands before it. */
export function DayInput({ label, value, onChange }: { label: string; value: string | undefined; onChange: (day: string) => void }) {
  // Typed digit by digit, a year goes through some that are none: those stay here until it is one.
  const [typed, setTyped] = useState<string | null>(null);
  const take = (day: string) => {
    const settled = day === "" || startOf(day) !== undefined;
    setTyped(settled ? null : day);
    if (settled) onChange(day);
  };
  return (
    <label className="day">
      <span className="small quieter">{label}</span>
      <input
        className="input compact"
        type="date"
        {...DAYS}
        value={typed ?? (startOf(value) ? value : "")}
        onChange={(event) => take(event.target.value)}
        onBlur={() => setTyped(null)}
      />
    </label>
  );
}

/** Return when a day of the reader's begins, or one so many days later; nothing for what is no day. */
export function startOf(day: string | undefined, daysLater = 0): string | undefined {
  if (!day) return undefined;
  return dayStart(day, daysLater) ?? undefined;
}

/** Since when what is shown is not that of now, while it cannot be asked for again. */
export function Stale({ found }: { found: { error: unknown; dataUpdatedAt: number } }) {
  if (!found.error || !found.dataUpdatedAt) return null;
  return (
    <span role="status" title={textOf(found.error)}>
      <Badge look="warn" dot>
        {common.staleSince(clockText(found.dataUpdatedAt))}
      </Badge>
    </span>
  );
}

interface PanelProps<T> {
  title: string;
  found: { data: T | undefined; error: unknown; dataUpdatedAt: number; refetch: () => unknown };
  onClose: () => void;
  children: (item: T) => ReactNode;
}

/** One thing at the side of its list, which says since when it is stale. */
export function Panel<T>({ title, found, onClose, children }: PanelProps<T>) {
  const { data, error, refetch } = found;
  return (
    <Dialog side title={title} onClose={onClose}>
      <Stale found={found} />
      {data ? children(data) : error ? <Failure problem={error} retry={() => void refetch()} /> : <Skeleton height="14em" />}
    </Dialog>
  );
}

// Tables

/** What is pressed in a row does not open it as well. */
export const within = (event: MouseEvent) => event.stopPropagation();

interface Pages<T> {
  data: { pages: { items: T[] }[] } | undefined;
  error: unknown;
  dataUpdatedAt: number;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  isFetchNextPageError: boolean;
  fetchNextPage: () => unknown;
  refetch: () => unknown;
}

interface TableProps<T> {
  caption: string;
  /** Columns; those that are `wide` are left out of small screens. */
  head: readonly (string | { text: string; number?: true; wide?: true })[];
  pages: Pages<T>;
  row: (item: T) => ReactNode;
  empty: string;
  /** What to say beside "Show more" where a page was not full. */
  partial?: string | undefined;
}

/** A table of as many pages as were asked for; each of its five states keeps its place. */
export function Table<T>({ caption, head, pages, row, empty, partial }: TableProps<T>) {
  const items = pages.data?.pages.flatMap((page) => page.items);
  if (pages.error && !items) {
    return (
      <div className="card">
        <Failure problem={pages.error} retry={() => void pages.refetch()} />
      </div>
    );
  }
  return (
    <div className="card">
      <div className="stale">
        <Stale found={pages} />
      </div>
      <div className="table-wrap list" tabIndex={0} role="region" aria-label={caption}>
        <table className="grid">
          <thead>
            <tr>
              {head.map((cell) =>
                typeof cell === "string" ? (
                  <th key={cell} scope="col">
                    {cell}
                  </th>
                ) : (
                  <th key={cell.text} scope="col" className={[cell.number && "number", cell.wide && "wide"].filter(Boolean).join(" ")}>
                    {cell.text}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>{items ? items.map(row) : <Waiting head={head} />}</tbody>
        </table>
      </div>
      {items?.length === 0 && !pages.hasNextPage && <Empty icon="search" title={empty} />}
      <More pages={pages} partial={partial} />
    </div>
  );
}

/** The next page of a list, and why it did not come. */
export function More<T>({ pages, partial }: { pages: Omit<Pages<T>, "data">; partial?: string | undefined }) {
  if (!pages.hasNextPage) return null;
  return (
    <div className="more">
      {partial && <p className="tiny quieter">{partial}</p>}
      {pages.isFetchNextPageError && <ProblemNote problem={pages.error} />}
      <Button size="compact" busy={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
        {common.more}
      </Button>
    </div>
  );
}

/** How often the first page is looked at again, while it is the only one: who reads on is left in peace. */
export const whileFirst = (everyMs: number) => (found: { state: { data?: { pages: unknown[] } | undefined } }): number | false =>
  (found.state.data?.pages.length ?? 0) > 1 ? false : everyMs;

function Waiting({ head }: { head: TableProps<never>["head"] }) {
  return Array.from({ length: 8 }, (_, line) => (
    <tr key={line} aria-hidden="true">
      {head.map((cell, column) => (
        <td key={column} className={typeof cell !== "string" && cell.wide ? "wide" : undefined}>
          <Skeleton width={`${60 + ((line * 7 + column * 13) % 60)}px`} />
        </td>
      ))}
    </tr>
  ));
}

// Acts

interface ActProps {
  title: string;
  words?: ReactNode;
  before?: ReactNode;
  after?: ReactNode;
  danger?: boolean;
  /** Whether what else is asked for has been filled in. */
  complete?: boolean;
  /** Do it, under this key where there is one: the same key for the same act, however often it is sent. */
  act: (reason: string, key: string) => Promise<unknown>;
  said?: string;
  onClose: () => void;
  children?: ReactNode;
}

const REASON_MIN = 3;

/** Ask for the reason, show before and after, and do it. */
export function ActDialog(props: ActProps) {
  const { title, before, after, danger = false, complete = true, act, said, onClose, children } = props;
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const [key, setKey] = useState(newKey);
  const [waits, setWaits] = useState<Problem | null>(null);
  const [doubt, setDoubt] = useState<Problem | null>(null);
  const lookAgain = () => client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
  const doing = useMutation({
    mutationFn: () => untilDefinite(() => act(reason.trim(), key), setWaits, doubt),
    onSettled: () => setWaits(null),
    onError: (problem) => {
      const unknown = isUnknown(problem);
      setDoubt(unknown ? (problem as Problem) : null);
      if (unknown) return;
      // A refusal has used the key up: what is asked for next is another act, on what is so by now.
      setKey(newKey());
      void lookAgain();
    },
    onSuccess: async () => {
      tell(said ?? words.acts.done);
      onClose();
      await lookAgain();
    },
  });
  // What has been sent is not taken back by looking away.
  const close = () => {
    if (doing.isPending) return;
    if (doubt) tell(words.acts.leftUnknown, 10_000);
    onClose();
  };
  return (
    <Dialog title={title} onClose={close}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          doing.mutate();
        }}
      >
        {props.words && <p className="quiet">{props.words}</p>}
        {children && (
          <fieldset className="stack" disabled={doing.isPending || doubt !== null}>
            {children}
          </fieldset>
        )}
        {before !== undefined && (
          <dl className="change">
            <div>
              <dt>{words.acts.before}</dt>
              <dd>{before}</dd>
            </div>
            <Icon name="send" size={18} />
            <div>
              <dt>{words.acts.after}</dt>
              <dd>{after}</dd>
            </div>
          </dl>
        )}
        <Field label={words.acts.reason} hint={words.acts.reasonHint}>
          {(attributes) => (
            <textarea
              {...attributes}
              className="input"
              dir="auto"
              required
              minLength={REASON_MIN}
              maxLength={500}
              readOnly={doing.isPending || doubt !== null}
              value={reason}
              onChange={(event) => {
                const { value } = event.target;
                event.target.setCustomValidity(value.length >= REASON_MIN && value.trim().length < REASON_MIN ? words.acts.reasonShort : "");
                setReason(value);
              }}
            />
          )}
        </Field>
        {doing.isPending && waits && <Note icon="clock">{words.acts.stillTrying}</Note>}
        {doubt && !doing.isPending ? (
          <div role="alert">
            <Note look="warn" icon="alert">
              <strong>{words.acts.unknownTitle}</strong>
              <p>{words.acts.unknownWords}</p>
            </Note>
          </div>
        ) : (
          <ProblemNote problem={doing.isPending ? null : doing.error} />
        )}
        <div className="buttons">
          <Button onClick={close} disabled={doing.isPending}>
            {common.cancel}
          </Button>
          <Button look={danger ? "danger" : "main"} type="submit" disabled={!complete} busy={doing.isPending}>
            {doubt ? words.acts.findOut : title}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
