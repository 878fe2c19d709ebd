// Places of the flow: each part that hangs together by itself, its layers from left to right in the order of the data.

export const SIZE = { width: 172, height: 60, across: 44, down: 30, apart: 34, edge: 22 };
const STEP = { x: SIZE.width + SIZE.across, y: SIZE.height + SIZE.down };

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

// The parts that hang together by edges, each as a picture of its own.
export function parts({ nodes, edges }) {
  const root = new Map([...nodes.keys()].map((id) => [id, id]));
  const find = (id) => { while (root.get(id) !== id) id = root.get(id); return id; };
  for (const { from, to } of edges) root.set(find(from), find(to));
  const found = new Map();
  const part = (id) => {
    if (!found.has(find(id))) found.set(find(id), { nodes: new Map(), edges: [] });
    return found.get(find(id));
  };
  for (const [id, one] of nodes) part(id).nodes.set(id, one);
  for (const edge of edges) part(edge.from).edges.push(edge);
  return [...found.values()];
}

function mean(values, otherwise) {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : otherwise;
}

// Each wants to stand beside those that it hangs on; nobody stands on another.
function settle(column, wanted) {
  column.sort((one, other) => wanted.get(one) - wanted.get(other) || one.name.localeCompare(other.name));
  column.forEach((one, place) => {
    one.y = wanted.get(one);
    if (place) one.y = Math.max(one.y, column[place - 1].y + STEP.y);
  });
  const shift = mean(column.map((one) => wanted.get(one) - one.y), 0);
  for (const one of column) one.y += shift;
}

// One part: its nodes get x and y, from 0 on, and the part its width and height.
export function arrange(part) {
  const depth = layers(part);
  const columns = [];
  for (const one of part.nodes.values()) (columns[depth.get(one.id)] ??= []).push(one);
  const tidy = columns.filter(Boolean);
  tidy.forEach((column, index) => {
    column.sort((one, other) => one.name.localeCompare(other.name));
    column.forEach((one, place) => { one.x = index * STEP.x; one.y = place * STEP.y; });
  });
  const beside = (one, before) => part.edges
    .filter((edge) => edge.from === one.id || edge.to === one.id)
    .map((edge) => part.nodes.get(edge.from === one.id ? edge.to : edge.from))
    .filter((other) => (before ? other.x < one.x : other.x > one.x))
    .map((other) => other.y);
  for (let turn = 0; turn < 4; turn += 1) {
    const forth = turn % 2 === 0;
    for (const column of forth ? tidy : [...tidy].reverse()) {
      settle(column, new Map(column.map((one) => [one, mean(beside(one, forth), one.y)])));
    }
  }
  const all = [...part.nodes.values()];
  const top = Math.min(...all.map((one) => one.y));
  for (const one of all) one.y -= top;
  part.back = part.edges.filter((edge) => part.nodes.get(edge.to).x <= part.nodes.get(edge.from).x).length;
  part.width = (tidy.length - 1) * STEP.x + SIZE.width;
  part.height = Math.max(...all.map((one) => one.y)) + SIZE.height + part.back * 9;
}

// All of it: parts side by side where they fit into `room`, the worst first.
export function place(picture, room, worse) {
  const found = parts(picture);
  for (const part of found) arrange(part);
  found.sort((one, other) => worse(other) - worse(one) || other.nodes.size - one.nodes.size);
  const widest = Math.max(room - 2 * SIZE.edge, ...found.map((part) => part.width));
  let [x, y, tallest, width] = [0, 0, 0, 0];
  for (const part of found) {
    if (x && x + part.width > widest) [x, y, tallest] = [0, y + tallest + SIZE.apart, 0];
    for (const one of part.nodes.values()) { one.x += x + SIZE.edge; one.y += y + SIZE.edge; }
    part.bottom = y + SIZE.edge + part.height;
    width = Math.max(width, x + part.width);
    x += part.width + SIZE.across * 1.6;
    tallest = Math.max(tallest, part.height);
  }
  return { parts: found, width: width + 2 * SIZE.edge, height: y + tallest + SIZE.edge + 10 };
}

// The way of an edge: forth from side to side, back below the part and through the gaps between its columns.
export function way(from, to, bottom, lane) {
  const half = SIZE.height / 2;
  const [x, y, end, low] = [from.x + SIZE.width, from.y + half, to.x, to.y + half];
  if (end > x) {
    const bend = Math.min(60, (end - x) / 2);
    return `M${x} ${y}C${x + bend} ${y} ${end - bend} ${low} ${end} ${low}`;
  }
  const [out, back, floor, r] = [x + 14 + lane * 3, end - 16 - lane * 3, bottom - lane * 9, 8];
  return `M${x} ${y}H${out - r}q${r} 0 ${r} ${r}V${floor - r}q0 ${r} ${-r} ${r}H${back + r}q${-r} 0 ${-r} ${-r}V${low + r}q0 ${-r} ${r} ${-r}H${end}`;
}
