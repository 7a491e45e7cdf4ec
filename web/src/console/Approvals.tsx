// Adjustments: asked for by one administrator, decided by another.
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, asked, type Schemas } from "../api/client";
import { useSession } from "../api/session";
import { Money } from "../parts/money";
import { Link, navigate, useQuery as useAddressQuery } from "../parts/router";
import { exactText, When } from "../parts/time";
import { Badge, Button, Choice, Identifier, useTitle } from "../parts/ui";
import { words as all } from "../text/console";
import { TooMuch } from "./Wallets";
import { ActDialog, nameOf, Panel, PersonLink, Table, useMay, whileFirst, within } from "./shared";

const words = all.approvals;
const EVERY_MS = 10_000;
const STATUSES = ["pending", "approved", "rejected"] as const;

type Adjustment = Schemas["Adjustment"];
type Status = (typeof STATUSES)[number] | "all";

export function Approvals({ id }: { id: string }) {
  useTitle(words.title, all.name);
  const [query, change] = useAddressQuery();
  const status: Status = query.status === "all" ? "all" : (STATUSES.find((each) => each === query.status) ?? "pending");
  const filters = status === "all" ? {} : { status };
  const [deciding, setDeciding] = useState<[Adjustment, "approve" | "reject"] | null>(null);
  const pages = useInfiniteQuery({
    queryKey: ["adjustments", filters],
    queryFn: ({ pageParam }) =>
      asked(api.GET("/admin/adjustments", { params: { query: { ...filters, ...(pageParam && { cursor: pageParam }) } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: whileFirst(EVERY_MS),
  });
  return (
    <div className="stack">
      <h1>{words.title}</h1>
      <Choice
        label={words.status}
        value={status}
        options={[["pending", words.pending], ["approved", words.approved], ["rejected", words.rejected], ["all", words.all]]}
        onChange={(value) => change({ status: value === "pending" ? null : value })}
      />
      <Table
        caption={words.title}
        head={[words.wallet, { text: words.amount, number: true, wide: true }, { text: words.reason, wide: true }, { text: words.by, wide: true }, { text: words.when, wide: true }, words.status]}
        pages={pages}
        empty={status === "pending" ? words.empty : words.emptyOther}
        row={(adjustment) => (
          <tr key={adjustment.id} className="opens" data-open={adjustment.id === id} onClick={() => navigate(placeOf(adjustment), { stay: true })}>
            <th scope="row">
              <Link stay to={placeOf(adjustment)} dir="auto" onClick={within}>
                {nameOf(adjustment.wallet.owner)}
              </Link>
              <div className="small-only">
                <Money amount={adjustment.amount} currency={adjustment.currency} signed />
              </div>
              <p className="small-only tiny quieter" dir="auto">
                {adjustment.reason} · {nameOf(adjustment.requested_by)}, <When time={adjustment.requested_at} />
              </p>
            </th>
            <td className="number wide">
              <Money amount={adjustment.amount} currency={adjustment.currency} signed />
            </td>
            <td className="fills wide" dir="auto" title={adjustment.reason}>
              {adjustment.reason}
            </td>
            <td className="free wide" dir="auto">
              {nameOf(adjustment.requested_by)}
            </td>
            <td className="quiet wide">
              <When time={adjustment.requested_at} />
            </td>
            <td className="wraps" onClick={within}>
              <Decision adjustment={adjustment} decide={(how) => setDeciding([adjustment, how])} />
            </td>
          </tr>
        )}
      />
      {id && <AdjustmentPanel key={id} id={id} decide={(adjustment, how) => setDeciding([adjustment, how])} />}
      {deciding && <Decide adjustment={deciding[0]} how={deciding[1]} onClose={() => setDeciding(null)} />}
    </div>
  );
}

const placeOf = ({ id }: Adjustment): string => `/approvals/${id}${location.search}`;

function AdjustmentPanel({ id, decide }: { id: string; decide: (adjustment: Adjustment, how: "approve" | "reject") => void }) {
  const found = useQuery({
    queryKey: ["adjustment", id],
    queryFn: () => asked(api.GET("/admin/adjustments/{id}", { params: { path: { id } } })),
    // A colleague may decide while it is looked at.
    refetchInterval: ({ state }) => (state.data?.status === "pending" ? EVERY_MS : false),
  });
  return (
    <Panel title={words.one} found={found} onClose={() => navigate(`/approvals${location.search}`, { replace: true })}>
      {(adjustment) => <Facts adjustment={adjustment} decide={(how) => decide(adjustment, how)} />}
    </Panel>
  );
}

function Facts({ adjustment, decide }: { adjustment: Adjustment; decide: (how: "approve" | "reject") => void }) {
  const { wallet, currency, decided_by: decider, decided_at: decidedAt } = adjustment;
  return (
    <div className="stack wide">
      <p className="value">
        <Money amount={adjustment.amount} currency={currency} signed />
      </p>
      <p className="strong" dir="auto">
        {adjustment.reason}
      </p>
      <dl className="facts">
        <dt>{words.of}</dt>
        <dd>
          <PersonLink person={wallet.owner} />
        </dd>
        <dt>{words.wallet}</dt>
        <dd>
          <Link to={`/wallets/${wallet.id}`}>{currency}</Link>
        </dd>
        <dt>{words.by}</dt>
        <dd>
          <PersonLink person={adjustment.requested_by} />
        </dd>
        <dt>{words.when}</dt>
        <dd>{exactText(adjustment.requested_at)}</dd>
        {adjustment.status === "pending" && (
          <>
            <dt>{words.balance}</dt>
            <dd>
              <Money amount={wallet.posted} currency={currency} />
            </dd>
            <dt>{words.after}</dt>
            <dd>
              <Money amount={wallet.posted + adjustment.amount} currency={currency} />
            </dd>
            <dt>{words.decides}</dt>
            <dd dir="auto">{words.other(nameOf(adjustment.requested_by))}</dd>
          </>
        )}
        {decider && decidedAt && (
          <>
            <dt>{words.decided}</dt>
            <dd>
              <PersonLink person={decider} />
              <br />
              <span className="quieter">{exactText(decidedAt)}</span>
            </dd>
            <dt>{words.decidedWhy}</dt>
            <dd dir="auto">{adjustment.decision_reason}</dd>
          </>
        )}
        {adjustment.status === "approved" && (
          <>
            <dt>{words.moved}</dt>
            <dd>
              <Link to={`/transfers/${adjustment.id}`}>…{adjustment.id.slice(-8)}</Link>
            </dd>
          </>
        )}
        <dt>{words.id}</dt>
        <dd>
          <Identifier id={adjustment.id} />
        </dd>
      </dl>
      {adjustment.status === "pending" && <TooMuch wallet={wallet} amount={adjustment.amount} />}
      <Decision adjustment={adjustment} decide={decide} />
    </div>
  );
}

function Decision({ adjustment, decide }: { adjustment: Adjustment; decide: (how: "approve" | "reject") => void }) {
  const { user } = useSession();
  const isAdmin = useMay("admin");
  if (adjustment.status !== "pending") {
    const approved = adjustment.status === "approved";
    return (
      <span className="row">
        <Badge look={approved ? "good" : "bad"}>{approved ? words.approved : words.rejected}</Badge>
        {adjustment.decided_by && <span className="quieter">{nameOf(adjustment.decided_by)}</span>}
      </span>
    );
  }
  if (!isAdmin) return <Badge look="warn">{words.pending}</Badge>;
  const own = adjustment.requested_by.id === user.id;
  return (
    <span className="row wrap">
      {!own && (
        <Button size="compact" onClick={() => decide("approve")}>
          {all.acts.approve}
        </Button>
      )}
      <Button size="compact" look={own ? "plain" : "bare"} onClick={() => decide("reject")}>
        {all.acts.reject}
      </Button>
      {own && <span className="tiny quieter">{all.acts.ownRequest}</span>}
    </span>
  );
}

interface DecideProps {
  adjustment: Adjustment;
  how: "approve" | "reject";
  onClose: () => void;
}

function Decide({ adjustment, how, onClose }: DecideProps) {
  const { wallet, amount, currency } = adjustment;
  const params = { path: { id: adjustment.id } };
  const approves = how === "approve";
  return (
    <ActDialog
      danger={approves}
      title={approves ? all.acts.approve : all.acts.reject}
      words={adjustment.reason}
      before={<Money amount={wallet.posted} currency={currency} />}
      after={<Money amount={wallet.posted + (approves ? amount : 0)} currency={currency} />}
      onClose={onClose}
      act={(reason) =>
        approves
          ? asked(api.POST("/admin/adjustments/{id}/approve", { params, body: { reason } }))
          : asked(api.POST("/admin/adjustments/{id}/reject", { params, body: { reason } }))
      }
    >
      {approves && <TooMuch wallet={wallet} amount={amount} />}
    </ActDialog>
  );
}
