// Trials in a page: window.trials is an array of { name, run }, and window.ready is true when the module is.

import init, { Rnn, Streams } from "/pkg/wgpu_rnn.js";
import { bytesOf, check, near, refuses } from "./checks.js";
import { lstm, numbers } from "./made.js";
import { parse } from "./safetensors.js";
import { trainingTrials } from "./training.js";

const DATA = "/data/";
const ENGINES = ["gpu", "cpu"];
const FRAMEWORKS = ["mxnet", "mxnet2", "pytorch", "onnx", "keras"];

/** A network of a file computes what its framework has computed. */
async function framework(arrays, name, settings, engine) {
  const bytes = new Uint8Array(await bytesOf(DATA + settings.file));
  const options = { engine };
  for (const key of ["prefix", "activation"]) if (key in settings) options[key] = settings[key];
  if (name === "external") {
    return refuses(Rnn.load(bytes, options), "Format", "expected a file on disk that it lies beside");
  }
  const rnn = await Rnn.load(bytes, options);
  check(rnn.engine.startsWith("CPU") === (engine === "cpu"), `${rnn.engine} for ${engine}`);
  const part = (key) => arrays.get(`${name}.${key}`);
  const call = { lastOnly: Boolean(settings.last_only) };
  if (part("h0")) call.state = { h: part("h0"), c: part("c0") };
  if (part("lengths")) call.lengths = part("lengths").data;
  const { output, state } = await rnn.forward(part("input"), call);
  for (const [key, found] of [["output", output], ["h_n", state.h], ["c_n", state.c]]) {
    // Directions apart have two outputs, of which this is the first.
    if (part(key)) near(found, part(key), `${name} ${key}`);
  }
  rnn.free();
}

/** The devices that were asked for, by all trials of this page. */
const devices = [];
if (navigator.gpu) {
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await request.apply(this, options);
    devices.push(device);
    return device;
  };
}

/** Trials of the GPU alone; the last one loses the device. */
const ofTheGpu = {
  async many_shapes_do_not_pile_up() {
    // 24 shapes of about 65 MiB each, of arrays that are small here: the garbage collector has no reason to run. The
    // driver of this page measures the memory of Chromium's GPU process.
    const rnn = await Rnn.load(lstm(1, 16, 6), { engine: "gpu" });
    for (let batch = 16000; batch < 16024; batch += 1) {
      const input = { data: new Float32Array(16 * batch), shape: [16, batch, 1] };
      const { output } = await rnn.forward(input, { lastOnly: true });
      check(output.shape[1] === batch, `${output.shape}`);
    }
  },

  async a_worker_computes_the_same() {
    const worker = new Worker("worker.js", { type: "module" });
    const file = lstm(7, 13, 9);
    const input = { data: numbers(10 * 7, 10), shape: [10, 1, 7] };
    const here = await (await Rnn.load(file, { engine: "gpu" })).forward(input);
    const there = await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => ("error" in data ? reject(new Error(data.error)) : resolve(data));
      worker.onerror = (event) => reject(new Error(event.message));
      worker.postMessage({ file, input });
    });
    worker.terminate();
    check(!there.engine.startsWith("CPU"), there.engine);
    check(there.output.data.every((x, at) => x === here.output.data[at]), "the output");
  },

  async networks_share_one_device() {
    check(devices.length === 1, `${devices.length} devices`);
  },

  async a_lost_device_is_told_and_replaced() {
    const rnn = await Rnn.load(lstm(7, 13, 12), { engine: "gpu" });
    const input = { data: numbers(7, 1), shape: [1, 1, 7] };
    const before = await rnn.forward(input);
    devices[0].destroy();
    await devices[0].lost;
    await refuses(rnn.forward(input), "DeviceLost", "the GPU device is lost: it was destroyed");
    const again = await (await Rnn.load(lstm(7, 13, 12), { engine: "gpu" })).forward(input);
    near(again.output, before.output, "output on a new device");
    check(devices.length === 2, `${devices.length} devices`);
  },
};

/** Trials of a page without WebGPU. */
const withoutWebGpu = {
  async the_gpu_is_refused() {
    await refuses(Rnn.load(lstm(7, 13, 1), { engine: "gpu" }), "NoAdapter", "no GPU adapter: the browser has no WebGPU");
  },

  async auto_is_the_cpu() {
    const rnn = await Rnn.load(lstm(7, 13, 1));
    check(rnn.engine === "CPU (4 lanes, 1 thread)", rnn.engine);
    await rnn.forward({ data: numbers(7, 1), shape: [1, 1, 7] });
  },
};

const own = {
  async streams_are_one_call(engine) {
    const rnn = await Rnn.load(lstm(7, 13, 1), { engine });
    const input = { data: numbers(20 * 7, 5), shape: [20, 1, 7] };
    const whole = await rnn.forward(input);
    const streams = await Streams.open(rnn, 3);
    const stream = await streams.join();
    const outputs = [];
    for (const [first, count] of [[0, 1], [1, 16], [17, 3]]) {
      const steps = { data: input.data.slice(first * 7, (first + count) * 7), shape: [count, 7] };
      outputs.push(...(await streams.call(stream, steps)).data);
    }
    near({ data: outputs, shape: [] }, whole.output, "stream");
    near((await streams.save(stream)).h, whole.state.h, "state of the stream");
    streams.leave(stream);
    await refuses(streams.reset(stream), "StreamLeft", "");
  },

  async calls_at_once_are_as_calls_in_turn(engine) {
    const rnn = await Rnn.load(lstm(7, 13, 2), { engine });
    const inputs = [3, 9, 3, 12].map((steps) => ({ data: numbers(steps * 2 * 7, steps), shape: [steps, 2, 7] }));
    const turns = [];
    for (const input of inputs) turns.push(await rnn.forward(input));
    const once = await Promise.all(inputs.map((input) => rnn.forward(input)));
    once.forEach(({ output }, at) => check(output.data.every((x, place) => x === turns[at].output.data[place]), `call ${at}`));
  },

  async a_state_goes_on(engine) {
    const rnn = await Rnn.load(lstm(7, 13, 3), { engine });
    const data = numbers(10 * 2 * 7, 11);
    const part = (from, to) => ({ data: data.slice(from * 14, to * 14), shape: [to - from, 2, 7] });
    const whole = await rnn.forward(part(0, 10));
    const first = await rnn.forward(part(0, 4));
    const second = await rnn.forward(part(4, 10), { state: first.state });
    near({ data: [...first.output.data, ...second.output.data], shape: [] }, whole.output, "output");
  },

  async mistakes_are_errors_with_a_code(engine) {
    const file = lstm(7, 13, 4);
    await refuses(Rnn.load(new Uint8Array([1, 2, 3]), { engine }), "Format", "file: kind: expected");
    await refuses(Rnn.load(file, { engine, prefix: "encoder" }), "NoNetwork", "encoder");
    await refuses(Rnn.load(file, { engine: "npu" }), "Argument", "engine: expected auto, gpu or cpu, found npu");
    await refuses(Rnn.load(file, { engin: "gpu" }), "Argument", "found engin");
    const rnn = await Rnn.load(file, { engine });
    await refuses(rnn.forward({ data: numbers(8, 1), shape: [1, 1, 8] }), "Shape", "expected");
    await refuses(rnn.forward({ data: numbers(8, 1), shape: [1, 1, 7] }), "Argument", "found 8 numbers");
    await refuses(rnn.forward([1, 2]), "Argument", "Float32Array");
    const input = { data: numbers(14, 1), shape: [2, 1, 7] };
    await refuses(rnn.forward(input, { lengths: [1.5] }), "Argument", "whole numbers");
    await refuses(rnn.forward(input, { lengths: [3] }), "Argument", "lengths");
    check(Number.isFinite((await rnn.forward(input)).output.data[0]), "a call after mistakes");
  },

  async warm_up(engine) {
    const rnn = await Rnn.load(lstm(128, 128, 7), { engine });
    await rnn.warmUp(1, 1);
    check((await rnn.forward({ data: numbers(128, 1), shape: [1, 1, 128] })).output.shape.join() === "1,1,128", "shape");
  },
};

async function all() {
  await init();
  const trials = [];
  if (!navigator.gpu) {
    return Object.entries(withoutWebGpu).map(([name, run]) => ({ name: `without_webgpu::${name}`, run }));
  }
  for (const engine of ENGINES) {
    for (const [name, run] of Object.entries(own)) {
      trials.push({ name: `${engine}::${name}`, run: () => run(engine) });
    }
    for (const name of FRAMEWORKS) {
      const { metadata, arrays } = parse(await bytesOf(`${DATA}${name}.safetensors`));
      for (const [which, settings] of Object.entries(JSON.parse(metadata.cases))) {
        // One vector tells no sizes, which no option of a page gives.
        if ("config" in settings) continue;
        trials.push({ name: `${engine}::${name}::${which}`, run: () => framework(arrays, which, settings, engine) });
      }
    }
  }
  trials.push(...(await trainingTrials(ENGINES)));
  return trials.concat(Object.entries(ofTheGpu).map(([name, run]) => ({ name: `gpu::${name}`, run })));
}

window.trials = await all();
window.runTrial = async (at) => {
  const { name, run } = window.trials[at];
  try {
    await run();
    return { name, error: null };
  } catch (error) {
    return { name, error: String(error?.message ?? error) };
  }
};
window.ready = true;
