// A movement from both sides, and its refund.
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { api, asked, newKey, type Schemas } from "../api/client";
import { useSession } from "../api/session";
import { Money } from "../parts/money";
import { Link, navigate, useQuery as useAddressQuery } from "../parts/router";
import { exactText, When } from "../parts/time";
import { Button, Dialog, Empty, Failure, Identifier, Skeleton, useSettled, useTitle } from "../parts/ui";
import { words as all } from "../text/console";
import { ActDialog, PersonLink, useMay, type Movement } from "./shared";

const words = all.transfers;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

export function Transfers({ id }: { id: string }) {
  useTitle(words.title, all.name);
  const [query, change] = useAddressQuery();
  const text = query.q ?? "";
  const q = useSettled(text.trim());
  const found = useQuery({
    queryKey: ["search", q],
    queryFn: () => asked(api.GET("/admin/search", { params: { query: { q } } })),
    enabled: q.length >= 2,
  });
  const movements = q.length >= 2 ? (found.data?.transactions ?? []) : [];
  return (
    <div className="stack">
      <h1>{words.title}</h1>
      <div className="inputs">
        <input className="input compact grow" type="search" aria-label={words.find} placeholder={words.find} maxLength={200} value={text} onChange={(event) => change({ q: event.target.value })} />
      </div>
      <div className="card">
        {found.error ? (
          <Failure problem={found.error} retry={() => void found.refetch()} />
        ) : movements.length > 0 ? (
          <div className="table-wrap">
            <table className="grid">
              <thead>
                <tr>
                  <th scope="col">{words.when}</th>
                  <th scope="col">{words.from}</th>
                  <th scope="col">{words.to}</th>
                  <th scope="col">{words.reference}</th>
                  <th scope="col" className="number">
                    {words.amount}
                  </th>
                </tr>
              </thead>
              <tbody>
                {movements.map((movement) => (
                  <tr key={movement.id} className="opens" onClick={() => navigate(`/transfers/${movement.id}${location.search}`)}>
                    <th scope="row">
                      <Link to={`/transfers/${movement.id}${location.search}`} onClick={(event) => event.stopPropagation()}>
                        <When time={movement.booked_at} />
                      </Link>
                    </th>
                    <td>{sideName(movement.source)}</td>
                    <td>{sideName(movement.target)}</td>
                    <td className="free">{movement.reference}</td>
                    <td className="number">
                      <Money amount={movement.amount} currency={movement.currency} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        ) : (
          <Empty icon="search" title={q && found.data ? words.none : words.emptyTitle}>
            <p>{words.hint}</p>
          </Empty>
        )}
      </div>
      {UUID.test(id) && <MovementPanel key={id} id={id} onClose={() => navigate(`/transfers${location.search}`, { replace: true })} />}
    </div>
  );
}

type Side = Schemas["Side"];

const sideName = (side: Side): string =>
  side.owner ? `${side.owner.first_name} ${side.owner.last_name}` : `${words.system} (${side.purpose})`;

function SideFacts({ side, currency }: { side: Side; currency: string }): ReactNode {
  return (
    <>
      {side.owner ? <PersonLink person={side.owner} /> : sideName(side)}
      <br />
      <span className="quieter">
        {words.balanceAfter} <Money amount={side.posted_after} currency={currency} />
      </span>
    </>
  );
}

function MovementPanel({ id, onClose }: { id: string; onClose: () => void }) {
  const { data, error, refetch } = useQuery({
    queryKey: ["movement", id],
    queryFn: () => asked(api.GET("/admin/transactions/{id}", { params: { path: { id } } })),
  });
  return (
    <Dialog side title={data?.kind ?? words.title} onClose={onClose}>
      {error ? <Failure problem={error} retry={() => void refetch()} /> : data ? <Facts movement={data} /> : <Skeleton height="14em" />}
    </Dialog>
  );
}

function Facts({ movement }: { movement: Movement }) {
  const { currency } = movement;
  const may = useMay("refund");
  const [refunding, setRefunding] = useState(false);
  return (
    <div className="stack wide">
      <p className="value">
        <Money amount={movement.amount} currency={currency} />
      </p>
      <dl className="facts">
        <dt>{words.from}</dt>
        <dd>
          <SideFacts side={movement.source} currency={currency} />
        </dd>
        <dt>{words.to}</dt>
        <dd>
          <SideFacts side={movement.target} currency={currency} />
        </dd>
        <dt>{words.when}</dt>
        <dd>{exactText(movement.booked_at)}</dd>
        {movement.note && (
          <>
            <dt>{words.note}</dt>
            <dd dir="auto">{movement.note}</dd>
          </>
        )}
        {movement.reference && (
          <>
            <dt>{words.reference}</dt>
            <dd dir="auto">{movement.reference}</dd>
          </>
        )}
        {movement.refunded > 0 && (
          <>
            <dt>{words.refunded}</dt>
            <dd>
              <Money amount={movement.refunded} currency={currency} />
            </dd>
          </>
        )}
        {movement.refund_of && (
          <>
            <dt>{words.refundOf}</dt>
            <dd>
              <Link to={`/transfers/${movement.refund_of}`}>…{movement.refund_of.slice(-8)}</Link>
            </dd>
          </>
        )}
        {movement.refunds.map((refund) => (
          <RefundLink key={refund.id} id={refund.id} />
        ))}
        <dt>{words.id}</dt>
        <dd>
          <Identifier id={movement.id} />
        </dd>
      </dl>
      {may && movement.refundable > 0 && (
        <div>
          <Button icon="undo" onClick={() => setRefunding(true)}>
            {all.acts.refund}
          </Button>
        </div>
      )}
      {refunding && <Refund movement={movement} onClose={() => setRefunding(false)} />}
    </div>
  );
}

function RefundLink({ id }: { id: string }) {
  return (
    <>
      <dt>{words.refunds}</dt>
      <dd>
        <Link to={`/transfers/${id}`}>…{id.slice(-8)}</Link>
      </dd>
    </>
  );
}

function Refund({ movement, onClose }: { movement: Movement; onClose: () => void }) {
  const { user } = useSession();
  const [key] = useState(newKey);
  const [force, setForce] = useState(false);
  return (
    <ActDialog
      danger
      title={all.acts.refund}
      words={all.acts.refundWords}
      onClose={onClose}
      act={(reason) =>
        asked(
          api.POST("/admin/transactions/{id}/refund", {
            params: { path: { id: movement.id } },
            headers: { "Idempotency-Key": key },
            body: { reason, force },
          }),
        )
      }
    >
      <p className="strong" dir="auto">
        <Money amount={movement.refundable} currency={movement.currency} /> · {sideName(movement.target)} → {sideName(movement.source)}
      </p>
      {user.role === "admin" && (
        <label className="row">
          <input type="checkbox" checked={force} onChange={(event) => setForce(event.target.checked)} />
          {all.acts.force}
        </label>
      )}
    </ActDialog>
  );
}
