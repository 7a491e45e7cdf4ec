/** A line that only says how it went; the number beside it says how much. */
export function Sparkline({ values }: { values: readonly number[] }) {
  const [width, height] = [100, 30];
  const top = Math.max(1, ...values);
  const points = values.map((value, index) => {
    const x = (width * index) / Math.max(1, values.length - 1);
    return `${x.toFixed(2)} ${(height - 1 - (value / top) * (height - 3)).toFixed(2)}`;
  });
  const line = `M${points.join("L")}`;
  return (
    <svg className="spark" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      <path className="under" d={`${line}L${width} ${height}L0 ${height}Z`} />
      <path d={line} />
    </svg>
  );
}
