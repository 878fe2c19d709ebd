// Sparklines: ten minutes in a small picture; what is not known leaves a gap.

import { draw } from "./format.js";

const WIDTH = 120;
const HEIGHT = 22;

export function path(values, points, top) {
  let text = "";
  let pen = "M";
  const first = points - values.length;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index];
    if (value === null || value === undefined) { pen = "M"; continue; }
    const x = ((first + index) / Math.max(1, points - 1)) * WIDTH;
    const y = HEIGHT - 1.5 - Math.min(1, value / top) * (HEIGHT - 3);
    text += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  return text;
}

export function sparkline() {
  const level = draw("path");
  const pressure = draw("path", { class: "pressure" });
  const picture = draw("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  picture.append(level, pressure);
  picture.show = (history, points, label) => {
    const first = history.utilization_ratio ?? [];
    const top = Math.max(1, ...first.filter((value) => value !== null));
    level.setAttribute("d", path(first, points, top));
    pressure.setAttribute("d", path(history.pressure ?? [], points, 1));
    picture.setAttribute("aria-label", label);
  };
  return picture;
}
