// The table of all resources: a row is made once and then changed, so that two hundred of them stay quick.

import { count, frame, make, rate, seconds, share } from "./format.js";
import { sparkline } from "./spark.js";

// Rows that are filled in one frame.
const AT_ONCE = 40;

export const key = (resource) => `${resource.kind}\u0000${resource.name}`;

// In steps, so that rows which are equally bad do not change places each second.
export function badness(resource) {
  const pressure = Math.ceil((resource.pressure ?? 0) * 10 - 0.5);
  const longest = resource.longest_block_seconds ? 1 + Math.max(0, Math.ceil(Math.log2(resource.longest_block_seconds))) : 0;
  return pressure * 1e4 + longest * 1e2 + Math.round(Math.min(2, resource.utilization_ratio ?? 0) * 5);
}

export function worst(one, other) {
  return badness(other) - badness(one) || one.name.localeCompare(other.name);
}

// Title, the value that it sorts by, its text, what it means, and whether a narrow screen leaves it out.
const COLUMNS = [
  { title: "name", of: (resource) => resource.name, left: true, means: "Sort by name" },
  { title: "kind", of: (resource) => resource.kind, text: (value) => value, left: true, wide: true, means: "Queue, stream, limiter or loop" },
  { title: "utilisation", of: (resource) => resource.utilization_ratio, means: "Depth by capacity; of a stream its buffer by the high-water mark; of a loop the share of time in which it did not wait" },
  { title: "pressure", of: (resource) => resource.pressure, text: share, held: (value) => value >= 0.1, means: "Share of the last seconds in which somebody was held up here" },
  { title: "blocked", of: (resource) => resource.blocked, text: count, held: (value) => value > 0, means: "Callers that wait now" },
  { title: "longest", of: (resource) => resource.longest_block_seconds, text: seconds, wide: true, means: "For how long the oldest of them has waited" },
  { title: "in", of: (resource) => resource.in_per_second, text: (value, resource) => rate(value, resource.kind), wide: true, means: "What comes in: items, of a stream bytes" },
  { title: "out", of: (resource) => resource.out_per_second, text: (value, resource) => rate(value, resource.kind), wide: true, means: "What goes out: items, of a stream bytes, of a limiter permits" },
  { title: "history", spark: true, wide: true },
];

const idle = (value) => value === null || value === undefined || value === 0;

export class Table {
  constructor(element, open) {
    this.open = open;
    this.rows = new Map();
    this.resources = [];
    this.sorted = null;
    this.ascending = false;
    this.text = "";
    this.heads = COLUMNS.map((column, index) => this.head(column, index));
    // A table that is no table to the layout still is one to who listens.
    this.body = make("tbody", { role: "rowgroup" });
    element.setAttribute("role", "table");
    element.append(make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...this.heads)), this.body);
  }

  head(column, index) {
    const head = make("th", { role: "columnheader", scope: "col", class: column.wide ? "wide" : null });
    if (column.left) head.classList.add("left");
    if (column.spark) { head.textContent = column.title; this.span = head; return head; }
    const button = make("button", { type: "button", title: column.means }, column.title);
    button.addEventListener("click", () => this.sort(index));
    head.append(button);
    return head;
  }

  sort(index) {
    this.ascending = this.sorted === index ? !this.ascending : Boolean(COLUMNS[index].left);
    this.sorted = index;
    this.heads.forEach((head, place) => {
      if (place === index) head.setAttribute("aria-sort", this.ascending ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    this.order();
  }

  compare(one, other) {
    if (this.sorted === null) return worst(one, other);
    const [first, second] = [one, other].map(COLUMNS[this.sorted].of);
    const unknown = (first === null) - (second === null);
    if (unknown) return unknown;
    const order = typeof first === "string" ? first.localeCompare(second) : first - second;
    return (this.ascending ? order : -order) || worst(one, other);
  }

  filter(text) {
    this.text = text.trim().toLowerCase();
    this.order();
  }

  async show(resources, culprits, histories, { points, sequence }) {
    this.resources = resources;
    const present = new Set(resources.map(key));
    for (const [name, row] of this.rows) {
      if (!present.has(name)) { row.element.remove(); this.rows.delete(name); }
    }
    for (const resource of resources) {
      const id = key(resource);
      if (!this.rows.has(id)) this.rows.set(id, this.row(resource));
      const row = this.rows.get(id);
      row.resource = resource;
      row.culprit = culprits.has(id);
      row.draw = () => row.spark.show(histories.get(id) ?? {}, points, `${resource.name}: utilisation ${share(resource.utilization_ratio)}, pressure ${share(resource.pressure)}`, sequence);
    }
    // Who points at a row, or has one in focus, does not want it to run away.
    if (!this.body.matches(":hover, :focus-within") || this.body.children.length !== resources.length) this.order();
    await this.fillShown();
  }

  row(resource) {
    const element = make("tr", { role: "row" });
    const cells = COLUMNS.map((column) => {
      const named = column.title === "name";
      const cell = make(named ? "th" : "td", { role: named ? "rowheader" : "cell", class: column.wide ? "wide" : null });
      if (named) cell.setAttribute("scope", "row");
      if (column.left) cell.classList.add("left");
      element.append(cell);
      return cell;
    });
    const button = make("button", { type: "button", class: "open", title: resource.name }, resource.name);
    const tag = make("span", { class: "tag" });
    cells[0].append(make("span", { class: "named" }, button, tag));
    element.addEventListener("click", () => this.open(key(resource)));
    const meter = make("i", { class: "fill" });
    const ratio = make("span", { class: "ratio" });
    const box = make("span", { class: "meter", "aria-hidden": "true" }, meter);
    cells[2].append(make("span", { class: "level" }, box, ratio));
    const spark = sparkline();
    cells.at(-1).append(spark);
    return { element, cells, meter, box, ratio, tag, spark, texts: [] };
  }

  // Rows that the filter hides are not drawn.
  async fillShown() {
    const rows = [...this.body.children];
    const byElement = new Map([...this.rows.values()].map((row) => [row.element, row]));
    for (let first = 0; first < rows.length; first += AT_ONCE) {
      if (first) await frame();
      for (const element of rows.slice(first, first + AT_ONCE)) if (element.isConnected) this.fill(byElement.get(element));
    }
  }

  fill(row) {
    const { resource } = row;
    COLUMNS.forEach((column, index) => {
      if (!column.text) return;
      const value = column.of(resource);
      const text = column.text(value, resource);
      if (row.texts[index] === text) return;
      row.texts[index] = text;
      const cell = row.cells[index];
      cell.textContent = text;
      cell.classList.toggle("held-text", Boolean(column.held && value !== null && column.held(value)));
      cell.classList.toggle("idle-text", idle(value));
    });
    this.level(row, resource);
    row.element.classList.toggle("held", (resource.pressure ?? 0) >= 0.1);
    row.element.classList.toggle("culprit", row.culprit);
    const tag = row.culprit ? "culprit" : "";
    if (row.tag.textContent !== tag) row.tag.textContent = tag;
    row.draw();
  }

  level(row, { utilization_ratio: ratio, pressure, kind }) {
    const text = ratio === null && kind === "queue" ? "no limit" : share(ratio);
    const held = (pressure ?? 0) >= 0.1;
    if (row.texts.level === text && row.texts.full === ratio && row.texts.held === held) return;
    Object.assign(row.texts, { level: text, full: ratio, held });
    row.ratio.textContent = text;
    row.ratio.classList.toggle("idle-text", idle(ratio));
    row.box.hidden = ratio === null;
    row.meter.style.width = `${Math.round(100 * Math.min(1, ratio ?? 0))}%`;
    row.meter.classList.toggle("held", held);
  }

  get shown() {
    return this.resources.filter((resource) => !this.text || `${resource.kind} ${resource.name}`.toLowerCase().includes(this.text));
  }

  order() {
    const wanted = this.shown.sort((one, other) => this.compare(one, other)).map((resource) => this.rows.get(key(resource)));
    const there = [...this.body.children];
    if (wanted.length === there.length && wanted.every(({ element }, index) => element === there[index])) return;
    for (const row of wanted) if (!row.element.isConnected) this.fill(row);
    const focused = document.activeElement;
    this.body.replaceChildren(...wanted.map((row) => row.element));
    if (focused && this.body.contains(focused)) focused.focus({ preventScroll: true });
  }
}
