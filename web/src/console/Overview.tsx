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
const PLOT_HEIGHT = 220;
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
  const largest = busiest(data?.yesterday) ?? busiest(data?.today) ?? currencies[0] ?? "USD";
  const counted = data ? Date.parse(data.counted_to) : 0;
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
        <Card title={words.perMinute}>{data ? <PerMinute points={data.minutes} counted={counted} /> : <Skeleton height={`${PLOT_HEIGHT}px`} />}</Card>
        <Card title={words.refusals}>{data ? <Refusals refusals={data.refusals} behind={behind} /> : <Skeleton height={`${PLOT_HEIGHT}px`} />}</Card>
      </div>
      <div className="two">
        <Card title={`${words.perHour}, ${currency}`}>
          {data ? <PerHour hours={data.hours} currency={currency} counted={counted} /> : <Skeleton height={`${PLOT_HEIGHT}px`} />}
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

/** Return the currency that most transfers were in: one that does not change while somebody looks. */
function busiest(period: OverviewAnswer["today"] | undefined): string | undefined {
  const most = Math.max(0, ...(period?.volumes ?? []).map(({ transfers }) => transfers));
  return most > 0 ? period?.volumes.find(({ transfers }) => transfers === most)?.currency : undefined;
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
  const [countedTo, began] = [Date.parse(data?.counted_to ?? ""), Date.parse(data?.today.since ?? "")];
  const seen = lately.filter((hour) => Date.parse(hour.at) < countedTo);
  const today = data?.today;
  // What nobody has counted is not nothing.
  const uncounted = countedTo <= began;
  const before = compared ? data?.yesterday_by_now : undefined;
  return (
    <div className="numbers-row">
      <Tile title={words.transfers} now={today?.transfers} before={before?.transfers} values={seen.map((hour) => hour.transfers)}>
        {uncounted ? <Uncounted /> : today && format.format(today.transfers)}
      </Tile>
      <Tile title={words.volume} now={today && volumeOf(today)} before={before && volumeOf(before)} values={seen.map((hour) => hour.volumes[currency] ?? 0)}>
        {uncounted ? <Uncounted /> : today && <Money amount={volumeOf(today)} currency={currency} />}
      </Tile>
      <Tile title={words.signUps} now={today?.sign_ups} before={before?.sign_ups} values={lately.map((hour) => hour.sign_ups)}>
        {today && format.format(today.sign_ups)}
      </Tile>
      <Tile
        title={words.active}
        now={today?.active_people ?? undefined}
        before={undefined}
        other={compared && data ? words.allYesterday(format.format(data.yesterday.active_people ?? 0)) : undefined}
        values={seen.map((hour) => hour.active_people)}
      >
        {uncounted ? <Uncounted /> : today && format.format(today.active_people ?? 0)}
      </Tile>
    </div>
  );
}

function Uncounted() {
  return <span title={words.notCounted}>–</span>;
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

const bars = { type: "bar", stack: "all", barCategoryGap: "25%" };

/** How many bars apart two names must stand to be read, and how far a name reaches to either side. */
const [APART, REACH] = [12, 4];

/** Return the highest of these bars that no neighbour reaches above, or else none; of equals the latest. */
function standingOut(heights: readonly number[], wanted: (at: number) => boolean): number | undefined {
  const isHigh = (at: number, height: number) => heights.slice(Math.max(0, at - REACH), at + REACH + 1).every((other) => other <= height);
  const found = heights.map((height, at) => (height > 0 && wanted(at) && isHigh(at, height) ? height : 0));
  const most = Math.max(...found);
  return most > 0 ? found.lastIndexOf(most) : undefined;
}

/** Return which bars say what their colour means: only where there are two colours, and apart. */
function namedBars(points: Points): { accepted?: number | undefined; refused?: number | undefined } {
  const heights = points.map((point) => point.transfers + point.refused);
  const isRed = points.map((point) => point.refused > 0);
  if (!isRed.includes(true)) return {};
  const refused = standingOut(heights, (at) => isRed[at] === true) ?? isRed.lastIndexOf(true);
  const accepted = standingOut(heights, (at) => !isRed[at] && Math.abs(at - refused) >= APART);
  return { accepted, refused };
}

function named(values: readonly (number | null)[], at: number | undefined, name: string, color: string) {
  return values.map((value, index) => {
    if (index !== at) return value;
    const align = index < APART / 2 ? "left" : index > values.length - APART / 2 ? "right" : "center";
    return { value, label: { show: true, position: "top", formatter: name, color, fontSize: 12, align } };
  });
}

/** The points without what has not been counted: a gap is shown as a gap. */
function ofCounted<T extends { at: string }>(points: readonly T[], counted: number, value: (point: T) => number): (number | null)[] {
  return points.map((point) => (Date.parse(point.at) < counted ? value(point) : null));
}

/** Takes the place that the plot will take. */
function NoPlot() {
  return (
    <div className="padded-text quiet">
      <div className="plot" style={{ height: PLOT_HEIGHT }}>
        {words.notCounted}
      </div>
    </div>
  );
}

const orDash = (value: number | null): number | string => value ?? "–";

function PerMinute({ points, counted }: { points: Points; counted: number }) {
  const [transfers, refusals] = useMemo(
    () => [ofCounted(points, counted, (point) => point.transfers), ofCounted(points, counted, (point) => point.refused)],
    [points, counted],
  );
  const { accepted, refused } = useMemo(() => namedBars(points), [points]);
  const option = useMemo(
    () => (palette: Palette) => ({
      ...base(palette),
      tooltip: {
        ...base(palette).tooltip,
        formatter: ([first]: { dataIndex: number }[]) => {
          const point = points[first?.dataIndex ?? 0];
          if (point && transfers[first?.dataIndex ?? 0] === null) return `${clockText(point.at)}\n${words.notCounted}`;
          return point ? `${clockText(point.at)}\n${point.transfers} ${words.accepted}\n${point.refused} ${words.refusedWord}` : "";
        },
      },
      xAxis: axis(palette, points.map((point) => clockText(point.at))),
      yAxis: scale(palette, (value) => format.format(value)),
      series: [
        { ...bars, color: palette.accent, data: named(transfers, accepted, words.accepted, palette.accent) },
        { ...bars, color: palette.bad, data: named(refusals, refused, words.refusedWord, palette.bad) },
      ],
    }),
    [points, transfers, refusals, accepted, refused],
  );
  const rows = points.map((point, index) => [clockText(point.at), orDash(transfers[index] ?? null), orDash(refusals[index] ?? null)]);
  if (transfers.every((value) => value === null)) return <NoPlot />;
  return (
    <div className="padded-text">
      <Plot height={PLOT_HEIGHT} option={option} table={{ caption: words.perMinute, head: [words.minute, words.accepted, words.refusedWord], rows }} />
    </div>
  );
}

function PerHour({ hours, currency, counted }: { hours: OverviewAnswer["hours"]; currency: string; counted: number }) {
  const points = useMemo(() => hours.slice(0, -1), [hours]);
  const volumes = useMemo(() => ofCounted(points, counted, (point) => point.volumes[currency] ?? 0), [points, currency, counted]);
  const factor = 10 ** exponentOf(currency);
  const option = useMemo(
    () => (palette: Palette) => ({
      ...base(palette),
      tooltip: {
        ...base(palette).tooltip,
        formatter: ([first]: { dataIndex: number }[]) => {
          const point = points[first?.dataIndex ?? 0];
          if (point && volumes[first?.dataIndex ?? 0] === null) return `${exactText(point.at)}\n${words.notCounted}`;
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
          data: volumes.map((volume) => (volume === null ? null : volume / factor)),
        },
      ],
    }),
    [points, volumes, currency, factor],
  );
  const rows = points.map((point, index) => {
    const volume = volumes[index] ?? null;
    return volume === null ? [exactText(point.at), "–", "–"] : [exactText(point.at), moneyText(volume, currency), point.transfers];
  });
  if (volumes.every((volume) => volume === null)) return <NoPlot />;
  return (
    <div className="padded-text">
      <Plot height={PLOT_HEIGHT} option={option} table={{ caption: words.perHour, head: [words.hour, currency, words.count], rows }} />
    </div>
  );
}

function Refusals({ refusals, behind }: { refusals: OverviewAnswer["refusals"]; behind: boolean }) {
  if (refusals.length === 0) return <p className="padded-text quiet">{behind ? words.notCounted : words.noRefusals}</p>;
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
