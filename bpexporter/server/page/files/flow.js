// The flow: stages and resources in the order of the data, what fills and who waits.

import { draw, rate, seconds, share, tail } from "./format.js";
import { SIZE, place, way } from "./layout.js";
import { badness, key, worst } from "./table.js";

// More than this nobody can look at: the worst are drawn, and of those that the same stages use alike a few.
const MOST = 40;
const MOST_ALIKE = 4;
const INNER = SIZE.width - 24;
const STATES = ["working", "blocked", "idle"];

const node = (kind, name) => `${kind}\u0000${name}`;

// Who is drawn already stays, unless others are worse by more than a step: boxes do not come and go each second.
const STAYS = 2e4;

export function graph(state, before = new Map()) {
  const resources = new Map(state.resources.map((one) => [key(one), one]));
  const links = state.links.filter((link) => resources.has(node(link.kind, link.resource)));
  const uses = new Map();
  for (const link of links) {
    const id = node(link.kind, link.resource);
    uses.set(id, [...(uses.get(id) ?? []), `${link.direction} ${link.stage}`]);
  }
  const alike = new Map();
  const weight = (one) => badness(one) + (before.has(key(one)) ? STAYS : 0);
  const chosen = [...uses.keys()].map((id) => resources.get(id)).sort((one, other) => weight(other) - weight(one) || worst(one, other)).filter((one) => {
    const same = uses.get(key(one)).sort().join("\u0000");
    alike.set(same, (alike.get(same) ?? 0) + 1);
    return alike.get(same) <= MOST_ALIKE;
  }).slice(0, MOST);
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
    edges.push({ from, to, direction: link.direction, resource });
  }
  return { nodes, edges, left: uses.size - drawn.size };
}

const held = (resource) => (resource?.pressure ?? 0) >= 0.1;

function shape(one) {
  const { width, height } = SIZE;
  const round = { queue: 3, stage: 15, stream: 30, limiter: 3 }[one.kind] ?? 3;
  const inset = one.kind === "stream" ? 18 : 12;
  const bar = { x: inset, y: 27, width: INNER - 2 * (inset - 12), height: 9, rx: 2 };
  const name = draw("text", { class: "name", x: inset, y: 19 });
  name.textContent = tail(one.name, one.kind === "stream" ? 18 : 20);
  const kind = draw("text", { class: "kind", x: inset, y: -6 });
  kind.textContent = one.kind;
  const level = one.kind === "stage"
    ? STATES.map((state) => draw("rect", { class: state, y: bar.y, height: bar.height }))
    : [draw("rect", { class: "fill", x: bar.x, y: bar.y, height: bar.height, rx: 2 })];
  const small = draw("text", { class: "small", x: inset, y: 51 });
  const mark = draw("g", { class: "mark", transform: `translate(${width - 64} -9)` }, draw("rect", { width: 54, height: 17, rx: 8.5 }), draw("text", { x: 27, y: 12.5 }));
  const title = draw("title");
  const box = draw("rect", { class: "box", width, height, rx: round });
  return { parts: [title, box, draw("rect", { class: "track", ...bar }), ...level, name, kind, small, mark], bar, level, small, mark, title };
}

function stageText(one, { bar, level }) {
  const stage = one.stage ?? { working: 0, idle: 0, blocked: 0, tasks: 0 };
  const total = stage.working + stage.idle + stage.blocked || 1;
  let x = bar.x;
  STATES.forEach((name, index) => {
    const width = (bar.width * stage[name]) / total;
    level[index].setAttribute("x", x);
    level[index].setAttribute("width", width);
    x += width;
  });
  const most = [...STATES].sort((first, second) => stage[second] - stage[first])[0];
  return `${stage.tasks} ${stage.tasks === 1 ? "task" : "tasks"}, ${share(stage[most] / total)} ${most}`;
}

function levelText(one, { bar, level }) {
  const { utilization_ratio: ratio, out_per_second: out, longest_block_seconds: longest } = one.resource;
  level[0].setAttribute("width", bar.width * Math.min(1, ratio ?? 0));
  level[0].classList.toggle("held", held(one.resource));
  const full = ratio === null ? (one.kind === "queue" ? "no limit" : "") : share(ratio);
  return [full, longest ? `blocked ${seconds(longest)}` : rate(out, one.kind)].filter(Boolean).join(", ");
}

export class Flow {
  constructor(element, open) {
    this.element = element;
    this.open = open;
    this.drawn = "";
    this.groups = new Map();
    this.lines = [];
  }

  show(state, culprits) {
    const picture = graph(state, this.groups);
    const room = this.element.clientWidth;
    const same = JSON.stringify([room, [...picture.nodes.keys()].sort(), picture.edges.map((edge) => [edge.from, edge.to, edge.direction]).sort()]);
    if (same !== this.drawn) {
      this.lines = [];
      if (picture.nodes.size) this.redraw(picture, room);
      this.drawn = room ? same : "";
    }
    for (const one of picture.nodes.values()) this.fill(one, culprits.get(one.id));
    for (const { line, edge } of this.lines) line.classList.toggle("held", edge.direction !== "get" && held(picture.nodes.get(edge.resource)?.resource));
    return picture;
  }

  redraw(picture, room) {
    const worse = (part) => Math.max(...[...part.nodes.values()].map((one) => (one.resource ? badness(one.resource) : 0)));
    const { parts, width, height } = place(picture, room, worse);
    const arrow = draw("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" }, draw("path", { d: "M0 0L8 4L0 8z", fill: "context-stroke" }));
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height }, draw("defs", {}, arrow));
    svg.style.minWidth = `${width * 0.78}px`;
    this.groups.clear();
    for (const part of parts) {
      let lane = 0;
      for (const edge of part.edges) {
        const [from, to] = [part.nodes.get(edge.from), part.nodes.get(edge.to)];
        const line = draw("path", { class: `edge ${edge.direction}`, d: way(from, to, part.bottom, to.x <= from.x ? lane++ : 0), "marker-end": "url(#arrow)" });
        svg.append(line);
        this.lines.push({ line, edge });
      }
    }
    for (const part of parts) for (const one of part.nodes.values()) svg.append(this.group(one));
    this.element.replaceChildren(svg);
  }

  group(one) {
    const made = shape(one);
    const group = draw("g", { class: `node ${one.kind}`, transform: `translate(${one.x} ${one.y})`, tabindex: 0, role: "button" }, ...made.parts);
    group.addEventListener("click", () => this.open(one.id));
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.open(one.id);
    });
    this.groups.set(one.id, { group, ...made });
    return group;
  }

  fill(one, culprit) {
    const made = this.groups.get(one.id);
    const text = one.kind === "stage" ? stageText(one, made) : levelText(one, made);
    if (made.small.textContent !== text) made.small.textContent = text;
    made.group.classList.toggle("culprit", Boolean(culprit));
    made.mark.lastChild.textContent = culprit ? "culprit" : "";
    made.group.classList.toggle("held", held(one.resource));
const label = `${one.kind} ${one.name}: ${text}${culprit ? ", the culprit" : ""}`; // what is read aloud, and shown to who points at it
    if (made.title.textContent !== label) made.title.textContent = label;
  }
}
