// SPDX-License-Identifier: Apache-2.0
// Copied by tests/packaging/kubernetes into a folder where npm has put kubernetes-models, @kubernetes-models/prometheus-operator and
// typescript, and run there: node schemas.mjs FILE, a JSON map from names to lists of objects. Prints a map from names to lists of
// problems: values by the JSON schemas that these packages were made from, unknown fields by the compiler, in literals of their types.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';

const modules = {
  'v1': 'kubernetes-models/v1',
  'apps/v1': 'kubernetes-models/apps/v1',
  'monitoring.coreos.com/v1': '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
};
const models = {};
for (const [version, module] of Object.entries(modules)) models[version] = await import(module);

const groups = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const problems = Object.fromEntries(Object.keys(groups).map(name => [name, []]));
const files = [];
for (const [name, objects] of Object.entries(groups)) {
  const lines = [];
  objects.forEach((object, i) => {
    const module = modules[object.apiVersion];
    const model = models[object.apiVersion]?.[object.kind];
    if (!model) {
      problems[name].push(`${object.apiVersion} ${object.kind}: no such model`);
      return;
    }
    try {
      new model(object).validate();
    } catch (error) {
      problems[name].push(`${object.kind}: ${error.message}`);
    }
    const { apiVersion, kind, ...fields } = object;  // the class says these itself
    lines.push(`import { ${object.kind} as Kind${i} } from ${JSON.stringify(module)};`);
    lines.push(`export const object${i}: ConstructorParameters<typeof Kind${i}>[0] = ${JSON.stringify(fields)};`);
  });
  const file = join(process.cwd(), `objects${files.length}.ts`);
  writeFileSync(file, lines.join('\n') + '\n');
  files.push([file, name]);
}

const program = ts.createProgram(files.map(([file]) => file), {
  noEmit: true, strict: true, skipLibCheck: true, module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  target: ts.ScriptTarget.ES2022, types: [],
});
for (const message of [...program.getGlobalDiagnostics(), ...program.getOptionsDiagnostics()]) {
  throw new Error(ts.flattenDiagnosticMessageText(message.messageText, ' '));
}
for (const [file, name] of files) {
  const source = program.getSourceFile(file);
  for (const message of [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]) {
    problems[name].push(ts.flattenDiagnosticMessageText(message.messageText, ' '));
  }
}
console.log(JSON.stringify(problems));
