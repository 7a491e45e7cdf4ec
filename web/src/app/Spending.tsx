// Where money goes: in and out by month, and the people of one month.
import { useQuery as useAsked } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, asked, type Schemas } from "../api/client";
import { compactMoney, exponentOf, Money, moneyText } from "../parts/money";
import { Plot } from "../parts/Plot";
import { useQuery } from "../parts/router";
import { monthLongText, monthText } from "../parts/time";
import { Avatar, Empty, Failure, Skeleton, useTitle } from "../parts/ui";
import { app } from "../text/app";
import { partyName, useWallet, type Wallet } from "./data";
import { lastMonths } from "./Statement";

const words = app.spending;
const MONTHS = 12;

export function Spending() {
  useTitle(words.title, app.name);
  const { wallet, wallets, failed, retry } = useWallet();
  const [query, change] = useQuery();
  const { data, error, refetch } = useAsked({
    queryKey: ["insights", wallet?.id],
    queryFn: () => {
      const months = lastMonths(MONTHS);
      const range = { month_from: months.at(-1) ?? "", month_to: months[0] ?? "" };
      return asked(api.GET("/wallets/{id}/insights", { params: { path: { id: wallet?.id ?? "" }, query: range } }));
    },
    enabled: wallet !== undefined,
  });
  if (failed && !wallet) return <Failure problem={failed} retry={retry} />;
  if (error && !data) return <Failure problem={error} retry={() => void refetch()} />;
  const months = data?.months ?? [];
  const chosen = months.find((month) => month.month === query.month) ?? months.at(-1);
  const empty = data && months.every((month) => month.total.lines_in + month.total.lines_out === 0);
  return (
    <div className="stack">
      <div className="row apart wrap">
        <h1>{words.title}</h1>
        {wallets.length > 1 && wallet && (
          <select className="input compact narrow" aria-label={app.home.wallet} value={wallet.currency} onChange={(event) => change({ currency: event.target.value })}>
            {wallets.map((each) => (
              <option key={each.id}>{each.currency}</option>
            ))}
          </select>
        )}
      </div>
      {empty ? (
        <div className="card">
          <Empty icon="bars" title={words.emptyTitle}>
            <p>{words.empty}</p>
          </Empty>
        </div>
      ) : (
        <>
          <section className="card padded stack" aria-label={words.months(wallet?.currency ?? "")}>
            <h2>{words.months(wallet?.currency ?? "")}</h2>
            {wallet && months.length > 0 ? (
              <Months wallet={wallet} months={months} chosen={chosen?.month ?? ""} choose={(month) => change({ month })} />
            ) : (
              <Skeleton height="260px" />
            )}
          </section>
          {wallet && chosen ? <Month wallet={wallet} month={chosen} /> : <Skeleton height="240px" />}
        </>
      )}
    </div>
  );
}

type MonthAnswer = Schemas["MonthAnswer"];

interface MonthsProps {
  wallet: Wallet;
  months: MonthAnswer[];
  chosen: string;
  choose: (month: string) => void;
}

function Months({ wallet, months, chosen, choose }: MonthsProps) {
  const { currency } = wallet;
  const scale = 10 ** exponentOf(currency);
  const option = useMemo(
    () => (palette: import("../parts/Plot").Palette) => ({
      animation: false,
      textStyle: { fontFamily: "Inter, sans-serif" },
      grid: { left: 4, right: 4, top: 20, bottom: 4, containLabel: true },
      tooltip: {
        trigger: "axis",
        renderMode: "richText",
        axisPointer: { type: "none" },
        backgroundColor: palette.paper,
        borderColor: palette.line,
        textStyle: { color: palette.ink, fontSize: 12 },
        formatter: (shown: { dataIndex: number }[]) => {
          const month = months[shown[0]?.dataIndex ?? 0];
          if (!month) return "";
          if (isUnknown(month)) return `${monthLongText(month.month)}\n–`;
          const [income, spent] = [month.total.amount_in, month.total.amount_out];
          return `${monthLongText(month.month)}\n+${moneyText(income, currency)}\n\u2212${moneyText(spent, currency)}`;
        },
      },
      xAxis: {
        type: "category",
        data: months.map((month) => monthText(month.month)),
        axisTick: { show: false },
        // At the foot, below the money that went out.
        axisLine: { onZero: false, show: false },
        axisLabel: { color: palette.quiet, fontSize: 11, hideOverlap: true },
      },
      yAxis: {
        type: "value",
        splitNumber: 3,
        axisLabel: { color: palette.quiet, fontSize: 11, formatter: (value: number) => compactMoney(Math.abs(value) * scale, currency) },
        splitLine: { lineStyle: { color: palette.line } },
      },
      series: [
        // In above the line, out below it: each has its own side, and its name where it is tallest.
        { ...bars, name: words.in, side: 1, color: palette.accent, ink: palette.accent, of: (month: MonthAnswer) => month.total.amount_in },
        { ...bars, name: words.out, side: -1, color: palette.soft, ink: palette.quiet, of: (month: MonthAnswer) => month.total.amount_out },
      ].map(({ side, color, ink, of, ...series }) => {
        const tallest = Math.max(...months.map(of));
        const named = months.findIndex((month) => of(month) === tallest);
        return {
          ...series,
          data: months.map((month, index) => ({
            value: isUnknown(month) ? null : (side * of(month)) / scale,
            itemStyle: {
              color: month.month === chosen ? color : faded(color),
              borderRadius: side > 0 ? [3, 3, 0, 0] : [0, 0, 3, 3],
            },
            label: {
              show: index === named,
              formatter: series.name,
              position: side > 0 ? "top" : "bottom",
              color: ink,
              fontSize: 11,
              fontWeight: 600,
            },
          })),
        };
      }),
    }),
    [months, chosen, currency, scale],
  );
  const table = {
    caption: words.months(currency),
    head: [words.month, words.in, words.out],
    rows: months.map((month) => [
      monthLongText(month.month),
      isUnknown(month) ? "–" : moneyText(month.total.amount_in, currency),
      isUnknown(month) ? "–" : moneyText(month.total.amount_out, currency),
    ]),
  };
  return (
    <>
      <Plot height={260} option={option} table={table} onClick={(index) => choose(months[index]?.month ?? "")} />
      <label className="row small quiet">
        {words.choose}
        <select className="input compact narrow" value={chosen} onChange={(event) => choose(event.target.value)}>
          {[...months].reverse().map(({ month }) => (
            <option key={month} value={month}>
              {monthLongText(month)}
            </option>
          ))}
        </select>
      </label>
    </>
  );
}

/** Whether nothing of a month was summed up: that is not nothing. */
const isUnknown = ({ complete, total }: MonthAnswer): boolean => !complete && total.lines_in + total.lines_out === 0;

const bars = { type: "bar", stack: "month", barMaxWidth: 28, barCategoryGap: "35%" };

/** Return a colour of a token, as `rgb(…)`, thinner. */
const faded = (color: string): string => color.replace(/^rgb\((.*)\)$/, "rgba($1, 0.5)");

function Month({ wallet, month }: { wallet: Wallet; month: MonthAnswer }) {
  const { currency } = wallet;
  const name = monthLongText(month.month);
  const payees = month.counterparties
    .filter((each) => each.amount_out > 0)
    .sort((one, other) => other.amount_out - one.amount_out);
  const largest = Math.max(1, ...payees.map((each) => each.amount_out), month.others.amount_out);
  return (
    <section className="card" aria-label={words.people(name)}>
      <header>
        <h2>{words.people(name)}</h2>
        <dl className="sums">
          <div>
            <dt>{words.in}</dt>
            <dd>{isUnknown(month) ? "–" : <Money amount={month.total.amount_in} currency={currency} signed bare />}</dd>
          </div>
          <div>
            <dt>{words.out}</dt>
            <dd>{isUnknown(month) ? "–" : <Money amount={-month.total.amount_out} currency={currency} bare />}</dd>
          </div>
        </dl>
      </header>
      {month.total.amount_out === 0 && month.complete && <p className="padded-text quiet small">{words.nothing}</p>}
      <ul className="shares">
        {payees.map((each) => (
          <Share
            key={each.counterparty.user_id}
            seed={each.counterparty.user_id}
            name={partyName(each.counterparty)}
            flow={each}
            largest={largest}
            currency={currency}
          />
        ))}
        {month.others.amount_out > 0 && (
          <Share seed="others" name={words.others} flow={month.others} largest={largest} currency={currency} />
        )}
      </ul>
      {!month.complete && <p className="padded-text quiet small">{isUnknown(month) ? words.unknown : words.partial}</p>}
    </section>
  );
}

interface ShareProps {
  seed: string;
  name: string;
  flow: { amount_out: number; lines_out: number };
  largest: number;
  currency: string;
}

function Share({ seed, name, flow, largest, currency }: ShareProps) {
  return (
    <li>
      <Avatar name={name} seed={seed} size="small" />
      <span className="grow">
        <span className="row apart">
          <span className="cut" dir="auto">
            {name}
          </span>
          <Money amount={flow.amount_out} currency={currency} />
        </span>
        <span className="share-bar" aria-hidden="true">
          <span style={{ width: `${Math.max(1, (100 * flow.amount_out) / largest)}%` }} />
        </span>
        <span className="tiny quieter">{words.lines(flow.lines_out)}</span>
      </span>
    </li>
  );
}
