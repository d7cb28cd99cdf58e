// Trials in a page: window.trials is an array of { name, run }, and window.ready is true when the module is.

import init, { Rnn, Streams } from "/pkg/wgpu_rnn.js";
import initFormats, { Arrays } from "/pkg/wgpu_rnn_formats.js";
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
    const load = (seed) => Rnn.load(lstm(7, 13, seed), { engine: "gpu" });
    await load(1);
    check(devices.length === 1, `${devices.length} devices`);
    devices[0].destroy();
    await devices[0].lost;
    // Those that are loaded at once too.
    await Promise.all([1, 2, 3].map(load));
    check(devices.length === 2, `${devices.length} devices`);
  },

  async a_lost_device_is_told_and_replaced() {
    const rnn = await Rnn.load(lstm(7, 13, 12), { engine: "gpu" });
    const input = { data: numbers(7, 1), shape: [1, 1, 7] };
    const before = await rnn.forward(input);
    const count = devices.length;
    devices.at(-1).destroy();
    await devices.at(-1).lost;
    await refuses(rnn.forward(input), "DeviceLost", "the GPU device is lost: it was destroyed");
    const again = await (await Rnn.load(lstm(7, 13, 12), { engine: "gpu" })).forward(input);
    near(again.output, before.output, "output on a new device");
    check(devices.length === count + 1, `${devices.length} devices`);
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
    await streams.leave(stream);
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

  async outputs_are_by_choice(engine) {
    const rnn = await Rnn.load(lstm(7, 13, 3, 2), { engine });
    check([rnn.cell, rnn.inputSize, rnn.hiddenSize, rnn.numLayers, rnn.outputSize, rnn.bidirectional, rnn.batchFirst].join() === "lstm,7,13,2,13,false,false", "sizes");
    const input = { data: numbers(6 * 2 * 7, 3), shape: [6, 2, 7] };
    const plain = await rnn.forward(input);
    check(!("lower" in plain) && !("cellStates" in plain), "outputs that nobody asked for");
    const { cellStates, lower, state } = await rnn.forward(input, { cellStates: true, everyLayer: true });
    check(cellStates.shape.join() === "6,2,13" && lower.length === 1, `${cellStates.shape}, ${lower.length}`);
    near({ data: cellStates.data.slice(-2 * 13), shape: [] }, { data: state.c.data.slice(-2 * 13), shape: [] }, "the last cell states");
    const first = await (await Rnn.load(lstm(7, 13, 3), { engine })).forward(input);
    near(lower[0], first.output, "the first layer's output");
    const last = await rnn.forward(input, { lastOnly: true });
    near(last.output, { data: plain.output.data.slice(-2 * 13), shape: [] }, "the last output");
  },

  async arguments_are_read_when_a_call_is_made(engine) {
    const rnn = await Rnn.load(lstm(7, 13, 5), { engine });
    const inputs = [1, 2, 3].map((seed) => numbers(4 * 7, seed));
    const expected = [];
    for (const data of inputs) expected.push((await rnn.forward({ data, shape: [4, 1, 7] })).output);
    const shared = new Float32Array(4 * 7);
    const promises = inputs.map((data) => {
      shared.set(data);
      return rnn.forward({ data: shared, shape: [4, 1, 7] });
    });
    shared.fill(NaN);
    // A network that is freed ends its calls.
    rnn.free();
    (await Promise.all(promises)).forEach(({ output }, at) => near(output, expected[at], `call ${at}`));
    const again = await Rnn.load(lstm(7, 13, 5), { engine });
    const gone = new Float32Array(7);
    structuredClone(gone, { transfer: [gone.buffer] });
    await refuses(again.forward({ data: gone, shape: [1, 1, 7] }), "Argument", "found 0 numbers");
  },

  async streams_take_their_turns(engine) {
    const rnn = await Rnn.load(lstm(7, 13, 6), { engine });
    const streams = await Streams.open(rnn, 3);
    const [first, second] = [await streams.join(), await streams.join()];
    const steps = (seed, count) => ({ data: numbers(count * 7, seed), shape: [count, 7] });
    const alone = [];
    for (const [seed, count] of [[1, 3], [2, 2]]) alone.push((await rnn.forward({ data: steps(seed, count).data, shape: [count, 1, 7] })).output);
    // Two calls at once, a call and the end of its stream.
    const [a, b] = await Promise.all([streams.call(first, steps(1, 1)), streams.call(first, { data: steps(1, 3).data.slice(7), shape: [2, 7] })]);
    near({ data: [...a.data, ...b.data], shape: [] }, alone[0], "two calls at once");
    const last = streams.call(second, steps(2, 2));
    const left = streams.leave(second);
    near(await last, alone[1], "a call before the end");
    await left;
    const [third, fourth] = [await streams.join(), await streams.join()];
    const both = await streams.callAll([third, fourth], [steps(1, 3), steps(2, 2)]);
    both.forEach((output, at) => near(output, alone[at], `stream ${at} of two`));
    await refuses(streams.callAll([third, second], [steps(1, 1), steps(1, 1)]), "Argument", "streams");
    await refuses(streams.callAll([third], []), "Argument", "steps");
    await refuses(Streams.open(rnn, 1.5), "Argument", "capacity: expected a whole number, found 1.5");
  },

  async mistakes_are_errors_with_a_code(engine) {
    const file = lstm(7, 13, 4);
    await refuses(Rnn.load(new Uint8Array([1, 2, 3]), { engine }), "Format", "file: kind: expected");
    await refuses(Rnn.load(file, { engine, prefix: "encoder" }), "NoNetwork", "encoder");
    await refuses(Rnn.load(file, { engine: "npu" }), "Argument", "engine: expected auto, gpu or cpu, found npu");
    await refuses(Rnn.load(file, { engin: "gpu" }), "Argument", "found engin");
    await refuses(Rnn.load(file, new Map([["engine", engine]])), "Argument", "options: expected an object");
    await refuses(Rnn.load(null, { engine }), "Argument", "bytes: expected a Uint8Array or an ArrayBuffer");
    check((await Rnn.load(file.buffer, { engine })).inputSize === 7, "a buffer");
    const rnn = await Rnn.load(file, { engine });
    await refuses(rnn.forward({ data: numbers(8, 1), shape: [1, 1, 8] }), "Shape", "expected");
    await refuses(rnn.forward({ data: numbers(8, 1), shape: [1, 1, 7] }), "Argument", "found 8 numbers");
    await refuses(rnn.forward([1, 2]), "Argument", "Float32Array");
    const input = { data: numbers(14, 1), shape: [2, 1, 7] };
    await refuses(rnn.forward(input, { lengths: [1.5] }), "Argument", "lengths: expected a whole number, found 1.5");
    await refuses(rnn.forward(input, { lengths: [3] }), "Argument", "lengths");
    await refuses(rnn.forward(input, { lastOnly: "false" }), "Argument", "lastOnly: expected true or false, found string");
    await refuses(rnn.warmUp(1.7, 1), "Argument", "steps: expected a whole number, found 1.7");
    await refuses(rnn.warmUp(2 ** 32 + 1, 1), "Argument", "steps");
    check(Number.isFinite((await rnn.forward(input)).output.data[0]), "a call after mistakes");
  },

  async warm_up(engine) {
    const rnn = await Rnn.load(lstm(128, 128, 7), { engine });
    await rnn.warmUp(1, 1);
    check((await rnn.forward({ data: numbers(128, 1), shape: [1, 1, 128] })).output.shape.join() === "1,1,128", "shape");
  },
};

/** Trials that need no engine. */
const withoutEngine = {
  async arrays_of_a_file() {
    await initFormats();
    const file = lstm(7, 13, 3);
    const { arrays } = parse(file.buffer);
    const found = Arrays.read(file);
    check(found.names().join() === [...arrays.keys()].sort().join(), found.names().join());
    for (const [name, { data, shape }] of arrays) {
      const array = found.array(name);
      check(array.shape.join() === shape.join() && array.data.every((x, at) => x === data[at]), name);
    }
    await refuses((async () => found.array("bias_l0"))(), "Argument", 'array: expected "bias_l0", found "bias_hh_l0"');
    await refuses((async () => Arrays.read(new Uint8Array(3)))(), "Format", "file: kind");
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
  trials.push(...Object.entries(withoutEngine).map(([name, run]) => ({ name, run })));
  trials.push(...Object.entries(ofTheGpu).map(([name, run]) => ({ name: `gpu::${name}`, run })));
  // The module that trains opens a device of its own.
  return trials.concat(await trainingTrials(ENGINES));
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
