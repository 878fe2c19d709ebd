// The table of all resources: a row is made once and then changed, so that two hundred of them stay quick.

import { count, make, rate, seconds, share } from "./format.js";
import { sparkline } from "./spark.js";

export const key = (resource) => `${resource.kind}\u0000${resource.name}`;

export function worst(one, other) {
  return badness(other) - badness(one) || one.name.localeCompare(other.name);
}

function badness(resource) {
  return (resource.pressure ?? 0) * 1e6 + (resource.longest_block_seconds ?? 0) * 1e3 + (resource.utilization_ratio ?? 0);
}

// Title, the value that it sorts by, its text, and whether a narrow screen leaves it out.
const COLUMNS = [
  { title: "name", of: (resource) => resource.name, left: true },
  { title: "kind", of: (resource) => resource.kind, text: (value) => value, left: true, wide: true },
  { title: "utilisation", of: (resource) => resource.utilization_ratio, meter: true },
  { title: "pressure", of: (resource) => resource.pressure, text: share, hot: (value) => value >= 0.1 },
  { title: "blocked", of: (resource) => resource.blocked, text: count, hot: (value) => value > 0 },
  { title: "longest block", of: (resource) => resource.longest_block_seconds, text: seconds, wide: true },
  { title: "in", of: (resource) => resource.in_per_second, text: rate, wide: true },
  { title: "out", of: (resource) => resource.out_per_second, text: rate, wide: true },
  { title: "last ten minutes", spark: true, wide: true },
];

export class Table {
  constructor(element, open) {
    this.open = open;
    this.rows = new Map();
    this.sorted = null;
    this.ascending = false;
    this.text = "";
    this.heads = COLUMNS.map((column, index) => this.head(column, index));
    element.append(make("thead", {}, make("tr", {}, ...this.heads)));
    this.body = make("tbody");
    element.append(this.body);
  }

  head(column, index) {
    const head = make("th", { scope: "col", class: column.wide ? "wide" : null });
    if (column.left) head.classList.add("left");
    if (column.spark) { head.textContent = column.title; return head; }
    const button = make("button", { type: "button" }, column.title);
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

  show(resources, histories, points) {
    this.resources = resources;
    const present = new Set(resources.map(key));
    for (const [name, row] of this.rows) {
      if (!present.has(name)) { row.element.remove(); this.rows.delete(name); }
    }
    for (const resource of resources) {
      let row = this.rows.get(key(resource));
      if (!row) { row = this.row(resource); this.rows.set(key(resource), row); }
      this.fill(row, resource, histories.get(key(resource)) ?? {}, points);
    }
    this.order();
  }

  row(resource) {
    const element = make("tr");
    const cells = COLUMNS.map((column) => {
      const cell = make(column.of && column.title === "name" ? "th" : "td", { class: column.wide ? "wide" : null });
      if (column.title === "name") cell.setAttribute("scope", "row");
      if (column.left) cell.classList.add("left");
      element.append(cell);
      return cell;
    });
    const button = make("button", { type: "button", class: "open", title: resource.name }, resource.name);
    button.addEventListener("click", () => this.open(key(resource)));
    cells[0].append(button);
    const meter = make("span", { class: "meter", "aria-hidden": "true" }, make("i", { class: "fill" }));
    const ratio = make("span");
    cells[2].append(meter, ratio);
    const spark = sparkline();
    cells.at(-1).append(spark);
    return { element, cells, meter: meter.firstChild, box: meter, ratio, spark, texts: [] };
  }

  fill(row, resource, history, points) {
    row.resource = resource;
    COLUMNS.forEach((column, index) => {
      if (!column.text) return;
      const value = column.of(resource);
      const text = column.text(value);
      if (row.texts[index] === text) return;
      row.texts[index] = text;
      row.cells[index].textContent = text;
      row.cells[index].classList.toggle("hot-text", Boolean(column.hot && value !== null && column.hot(value)));
    });
    const ratio = resource.utilization_ratio;
    row.box.style.visibility = ratio === null ? "hidden" : "visible";
    row.meter.style.transform = `scaleX(${Math.min(1, ratio ?? 0)})`;
    row.meter.classList.toggle("hot", (ratio ?? 0) >= 0.8 && (resource.pressure ?? 0) > 0);
    row.ratio.textContent = share(ratio);
    row.element.classList.toggle("bad", (resource.pressure ?? 0) >= 0.1);
    row.spark.show(history, points, `${resource.name}: utilisation ${share(ratio)}, pressure ${share(resource.pressure)}`);
  }

  order() {
    const fitting = (this.resources ?? []).filter(
      (resource) => !this.text || `${resource.kind} ${resource.name}`.toLowerCase().includes(this.text),
    );
    fitting.sort((one, other) => this.compare(one, other));
    const wanted = fitting.map((resource) => this.rows.get(key(resource)).element);
    const there = [...this.body.children];
    if (wanted.length === there.length && wanted.every((element, index) => element === there[index])) return;
    const focused = document.activeElement;
    this.body.replaceChildren(...wanted);
    if (focused && this.body.contains(focused)) focused.focus({ preventScroll: true });
  }
}
