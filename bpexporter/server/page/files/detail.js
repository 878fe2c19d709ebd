// One resource or stage: its figures, who uses it, its bands, and its numbers with what they mean, from the catalogue.

import { BY_UNIT, count, make, rate, seconds, share } from "./format.js";
import { sparkline, spanned } from "./spark.js";

const BANDS = ["empty", "low", "mid", "high", "full"];
const USED = { put: "put by", get: "taken by", drain: "written by", acquire: "acquired by" };
const USES = { put: "puts to", get: "takes from", drain: "writes to", acquire: "acquires" };

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
  const strip = make("div", { class: "bands", role: "img", "aria-label": "Time in each band" });
  const legend = make("ul", { class: "legend" });
  shares.forEach((part, index) => {
    const piece = make("span", { class: `b${index}`, title: BANDS[index] });
    piece.style.flexGrow = part / total;
    strip.append(piece);
    legend.append(make("li", {}, make("span", { class: `swatch b${index}` }), `${BANDS[index]} ${share(part / total)}`));
  });
  return [make("h3", {}, "Time in each band since the start"), strip, legend];
}

function figures(pairs) {
  const list = make("dl", { class: "figures" });
  for (const [name, value] of pairs) list.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  return list;
}

function users(links, words, named) {
  const found = new Map();
  for (const link of links) found.set(link.direction, [...(found.get(link.direction) ?? []), named(link)]);
  return [...found].map(([direction, names]) => make("p", { class: "links" }, make("span", { class: "dim" }, `${words[direction]} `), names.join(", ")));
}

function numbers(resource, catalogue) {
  if (!resource.reading) return [make("p", { class: "dim" }, "Asking for its numbers …")];
  const list = make("dl", { class: "numbers" });
  for (const metric of catalogue.filter((one) => one.subject === resource.kind)) {
    if (!(metric.field in resource.reading)) continue;
    list.append(
      make("dt", {}, metric.field.replaceAll("_", " ")),
      make("dd", { class: "value" }, text(resource.reading[metric.field], metric)),
      make("dd", { class: "meaning dim" }, `${metric.help} ${metric.meaning}`),
    );
  }
  return [make("h3", {}, "All numbers, since the start"), list];
}

function history(resource, kept, { points, step_seconds: step, sequence }) {
  const known = kept.utilization_ratio?.length ?? 0;
  const spark = sparkline(600, 90);
  spark.show(kept, points, "How full it was, and its pressure", sequence);
  const axis = make("p", { class: "axis" }, make("span", {}, `${seconds(spanned(known, points) * step)} ago`), make("span", {}, "now"));
  const key = make("ul", { class: "legend" }, make("li", {}, make("span", { class: "swatch fill" }), resource.kind === "loop" ? "busy" : "utilisation"), make("li", {}, make("span", { class: "swatch blocked" }), "pressure"));
  return [spark, axis, key];
}

export function showResource(body, { resource, kept, state, catalogue }) {
  const levels = [
    ["utilisation", share(resource.utilization_ratio)], ["pressure", share(resource.pressure)], ["blocked now", count(resource.blocked)],
    ["longest", seconds(resource.longest_block_seconds)], ["in", rate(resource.in_per_second, resource.kind)], ["out", rate(resource.out_per_second, resource.kind)],
  ];
  const links = state.links.filter((link) => link.kind === resource.kind && link.resource === resource.name);
  body.replaceChildren(
    figures(levels), ...users(links, USED, (link) => link.stage), ...history(resource, kept, state.history),
    ...bands(resource.reading?.occupancy_seconds ?? []), ...numbers(resource, catalogue),
  );
}

export function showStage(body, { stage, state }) {
  const links = state.links.filter((link) => link.stage === stage.name);
  const shares = ["working", "blocked", "idle"].map((name) => [name, share(stage[name])]);
  body.replaceChildren(
    figures([["tasks", count(stage.tasks)], ...shares]),
    ...users(links, USES, (link) => link.resource),
    make("p", { class: "dim" }, "Shares of its tasks' time in the last seconds. Working: it has something in hand, which includes awaiting what is not watched. Blocked: it waits for room, a peer or a permit. Idle: it waits for something to do."),
  );
}
