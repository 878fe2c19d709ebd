// Prints what is wrong with the documents of a JSON list read from stdin, as a JSON list of lists of sentences.
//
// A dashboard is held against the TypeScript types of Grafana's own @grafana/schema, made into a JSON schema that
// refuses unknown keys; each panel's options and field settings against those of its kind. A Kubernetes object is
// held against the model of its kind, and against the keys that its types know.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { readFileSync } from "node:fs";
import Ajv from "ajv";
import { createGenerator } from "ts-json-schema-generator";

const require = createRequire(import.meta.url);
const raw = join(dirname(require.resolve("@grafana/schema/package.json")), "dist/types/raw");
const operator = join(dirname(require.resolve("@kubernetes-models/prometheus-operator/package.json")), "monitoring.coreos.com/v1");
// The types leave out what only the Prometheus data source reads.
const OF_ANNOTATIONS = ["expr", "step", "titleFormat", "textFormat", "tagKeys", "useValueForTime"];

const compiled = new Map();

function checker(path, type) {
  const key = `${path}#${type}`;
  if (!compiled.has(key)) {
    const schema = createGenerator({ path, type, skipTypeCheck: true, additionalProperties: false }).createSchema(type);
    compiled.set(key, new Ajv({ strict: false, allErrors: true }).compile(schema));
  }
  return compiled.get(key);
}

function held(where, path, type, value) {
  const check = checker(path, type);
  if (check(value)) return [];
  return check.errors.map((error) => `${where}${error.instancePath}: ${error.message} ${JSON.stringify(error.params)}`);
}

function panelComplaints(panel) {
  if (panel.type === "row") return [];
  const path = join(raw, "composable", panel.type.replace("-", "").toLowerCase(), "panelcfg/x/types.gen.d.ts");
  return [
    ...held(`${panel.title} options`, path, "Options", panel.options),
    // a node graph has no fields of its own to configure
    ...(panel.type === "nodeGraph" ? [] : held(`${panel.title} custom`, path, "FieldConfig", panel.fieldConfig.defaults.custom)),
  ];
}

function withoutSourceKeys(annotation) {
  return Object.fromEntries(Object.entries(annotation).filter(([key]) => !OF_ANNOTATIONS.includes(key)));
}

function dashboardComplaints(dashboard) {
  const list = dashboard.annotations.list.map(withoutSourceKeys);
  const bare = { ...dashboard, annotations: { list } };
  // anyOf of panel and row repeats each error for both; the panels alone are told apart here
  const rows = dashboard.panels.filter((panel) => panel.type === "row");
  const panels = dashboard.panels.filter((panel) => panel.type !== "row");
  const types = join(raw, "dashboard/x/types.gen.d.ts");
  return [
    ...held("dashboard", types, "Dashboard", { ...bare, panels: [] }),
    ...rows.flatMap((panel) => held(panel.title, types, "RowPanel", panel)),
    ...panels.flatMap((panel) => held(panel.title, types, "Panel", panel)),
    ...panels.flatMap(panelComplaints),
  ];
}

async function kubernetesComplaints(object) {
  const models = await import("@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1");
  try {
    new models[object.kind](object).validate();
  } catch (error) {
    return [String(error.message)];
  }
  const types = join(operator, `${object.kind}Spec.d.ts`);
  return held(object.kind, types, `I${object.kind}Spec`, object.spec);
}

const documents = JSON.parse(readFileSync(0, "utf8"));
const told = [];
for (const document of documents) {
  told.push(document.kind ? await kubernetesComplaints(document) : dashboardComplaints(document));
}
console.log(JSON.stringify(told));
