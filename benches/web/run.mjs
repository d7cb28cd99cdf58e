// Measures wgpu-rnn beside onnxruntime-web and tfjs in headless Chromium, whose WebGPU computes in software (SwiftShader).
//
//     node run.mjs [forward] [step] [train] [first] [PART OF A CONTESTANT'S NAME]

import { chromium } from "playwright-core";
import { build } from "esbuild";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { cpus } from "node:os";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOTS = {
  "/web/": join(HERE, "../../bindings/web"),
  "/ort/": join(HERE, "node_modules/onnxruntime-web/dist"),
  "/tfjs-wasm/": join(HERE, "node_modules/@tensorflow/tfjs-backend-wasm/dist"),
  "/": HERE,
};
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };
const ARGUMENTS = [
  "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic",
  "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
/** Turns of every contestant and how long one is, in ms; after so long in all a contestant gets no more of them. */
const ROUNDS = 9;
const TURN = 250;
const MOST = 10_000;
/** Pages of first calls. */
const PAGES = 5;

/** Serves the pages, with the headers that let threads share memory. */
async function serve() {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    const root = Object.keys(ROOTS).find((prefix) => path.startsWith(prefix));
    const file = join(ROOTS[root], normalize(path.slice(root.length)));
    if (!file.startsWith(ROOTS[root]) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
      "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp",
    });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });

/** A page that is ready. Its messages are shown if VERBOSE is set. */
async function open(browser, address) {
  const page = await browser.newPage();
  const messages = [];
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  if (process.env.VERBOSE) page.on("console", (message) => console.error(message.text()));
  await page.goto(address);
  await page.waitForFunction(() => window.ready, null, { timeout: 60_000 }).catch((error) => {
    throw new Error(`${error.message}\n${messages.join("\n")}`);
  });
  return page;
}

/** First quartile, median and third quartile. */
function quartiles(times) {
  const sorted = times.toSorted((a, b) => a - b);
  return [0.25, 0.5, 0.75].map((part) => sorted[Math.floor(part * (sorted.length - 1) + 0.5)]);
}

const text = (time) => (time === undefined ? "-" : time.toPrecision(4));

/** A contestant of a measure, in a frame of its own: a page's tfjs has one backend of each kind. */
async function prepare(page, measure, { where, name }, at) {
  const id = `${measure}-${at}`;
  await page.evaluate((id) => document.body.append(Object.assign(document.createElement("iframe"), { id, src: "/frame.html" })), id);
  const frame = await (await page.$(`#${id}`)).contentFrame();
  await frame.waitForFunction(() => window.ready);
  try {
    const ways = await frame.evaluate(([measure, at]) => window.prepare(measure, at), [measure, at]);
    return ways.map(({ way, ...facts }, at) => ({ where, name: way ? `${name}, ${way}` : name, ...facts, frame, at, spent: 0, times: [] }));
  } catch (error) {
    return [{ where, name, error: error.message }];
  }
}

/** Times of a measure's contestants, in turn. */
async function compare(page, measure) {
  const contestants = [];
  const started = performance.now();
  const log = (text) => process.env.VERBOSE && console.error(`${((performance.now() - started) / 1e3).toFixed(1)} s: ${text}`);
  for (const [at, row] of (await page.evaluate((measure) => window.contestants(measure), measure)).entries()) {
    if (!`${row.where} ${row.name}`.includes(part)) continue;
    contestants.push(...await prepare(page, measure, row, at));
    log(`${row.where} ${row.name}`);
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let turn = 0; turn < contestants.length; turn += 1) {
      const contestant = contestants[(turn + round) % contestants.length];
      if (contestant.error || contestant.spent > MOST) continue;
      try {
        const { times, dispatches } = await contestant.frame.evaluate(
          ([way, duration]) => window.turn(way, duration), [contestant.at, TURN],
        );
        contestant.times.push(...times);
        contestant.spent += times.reduce((sum, time) => sum + time, 0);
        contestant.dispatches = dispatches;
        log(`${contestant.name}: ${times.length} of ${times[0]} ms`);
      } catch (error) {
        contestant.error = error.message;
      }
    }
  }
  const able = contestants.filter(({ error }) => !error);
  for (const contestant of able) {
    contestant.samples = contestant.times.length;
    contestant.times = quartiles(contestant.times);
  }
  const own = (where) => Math.min(...able.filter((row) => row.where === where && row.name.startsWith("wgpu-rnn"))
    .map(({ times }) => times[1]));
  console.log(`\n${measure}, ms`);
  console.log(`${"on".padEnd(7)} ${"by".padEnd(36)}   median (quartiles)        ratio    first  samples  dispatches  error`);
  for (const { where, name, error, first, difference, samples, dispatches, times } of contestants) {
    const head = `${where.padEnd(7)} ${name.padEnd(36)}`;
    if (error) {
      console.log(`${head} - ${error.replaceAll("\n", " ").slice(0, 160)}`);
      continue;
    }
    const [low, median, high] = times.map((time) => time.toPrecision(4));
    console.log(`${head} ${median.padStart(8)} ${`(${low} ${high})`.padEnd(18)} ${(times[1] / own(where)).toFixed(2).padStart(6)} `
      + `${first.toFixed(1).padStart(8)} ${String(samples).padStart(8)}  ${dispatches.toFixed().padStart(10)}  ${difference?.toExponential(1) ?? "-"}`);
  }
}

/** First calls, each in a Chromium of its own that has compiled nothing yet. */
async function first(address) {
  for (const warm of [true, false]) {
    const runs = [];
    for (let at = 0; at < PAGES; at += 1) {
      const browser = await launch();
      const page = await open(browser, address);
      runs.push(await page.evaluate((warm) => window.measure(warm), warm));
      await browser.close();
    }
    const columns = Object.keys(runs[0]).map((key) => {
      const [low, median, high] = quartiles(runs.map((run) => run[key]));
      return `${key} ${median.toFixed(1)} (${low.toFixed(1)} ${high.toFixed(1)})`;
    });
    console.log(`first call, ${warm ? "warmed up" : "not warmed up"}, ms: ${columns.join("  ")}`);
  }
}

const MEASURES = ["forward", "step", "train", "first"];
const asked = process.argv.slice(2).filter((word) => MEASURES.includes(word));
const part = process.argv.slice(2).find((word) => !MEASURES.includes(word)) ?? "";
const wanted = (name) => asked.length === 0 || asked.includes(name);
await build({ entryPoints: [join(HERE, "contestants/tf.js")], outfile: join(HERE, "build/tf.js"), bundle: true, minify: true,
  format: "esm", platform: "browser", logLevel: "error" });
const server = await serve();
const address = `http://127.0.0.1:${server.address().port}`;
const versions = ["onnxruntime-web", "@tensorflow/tfjs-core"].map((name) => {
  const { version } = JSON.parse(readFileSync(join(HERE, "node_modules", name, "package.json")));
  return `${name} ${version}`;
});
try {
  const browser = await launch();
  const page = await open(browser, `${address}/frame.html`);
  const facts = await page.evaluate(() => window.facts());
  console.log(`Chromium ${browser.version()}, ${facts.adapter}; ${versions.join(", ")}; ${cpus()[0].model}, ${facts.threads} threads`
    + `${facts.isolated ? "" : "; not cross-origin isolated"}`);
  for (const name of MEASURES.slice(0, 3).filter(wanted)) await compare(page, name);
  await browser.close();
  if (wanted("first")) await first(`${address}/first.html`);
} finally {
  server.close();
}
process.exit(0);
