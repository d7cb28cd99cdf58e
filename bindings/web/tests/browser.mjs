// Headless Chromium, whose WebGPU computes in software (SwiftShader), and a server for its pages.

import { chromium } from "playwright-core";
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
/** The package. */
export const PKG = join(HERE, "../pkg");
/** The repository, for pages that are served from it. */
export const REPOSITORY = join(HERE, "../../..");
const TESTS = join(REPOSITORY, "tests");
const TARGET = process.env.CARGO_TARGET_DIR ?? join(HERE, "../target");
const ROOTS = {
  "/pkg/": PKG,
  "/trials/": join(TARGET, "trials-pkg"),
  "/data/": join(TESTS, "formats/data"),
  "/golden/": join(TESTS, "golden"),
  "/repository/": REPOSITORY,
  "/": HERE,
};
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };
const ARGUMENTS = [
  "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic",
  "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** The file of an address, of a package, a page or a network. */
export function fileOf(path) {
  const root = Object.keys(ROOTS).find((prefix) => path.startsWith(prefix));
  return join(ROOTS[root], normalize(`/${path.slice(root.length)}`));
}

/** Serves pages, modules and files of networks; tells the server and its address. */
export async function serve() {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    const file = fileOf(path.endsWith("/") ? `${path}index.html` : path);
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, address: `http://127.0.0.1:${server.address().port}` };
}

export function launch(more = []) {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [...ARGUMENTS, ...more] });
}

/** A page once its trials are known, the names of these, and what it says on its console. */
export async function open(browser, address, script) {
  const page = await browser.newPage();
  const messages = [];
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  if (script) await page.addInitScript(script);
  await page.goto(address);
  await page.waitForFunction(() => window.ready, null, { timeout: 60_000 }).catch((error) => {
    throw new Error(`${error.message}\n${messages.join("\n")}`);
  });
  return { page, messages, names: await page.evaluate(() => window.trials.map(({ name }) => name)) };
}
