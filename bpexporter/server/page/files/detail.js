// One resource: its numbers with what they mean, from the catalogue; its bands; its waits.

import { BY_UNIT, count, make, seconds, share } from "./format.js";

const BANDS = ["empty", "low", "mid", "high", "full"];

function histogram({ bounds, counts, sum }) {
  const total = counts.reduce((one, other) => one + other, 0);
  if (!total) return "none";
  const upto = (part) => {
    let seen = 0;
    for (let index = 0; index < counts.length; index += 1) {
      seen += counts[index];
      if (seen >= part * total) return index < bounds.length ? `≤ ${seconds(bounds[index])}` : `> ${seconds(bounds.at(-1))}`;
    }
    return "–";
  };
  return `${count(total)}, mean ${seconds(sum / total)}, half ${upto(0.5)}, 99 % ${upto(0.99)}`;
}

function text(value, metric) {
  if (value === null || value === undefined) return "not known";
  if (typeof value === "object" && "bounds" in value) return histogram(value);
  if (Array.isArray(value)) return value.map((one, index) => `${metric.parts?.[index] ?? index} ${(BY_UNIT[metric.unit] ?? count)(one)}`).join(", ");
  if (typeof value === "object") return "";
  return (BY_UNIT[metric.unit] ?? count)(value);
}

function bands(shares) {
  const total = shares.reduce((one, other) => one + other, 0);
  if (!total) return [];
  const label = BANDS.map((name, index) => `${name} ${share(shares[index] / total)}`).join(", ");
  const strip = make("div", { class: "bands", role: "img", "aria-label": `Time in each band: ${label}` });
  shares.forEach((part, index) => {
    const piece = make("span", { class: `b${index}`, title: BANDS[index] });
    piece.style.flexGrow = part / total;
    strip.append(piece);
  });
  return [make("p", { class: "dim" }, `Time in each band since the start: ${label}`), strip];
}

export function show(body, title, resource, catalogue) {
  title.textContent = `${resource.kind} ${resource.name}`;
  const list = make("dl", { class: "numbers" });
  for (const metric of catalogue.filter((one) => one.subject === resource.kind)) {
    if (!(metric.field in (resource.reading ?? {}))) continue;
    list.append(
      make("dt", {}, metric.field.replaceAll("_", " ")),
      make("dd", { class: "value" }, text(resource.reading[metric.field], metric)),
      make("dd", { class: "meaning dim" }, `${metric.help} ${metric.meaning}`),
    );
  }
  body.replaceChildren(...bands(resource.reading?.occupancy_seconds ?? []), list);
}
