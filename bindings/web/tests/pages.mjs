// Runs the pages of examples/web as a person does, in headless Chromium: plays a recording to the page that listens,
// and lets the page that learns learn. `vad`, `train` and `infer`, built for this machine, are the oracles.
//
//     node tests/pages.mjs PROGRAMS [SCREENSHOTS]
//
// PROGRAMS is the folder of the built examples; SCREENSHOTS a folder for pictures of both pages.

import { launch, serve } from "./browser.mjs";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const DATA = "tests/model_examples/data";
/** The page's decoder divides 16-bit samples by 32767, and not by 32768. */
const PROBABILITY_TOLERANCE = 1e-3;
/** Two runs of 50 steps, whose sums have other orders. */
const LOSS_TOLERANCE = 1e-4;
const STEPS = 50;
const SETTINGS = { cell: "lstm", layers: 2, hidden: 64, dropout: 0.3, seed: 0 };

const [programs, pictures] = [process.argv[2], process.argv[3]];
const folder = mkdtempSync(join(tmpdir(), "pages-"));
let checks = 0;

function check(condition, message) {
  checks += 1;
  if (!condition) throw new Error(message);
}

function program(name, ...parameters) {
  return execFileSync(join(programs, name), parameters, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

const { server, address } = await serve({ "/": ROOT });

/** A page whose every message is a failure. */
async function open(browser, path, options = {}) {
  const page = await browser.newPage(options);
  const messages = [];
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  await page.goto(address + path);
  const close = async () => {
    await page.close();
    check(messages.length === 0, `${path}: console: ${messages.join("\n")}`);
  };
  return { page, close };
}

/** Waits for a condition in the page, or for its error. */
async function wait(page, condition, seconds) {
  await page.waitForFunction(`document.getElementById("error").textContent !== "" || (${condition})`, null, { timeout: 1000 * seconds });
  const error = await page.textContent("#error");
  check(error === "", error);
}

async function picture(page, name) {
  if (pictures) await page.screenshot({ path: join(pictures, name) });
}

/** A recording gives the probabilities of the example `vad`, on both engines. */
async function aRecordingIsHeard(browser) {
  const [wav, model] = [join(ROOT, DATA, "vad.wav"), join(ROOT, DATA, "vad.safetensors")];
  const expected = JSON.parse(program("vad", wav, "--model", model, "--device", "cpu", "--json"));
  for (const engine of ["gpu", "cpu"]) {
    const { page, close } = await open(browser, `/examples/web/listen/?model=/${DATA}/vad.safetensors`);
    await page.selectOption("#engine", engine);
    await wait(page, `!document.getElementById("microphone").disabled`, 60);
    await page.setInputFiles("#files", wav);
    await wait(page, "window.session?.isDone", 120);
    const found = await page.evaluate(() => window.session.points.map(([, probability]) => probability));
    check(found.length === expected.probabilities.length, `${found.length} and ${expected.probabilities.length} chunks`);
    const worst = Math.max(...found.map((probability, at) => Math.abs(probability - expected.probabilities[at])));
    check(worst <= PROBABILITY_TOLERANCE, `${engine}: probabilities differ by ${worst}`);
    check((await page.textContent("#where")).startsWith("CPU") === (engine === "cpu"), `engine ${engine}`);
    check(Number(await page.textContent("#chunks")) === found.length, "the number of chunks");
    console.log(`listen, ${engine}: ${found.length} chunks, within ${worst.toExponential(1)} of the example vad`);
    await close();
  }
}

/** Sound of a microphone, which is Chromium's own tone, comes in chunks, on a screen of a phone. */
async function aMicrophoneIsHeard(browser) {
  const options = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, permissions: ["microphone"] };
  const { page, close } = await open(browser, `/examples/web/listen/?model=/${DATA}/vad.safetensors`, options);
  await wait(page, `!document.getElementById("microphone").disabled`, 60);
  await page.click("#microphone");
  await wait(page, "window.session?.points.length >= 30", 60);
  const { width, chunks } = await page.evaluate(() => ({ width: document.documentElement.scrollWidth, chunks: window.session.points.length }));
  check(width <= 390, `a page ${width} wide on a screen 390 wide`);
  await page.click("#microphone");
  check((await page.textContent("#microphone")) === "Microphone", "the button after a stop");
  console.log(`listen: ${chunks} chunks of a microphone`);
  await close();
}

/** Learns, and gives the reports of every batch. */
async function learn(browser, engine, epochs, seconds) {
  const query = new URLSearchParams({ ...SETTINGS, engine, epochs });
  const opened = await open(browser, `/examples/web/learn/?${query}`, { viewport: { width: 800, height: 1250 } });
  await opened.page.click("#start");
  await wait(opened.page, "window.run?.isDone", seconds);
  const run = await opened.page.evaluate(() => ({ reports: window.run.reports, epochs: window.run.epochs }));
  return { ...opened, run };
}

/** The losses of 50 steps are those of the example `train`, and have the same bits in every run. */
async function lossesAreThoseOfTheExample(browser) {
  const { layers, hidden, dropout, seed } = SETTINGS;
  program("train", "--device", "cpu", "--epochs", "5", "--layers", layers, "--hidden", hidden, "--dropout", dropout, "--seed", seed, "--log", "log.csv");
  const lines = readFileSync(join(folder, "log.csv"), "utf8").trim().split("\n").slice(1);
  const expected = lines.map((line) => Number(line.split(",")[1]));
  check(expected.length === STEPS, `${expected.length} steps`);
  for (const engine of ["gpu", "cpu"]) {
    const runs = [];
    for (let number = 0; number < 2; number += 1) {
      const { run, close } = await learn(browser, engine, 5, 240);
      await close();
      runs.push(run.reports.map(({ loss }) => loss));
    }
    const worst = Math.max(...runs[0].map((loss, at) => Math.abs(loss - expected[at])));
    check(runs[0].length === STEPS && worst <= LOSS_TOLERANCE, `${engine}: losses differ by ${worst}`);
    check(runs[0].every((loss, at) => Object.is(loss, runs[1][at])), `${engine}: other bits in the second run`);
    console.log(`learn, ${engine}: ${STEPS} losses within ${worst.toExponential(1)} of the example train, twice the same bits`);
  }
}

/** A page learns to 95 %, and `infer` computes with the file that it gives. */
async function aFileIsDownloaded(browser) {
  const { page, run, close } = await learn(browser, "cpu", 60, 300);
  const accuracy = run.epochs.at(-1).test;
  check(accuracy >= 0.95, `an accuracy of ${accuracy}`);
  check((await page.locator("#confusion tr").count()) === 10, "the rows of the confusion matrix");
  await picture(page, "learn.png");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  const weights = join(folder, download.suggestedFilename());
  await download.saveAs(weights);

  // The page's module and `infer` compute the same with it.
  const input = Float32Array.from({ length: 7 * 2 * 12 }, (_, at) => Math.sin(at));
  writeFileSync(join(folder, "input.npy"), npy(input, [7, 2, 12]));
  program("infer", "--weights", weights, "--input", "input.npy", "--output", "output.npy", "--device", "cpu");
  const file = readFileSync(join(folder, "output.npy"));
  const theirs = new Float32Array(file.buffer.slice(file.byteOffset + 10 + file.readUInt16LE(8), file.byteOffset + file.length));
  const ours = await page.evaluate(async ([bytes, input]) => {
    const { default: init, Rnn } = await import("/bindings/web/pkg/wgpu_rnn.js");
    await init();
    const rnn = await Rnn.load(Uint8Array.from(bytes), { engine: "cpu" });
    return [...(await rnn.forward({ data: Float32Array.from(input), shape: [7, 2, 12] })).output.data];
  }, [[...readFileSync(weights)], [...input]]);
  check(theirs.length === 7 * 2 * 128 && theirs.length === ours.length, `${theirs.length} and ${ours.length} numbers of infer and the page`);
  const worst = Math.max(...ours.map((number, at) => Math.abs(number - theirs[at])));
  check(worst <= 2e-6, `infer and the page differ by ${worst}`);
  console.log(`learn, cpu: accuracy ${accuracy.toFixed(3)} after 60 epochs; infer on the download within ${worst.toExponential(1)}`);
  await close();
}

/** A file of NumPy with numbers of f32. */
function npy(numbers, shape) {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const header = text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11) + "\n";
  const start = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length & 255, header.length >> 8]);
  return Buffer.concat([start, Buffer.from(header), Buffer.from(numbers.buffer)]);
}

/** A stop ends a run after the batch that it is in, and gives the weights. */
async function aStopGivesTheWeights(browser) {
  const { page, close } = await open(browser, "/examples/web/learn/?epochs=1000&engine=cpu");
  await page.click("#start");
  await wait(page, "window.run?.reports.length > 15", 120);
  await page.click("#stop");
  await wait(page, "window.run?.isDone", 30);
  check((await page.textContent("#status")) === "stopped", "the status after a stop");
  check(await page.isVisible("#download"), "a file after a stop");
  await close();
}

/** A person sees a mistake as a sentence. */
async function mistakesAreTold(browser) {
  const { page, close } = await open(browser, `/examples/web/listen/?model=/${DATA}/vad.safetensors`);
  await wait(page, `!document.getElementById("microphone").disabled`, 60);
  await page.setInputFiles("#files", join(ROOT, "README.md"));
  await page.waitForFunction(() => document.getElementById("error").textContent !== "");
  const error = await page.textContent("#error");
  check(error.startsWith("README.md: expected a recording"), error);
  await page.setInputFiles("#files", join(ROOT, DATA, "vad.wav"));
  await wait(page, "window.session?.isDone", 60);
  await picture(page, "listen.png");
  await close();
}

const browser = await launch(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required"]);
const trials = [aRecordingIsHeard, aMicrophoneIsHeard, mistakesAreTold, lossesAreThoseOfTheExample, aStopGivesTheWeights, aFileIsDownloaded];
let failures = 0;
for (const trial of trials) {
  const begun = Date.now();
  try {
    await trial(browser);
    console.log(`${trial.name}: ${((Date.now() - begun) / 1000).toFixed(1)} s`);
  } catch (error) {
    failures += 1;
    console.error(`${trial.name}: FAILED\n    ${error.stack}`);
  }
}
await browser.close();
server.close();
rmSync(folder, { recursive: true });
console.log(`pages: ${checks} checks, ${failures} failures`);
process.exitCode = failures > 0 ? 1 : 0;
