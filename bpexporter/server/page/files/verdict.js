// The verdict in words, as the server says it; the page adds nothing to it.

import { make, seconds } from "./format.js";

const SAY = { healthy: "Nothing is held up.", unknown: "It cannot be told what holds this up.", waiting: "Looking …" };

export function culprits(verdict) {
  const named = (verdict?.findings ?? []).filter((finding) => finding.cause !== "unknown");
  return new Map(named.map((finding) => [`${finding.kind}\u0000${finding.name}`, finding]));
}

export function show(element, verdict) {
  const state = verdict?.state ?? "waiting";
  const findings = verdict?.findings ?? [];
  const text = JSON.stringify([state, findings.map((finding) => [finding.cause, finding.kind, finding.name, finding.says])]);
  element.dataset.state = state;
  if (element.dataset.text !== text) {
    element.dataset.text = text;
    element.replaceChildren(...(findings.length ? findings.map(finding) : [make("p", { class: "say" }, SAY[state] ?? SAY.unknown)]));
  }
  findings.forEach((one, index) => {
    const since = element.querySelectorAll("[data-since]")[index];
    if (since) since.textContent = one.since_seconds === null || one.since_seconds === undefined ? "" : ` (for ${seconds(one.since_seconds)})`;
  });
}

function finding(one, index) {
  const say = make("p", { class: "say" }, one.says ?? `${one.cause}: ${one.name}`, make("span", { class: "dim", "data-since": "" }));
  const evidence = [...(one.evidence ?? []), ...(one.advice ?? [])].map((line) => make("li", {}, line));
  return make("div", { class: index ? "more" : null }, say, ...(evidence.length ? [make("ul", {}, ...evidence)] : []));
}
