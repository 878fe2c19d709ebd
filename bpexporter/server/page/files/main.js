// Asks for the state once a second and shows it; says since when nobody has answered.

import * as detail from "./detail.js";
import { Flow } from "./flow.js";
import { count, make, seconds } from "./format.js";
import { Table, key } from "./table.js";
import * as verdict from "./verdict.js";

const PATIENCE = 4_000;
const find = (id) => document.getElementById(id);
const histories = new Map();
let catalogue = [];
let state = null;
let tag = null;
let sequence = null;
let answered = null;
let opened = null;

const table = new Table(find("resources"), open);
const flow = new Flow(find("flow"), open);

async function ask() {
  const since = sequence === null ? "" : `?since=${sequence}`;
  const headers = tag ? { "If-None-Match": tag } : {};
  const answer = await fetch(`api/state${since}`, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (answer.status === 304) return true;
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  tag = answer.headers.get("ETag");
  state = await answer.json();
  return false;
}

async function turn() {
  let pause = 1_000;
  try {
    const same = await ask();
    answered = Date.now();
    if (!catalogue.length) catalogue = (await (await fetch("api/catalogue")).json()).metrics;
    if (!same) show();
    pause = 1_000 * (state?.poll_seconds ?? 1);
  } catch { /* the line below says since when */ }
  tell();
  setTimeout(turn, document.hidden ? 5_000 : pause);
}

function tell() {
  const late = answered === null ? null : (Date.now() - answered) / 1_000;
  const stuck = (state?.processes ?? []).filter((one) => one.state === "alive" && one.age_seconds > 5);
  const held = (state?.resources ?? []).filter((one) => one.kind === "loop" && one.stuck_seconds > 1);
  const [name, words] =
    late === null ? ["lost", "No answer yet"]
    : late > 5 ? ["lost", `No answer for ${seconds(late)}; what is shown is as old`]
    : stuck.length ? ["stuck", `${stuck[0].name} does not answer, for ${seconds(stuck[0].age_seconds)}`]
    : held.length ? ["stuck", `The loop ${held[0].name} is stuck, for ${seconds(held[0].stuck_seconds)}`]
    : ["live", "Live"];
  find("link").dataset.state = name;
  if (find("link-text").textContent !== words) find("link-text").textContent = words;
}

function remember() {
  const { points, sequence: now } = state.history;
  const fresh = sequence === null || state.history.since === null;
  for (const resource of state.resources) {
    const kept = fresh ? {} : histories.get(key(resource)) ?? {};
    for (const [name, values] of Object.entries(resource.history)) {
      const before = kept[name] ?? [];
      kept[name] = fresh ? values : [...before, ...values].slice(-points);
    }
    histories.set(key(resource), kept);
  }
  sequence = now;
}

function show() {
  remember();
  const guilty = verdict.culprits(state.verdict);
  verdict.show(find("verdict"), state.verdict);
  const picture = flow.show(state, guilty);
  find("flow-section").hidden = !picture.nodes.size;
  find("flow-note").textContent = picture.left ? `the worst; ${picture.left} more in the table` : "";
  table.show(state.resources, histories, state.history.points);
  find("count").textContent = count(state.resources.length);
  find("nothing").hidden = Boolean(state.resources.length);
  find("nothing").textContent = "Nothing has been seen yet: no queue, stream, limiter or loop of the program is watched.";
  processes();
  unseen();
  if (opened) open(opened);
}

function processes() {
  const rows = (state.processes ?? []).map((one) =>
    make("tr", {}, ...[one.name, one.state, seconds(one.age_seconds)].map((text) => make("td", {}, String(text)))));
  find("processes-section").hidden = !rows.length;
  const head = make("tr", {}, ...["process", "state", "last heard of"].map((text) => make("th", { scope: "col" }, text)));
  find("processes").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
}

function unseen() {
  const lines = (state.unseen ?? []).map((one) => make("li", {}, `${one.what}: ${one.why}`));
  find("unseen-section").hidden = !lines.length;
  find("unseen").replaceChildren(...lines);
}

function open(id) {
  const resource = state.resources.find((one) => key(one) === id);
  if (!resource) return;
  opened = id;
  detail.show(find("detail-body"), find("detail-title"), resource, catalogue);
  if (!find("detail").open) find("detail").showModal();
}

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
find("filter").addEventListener("input", (event) => table.filter(event.target.value));
find("detail").addEventListener("close", () => { opened = null; });
setInterval(tell, 1_000);
turn();
