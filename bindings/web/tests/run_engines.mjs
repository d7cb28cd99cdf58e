// Runs the library's own trials, tests/engines/ and tests/gradients/, in headless Chromium.
//
//     node tests/run_engines.mjs [--all] [--times] [PART OF A NAME]
//
// --all: those too that left_out.mjs calls long. --times: the seconds of the longest ones. Builds nothing:
// trials/build.sh does.

import { launch, open, serve } from "./browser.mjs";
import { LEFT_OUT, LONG, isOne } from "./left_out.mjs";

/** The most that a trial may take. */
const SECONDS = 300;
const PAGES = ["engines", "gradients"];

/** Runs the trials of a page, and tells its failures. A page that a trial has ended is opened again. */
async function runPage(browser, address, which, isAsked) {
  const failures = [];
  const times = [];
  let { page, messages, names } = await open(browser, address);
  const shown = () => messages.splice(0).map((message) => `console: ${message}`);
  for (const [at, name] of names.entries()) {
    if (!isAsked(`${which}::${name}`)) continue;
    const began = performance.now();
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, SECONDS * 1000, { error: `no answer in ${SECONDS} s`, isOver: true });
    });
    const { error, isOver } = await Promise.race([page.evaluate((at) => window.runTrial(at), at), late]);
    clearTimeout(timer);
    times.push([(performance.now() - began) / 1000, `${which}::${name}`]);
    const told = shown();
    if (error !== null) told.unshift(error);
    if (told.length > 0) failures.push(`${which}::${name}: FAILED\n    ${told.join("\n    ")}`);
    if (isOver) {
      await page.close();
      ({ page, messages } = await open(browser, address));
    }
  }
  await page.close();
  return { failures, times, names: names.map((name) => `${which}::${name}`) };
}

const asked = process.argv.slice(2);
const has = (option) => asked.includes(option);
const filter = asked.find((argument) => !argument.startsWith("--")) ?? "";
const patterns = Object.keys(has("--all") ? LEFT_OUT : { ...LEFT_OUT, ...LONG });
const isLeftOut = (name) => patterns.some((pattern) => isOne(pattern, name));
const isAsked = (name) => name.includes(filter) && !isLeftOut(name);

const { server, address } = await serve();
const browser = await launch();
const pages = [];
for (const which of PAGES) {
  pages.push(await runPage(browser, `${address}/engines.html?${which}`, which, isAsked));
}
await browser.close();
server.close();

const all = (key) => pages.flatMap((page) => page[key]);
const names = all("names");
const failures = all("failures");
for (const pattern of Object.keys({ ...LEFT_OUT, ...LONG })) {
  if (!names.some((name) => isOne(pattern, name))) failures.push(`left_out.mjs: ${pattern} is no trial`);
}
const times = all("times").sort(([one], [other]) => other - one);
if (times.length === 0) failures.push("no trial was run");
if (has("--times")) for (const [seconds, name] of times.slice(0, 60)) console.log(`${seconds.toFixed(1)} s  ${name}`);
for (const failure of failures) console.error(failure);
const seconds = times.reduce((sum, [each]) => sum + each, 0).toFixed();
const count = names.filter(isLeftOut).length;
console.log(`${times.length} of ${names.length} trials run, ${failures.length} failures, ${count} left out by name; ${seconds} s`);
process.exitCode = failures.length > 0 ? 1 : 0;
