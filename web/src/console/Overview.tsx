// The first view: how the service does, now and against yesterday.
import { useQuery } from "@tanstack/react-query";
import { useMemo, type ReactNode } from "react";
import { api, asked, type Schemas } from "../api/client";
import { compactMoney, exponentOf, Money, moneyText } from "../parts/money";
import { Plot, type Palette } from "../parts/Plot";
import { Link, useQuery as useAddressQuery } from "../parts/router";
import { clockText, exactText } from "../parts/time";
import { Badge, Failure, Skeleton, useTitle } from "../parts/ui";
import { words as all } from "../text/console";
import { IntegrityFacts } from "./Integrity";
import { Stale } from "./shared";
import { Sparkline } from "./Sparkline";

type OverviewAnswer = Schemas["Overview"];

const words = all.overview;
const EVERY_MS = 3_000;
/** From when on the overview says that its numbers are not those of now. */
const BEHIND_MS = 180_000;

export function Overview() {
  useTitle(all.nav.overview, all.name);
  const [query, change] = useAddressQuery();
  const found = useQuery({
    queryKey: ["overview"],
    queryFn: () => asked(api.GET("/admin/overview")),
    refetchInterval: EVERY_MS,
  });
  const { data, error, refetch } = found;
  if (error && !data) return <Failure problem={error} retry={() => void refetch()} />;
  const currencies = data?.balances.map((balance) => balance.currency) ?? [];
  const largest = data?.today.volumes[0]?.currency ?? data?.yesterday.volumes[0]?.currency ?? currencies[0] ?? "USD";
  const behind = data !== undefined && Date.parse(data.made_at) - Date.parse(data.counted_to) > BEHIND_MS;
  const currency = query.currency && currencies.includes(query.currency) ? query.currency : largest;
  return (
    <div className="stack">
      <div className="row apart wrap">
        <h1>{all.nav.overview}</h1>
        <div className="row wrap">
          <Stale found={found} />
          {data && !error && (
            <Badge look={behind ? "warn" : "good"} dot>
              <span>{behind ? `${words.behind} ${exactText(data.counted_to)}` : `${words.counted} ${clockText(data.counted_to)}`}</span>
            </Badge>
          )}
          {currencies.length > 1 && (
            <select className="input compact narrow" aria-label={words.currency} value={currency} onChange={(event) => change({ currency: event.target.value })}>
              {currencies.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          )}
        </div>
      </div>
      <Numbers data={data} currency={currency} compared={!behind} />
      <div className="two">
        <Card title={words.perMinute}>{data ? <PerMinute points={data.minutes} /> : <Skeleton height="220px" />}</Card>
        <Card title={words.refusals}>{data ? <Refusals refusals={data.refusals} /> : <Skeleton height="220px" />}</Card>
      </div>
      <div className="two">
        <Card title={`${words.perHour}, ${currency}`}>
          {data ? <PerHour hours={data.hours} currency={currency} /> : <Skeleton height="220px" />}
        </Card>
        <div className="stack">
          <Card title={words.latency}>{data ? <Answers latency={data.latency} /> : <Skeleton height="96px" />}</Card>
          <Card title={words.integrity}>{data ? <IntegrityFacts integrity={data.integrity} /> : <Skeleton height="96px" />}</Card>
        </div>
      </div>
      <Card title={words.money}>{data ? <Balances balances={data.balances} /> : <Skeleton height="96px" />}</Card>
    </div>
  );
}

function Card({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card" aria-label={title}>
      <header>
        <h2>{title}</h2>
      </header>
      {children}
    </section>
  );
}

const format = new Intl.NumberFormat(navigator.languages as string[]);
const percent = new Intl.NumberFormat(navigator.languages as string[], { style: "percent", signDisplay: "exceptZero", maximumFractionDigits: 0 });
const share = new Intl.NumberFormat(navigator.languages as string[], { style: "percent", maximumFractionDigits: 2 });

interface NumbersProps {
  data: OverviewAnswer | undefined;
  currency: string;
  /** Whether what has been counted of today can be compared with yesterday. */
  compared: boolean;
}

function Numbers({ data, currency, compared }: NumbersProps) {
  const volumeOf = (period: OverviewAnswer["today"] | undefined) =>
    period?.volumes.find((volume) => volume.currency === currency)?.amount ?? 0;
  // The present hour is not over: as a point of a line it would be a fall.
  const lately = (data?.hours ?? []).slice(-25, -1);
  const today = data?.today;
  const before = compared ? data?.yesterday_by_now : undefined;
  return (
    <div className="numbers-row">
      <Tile title={words.transfers} now={today?.transfers} before={before?.transfers} values={lately.map((hour) => hour.transfers)}>
        {today && format.format(today.transfers)}
      </Tile>
      <Tile title={words.volume} now={today && volumeOf(today)} before={before && volumeOf(before)} values={lately.map((hour) => hour.volumes[currency] ?? 0)}>
        {today && <Money amount={volumeOf(today)} currency={currency} />}
      </Tile>
      <Tile title={words.signUps} now={today?.sign_ups} before={before?.sign_ups} values={lately.map((hour) => hour.sign_ups)}>
        {today && format.format(today.sign_ups)}
      </Tile>
      <Tile
        title={words.active}
        now={today?.active_people ?? undefined}
        before={undefined}
        other={compared && data ? words.allYesterday(format.format(data.yesterday.active_people ?? 0)) : undefined}
        values={lately.map((hour) => hour.active_people)}
      >
        {today && format.format(today.active_people ?? 0)}
      </Tile>
    </div>
  );
}

interface TileProps {
  title: string;
  now: number | undefined;
  before: number | undefined;
  /** What to say where there is nothing to compare with by now. */
  other?: string | undefined;
  values: number[];
  children: ReactNode;
}

function Tile({ title, now, before, other, values, children }: TileProps) {
  const known = now !== undefined && before !== undefined && before > 0;
  return (
    <section className="card tile" aria-label={title}>
      <h2 className="small quiet">{title}</h2>
      <p className="value">{children ?? <Skeleton width="4em" />}</p>
      <p className="tiny quieter">
        {known ? `${percent.format((now - before) / before).replace("-", "\u2212")} ${words.than}` : (other ?? "\u00a0")}
      </p>
      {values.length > 1 && <Sparkline values={values} />}
    </section>
  );
}

function base(palette: Palette) {
  return {
    animation: false,
    textStyle: { fontFamily: "Inter, sans-serif" },
    grid: { left: 4, right: 12, top: 16, bottom: 4, containLabel: true },
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      axisPointer: { type: "none" },
      backgroundColor: palette.paper,
      borderColor: palette.line,
      textStyle: { color: palette.ink, fontSize: 12 },
    },
  };
}

function axis(palette: Palette, labels: string[]) {
  return {
    type: "category",
    data: labels,
    axisTick: { show: false },
    axisLine: { lineStyle: { color: palette.line } },
    axisLabel: { color: palette.quiet, fontSize: 11, hideOverlap: true },
  };
}

function scale(palette: Palette, formatter: (value: number) => string) {
  return {
    type: "value",
    min: 0,
    splitNumber: 3,
    minInterval: 1,
    axisLabel: { color: palette.quiet, fontSize: 11, formatter },
    splitLine: { lineStyle: { color: palette.line } },
  };
}

type Points = OverviewAnswer["minutes"];

function PerMinute({ points }: { points: Points }) {
  const option = useMemo(
    () => (palette: Palette) => ({
      ...base(palette),
      tooltip: {
        ...base(palette).tooltip,
        formatter: ([first]: { dataIndex: number }[]) => {
          const point = points[first?.dataIndex ?? 0];
          return point ? `${clockText(point.at)}\n${point.transfers} ${words.accepted}\n${point.refused} ${words.refusedWord}` : "";
        },
      },
      xAxis: axis(palette, points.map((point) => clockText(point.at))),
      yAxis: scale(palette, (value) => format.format(value)),
      series: [
        { type: "bar", stack: "all", color: palette.accent, data: points.map((point) => point.transfers), barCategoryGap: "25%" },
        { type: "bar", stack: "all", color: palette.bad, data: points.map((point) => point.refused) },
      ],
    }),
    [points],
  );
  const rows = points.map((point) => [clockText(point.at), point.transfers, point.refused]);
  return (
    <div className="padded-text">
      <p className="tiny marks" aria-hidden="true">
        <span className="accepted">{words.accepted}</span> <span className="refused">{words.refusedWord}</span>
      </p>
      <Plot height={220} option={option} table={{ caption: words.perMinute, head: [words.minute, words.accepted, words.refusedWord], rows }} />
    </div>
  );
}

function PerHour({ hours, currency }: { hours: OverviewAnswer["hours"]; currency: string }) {
  const points = useMemo(() => hours.slice(0, -1), [hours]);
  const factor = 10 ** exponentOf(currency);
  const option = useMemo(
    () => (palette: Palette) => ({
      ...base(palette),
      tooltip: {
        ...base(palette).tooltip,
        formatter: ([first]: { dataIndex: number }[]) => {
          const point = points[first?.dataIndex ?? 0];
          return point ? `${exactText(point.at)}\n${moneyText(point.volumes[currency] ?? 0, currency)}\n${point.transfers} ${words.count}` : "";
        },
      },
      xAxis: axis(palette, points.map((point) => clockText(point.at))),
      yAxis: scale(palette, (value) => compactMoney(value * factor, currency)),
      series: [
        {
          type: "line",
          color: palette.accent,
          showSymbol: false,
          lineStyle: { width: 1.8 },
          areaStyle: { opacity: 0.12 },
          data: points.map((point) => (point.volumes[currency] ?? 0) / factor),
        },
      ],
    }),
    [points, currency, factor],
  );
  const rows = points.map((point) => [exactText(point.at), moneyText(point.volumes[currency] ?? 0, currency), point.transfers]);
  return (
    <div className="padded-text">
      <Plot height={220} option={option} table={{ caption: words.perHour, head: [words.hour, currency, words.count], rows }} />
    </div>
  );
}

function Refusals({ refusals }: { refusals: OverviewAnswer["refusals"] }) {
  if (refusals.length === 0) return <p className="padded-text quiet">{words.noRefusals}</p>;
  return (
    <div className="table-wrap" tabIndex={0} role="region" aria-label={words.refusals}>
      <table className="grid">
        <thead>
          <tr>
            <th scope="col">{words.reason}</th>
            <th scope="col" className="number">
              {words.today}
            </th>
            <th scope="col" className="number">
              {words.yesterday}
            </th>
          </tr>
        </thead>
        <tbody>
          {refusals.slice(0, 6).map((refusal) => (
            <tr key={refusal.code}>
              <td className="free" title={refusal.code}>
                <Link to={`/transfers?show=refused&code=${refusal.code}`}>{refusal.title}</Link>
              </td>
              <td className="number">{format.format(refusal.today)}</td>
              <td className="number quieter">{format.format(refusal.yesterday)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Answers({ latency }: { latency: OverviewAnswer["latency"] }) {
  return (
    <dl className="facts padded-text">
      <dt>{words.p50}</dt>
      <dd className="numbers">{words.ms(latency.p50_ms)}</dd>
      <dt>{words.p99}</dt>
      <dd className="numbers">{words.ms(latency.p99_ms)}</dd>
      <dt>{words.errors}</dt>
      <dd className="numbers">{share.format(latency.error_share)}</dd>
      <dt>{words.requests}</dt>
      <dd className="numbers">{format.format(latency.requests)}</dd>
    </dl>
  );
}

function Balances({ balances }: { balances: OverviewAnswer["balances"] }) {
  return (
    <div className="table-wrap" tabIndex={0} role="region" aria-label={words.money}>
      <table className="grid">
        <thead>
          <tr>
            <th scope="col">{words.currency}</th>
            {[words.people, words.in, words.out, words.adjusted].map((name) => (
              <th key={name} scope="col" className="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {balances.map((balance) => (
            <tr key={balance.currency}>
              <th scope="row">{balance.currency}</th>
              {[balance.people, balance.money_in, balance.money_out, balance.adjusted].map((amount, index) => (
                <td key={index} className="number">
                  <Money amount={amount} currency={balance.currency} bare />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
