// Numbers with their units, and elements made of text alone: a name is never markup.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const unknown = (value) => value === null || value === undefined;

export function share(value) {
  if (unknown(value)) return "–";
  if (value >= 2) return `${value.toFixed(value < 10 ? 1 : 0)} ×`;
  return value > 0 && value < 0.01 ? "< 1 %" : `${Math.round(value * 100)} %`;
}

export function count(value) {
  if (unknown(value)) return "–";
  if (Math.abs(value) >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (Math.abs(value) >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 100 ? 1 : 0);
}

export function seconds(value) {
  if (unknown(value)) return "–";
  if (value === 0) return "0 s";
  if (value < 1e-3) return `${(value * 1e6).toFixed(0)} µs`;
  if (value < 1) return `${(value * 1e3).toFixed(0)} ms`;
  if (value < 120) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  if (value < 7200) return `${(value / 60).toFixed(1)} min`;
  return `${(value / 3600).toFixed(1)} h`;
}

export function bytes(value) {
  if (unknown(value)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (Math.abs(value) >= 1000 && step < units.length - 1) { value /= 1000; step += 1; }
  return `${value.toFixed(step && value < 100 ? 1 : 0)} ${units[step]}`;
}

// What goes through a stream is bytes; through all others items, or permits.
export function rate(value, kind) {
  if (unknown(value)) return "–";
  return kind === "stream" ? `${bytes(value)}/s` : `${count(value)}/s`;
}

export const BY_UNIT = { ratio: share, seconds, bytes };

// The end of a name says more than its beginning, which is the module.
export function tail(text, most) {
  return text.length <= most ? text : `…${text.slice(1 - most)}`;
}

// The next frame; soon, where none is drawn. Work that is cut by it holds no frame up.
export function frame() {
  return new Promise((done) => { requestAnimationFrame(done); setTimeout(done, 100); });
}
