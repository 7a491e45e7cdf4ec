// Adjustments: asked for by one administrator, decided by another.
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, asked, type Schemas } from "../api/client";
import { useSession } from "../api/session";
import { Money } from "../parts/money";
import { Link, useQuery } from "../parts/router";
import { When } from "../parts/time";
import { Badge, Button, Choice, useTitle } from "../parts/ui";
import { words as all } from "../text/console";
import { ActDialog, nameOf, Table, useMay } from "./shared";

const words = all.approvals;
const STATUSES = ["pending", "approved", "rejected"] as const;

type Adjustment = Schemas["Adjustment"];
type Status = (typeof STATUSES)[number] | "all";

export function Approvals() {
  useTitle(words.title, all.name);
  const [query, change] = useQuery();
  const status: Status = query.status === "all" ? "all" : (STATUSES.find((each) => each === query.status) ?? "pending");
  const filters = status === "all" ? {} : { status };
  const [deciding, setDeciding] = useState<[Adjustment, "approve" | "reject"] | null>(null);
  const pages = useInfiniteQuery({
    queryKey: ["adjustments", filters],
    queryFn: ({ pageParam }) =>
      asked(api.GET("/admin/adjustments", { params: { query: { ...filters, ...(pageParam && { cursor: pageParam }) } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: 10_000,
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
          <tr key={adjustment.id}>
            <th scope="row">
              <Link to={`/wallets/${adjustment.wallet.id}`} dir="auto">
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
            <td className="free wide" dir="auto" title={adjustment.reason}>
              {adjustment.reason}
            </td>
            <td className="free wide" dir="auto">
              {nameOf(adjustment.requested_by)}
            </td>
            <td className="quiet wide">
              <When time={adjustment.requested_at} />
            </td>
            <td>
              <Decision adjustment={adjustment} decide={(how) => setDeciding([adjustment, how])} />
            </td>
          </tr>
        )}
      />
      {deciding && <Decide adjustment={deciding[0]} how={deciding[1]} onClose={() => setDeciding(null)} />}
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
      {own ? (
        <span className="tiny quieter">{all.acts.ownRequest}</span>
      ) : (
        <Button size="compact" onClick={() => decide("approve")}>
          {all.acts.approve}
        </Button>
      )}
      <Button size="compact" look="bare" onClick={() => decide("reject")}>
        {all.acts.reject}
      </Button>
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
    />
  );
}
