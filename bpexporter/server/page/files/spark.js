// Sparklines: ten minutes in a small picture; what is not known leaves a gap.

import { draw } from "./format.js";

// A history that has just begun is not drawn over the whole width with two points, nor in a corner of it.
const FEWEST = 12;

export const spanned = (known, points) => Math.min(points, Math.max(FEWEST, known));

function runs(values) {
  const found = [];
  let run = null;
  values.forEach((value, index) => {
    if (value === null || value === undefined) { run = null; return; }
    if (!run) found.push(run = []);
    run.push([index, value]);
  });
  return found;
}

export function path(values, points, top, { width, height }, { filled = false } = {}) {
  const first = points - values.length;
  const x = (index) => (((first + index) / Math.max(1, points - 1)) * width).toFixed(1);
  const y = (value) => (height - 1 - Math.min(1, value / top) * (height - 3)).toFixed(1);
  return runs(values).map((run) => {
    const line = run.map(([index, value]) => `${x(index)} ${y(value)}`).join("L");
    return filled ? `M${x(run[0][0])} ${height}L${line}L${x(run.at(-1)[0])} ${height}Z` : `M${line}`;
  }).join("");
}

export function sparkline(width = 120, height = 24) {
  const [area, pressure] = [draw("path", { class: "area" }), draw("path", { class: "pressure" })];
  const picture = draw("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" });
  picture.append(area, pressure);
  let shown = null;
  picture.show = (history, points, label, sequence) => {
    picture.setAttribute("aria-label", label);
    if (shown === sequence) return;
    shown = sequence;
    const level = history.utilization_ratio ?? [];
    const span = spanned(level.length, points);
    const top = Math.max(1, ...level.filter((value) => value !== null));
    area.setAttribute("d", path(level, span, top, { width, height }, { filled: true }));
    const stalled = (history.pressure ?? []).map((value) => value || null);
    pressure.setAttribute("d", path(stalled.some(Boolean) ? history.pressure : [], span, 1, { width, height }));
  };
  return picture;
}
