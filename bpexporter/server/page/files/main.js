// Asks for the state once a second and shows it; says since when nobody has answered.

import * as detail from "./detail.js";
import { Flow } from "./flow.js";
import { frame, make, seconds } from "./format.js";
import { spanned } from "./spark.js";
import { Table, key } from "./table.js";
import { Verdict, culprits } from "./verdict.js";

const PATIENCE = 4_000;
const find = (id) => document.getElementById(id);
const histories = new Map();
let catalogue = [];
let state = null;
let tag = null;
let sequence = null;
let answered = null;
let opened = null;
let timer = null;

const table = new Table(find("resources"), open);
const flow = new Flow(find("flow"), open);
const verdict = new Verdict(find("verdict"), find("voice"), open);

const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

// Asking ------------------------------------------------------------------------------------------

async function ask() {
  const asked = new URLSearchParams({ readings: opened ? opened.replace("\u0000", ":") : "" });
  if (sequence !== null) asked.set("since", sequence);
  const headers = tag ? { "If-None-Match": tag } : {};
  const answer = await fetch(`api/state?${asked}`, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (answer.status === 304) return false;
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  tag = answer.headers.get("ETag");
  state = await answer.json();
  return true;
}

async function turn() {
  clearTimeout(timer);
  timer = null;
  let pause = 1_000;
  try {
    const changed = await ask();
    answered = Date.now();
    if (!catalogue.length) catalogue = (await (await fetch("api/catalogue")).json()).metrics;
    if (changed) await show();
    pause = 1_000 * (state?.poll_seconds ?? 1);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof DOMException)) console.warn(error.message); // else nobody answers: the line says since when
  }
  tell();
  timer = setTimeout(turn, document.hidden ? 5_000 : pause);
}

function atOnce() {
  if (timer !== null) turn();
}

function remember() {
  const { points, sequence: now } = state.history;
  const fresh = sequence === null || state.history.since === null;
  for (const resource of state.resources) {
    const kept = fresh ? {} : histories.get(key(resource)) ?? {};
    for (const [name, values] of Object.entries(resource.history)) {
      const before = kept[name] ?? [];
      if (fresh || values.length) kept[name] = fresh ? values : [...before, ...values].slice(-points);
    }
    histories.set(key(resource), kept);
  }
  sequence = now;
}

// Showing -----------------------------------------------------------------------------------------

function tell() {
  const late = answered === null ? null : (Date.now() - answered) / 1_000;
  const silent = (state?.processes ?? []).filter((one) => one.state === "alive" && one.age_seconds > 5);
  const held = (state?.resources ?? []).filter((one) => one.kind === "loop" && one.stuck_seconds > 1);
  const [name, words] =
    late === null ? ["lost", "No answer yet"]
    : late > 5 ? ["lost", `No answer for ${seconds(late)}; what is shown is as old`]
    : silent.length ? ["stuck", `${silent[0].name} does not answer, for ${seconds(silent[0].age_seconds)}`]
    : held.length ? ["stuck", `The loop ${held[0].name} is stuck, for ${seconds(held[0].stuck_seconds)}`]
    : ["live", "Live"];
  find("link").dataset.state = name;
  document.body.classList.toggle("stale", name === "lost" && state !== null);
  put(find("link-text"), words);
}

async function show() {
  remember();
  const guilty = culprits(state.verdict);
  const kinds = {};
  for (const { kind } of state.resources) kinds[kind] = (kinds[kind] ?? 0) + 1;
  const holding = state.resources.some((one) => one.kind !== "loop");
  verdict.show(state.verdict, `${total(state.resources.length, "resource")}, ${total(state.stages.length, "stage")}; the last ${seconds(state.interval_seconds)}`, !holding);
  find("flow-section").hidden = !state.links.length;
  const picture = flow.show(state, guilty);
  put(find("flow-note"), picture.left ? `the worst; ${picture.left} more in the table` : "");
  await frame();
  await table.show(state.resources, guilty, histories, state.history);
  put(find("count"), Object.entries(kinds).map(([kind, number]) => total(number, kind)).join(", "));
  const known = Math.max(0, ...[...histories.values()].map((one) => one.pressure?.length ?? 0));
  put(table.span, `last ${seconds(spanned(known, state.history.points) * state.history.step_seconds)}`);
  find("nothing").hidden = holding;
  find("resources-scroll").hidden = !state.resources.length;
  program();
  processes();
  unseen();
  if (opened) fillDetail();
}

const total = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

function program() {
  const alive = (state.processes ?? []).filter((one) => one.state === "alive");
  const name = alive.length === 1 ? alive[0].name : alive.length ? `${alive.length} processes` : "no process";
  put(find("program"), name);
  const findings = state.verdict?.findings ?? [];
  const title = `${findings.length ? `(${findings.length}) ` : ""}${name} – bpexporter`;
  if (document.title !== title) document.title = title;
}

function processes() {
  const all = state.processes ?? [];
  find("processes-section").hidden = all.length < 2 && all.every((one) => one.state === "alive");
  const rows = all.map((one) => {
    const state = one.state === "alive" && one.age_seconds > 5 ? "does not answer" : one.state;
    return make("tr", { class: state === "alive" ? null : "culprit" }, make("th", { scope: "row" }, one.name), make("td", {}, state), make("td", {}, `${seconds(one.age_seconds)} ago`));
  });
  const head = make("tr", {}, ...["process", "state", "last heard of"].map((text) => make("th", { scope: "col" }, text)));
  find("processes").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
}

function unseen() {
  const lines = (state.unseen ?? []).map((one) => make("li", {}, `${one.what}: ${one.why}`));
  find("unseen-section").hidden = !lines.length;
  find("unseen").replaceChildren(...lines);
}

// One in detail -----------------------------------------------------------------------------------

function open(id) {
  const [kind, name] = id.split("\u0000");
  opened = id;
  put(find("detail-kind"), kind);
  put(find("detail-title"), name);
  if (!fillDetail()) { opened = null; return; }
  if (!find("detail").open) find("detail").showModal();
  atOnce();
}

function fillDetail() {
  const [kind, name] = opened.split("\u0000");
  const body = find("detail-body");
  const stage = kind === "stage" && state.stages.find((one) => one.name === name);
  const resource = state.resources.find((one) => key(one) === opened);
  if (stage) detail.showStage(body, { stage, state });
  else if (resource) detail.showResource(body, { resource, kept: histories.get(opened) ?? {}, state, catalogue });
  return Boolean(stage || resource);
}

find("detail").addEventListener("close", () => { opened = null; });
find("detail").addEventListener("click", (event) => { if (event.target === event.currentTarget) event.currentTarget.close(); });

// Wishes of the reader ----------------------------------------------------------------------------

function theme(name) {
  document.documentElement.dataset.theme = name;
  find("theme").textContent = name === "dark" ? "Light" : "Dark";
}

const dark = matchMedia("(prefers-color-scheme: dark)");
theme(localStorage.getItem("theme") ?? (dark.matches ? "dark" : "light"));
dark.addEventListener("change", () => { if (!localStorage.getItem("theme")) theme(dark.matches ? "dark" : "light"); });
find("theme").addEventListener("click", () => {
  const name = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", name);
  theme(name);
});
const filter = find("filter");
filter.addEventListener("input", () => table.filter(filter.value));
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || find("detail").open || event.target.matches("input")) return;
  event.preventDefault();
  filter.focus();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) atOnce(); });
addEventListener("resize", () => { if (state) flow.show(state, culprits(state.verdict)); });
setInterval(tell, 1_000);
turn();
