// A contestant in its frame of the page: it is made, verified, and timed when its turn comes.

import * as ort from "./contestants/ort.js";
import * as ours from "./contestants/ours.js";
import * as tfjs from "./contestants/tfjs.js";
import { reference } from "./contestants/reference.js";

/** The most that a result may be off, by f32 and other orders of sums. */
const TOLERANCE = 1e-5;
const THREADS = navigator.hardwareConcurrency;

/** Numbers in -1..1, the same in every run. */
function uniform(count, seed) {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Dispatches that the page has recorded: what a contestant computes on the GPU. */
let dispatches = 0;
for (const name of ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"]) {
  const original = GPUComputePassEncoder.prototype[name];
  GPUComputePassEncoder.prototype[name] = function (...sizes) {
    dispatches += 1;
    return original.apply(this, sizes);
  };
}

const input = (steps, batch, size) => ({ data: uniform(steps * batch * size, 1), shape: [steps, batch, size] });

/** A step is one of so many, in turn. */
const STEPS = 50;
/** Classes of the sequences of a training step. */
const CLASSES = Int32Array.from({ length: 16 }, (_, n) => n % 10);

/**
 * For every measure: its contestants, by where they compute, their name and how they are made; what a call of all
 * its numbers is, what they are held against, and what is timed.
 */
const measures = {
  forward: {
    x: input(100, 16, 128),
    contestants: [
      ["webgpu", "wgpu-rnn", (x) => ours.forward("gpu", "bilstm_128", x)],
      ...["asyncify", "jspi", "jsep"].map((build) => [
        "webgpu", `onnxruntime-web ${build}`, (x) => ort.forward(build, THREADS, "bilstm_128", x, 128, false),
      ]),
      ["webgpu", "onnxruntime-web asyncify, captured", (x) => ort.forward("asyncify", 1, "bilstm_128", x, 128, true)],
      ["webgpu", "tfjs", (x) => tfjs.forward("webgpu", 0, "bilstm_128", x, 128)],
      ["wasm", "wgpu-rnn", (x) => ours.forward("cpu", "bilstm_128", x)],
      ...threads((count) => [
        ["wasm", `onnxruntime-web ${count}t`, (x) => ort.forward("wasm", count, "bilstm_128", x, 128, false)],
        ["wasm", `tfjs ${count}t`, (x) => tfjs.forward("wasm", count, "bilstm_128", x, 128)],
      ]),
    ],
    expected: (x) => reference("bilstm_128", x, 128),
    all: async ({ run, order }) => (order ?? ((y) => y))(await run()),
    unit: ({ run }) => run(),
  },
  step: {
    x: input(STEPS, 1, 128),
    contestants: [
      ["wasm", "wgpu-rnn", () => ours.step("cpu", "lstm_128")],
      ...threads((count) => [
        ["wasm", `onnxruntime-web ${count}t`, () => ort.step(count, "lstm_128", 128)],
        ["wasm", `tfjs ${count}t`, () => tfjs.step("wasm", count, "lstm_128", 128)],
      ]),
    ],
    expected: (x) => reference("lstm_128", x, 128),
    async all({ run, reset }, x) {
      await reset();
      const out = [];
      for (let t = 0; t < STEPS; t += 1) out.push(...await run(x.data.slice(128 * t, 128 * (t + 1))));
      return out;
    },
    unit: ({ run }, x, at) => run(x.data.slice(128 * (at % STEPS), 128 * (at % STEPS + 1))),
  },
  train: {
    x: input(50, 16, 64),
    contestants: [
      ["webgpu", "wgpu-rnn", (x) => ours.train("gpu", "bilstm_64", x, CLASSES)],
      ["webgpu", "tfjs", (x) => tfjs.train("webgpu", 0, "bilstm_64", x, 64, CLASSES)],
      ["wasm", "wgpu-rnn", (x) => ours.train("cpu", "bilstm_64", x, CLASSES)],
    ],
    /** Losses of the same batch fall. */
    async all({ run }) {
      const losses = [await run(), await run()];
      if (!(losses[1] < losses[0])) throw new Error(`losses ${losses.join(", ")}`);
    },
    unit: ({ run }) => run(),
  },
};

/** Names of the contestants of a measure. */
window.contestants = (measure) => measures[measure].contestants.map(([where, name]) => ({ where, name }));

let measure;
let made;

/** Makes a contestant of a measure, in all its ways, and verifies each. */
window.prepare = async (name, at) => {
  measure = measures[name];
  made = [await measure.contestants[at][2](measure.x)].flat();
  const expected = await measure.expected?.(measure.x);
  const facts = [];
  for (const contestant of made) facts.push({ way: contestant.name, ...await verify(contestant, expected) });
  return facts;
};

/** Its error, and the time of its first call. */
async function verify(contestant, expected) {
  try {
    const start = performance.now();
    const numbers = await measure.all(contestant, measure.x);
    const first = performance.now() - start;
    const difference = expected?.reduce((most, number, at) => Math.max(most, Math.abs(number - numbers[at])), 0);
    if (expected && !(difference <= TOLERANCE)) throw new Error(`wrong by ${difference}`);
    return { first, difference };
  } catch (error) {
    return { error: String(error?.message ?? error) };
  }
}

/** Times in ms, each of as many calls as take 2 ms and more, for so long; and the dispatches of a call. */
window.turn = async (way, duration) => {
  const contestant = made[way];
  const start = performance.now();
  const before = dispatches;
  let all = 0;
  const call = async (count) => {
    const start = performance.now();
    for (let at = 0; at < count; at += 1) await measure.unit(contestant, measure.x, at);
    all += count;
    contestant.last = (performance.now() - start) / count;
    return contestant.last;
  };
  // What others have pushed out of caches comes back, unless it is little beside a call.
  if (!(contestant.last > duration)) await call(1);
  const times = [];
  let count = 1;
  do {
    const time = await call(count);
    if (count * time >= 2) times.push(time);
    else count *= 2;
  } while (performance.now() - start < duration);
  return { times, dispatches: (dispatches - before) / all };
};

window.facts = async () => ({
  isolated: crossOriginIsolated, threads: THREADS,
  adapter: (await navigator.gpu.requestAdapter())?.info.architecture,
});
window.ready = true;

/** With one thread, and with as many as the machine has. */
function threads(rows) {
  return [...new Set([1, THREADS])].flatMap(rows);
}
