// Runs the trials of tests/trials.js in headless Chromium, whose WebGPU computes in software (SwiftShader).
//
//     node tests/run.mjs [PART OF A NAME]

import { chromium } from "playwright-core";
import { createReadStream, existsSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const PKG = join(HERE, "../pkg");
const ROOTS = { "/pkg/": PKG, "/data/": join(HERE, "../../../tests/formats/data"), "/golden/": join(HERE, "../../../tests/golden"), "/": HERE };
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const ARGUMENTS = [
  "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic",
  "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
/** The most memory of the GPU process: four shapes of 65 MiB are kept, of 24. */
const MOST_BYTES = 0.8 * 2 ** 30;

/** Serves the page, the package and the files of networks. */
async function serve() {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    const root = Object.keys(ROOTS).find((prefix) => path.startsWith(prefix));
    const file = join(ROOTS[root], normalize(path.slice(root.length)));
    if (!file.startsWith(ROOTS[root]) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** The most memory that Chromium's GPU process has had so far. */
function peakOfGpuProcess() {
  const peaks = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)).map((pid) => {
    try {
      const isGpu = readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=gpu-process");
      const peak = readFileSync(`/proc/${pid}/status`, "utf8").match(/VmHWM:\s+(\d+) kB/);
      return isGpu && peak ? Number(peak[1]) * 1024 : 0;
    } catch {
      return 0; // It has ended.
    }
  });
  return Math.max(0, ...peaks);
}

/** Runs the trials of a page, and tells its failures. */
async function runPage(browser, address, filter, script) {
  const page = await browser.newPage();
  const messages = [];
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  if (script) await page.addInitScript(script);
  await page.goto(address);
  await page.waitForFunction(() => window.ready, null, { timeout: 60_000 }).catch((error) => {
    throw new Error(`${error.message}\n${messages.join("\n")}`);
  });
  const names = await page.evaluate(() => window.trials.map(({ name }) => name));
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
const module = await WebAssembly.compile(readFileSync(join(PKG, "wgpu_rnn_bg.wasm")));
const server = await serve();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
const address = `http://127.0.0.1:${server.address().port}/page.html`;
const pages = [
  await runPage(browser, address, filter),
  await runPage(browser, address, filter, "delete Navigator.prototype.gpu;"),
];
const peak = peakOfGpuProcess();
await browser.close();
server.close();
const failures = pages.flatMap((page) => page.failures);
if (peak === 0 || peak > MOST_BYTES) failures.push(`the GPU process had ${peak} bytes of memory, at most ${MOST_BYTES} expected`);
const passed = pages.reduce((sum, page) => sum + page.passed, 0);
if (passed === 0) failures.push("no trial was run");
for (const failure of failures) console.error(failure);
const exports = WebAssembly.Module.exports(module).length;
console.log(`${passed} passed, ${failures.length} failures; ${exports} exports; GPU process: ${(peak / 2 ** 20).toFixed()} MiB at most`);
process.exitCode = failures.length > 0 ? 1 : 0;
