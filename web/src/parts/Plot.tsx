// A plot: drawn by ECharts as SVG once it has been loaded, and always there as a table for whoever
// cannot see it. Colours come from the tokens, so it follows light and dark.
import { useEffect, useRef, useState, type ReactNode } from "react";
import type { EChartsCoreOption } from "echarts/core";
import { Skeleton } from "./ui";

export interface Palette {
  ink: string;
  quiet: string;
  line: string;
  paper: string;
  accent: string;
  soft: string;
  bad: string;
  warn: string;
}

const NAMES: Readonly<Record<keyof Palette, string>> = {
  ink: "--ink",
  quiet: "--ink-3",
  line: "--line",
  paper: "--paper",
  accent: "--accent",
  soft: "--line-strong",
  bad: "--bad",
  warn: "--warn",
};

/** Return the tokens as colours: custom properties keep `light-dark()`, so an element resolves it. */
function paletteOf(element: HTMLElement): Palette {
  const probe = document.createElement("span");
  element.append(probe);
  const found = Object.entries(NAMES).map(([name, token]) => {
    probe.style.color = `var(${token})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(found) as unknown as Palette;
}

export interface PlotTable {
  caption: string;
  head: readonly string[];
  rows: readonly (readonly ReactNode[])[];
}

interface PlotProps {
  height: number;
  option: (palette: Palette) => EChartsCoreOption;
  table: PlotTable;
  onClick?: (index: number) => void;
}

export function Plot({ height, option, table, onClick }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const [drawn, setDrawn] = useState(false);
  const [scheme, setScheme] = useState(0);
  const click = useRef(onClick);
  click.current = onClick;
  const make = useRef(option);
  make.current = option;
  const redraw = useRef<() => void>(() => undefined);
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setScheme((count) => count + 1);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, []);
  useEffect(() => {
    let [over, end] = [false, () => undefined as void];
    void import("./echarts").then(({ init }) => {
      const element = place.current;
      if (over || element === null) return;
      const chart = init(element, null, { renderer: "svg" });
      redraw.current = () => chart.setOption(make.current(paletteOf(element)), { notMerge: true });
      redraw.current();
      chart.on("click", ({ dataIndex }) => click.current?.(dataIndex));
      const observer = new ResizeObserver(() => chart.resize());
      observer.observe(element);
      setDrawn(true);
      end = () => {
        observer.disconnect();
        chart.dispose();
      };
    });
    return () => {
      over = true;
      redraw.current = () => undefined;
      end();
    };
  }, []);
  useEffect(() => redraw.current(), [option, scheme]);
  return (
    <figure className="plot" style={{ height }}>
      {!drawn && <Skeleton height="100%" />}
      <div ref={place} className="canvas" aria-hidden="true" />
      <div className="unseen">
        <Table table={table} />
      </div>
    </figure>
  );
}

function Table({ table }: { table: PlotTable }) {
  return (
    <table>
      <caption>{table.caption}</caption>
      <thead>
        <tr>
          {table.head.map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {table.rows.map((row, index) => (
          <tr key={index}>
            {row.map((cell, column) => (column === 0 ? <th key={column} scope="row">{cell}</th> : <td key={column}>{cell}</td>))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
