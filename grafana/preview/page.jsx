// The dashboard drawn with Grafana's components. Heatmap and state timeline, which @grafana/ui does not export,
// are drawn here by the same theme; everything else is Grafana's own.
import { SIZE, place as arrangeAll } from "../../bpexporter/server/page/files/layout.js";
import { ThemeContext, applyFieldOverrides, createDataFrame, createTheme, dateTime, getFieldDisplayName, FieldType } from "@grafana/data";
import { BigValue, GlobalStyles, PanelChrome, Table, TimeSeries } from "@grafana/ui";
import { useEffect, useRef } from "react";
import { createRoot } from "react-dom/client";
import "uplot/dist/uPlot.min.css";

const { panels, title, start, end, step, theme: mode, width } = window.content;
const theme = createTheme({ colors: { mode } });
const CELL = (width - 8) / 24;
const GAP = 8;
const range = { from: dateTime(start * 1000), to: dateTime(end * 1000), raw: { from: "now-15m", to: "now" } };
const times = Array.from({ length: Math.round((end - start) / step) + 1 }, (_, number) => start + number * step);

function called(legend, labels) {
  if (!legend || legend === "__auto") return Object.values(labels).filter(Boolean).join(" ") || "value";
  return legend.replace(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? "");
}

function frames(panel) {
  return panel.data.flatMap(({ target, series }) =>
    series.map(({ metric, values }) => {
      const { __name__, ...labels } = metric;
      const known = new Map(values.map(([time, value]) => [time, Number(value)]));
      const name = called(target.legendFormat, labels);
      return createDataFrame({
        refId: target.refId,
        fields: [
          { name: "Time", type: FieldType.time, values: times.map((time) => time * 1000), config: {} },
          { name, type: FieldType.number, values: times.map((time) => known.get(time) ?? null), config: { displayNameFromDS: name }, labels },
        ],
      });
    }),
  );
}

function shown(panel, data, color) {
  const fieldConfig = { ...panel.fieldConfig, defaults: { color: { mode: color }, ...panel.fieldConfig.defaults, links: [] } };
  fieldConfig.overrides = fieldConfig.overrides.map((entry) => ({ ...entry, properties: entry.properties.filter(({ id }) => id !== "links") }));
  const custom = [...new Set(fieldConfig.overrides.flatMap(({ properties }) => properties.map(({ id }) => id)))];
  return applyFieldOverrides({ data, fieldConfig, replaceVariables: (text) => text, theme, timeZone: "utc", fieldConfigRegistry: registry(custom) });
}

// What the kinds of panels register with Grafana: where each property of an override goes.
function registry(ids) {
  const take = (path) => ({ id: path, path, name: path, isCustom: path.startsWith("custom."), process: (value) => value, shouldApply: () => true });
  const items = new Map(["unit", "decimals", "min", "max", "thresholds", "color", "mappings", ...ids].map((id) => [id, { ...take(id.replace("custom.", "")), isCustom: id.startsWith("custom.") }]));
  return { getIfExists: (id) => items.get(id), list: () => [...items.values()], get: (id) => items.get(id) };
}

function Lines({ panel, width, height }) {
  const data = shown(panel, frames(panel), "palette-classic");
  for (const frame of data) frame.fields[1].config.custom = { ...panel.fieldConfig.defaults.custom, ...frame.fields[1].config.custom };
  return <TimeSeries frames={data} timeRange={range} timeZone="utc" width={width} height={height} legend={panel.options.legend} options={panel.options} structureRev={1} theme={theme} replaceVariables={(text) => text} />;
}

function Stat({ panel, width, height }) {
  const data = shown(panel, frames(panel), "thresholds");
  const wide = width / Math.max(1, data.length);
  return (
    <div style={{ display: "flex" }}>
      {data.map((frame, number) => {
        const field = frame.fields[1];
        const value = field.display(field.values.findLast((found) => found !== null));
        if (data.length > 1) value.title = getFieldDisplayName(field, frame);
        const sparkline = { y: field, x: frame.fields[0] };
        return <BigValue key={number} theme={theme} value={value} width={wide} height={height} colorMode="value" graphMode="area" sparkline={sparkline} justifyMode="auto" textMode={data.length > 1 ? "value_and_name" : "value"} />;
      })}
    </div>
  );
}

function Cells({ panel, width, height }) {
  const rows = new Map();
  panel.data.forEach(({ target, series }) =>
    series.forEach(({ metric, value }) => {
      const key = JSON.stringify(metric);
      const column = panel.targets.length > 1 ? `Value #${target.refId}` : "Value";
      rows.set(key, { ...rows.get(key), ...metric, [column]: Number(value[1]) });
    }),
  );
  const { indexByName = {}, renameByName = {} } = panel.transformations?.find(({ id }) => id === "organize")?.options ?? {};
  const ordered = Object.entries(indexByName).sort(([, one], [, other]) => one - other).map(([name]) => name);
  const columns = ordered.length ? ordered : [...new Set([...rows.values()].flatMap(Object.keys))];
  const sorted = [...rows.values()].sort((one, other) => (other["Value #B"] ?? 0) - (one["Value #B"] ?? 0));
  const fields = columns.map((name) => ({
    name: renameByName[name] ?? name, config: {}, values: sorted.map((row) => row[name] ?? null),
    type: name.startsWith("Value") ? FieldType.number : FieldType.string,
  }));
  const [frame] = shown(panel, [createDataFrame({ fields })], "thresholds");
  return <Table data={frame} width={width} height={height} />;
}

function Drawn({ width, height, draw }) {
  const canvas = useRef();
  useEffect(() => {
    const context = canvas.current.getContext("2d");
    context.font = `12px ${theme.typography.fontFamily}`;
    context.fillStyle = theme.colors.text.primary;
    draw(context);
  });
  return <canvas ref={canvas} width={width} height={height} />;
}

function clock(context, left, width, height) {
  context.fillStyle = theme.colors.text.secondary;
  context.textAlign = "center";
  for (let part = 1; part < 6; part++) {
    const time = new Date((start + ((end - start) * part) / 6) * 1000).toISOString().slice(11, 16);
    context.fillText(time, left + ((width - left) * part) / 6, height - 4);
  }
}

function Heat({ panel, width, height }) {
  const series = panel.data[0].series.map(({ metric, values }) => ({ le: Number(metric.le.replace("+Inf", "Infinity")), values: new Map(values.map(([time, value]) => [time, Number(value)])) }));
  series.sort((one, other) => one.le - other.le);
  const LEFT = 70;
  const draw = (context) => {
    const counts = series.map(({ values }, row) => times.map((time) => Math.max(0, (values.get(time) ?? 0) - (row ? (series[row - 1].values.get(time) ?? 0) : 0))));
    const most = Math.max(...counts.flat());
    const tall = (height - 24) / series.length;
    const wide = (width - LEFT) / times.length;
    counts.forEach((row, y) => {
      row.forEach((count, x) => {
        if (count < 1e-9) return;
        context.fillStyle = `rgba(255, 120, 10, ${0.15 + 0.85 * (count / most) ** 0.3})`;
        context.fillRect(LEFT + x * wide, (series.length - 1 - y) * tall, wide - 0.5, tall - 1);
      });
      if (y % 3 || series[y].le === Infinity) return;
      context.fillStyle = theme.colors.text.secondary;
      context.textAlign = "right";
      context.fillText(series[y].le < 1 ? `${series[y].le * 1000} ms` : `${series[y].le} s`, LEFT - 6, (series.length - 1 - y) * tall + tall / 2 + 4);
    });
    clock(context, LEFT, width, height);
  };
  return <Drawn width={width} height={height} draw={draw} />;
}

function States({ panel, width, height }) {
  const { options } = panel.fieldConfig.defaults.mappings[0];
  const series = panel.data.flatMap(({ target, series }) => series.map(({ metric, values }) => ({ name: called(target.legendFormat, metric), values })));
  const LEFT = 130;
  const draw = (context) => {
    const tall = (height - 40) / series.length;
    const wide = (width - LEFT) / times.length;
    series.forEach(({ name, values }, row) => {
      context.fillStyle = theme.colors.text.primary;
      context.textAlign = "right";
      context.fillText(name, LEFT - 8, row * tall + tall / 2 + 4);
      values.forEach(([time, value]) => {
        context.fillStyle = theme.visualization.getColorByName(options[value].color);
        context.globalAlpha = 0.8;
        context.fillRect(LEFT + ((time - start) / step) * wide, row * tall + tall * 0.08, wide + 0.5, tall * 0.84);
        context.globalAlpha = 1;
      });
    });
    clock(context, LEFT, width, height - 18);
    Object.values(options).forEach(({ text, color }, number) => {
      context.fillStyle = theme.visualization.getColorByName(color);
      context.fillRect(LEFT + number * 160, height - 12, 14, 4);
      context.fillStyle = theme.colors.text.primary;
      context.textAlign = "left";
      context.fillText(text, LEFT + number * 160 + 20, height - 4);
    });
  };
  return <Drawn width={width} height={height} draw={draw} />;
}

// Imitated with the layout of the live page.
function Nodes({ panel, width, height }) {
  const rows = (name) => panel.data.find(({ target }) => target.refId === name)?.series ?? [];
  const nodes = new Map(rows("nodes").map(({ metric, value }) => [metric.id, { ...metric, name: metric.title ?? metric.id, value: Number(value[1]) }]));
  const edges = rows("edges").map(({ metric }) => ({ from: metric.source, to: metric.target, direction: "" }));
  const picture = { nodes, edges: edges.filter(({ from, to }) => nodes.has(from) && nodes.has(to)) };
  const whole = arrangeAll(picture, width, () => 0);
  const scale = Math.min(1, width / whole.width, height / whole.height);
  const middle = (one) => [one.x + SIZE.width / 2, one.y + 20];
  return (
    <svg width={width} height={height} viewBox={`0 0 ${whole.width} ${Math.max(whole.height, height / scale)}`}>
      {picture.edges.map(({ from, to }, number) => {
        const [[x1, y1], [x2, y2]] = [middle(nodes.get(from)), middle(nodes.get(to))];
        return <line key={number} x1={x1} y1={y1} x2={x2} y2={y2} stroke={theme.colors.text.secondary} strokeOpacity="0.6" />;
      })}
      {[...nodes.values()].map((one) => {
        const [x, y] = middle(one);
        return (
          <g key={one.id} fontSize="12" textAnchor="middle" fill={theme.colors.text.primary}>
            <circle cx={x} cy={y} r="15" fill={theme.colors.background.primary} stroke={theme.visualization.getColorByName(one.color ?? "blue")} strokeWidth="3" />
            <text x={x} y={y + 31}>{one.name}</text>
            <text x={x} y={y + 45} fill={theme.colors.text.secondary}>{one.subtitle ?? ""}</text>
          </g>
        );
      })}
    </svg>
  );
}

const KINDS = { nodeGraph: Nodes, timeseries: Lines, stat: Stat, table: Cells, heatmap: Heat, "state-timeline": States };

function Panel({ panel }) {
  const { x, y, w, h } = panel.gridPos;
  const place = { position: "absolute", left: x * CELL + GAP / 2, top: y * 38 + 44, width: w * CELL - GAP, height: h * 38 - GAP };
  if (panel.type === "row") return <h4 style={{ ...place, color: theme.colors.text.primary, paddingTop: 4 }}>⌄ {panel.title}</h4>;
  const Kind = KINDS[panel.type];
  return (
    <div style={place}>
      <PanelChrome title={panel.title} width={place.width} height={place.height}>
        {(width, height) =>
          panel.data.some(({ series }) => series.length) ? <Kind panel={panel} width={width} height={height} /> : <p>No data</p>
        }
      </PanelChrome>
    </div>
  );
}

function Page() {
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ position: "relative", background: theme.colors.background.canvas, minHeight: "100vh" }}>
        <div style={{ padding: "12px 8px", color: theme.colors.text.secondary }}>
          <b style={{ color: theme.colors.text.primary }}>{title}</b> · preview: Grafana's own components, without a Grafana, on data of the demo
        </div>
        {panels.map((panel) => <Panel key={panel.id} panel={panel} />)}
      </div>
    </ThemeContext.Provider>
  );
}

createRoot(document.getElementById("root")).render(<Page />);
