// The flow: stages and resources in the order of the data, layer by layer from left to right.

import { draw, rate, seconds, share, short } from "./format.js";
import { key, worst } from "./table.js";

const SIZE = { width: 164, height: 58, across: 46, down: 20 };
// More than this nobody can look at: the worst are drawn, and what is linked with them.
const MOST = 60;

const node = (kind, name) => `${kind}\u0000${name}`;

export function graph(state) {
  const resources = new Map(state.resources.map((one) => [key(one), one]));
  const links = state.links.filter((link) => resources.has(node(link.kind, link.resource)));
  const linked = new Set(links.map((link) => node(link.kind, link.resource)));
  const chosen = [...linked].map((name) => resources.get(name)).sort(worst).slice(0, MOST);
  const drawn = new Set(chosen.map(key));
  const nodes = new Map(chosen.map((one) => [key(one), { id: key(one), kind: one.kind, name: one.name, resource: one }]));
  const stages = new Map(state.stages.map((stage) => [stage.name, stage]));
  const edges = [];
  for (const link of links) {
    const resource = node(link.kind, link.resource);
    if (!drawn.has(resource)) continue;
    const stage = node("stage", link.stage);
    if (!nodes.has(stage)) nodes.set(stage, { id: stage, kind: "stage", name: link.stage, stage: stages.get(link.stage) });
    const [from, to] = link.direction === "get" ? [resource, stage] : [stage, resource];
    edges.push({ from, to, direction: link.direction });
  }
  return { nodes, edges, left: linked.size - drawn.size };
}

// The longest way from a source. An edge that closes a circle, seen from where the data comes in, is not followed.
export function layers({ nodes, edges }) {
  const next = new Map([...nodes.keys()].map((id) => [id, []]));
  const incoming = new Map([...nodes.keys()].map((id) => [id, 0]));
  for (const edge of edges) {
    if (edge.direction === "acquire") continue;
    next.get(edge.from).push(edge.to);
    incoming.set(edge.to, incoming.get(edge.to) + 1);
  }
  const seen = new Set();
  const done = []; // what lies behind a node comes before it
  const visit = (id, way) => {
    seen.add(id);
    way.add(id);
    next.set(id, next.get(id).filter((target) => !way.has(target)));
    for (const target of next.get(id)) if (!seen.has(target)) visit(target, way);
    way.delete(id);
    done.push(id);
  };
  const sources = [...nodes.keys()].sort((one, other) => incoming.get(one) - incoming.get(other));
  for (const id of sources) if (!seen.has(id)) visit(id, new Set());
  const depth = new Map([...nodes.keys()].map((id) => [id, 0]));
  for (const id of done.reverse()) {
    for (const target of next.get(id)) depth.set(target, Math.max(depth.get(target), depth.get(id) + 1));
  }
  for (const edge of edges) { // a limiter stands beside the first stage that acquires it
    if (edge.direction === "acquire" && depth.get(edge.to) === 0) depth.set(edge.to, depth.get(edge.from) + 1);
  }
  return depth;
}

export function places(picture) {
  const depth = layers(picture);
  const columns = [];
  for (const one of picture.nodes.values()) (columns[depth.get(one.id)] ??= []).push(one);
  const row = new Map();
  const tidy = columns.filter(Boolean);
  tidy.forEach((column, index) => {
    if (index) {
      const middle = (one) => {
        const rows = picture.edges.filter((edge) => edge.to === one.id && row.has(edge.from)).map((edge) => row.get(edge.from));
        return rows.length ? rows.reduce((sum, value) => sum + value, 0) / rows.length : Number.MAX_SAFE_INTEGER;
      };
      column.sort((one, other) => middle(one) - middle(other) || one.name.localeCompare(other.name));
    } else column.sort((one, other) => one.name.localeCompare(other.name));
    column.forEach((one, place) => row.set(one.id, place));
  });
  const tallest = Math.max(1, ...tidy.map((column) => column.length));
  tidy.forEach((column, index) => column.forEach((one, place) => {
    one.x = 8 + index * (SIZE.width + SIZE.across);
    one.y = 18 + (place + (tallest - column.length) / 2) * (SIZE.height + SIZE.down);
  }));
  return { width: 16 + tidy.length * (SIZE.width + SIZE.across) - SIZE.across, height: 30 + tallest * (SIZE.height + SIZE.down) };
}

function shape(one) {
  const { width, height } = SIZE;
  const round = { queue: 4, stage: 14, stream: 28, limiter: 4 }[one.kind] ?? 4;
  const box = draw("rect", { class: "box", width, height, rx: round });
  const name = draw("text", { x: 12, y: 19 });
  name.textContent = short(one.name, 21);
  const small = draw("text", { class: "small", x: 12, y: 51 });
  return [box, name, small];
}

const INNER = SIZE.width - 24;

function parts(one) {
  if (one.kind === "stage") return ["working", "idle", "blocked"].map((name) => draw("rect", { class: name, y: 26, height: 10 }));
  return [draw("rect", { class: "box", x: 12, y: 26, width: INNER, height: 10 }), draw("rect", { class: "fill", x: 12, y: 26, height: 10 })];
}

export class Flow {
  constructor(element, open) {
    this.element = element;
    this.open = open;
    this.drawn = "";
    this.groups = new Map();
  }

  show(state, culprits) {
    const picture = graph(state);
    const same = JSON.stringify([[...picture.nodes.keys()].sort(), picture.edges.map((edge) => [edge.from, edge.to, edge.direction]).sort()]);
    if (same !== this.drawn) {
      this.lines = [];
      if (picture.nodes.size) this.redraw(picture);
      this.drawn = same;
    }
    for (const one of picture.nodes.values()) this.fill(one, culprits.get(one.id));
    for (const line of this.lines) this.hold(line, picture);
    return picture;
  }

  redraw(picture) {
    const { width, height } = places(picture);
    const arrow = draw("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" }, draw("path", { d: "M0 0L8 4L0 8z" }));
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}` }, draw("defs", {}, arrow));
    svg.style.maxWidth = `${width}px`;
    svg.style.minWidth = `${width * 0.72}px`;
    this.lines = picture.edges.map((edge) => {
      const line = draw("path", { class: `edge ${edge.direction}`, d: this.curve(picture.nodes.get(edge.from), picture.nodes.get(edge.to)), "marker-end": "url(#arrow)" });
      svg.append(line);
      return { line, edge };
    });
    this.groups.clear();
    for (const one of picture.nodes.values()) {
      const group = draw("g", { class: `node ${one.kind}`, transform: `translate(${one.x} ${one.y})`, tabindex: 0, role: "button" });
      const inner = parts(one);
      const [box, name, small] = shape(one);
      const mark = draw("text", { class: "mark", x: 12, y: -5 });
      group.append(box, name, ...inner, small, mark);
      group.addEventListener("click", () => this.open(one.id));
      group.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); this.open(one.id); } });
      this.groups.set(one.id, { group, inner, small, mark });
      svg.append(group);
    }
    this.element.replaceChildren(svg);
  }

  curve(from, to) {
    const y = SIZE.height / 2;
    if (to.x > from.x) {
      const [start, end] = [from.x + SIZE.width, to.x];
      const middle = (start + end) / 2;
      return `M${start} ${from.y + y}C${middle} ${from.y + y} ${middle} ${to.y + y} ${end} ${to.y + y}`;
    }
    const low = Math.max(from.y, to.y) + SIZE.height + 12;
    return `M${from.x + SIZE.width / 2} ${from.y + SIZE.height}C${from.x + SIZE.width / 2} ${low} ${to.x + SIZE.width / 2} ${low} ${to.x + SIZE.width / 2} ${to.y + SIZE.height}`;
  }

  fill(one, culprit) {
    const { group, inner, small, mark } = this.groups.get(one.id);
    group.classList.toggle("culprit", Boolean(culprit));
    mark.textContent = culprit ? "culprit" : "";
    const text = one.kind === "stage" ? this.stage(one, inner) : this.level(one, inner);
    small.textContent = text;
    group.classList.toggle("held", (one.resource?.pressure ?? 0) >= 0.1);
    group.setAttribute("aria-label", `${one.kind} ${one.name}: ${text}${culprit ? ", the culprit" : ""}`);
  }

  stage(one, inner) {
    const stage = one.stage ?? { working: 0, idle: 0, blocked: 0, tasks: 0 };
    const total = stage.working + stage.idle + stage.blocked || 1;
    let x = 12;
    ["working", "idle", "blocked"].forEach((name, index) => {
      const width = (INNER * stage[name]) / total;
      inner[index].setAttribute("x", x);
      inner[index].setAttribute("width", width);
      x += width;
    });
    const most = ["working", "idle", "blocked"].sort((first, second) => stage[second] - stage[first])[0];
    return `${stage.tasks} ${stage.tasks === 1 ? "task" : "tasks"}, ${share(stage[most] / total)} ${most}`;
  }

  level(one, inner) {
    const { utilization_ratio: ratio, pressure, out_per_second: out, longest_block_seconds: longest } = one.resource;
    inner[1].setAttribute("width", INNER * Math.min(1, ratio ?? 0));
    inner[1].classList.toggle("hot", (pressure ?? 0) >= 0.1);
    const level = ratio === null ? (one.kind === "queue" ? "unbounded" : one.kind) : share(ratio);
    return longest ? `${level}, blocked ${seconds(longest)}` : `${level}, ${rate(out)}`;
  }

  hold({ line, edge }, picture) {
    const end = picture.nodes.get(edge.direction === "get" ? "" : edge.to);
    line.classList.toggle("held", (end?.resource?.pressure ?? 0) >= 0.1);
  }
}
