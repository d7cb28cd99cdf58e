// Runs the trials of tests/trials.js in headless Chromium, whose WebGPU computes in software (SwiftShader).
//
//     node tests/run.mjs [PART OF A NAME]

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { PKG, launch, open, serve } from "./browser.mjs";

/** The most memory of the GPU process: four shapes of 65 MiB are kept, of 24. */
const MOST_BYTES = 0.8 * 2 ** 30;

/** The memory of the GPU process of this program's Chromium, in bytes. */
function memoryOfGpuProcess() {
  const text = (pid, name) => {
    try {
      return readFileSync(`/proc/${pid}/${name}`, "utf8");
    } catch {
      return ""; // It has ended.
    }
  };
  const parent = (pid) => Number(text(pid, "status").match(/PPid:\s+(\d+)/)?.[1] ?? 0);
  const isOwn = (pid) => pid > 1 && (pid === process.pid || isOwn(parent(pid)));
  const own = readdirSync("/proc").map(Number).filter((pid) => pid > 1 && text(pid, "cmdline").includes("--type=gpu-process") && isOwn(pid));
  return Math.max(0, ...own.map((pid) => 1024 * Number(text(pid, "status").match(/VmRSS:\s+(\d+) kB/)?.[1] ?? 0)));
}

/** The most bytes, by brotli, that a page loads for networks of safetensors files. */
const MOST_LOADED = 400_000;

/** Runs the trials of a page, and tells its failures. */
async function runPage(browser, address, filter, script) {
  const { page, messages, names } = await open(browser, address, script);
  const failures = [];
  let passed = 0;
  for (const [at, name] of names.entries()) {
    if (!name.includes(filter)) continue;
    const { error } = await page.evaluate((at) => window.runTrial(at), at);
    if (error === null) passed += 1;
    else failures.push(`${name}: FAILED\n    ${error}`);
  }
  await page.close();
  return { passed, failures: failures.concat(messages.map((message) => `console: ${message}`)) };
}

const filter = process.argv[2] ?? "";
// An engine of scripts without relaxed SIMD takes the module: Node 20.
await WebAssembly.compile(readFileSync(join(PKG, "wgpu_rnn_bg.wasm")));
const { server, address } = await serve();
const browser = await launch();
// Not every kernel keeps the peak of a process.
let peak = 0;
const watch = setInterval(() => (peak = Math.max(peak, memoryOfGpuProcess())), 100);
const pages = [
  await runPage(browser, `${address}/page.html`, filter),
  await runPage(browser, `${address}/page.html`, filter, "delete Navigator.prototype.gpu;"),
];
clearInterval(watch);
await browser.close();
server.close();
const failures = pages.flatMap((page) => page.failures);
if (peak === 0 || peak > MOST_BYTES) failures.push(`the GPU process had ${peak} bytes of memory, at most ${MOST_BYTES} expected`);
const passed = pages.reduce((sum, page) => sum + page.passed, 0);
const loaded = ["wgpu_rnn_bg.wasm", "wgpu_rnn.js"].map((name) => brotliCompressSync(readFileSync(join(PKG, name))).length);
const bytes = loaded.reduce((a, b) => a + b);
if (bytes > MOST_LOADED) failures.push(`the package has ${bytes} bytes by brotli, at most ${MOST_LOADED} expected`);
if (passed === 0) failures.push("no trial was run");
for (const failure of failures) console.error(failure);
console.log(`${passed} passed, ${failures.length} failures; ${bytes} bytes by brotli; GPU process: ${(peak / 2 ** 20).toFixed()} MiB at most`);
process.exitCode = failures.length > 0 ? 1 : 0;
