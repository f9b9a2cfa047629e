// SPDX-License-Identifier: Apache-2.0
// Reads a list of objects, and writes a list of those that aren't what their group's schema says, with the reason.
import { readFileSync } from "node:fs";

const packages = {
  "gateway.networking.k8s.io": "gateway-api",
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
};
const refused = [];
for (const found of JSON.parse(readFileSync(0, "utf8"))) {
  const [group, version] = found.apiVersion.split("/");
  const module = await import(`@kubernetes-models/${packages[group]}/${group}/${version}/${found.kind}`);
  try {
    new module[found.kind](found).validate();
  } catch (error) {
    refused.push(`${found.kind} ${found.metadata.name}: ${error.message}`);
  }
}
console.log(JSON.stringify(refused));
