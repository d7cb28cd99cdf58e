// Runs the pages of examples/web as a person does, in headless Chromium: plays a recording to the page that listens,
// and lets the page that learns learn. `vad`, `train` and `infer`, built for this machine, are the oracles.
//
//     node tests/pages.mjs PROGRAMS [--pictures] [PART OF A TRIAL'S NAME]
//
// PROGRAMS is the folder of the built examples. --pictures takes those of the docs, with Silero's own network and
// recording in models/, which `python3 examples/fetch.py vad` fetches.

import { REPOSITORY, launch, serve } from "./browser.mjs";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DATA = "tests/model_examples/data";
/** The page's decoder divides 16-bit samples by 32767, and not by 32768. */
const PROBABILITY_TOLERANCE = 1e-3;
/** Two runs of 50 steps, whose sums have other orders. */
const LOSS_TOLERANCE = 1e-4;
const STEPS = 50;
// With seed 0 or 1, differences of 1e-7 grow to 1e-3 in the last ten steps, between engines of one machine too.
const SETTINGS = { cell: "lstm", layers: 2, hidden: 64, dropout: 0.3, seed: 3 };

const [programs, ...asked] = process.argv.slice(2);
const takesPictures = asked.includes("--pictures");
const filter = asked.find((argument) => !argument.startsWith("--")) ?? "";
const folder = mkdtempSync(join(tmpdir(), "pages-"));
let checks = 0;

function check(condition, message) {
  checks += 1;
  if (!condition) throw new Error(message);
}

function program(name, ...parameters) {
  return execFileSync(join(programs, name), parameters, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

const { server, address } = await serve();

/** A page whose every message is a failure. */
async function open(browser, path, options = {}) {
  const page = await browser.newPage(options);
  const messages = [];
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  await page.goto(`${address}/repository${path}`);
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
  if (takesPictures) await page.screenshot({ path: join(REPOSITORY, "examples/web", name) });
}

/** A recording gives the probabilities of the example `vad`, on both engines. */
async function aRecordingIsHeard(browser) {
  const [wav, model] = [join(REPOSITORY, DATA, "vad.wav"), join(REPOSITORY, DATA, "vad.safetensors")];
  const expected = JSON.parse(program("vad", wav, "--model", model, "--device", "cpu", "--json"));
  for (const engine of ["gpu", "cpu"]) {
    const { page, close } = await open(browser, `/examples/web/listen/?model=/repository/${DATA}/vad.safetensors`);
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
  const { page, close } = await open(browser, `/examples/web/listen/?model=/repository/${DATA}/vad.safetensors`, options);
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

/** One sound at a time: two clicks are one microphone, a second recording ends the first, and so does another engine. */
async function soundsDoNotMix(browser) {
  const { page, close } = await open(browser, `/examples/web/listen/?model=/repository/${DATA}/vad.safetensors`, { permissions: ["microphone"] });
  await wait(page, `!document.getElementById("microphone").disabled`, 60);
  await page.evaluate(() => {
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.streams = [];
    navigator.mediaDevices.getUserMedia = async (wish) => window.streams[window.streams.push(await ask(wish)) - 1];
    const button = document.getElementById("microphone");
    button.click();
    button.click();
  });
  await wait(page, "window.session?.points.length >= 5", 60);
  await page.click("#microphone");
  const states = await page.evaluate(() => window.streams.map((stream) => stream.getTracks()[0].readyState));
  check(states.join() === "ended", `microphones ${states}`);
  const wav = join(REPOSITORY, DATA, "vad.wav");
  await page.setInputFiles("#files", wav);
  await page.setInputFiles("#files", wav);
  await wait(page, "window.session?.isDone", 60);
  const count = await page.evaluate(() => window.session.points.length);
  check(count === 94, `${count} chunks of a recording of 94`);
  await page.setInputFiles("#files", wav);
  await page.selectOption("#engine", "cpu");
  await wait(page, `!document.getElementById("microphone").disabled`, 60);
  check((await page.textContent("#where")).startsWith("CPU"), "the engine after a change");
  await page.setInputFiles("#files", wav);
  await wait(page, "window.session?.isDone && window.session.points.length === 94", 60);
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
    for (const epochs of [5, 2]) {
      const { run, close } = await learn(browser, engine, epochs, 240);
      await close();
      runs.push(run.reports.map(({ loss }) => loss));
    }
    const worst = Math.max(...runs[0].map((loss, at) => Math.abs(loss - expected[at])));
    check(runs[0].length === STEPS && worst <= LOSS_TOLERANCE, `${engine}: losses differ by ${worst}`);
    const isSame = runs[1].length === 20 && runs[1].every((loss, at) => Object.is(loss, runs[0][at]));
    check(isSame, `${engine}: other bits in the second run`);
    console.log(`learn, ${engine}: ${STEPS} losses within ${worst.toExponential(1)} of the example train; 20 have the same bits in a second run`);
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
    const { default: init, Rnn } = await import("/pkg/wgpu_rnn.js");
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
  const { page, close } = await open(browser, `/examples/web/listen/?model=/repository/${DATA}/vad.safetensors`);
  await wait(page, `!document.getElementById("microphone").disabled`, 60);
  await page.setInputFiles("#files", join(REPOSITORY, "README.md"));
  await page.waitForFunction(() => document.getElementById("error").textContent !== "");
  const error = await page.textContent("#error");
  check(error.startsWith("README.md: expected a recording"), error);
  await page.setInputFiles("#files", join(REPOSITORY, DATA, "vad.wav"));
  await wait(page, "window.session?.isDone", 60);
  await close();
  const other = await open(browser, "/examples/web/learn/?cell=foo");
  const told = await other.page.textContent("#error");
  check(told === "cell: expected a value of the form, found foo", told);
  await other.close();
}

/** The picture of the page that listens, with the real network and a minute of speech, as the example `vad` hears it. */
async function speechIsHeard(browser) {
  const [wav, model] = [join(REPOSITORY, "models/test.wav"), join(REPOSITORY, "models/silero_vad.jit")];
  const expected = JSON.parse(program("vad", wav, "--model", model, "--device", "cpu", "--json"));
  const { page, close } = await open(browser, "/examples/web/listen/", { viewport: { width: 800, height: 760 } });
  await wait(page, `!document.getElementById("microphone").disabled`, 60);
  await page.setInputFiles("#files", wav);
  await wait(page, "window.session?.isDone", 120);
  const found = await page.evaluate(() => window.session.points.map(([, probability]) => probability));
  const worst = Math.max(...found.map((probability, at) => Math.abs(probability - expected.probabilities[at])));
  check(found.length === expected.probabilities.length && worst <= PROBABILITY_TOLERANCE, `probabilities differ by ${worst}`);
  console.log(`listen: ${found.length} chunks of speech, within ${worst.toExponential(1)} of the example vad`);
  await picture(page, "listen.png");
  await close();
}

const browser = await launch(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required"]);
const trials = [aRecordingIsHeard, aMicrophoneIsHeard, soundsDoNotMix, mistakesAreTold, lossesAreThoseOfTheExample, aStopGivesTheWeights, aFileIsDownloaded];
if (takesPictures) trials.push(speechIsHeard);
let failures = 0;
for (const trial of trials.filter(({ name }) => name.includes(filter))) {
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
if (checks === 0) failures += 1;
console.log(`pages: ${checks} checks, ${failures} failures`);
process.exitCode = failures > 0 ? 1 : 0;
