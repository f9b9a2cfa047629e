// SPDX-License-Identifier: Apache-2.0
// Reads a list of dashboards, and writes a list of what isn't as Grafana's own types say.
//
// The dashboards become constants of these types in a program that is checked and never run. An enumeration takes no
// text in TypeScript, though it is one in JSON: enumerations are read as the choice of their values.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createRequire } from "node:module";
import ts from "typescript";

const types = join(dirname(createRequire(import.meta.url).resolve("@grafana/schema/package.json")), "dist", "types");
const options = { timeseries: "TimeSeries", stat: "Stat", bargauge: "BarGauge", heatmap: "Heatmap" };
const imported = (what, path) => `import type { ${what} } from ${JSON.stringify(join(types, path))};`;
const lines = [
  imported("Dashboard", "raw/dashboard/x/dashboard_types.gen"),
  imported("GraphFieldConfig", "common/common.gen"),
  "type Some<T> = T extends object ? { [K in keyof T]?: Some<T[K]> } : T; // what is not told, Grafana fills in",
];
for (const [kind, name] of Object.entries(options)) {
  lines.push(imported(`Options as ${name}`, `raw/composable/${kind}/panelcfg/x/${name}PanelCfg_types.gen`));
}
const say = (type, what) => lines.push(`export const told${lines.length}: ${type} = ${JSON.stringify(what)};`);
for (const board of JSON.parse(readFileSync(0, "utf8"))) {
  say("Dashboard", board);
  for (const panel of board.panels.filter(({ type }) => type !== "row")) {
    say(`Some<${options[panel.type] ?? "never"}>`, panel.options);
    say("GraphFieldConfig", panel.fieldConfig.defaults.custom);
  }
}

const program = join(dirname(types), "dashboards.ts");
const settings = { noEmit: true, skipLibCheck: true, strict: true, target: ts.ScriptTarget.ES2022, types: [] };
const host = ts.createCompilerHost({ ...settings, moduleResolution: ts.ModuleResolutionKind.Bundler });
const asChoice = (_, name, values) => `type ${name} = ${[...values.matchAll(/= ("[^"]*"|-?\d+)/g)].map(([, v]) => v).join(" | ")};`;
const read = (path) =>
  path === program ? lines.join("\n") : ts.sys.readFile(path)?.replace(/(?:declare |const )*enum (\w+) \{([^}]*)\}/g, asChoice);
host.getSourceFile = (path, version) => {
  const text = path.startsWith(dirname(types)) ? read(path) : ts.sys.readFile(path);
  return text === undefined ? undefined : ts.createSourceFile(path, text, version);
};
const checked = ts.createProgram(
  [program],
  { ...settings, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
  host,
);
const found = ts.getPreEmitDiagnostics(checked).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "));
console.log(JSON.stringify(found));
