// node draw.mjs DASHBOARD.json PROMETHEUS_URL OUT.png [minutes] [light|dark] [name=value ...]
//
// Asks a Prometheus for the data of every panel, bundles it with the page and takes a picture in Chromium.
// HEIGHT in the environment cuts the picture off below so many pixels. Values of variables are given as name=value;
// those that are not given are all (`.+`).
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const [board, prometheus, picture, minutes = "15", theme = "dark", ...given] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "preview-"));
const STEP = 5;
const WIDTH = 1600;
const dashboard = JSON.parse(readFileSync(board, "utf8"));
const end = Math.floor(Date.now() / 1000 / STEP) * STEP;
const start = end - Number(minutes) * 60;
const values = Object.fromEntries(given.map((pair) => pair.split("=")));

function filled(text) {
  return text.replace(/\$__rate_interval/g, "20s").replace(/\$([a-z]+)/g, (_, name) => values[name] ?? ".+");
}

async function ask(target) {
  const query = target.instant
    ? `query?${new URLSearchParams({ query: filled(target.expr), time: end })}`
    : `query_range?${new URLSearchParams({ query: filled(target.expr), start, end, step: STEP })}`;
  const answer = await (await fetch(`${prometheus}/api/v1/${query}`)).json();
  if (answer.status !== "success") throw new Error(`${target.expr}: ${answer.error}`);
  return { target, series: answer.data.result };
}

const panels = [];
for (const panel of dashboard.panels) {
  const title = panel.title.replace(/\$(\w+)/g, (_, name) => values[name] ?? "all");
  panels.push({ ...panel, title, data: await Promise.all((panel.targets ?? []).map(ask)) });
}
const bottom = Math.max(...panels.map((panel) => panel.gridPos.y + panel.gridPos.h));
const content = { title: dashboard.title, panels, start, end, step: STEP, theme, width: WIDTH };
writeFileSync(join(folder, "data.js"), `window.content = ${JSON.stringify(content)};`);
// Imported from an .mjs file, a CommonJS module's default is all of its exports; this one means the component.
const unwrapped = {
  name: "unwrapped",
  setup: (made) =>
    made.onLoad({ filter: /react-custom-scrollbars-2\/lib\/index\.js$/ }, ({ path }) => ({
      contents: `${readFileSync(path, "utf8")}\nmodule.exports = exports.default;`,
    })),
};
await build({
  entryPoints: [join(here, "page.jsx")], outfile: join(folder, "page.js"), bundle: true, format: "iife",
  jsx: "automatic", define: { "process.env.NODE_ENV": '"production"', global: "window" }, logLevel: "error",
  loader: { ".svg": "dataurl", ".ttf": "dataurl", ".woff2": "dataurl" }, platform: "browser", plugins: [unwrapped],
});
writeFileSync(join(folder, "page.html"), '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="page.css"><div id="root"></div><script src="data.js"></script><script src="page.js"></script>');
execFileSync("chromium", [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars", ...(process.env.VERBOSE ? ["--enable-logging=stderr"] : []),
  "--allow-file-access-from-files", "--virtual-time-budget=15000", `--window-size=${WIDTH},${process.env.HEIGHT ?? bottom * 38 + 60}`,
  `--screenshot=${picture}`, `file://${join(folder, "page.html")}`,
], { stdio: ["ignore", "ignore", process.env.VERBOSE ? "inherit" : "ignore"], timeout: 90_000 });
