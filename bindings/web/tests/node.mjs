// Runs the trials of trials.js in Node, on Dawn (the npm package webgpu).
//
//     node tests/node.mjs [PART OF A NAME]
//
// Dawn refuses the lavapipe of Mesa 22.3 ("shaderUniform*ArrayDynamicIndexing required"): where VK_ICD_FILENAMES names
// no driver, it is given Chromium's SwiftShader.

import { readFileSync } from "node:fs";
import { register } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { create, globals } from "webgpu";
import { fileOf } from "./browser.mjs";

/** The name of a trial, and why Node leaves it out. */
const LEFT_OUT = {
  "gpu::a_worker_computes_the_same": "Node's workers have another face than a page's",
  "gpu::many_shapes_do_not_pile_up": "run.mjs measures it, in Chromium's GPU process",
};

process.env.VK_ICD_FILENAMES ??= "/usr/lib/chromium/vk_swiftshader_icd.json";

// What a page has, as the library looks for it: window, and a navigator with a GPU.
Object.assign(globalThis, globals, { Window: class {}, window: globalThis });
Object.defineProperty(globalThis, "navigator", { value: { gpu: create([]) }, configurable: true });

// Files, where a page would fetch them from its server.
globalThis.fetch = async (address) => {
  const path = address instanceof URL ? fileURLToPath(address) : fileOf(address);
  const type = path.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
  return new Response(readFileSync(path), { headers: { "content-type": type } });
};
const hooks = `export const resolve = (name, context, next) =>
  next(name.startsWith("/pkg/") ? ${JSON.stringify(pathToFileURL(fileOf("/pkg/")).href)} + name.slice(5) : name, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

const messages = [];
for (const kind of ["log", "warn", "error"]) console[kind] = (...texts) => messages.push(texts.join(" "));
await import("./trials.js");
const filter = process.argv[2] ?? "";
const failures = [];
let passed = 0;
for (const [at, { name }] of window.trials.entries()) {
  if (!name.includes(filter) || name in LEFT_OUT) continue;
  const { error } = await window.runTrial(at);
  if (error === null) passed += 1;
  else failures.push(`${name}: FAILED\n    ${error}`);
}
for (const name of Object.keys(LEFT_OUT)) {
  if (!window.trials.some((trial) => trial.name === name)) failures.push(`node.mjs: ${name} is no trial`);
}
failures.push(...messages.map((message) => `console: ${message}`));
if (passed === 0) failures.push("no trial was run");
const { info } = await navigator.gpu.requestAdapter();
const last = `${passed} passed in Node ${process.version}, ${failures.length} failures; on ${info.description}`;
process.stdout.write([...failures, last, ""].join("\n"));
// Dawn's threads would keep the process.
process.exit(failures.length > 0 ? 1 : 0);
