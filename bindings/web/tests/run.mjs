// Runs the trials of tests/trials.js in headless Chromium, whose WebGPU computes in software (SwiftShader).

import { chromium } from "playwright-core";
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOTS = { "/pkg/": join(HERE, "../pkg"), "/data/": join(HERE, "../../../tests/formats/data"), "/": HERE };
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const ARGUMENTS = [
  "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic",
  "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

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
const address = `http://127.0.0.1:${server.address().port}/page.html`;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
const page = await browser.newPage();
const messages = [];
page.on("console", (message) => messages.push(message.text()));
page.on("pageerror", (error) => messages.push(String(error)));
await page.goto(address);
await page.waitForFunction(() => window.ready, null, { timeout: 60_000 }).catch((error) => {
  console.error(messages.join("\n"));
  throw error;
});
const filter = process.argv[2] ?? "";
const names = await page.evaluate(() => window.trials.map(({ name }) => name));
let failed = 0;
let passed = 0;
for (const [at, name] of names.entries()) {
  if (!name.includes(filter)) continue;
  const { error } = await page.evaluate((at) => window.runTrial(at), at);
  if (error === null) {
    passed += 1;
  } else {
    failed += 1;
    console.error(`${name}: FAILED\n    ${error}`);
  }
}
await browser.close();
server.close();
for (const message of messages) console.error(`console: ${message}`);
console.log(`${passed} passed, ${failed} failed, ${messages.length} messages on the console`);
process.exitCode = failed > 0 || messages.length > 0 || passed === 0 ? 1 : 0;
