// onnxruntime-web: every build of it that computes on WebGPU, and the one for WebAssembly.

import { bytesOf } from "./models.js";

const FOLDER = "/ort/";
/** Files of the builds: WebGPU by kernels in JavaScript, and in C++ with two ways to wait. */
export const BUILDS = { jsep: "ort.bundle.min.mjs", asyncify: "ort.webgpu.bundle.min.mjs", jspi: "ort.jspi.bundle.min.mjs",
  wasm: "ort.wasm.bundle.min.mjs" };

async function open(build, threads, model, options) {
  const ort = await import(`${FOLDER}${BUILDS[build]}`);
  ort.env.wasm.wasmPaths = FOLDER;
  ort.env.wasm.numThreads = threads;
  const bytes = new Uint8Array(await bytesOf(`${model}.onnx`));
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: "all", ...options });
  return { ort, session };
}

/** [T, D, N, H] as [T, N, D*H]. */
function ordered(numbers, [steps, directions, batch, hidden]) {
  const out = new Float32Array(numbers.length);
  for (let t = 0; t < steps; t += 1) for (let d = 0; d < directions; d += 1) for (let n = 0; n < batch; n += 1) {
    const from = ((t * directions + d) * batch + n) * hidden;
    out.set(numbers.subarray(from, from + hidden), ((t * batch + n) * directions + d) * hidden);
  }
  return out;
}

/** A sequence at once. With `capture` the commands are recorded once, and inputs and outputs stay in buffers of the GPU. */
export async function forward(build, threads, model, { data, shape }, hidden, capture) {
  const provider = build === "wasm" ? "wasm" : "webgpu";
  const options = { executionProviders: [provider] };
  if (capture) Object.assign(options, { enableGraphCapture: true, preferredOutputLocation: "gpu-buffer" });
  const { ort, session } = await open(build, threads, model, options);
  const order = (y) => ordered(y, [shape[0], 2, shape[1], hidden]);
  if (!capture) {
    const run = async () => {
      const { Y } = await session.run({ X: new ort.Tensor("float32", data, shape) });
      return Y.data;
    };
    return { run, order };
  }
  const device = await ort.env.webgpu.device;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffer = (size) => device.createBuffer({ size, usage });
  const onGpu = (buffer, dims) => ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims });
  const x = buffer(data.byteLength);
  const bytes = 4 * shape[0] * 2 * shape[1] * hidden;
  const y = buffer(bytes);
  const read = device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const feeds = { X: onGpu(x, shape) };
  const fetches = { Y: onGpu(y, [shape[0], 2, shape[1], hidden]) };
  const run = async () => {
    device.queue.writeBuffer(x, 0, data);
    await session.run(feeds, fetches);
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(y, 0, read, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await read.mapAsync(GPUMapMode.READ);
    const numbers = new Float32Array(read.getMappedRange().slice(0));
    read.unmap();
    return numbers;
  };
  return { run, order };
}

/** A step at a time: the state of one call goes into the next. */
export async function step(threads, model, hidden) {
  const { ort, session } = await open("wasm", threads, model, { executionProviders: ["wasm"] });
  const zeros = () => new ort.Tensor("float32", new Float32Array(hidden), [1, 1, hidden]);
  let [h, c] = [zeros(), zeros()];
  return {
    reset: () => {
      [h, c] = [zeros(), zeros()];
    },
    run: async (x) => {
      const outputs = await session.run({ X: new ort.Tensor("float32", x, [1, 1, x.length]), h, c }, ["Y_h", "Y_c"]);
      [h, c] = [outputs.Y_h, outputs.Y_c];
      return h.data;
    },
  };
}
