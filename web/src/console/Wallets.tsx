// Wallets; each opens at the side, with what staff may decide about it.
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { api, asked, isUnknown, Problem } from "../api/client";
import { exampleOf } from "../parts/amount";
import { Money, moneyText, parseAmount } from "../parts/money";
import { Link, navigate, useQuery as useAddressQuery } from "../parts/router";
import { When } from "../parts/time";
import { Badge, Button, Choice, Field, Identifier, Note, useTitle } from "../parts/ui";
import { words as all } from "../text/console";
import { ActDialog, WalletBadges, nameOf, Panel, PersonLink, Table, useMay, type StaffWallet, within } from "./shared";

const words = all.wallets;
const acts = all.acts;

export function Wallets({ id }: { id: string }) {
  useTitle(all.nav.wallets, all.name);
  const [query, change] = useAddressQuery();
  const currency = /^[A-Za-z]{3}$/.test(query.currency ?? "") ? query.currency?.toUpperCase() : undefined;
  const filters = { ...(currency && { currency }), ...(query.frozen === "yes" && { frozen: true }) };
  const pages = useInfiniteQuery({
    queryKey: ["wallets", filters],
    queryFn: ({ pageParam }) =>
      asked(api.GET("/admin/wallets", { params: { query: { ...filters, ...(pageParam && { cursor: pageParam }) } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
  return (
    <div className="stack">
      <h1>{all.nav.wallets}</h1>
      <div className="inputs">
        <input className="input compact" aria-label={words.currency} placeholder={words.anyCurrency} maxLength={3} value={query.currency ?? ""} onChange={(event) => change({ currency: event.target.value })} />
        <Choice
          label={words.frozen}
          value={query.frozen === "yes" ? "yes" : "all"}
          options={[["all", words.all], ["yes", words.onlyFrozen]]}
          onChange={(value) => change({ frozen: value === "yes" ? "yes" : null })}
        />
      </div>
      <Table
        caption={all.nav.wallets}
        head={[words.owner, words.currency, { text: words.available, number: true }, { text: words.held, number: true, wide: true }, { text: words.status, wide: true }, { text: words.last, wide: true }]}
        pages={pages}
        empty={words.empty}
        row={(wallet) => (
          <tr key={wallet.id} className="opens" data-open={wallet.id === id} onClick={() => navigate(`/wallets/${wallet.id}${location.search}`, { stay: true })}>
            <th scope="row">
              <Link stay to={`/wallets/${wallet.id}${location.search}`} dir="auto" onClick={within}>
                {nameOf(wallet.owner)}
              </Link>
              <div className="small-only">
                <WalletBadges wallet={wallet} />
              </div>
            </th>
            <td>{wallet.currency}</td>
            <td className="number">
              <Money amount={wallet.available} currency={wallet.currency} bare />
            </td>
            <td className="number quieter wide">
              <Money amount={wallet.held} currency={wallet.currency} bare />
            </td>
            <td className="wide">
              <WalletBadges wallet={wallet} />
            </td>
            <td className="quiet wide">{wallet.last_booked_at ? <When time={wallet.last_booked_at} /> : words.never}</td>
          </tr>
        )}
      />
      {id && <WalletPanel key={id} id={id} onClose={() => navigate(`/wallets${location.search}`, { replace: true })} />}
    </div>
  );
}

function WalletPanel({ id, onClose }: { id: string; onClose: () => void }) {
  const found = useQuery({
    queryKey: ["wallet", id],
    queryFn: () => asked(api.GET("/admin/wallets/{id}", { params: { path: { id } } })),
  });
  return (
    <Panel title={words.title} found={found} onClose={onClose}>
      {(wallet) => <WalletFacts wallet={wallet} />}
    </Panel>
  );
}

export function WalletFacts({ wallet }: { wallet: StaffWallet }) {
  const { currency } = wallet;
  return (
    <div className="stack wide">
      <div>
        <p>
          <PersonLink person={wallet.owner} />
        </p>
        <p className="value">
          <Money amount={wallet.available} currency={currency} />
        </p>
        <WalletBadges wallet={wallet} />
      </div>
      <dl className="facts">
        <dt>{words.posted}</dt>
        <dd>
          <Money amount={wallet.posted} currency={currency} />
        </dd>
        <dt>{words.held}</dt>
        <dd>
          <Money amount={wallet.held} currency={currency} />
        </dd>
        <dt>{words.overdraft}</dt>
        <dd>
          <Money amount={wallet.overdraft_limit} currency={currency} />
        </dd>
        {wallet.debt > 0 && (
          <>
            <dt>{words.debt}</dt>
            <dd>
              <Money amount={wallet.debt} currency={currency} />
            </dd>
          </>
        )}
        <dt>{words.last}</dt>
        <dd>{wallet.last_booked_at ? <When time={wallet.last_booked_at} /> : words.never}</dd>
        <dt>{words.version}</dt>
        <dd>{wallet.version}</dd>
        <dt>{words.id}</dt>
        <dd>
          <Identifier id={wallet.id} />
        </dd>
      </dl>
      <WalletActs wallet={wallet} />
    </div>
  );
}

/** Looking has failed, so nothing was asked for: there is no doubt about the act. */
const notSent = () => new Problem(503, "not-sent", "", {}, 0);
const changedMeanwhile = () => new Problem(409, "changed-meanwhile", acts.changed, {}, 0);

/** Send an act only while the wallet is what its dialog shows, or is what this act may have made of it. */
function useAsShown(wallet: StaffWallet) {
  const client = useQueryClient();
  const mayHaveActed = useRef(false);
  return async <T,>(act: () => Promise<T>): Promise<T> => {
    if (!mayHaveActed.current) {
      const now = await asked(api.GET("/admin/wallets/{id}", { params: { path: { id: wallet.id } } })).catch((error: unknown) => {
        throw isUnknown(error) ? notSent() : error;
      });
      const same = now.frozen === wallet.frozen && now.status === wallet.status && now.overdraft_limit === wallet.overdraft_limit;
      if (!same) {
        client.setQueryData(["wallet", wallet.id], now);
        throw changedMeanwhile();
      }
    }
    try {
      return await act();
    } catch (error) {
      if (isUnknown(error)) mayHaveActed.current = true;
      throw error;
    }
  };
}

type ActName = "freeze" | "unfreeze" | "overdraft" | "adjust" | "close";

export function WalletActs({ wallet }: { wallet: StaffWallet }) {
  const [open, setOpen] = useState<ActName | null>(null);
  const mayFreeze = useMay("freeze");
  const isAdmin = useMay("admin");
  const close = () => setOpen(null);
  if (wallet.status === "closed") return <Badge>{all.people.closed}</Badge>;
  return (
    <div className="row wrap">
      {mayFreeze && wallet.frozen !== "both" && (
        <Button size="compact" icon="snow" onClick={() => setOpen("freeze")}>
          {acts.freeze}
        </Button>
      )}
      {mayFreeze && wallet.frozen !== "none" && (
        <Button size="compact" onClick={() => setOpen("unfreeze")}>
          {acts.unfreeze}
        </Button>
      )}
      {isAdmin && (
        <>
          <Button size="compact" onClick={() => setOpen("overdraft")}>
            {acts.overdraft}
          </Button>
          <Button size="compact" onClick={() => setOpen("adjust")}>
            {acts.adjust}
          </Button>
          <Button size="compact" onClick={() => setOpen("close")}>
            {acts.close}
          </Button>
        </>
      )}
      {open === "freeze" && <Freeze wallet={wallet} onClose={close} />}
      {open === "unfreeze" && <Unfreeze wallet={wallet} onClose={close} />}
      {open === "close" && <Close wallet={wallet} onClose={close} />}
      {open === "overdraft" && <Overdraft wallet={wallet} onClose={close} />}
      {open === "adjust" && <Adjust wallet={wallet} onClose={close} />}
    </div>
  );
}

interface WalletActProps {
  wallet: StaffWallet;
  onClose: () => void;
}

function Unfreeze({ wallet, onClose }: WalletActProps) {
  const asShown = useAsShown(wallet);
  const params = { path: { id: wallet.id } };
  return (
    <ActDialog
      title={acts.unfreeze}
      before={all.freezes[wallet.frozen]}
      after={all.freezes.none}
      onClose={onClose}
      act={(reason) => asShown(() => asked(api.POST("/admin/wallets/{id}/unfreeze", { params, body: { reason } })))}
    />
  );
}

function Close({ wallet, onClose }: WalletActProps) {
  const params = { path: { id: wallet.id } };
  return (
    <ActDialog
      danger
      title={acts.close}
      words={acts.closeWords}
      before={all.people.open}
      after={all.people.closed}
      onClose={onClose}
      act={(reason) => asked(api.POST("/admin/wallets/{id}/close", { params, body: { reason } }))}
    />
  );
}

function Freeze({ wallet, onClose }: WalletActProps) {
  const asShown = useAsShown(wallet);
  const [direction, setDirection] = useState<"send" | "receive" | "both">(wallet.frozen === "send" ? "receive" : "send");
  // Freezing adds up: what was frozen before stays frozen.
  const after = wallet.frozen === "none" || wallet.frozen === direction ? direction : "both";
  return (
    <ActDialog
      danger
      title={acts.freeze}
      before={all.freezes[wallet.frozen]}
      after={all.freezes[after]}
      onClose={onClose}
      act={(reason) =>
        asShown(() => asked(api.POST("/admin/wallets/{id}/freeze", { params: { path: { id: wallet.id } }, body: { direction, reason } })))
      }
    >
      <Choice
        label={acts.direction}
        value={direction}
        options={[["send", acts.send], ["receive", acts.receive], ["both", acts.both]]}
        onChange={setDirection}
      />
    </ActDialog>
  );
}

function Overdraft({ wallet, onClose }: WalletActProps) {
  const asShown = useAsShown(wallet);
  const [text, setText] = useState("");
  const { currency } = wallet;
  const limit = /^0([.,]0*)?$/.test(text.trim()) ? 0 : parseAmount(text, currency);
  return (
    <ActDialog
      title={acts.overdraft}
      before={<Money amount={wallet.overdraft_limit} currency={currency} />}
      after={limit === null ? "–" : <Money amount={limit} currency={currency} />}
      complete={limit !== null}
      onClose={onClose}
      act={(reason) =>
        asShown(() => asked(api.POST("/admin/wallets/{id}/overdraft", { params: { path: { id: wallet.id } }, body: { limit: limit ?? 0, reason } })))
      }
    >
      <AmountInput currency={currency} label={`${acts.limit}, ${currency}`} hint={acts.limitHint} value={text} onChange={setText} />
    </ActDialog>
  );
}

function Adjust({ wallet, onClose }: WalletActProps) {
  const [text, setText] = useState("");
  const { currency } = wallet;
  const negative = /^\s*[-\u2212]/.test(text);
  const size = parseAmount(text.replace(/^\s*[-\u2212+]/, ""), currency);
  const amount = size === null ? null : negative ? -size : size;
  return (
    <ActDialog
      danger
      title={acts.adjust}
      words={acts.mustApprove}
      before={<Money amount={wallet.posted} currency={currency} />}
      after={amount === null ? "–" : <Money amount={wallet.posted + amount} currency={currency} />}
      complete={amount !== null}
      said={acts.asked}
      onClose={onClose}
      act={(reason, key) =>
        asked(
          api.POST("/admin/adjustments", {
            body: { wallet_id: wallet.id, amount: amount ?? 0, reason },
            headers: { "Idempotency-Key": key },
          }),
        )
      }
    >
      <AmountInput currency={currency} label={`${acts.amount}, ${currency}`} hint={acts.amountHint} value={text} onChange={setText} />
      {amount !== null && <p className="strong">{moneyText(amount, currency, true)}</p>}
      <TooMuch wallet={wallet} amount={amount ?? 0} />
    </ActDialog>
  );
}

/** Whether the books would refuse to take so much, said before anybody asks them. */
export function TooMuch({ wallet, amount }: { wallet: StaffWallet; amount: number }) {
  if (amount >= 0 || wallet.available + amount >= -wallet.overdraft_limit) return null;
  return (
    <Note look="warn" icon="alert">
      {acts.tooMuch}
    </Note>
  );
}

interface AmountInputProps {
  currency: string;
  label: string;
  hint: string;
  value: string;
  onChange: (value: string) => void;
}

function AmountInput({ currency, label, hint, value, onChange }: AmountInputProps) {
  return (
    <Field label={label} hint={hint}>
      {(attributes) => (
        <input {...attributes} className="input numbers" autoComplete="off" required placeholder={exampleOf(currency)} value={value} onChange={(event) => onChange(event.target.value)} />
      )}
    </Field>
  );
}
