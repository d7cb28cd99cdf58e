// wgpu-rnn, of bindings/web/pkg, with the same files as onnxruntime-web.

import init, * as wgpuRnn from "/web/pkg/wgpu_rnn.js";
import { bytesOf } from "./models.js";

const ready = init();

async function load(model, engine) {
  await ready;
  return wgpuRnn.Rnn.load(new Uint8Array(await bytesOf(`${model}.onnx`)), { engine });
}

/** A sequence at once. */
export async function forward(engine, model, input) {
  const rnn = await load(model, engine);
  return { run: async () => (await rnn.forward(input)).output.data, engine: rnn.engine };
}

/** A step at a time: a live stream, or calls that are given the state of the one before. */
export async function step(engine, model) {
  const rnn = await load(model, engine);
  const streams = await wgpuRnn.Streams.open(rnn, 1);
  const stream = await streams.join();
  let state;
  return [
    {
      name: "Streams",
      reset: () => streams.reset(stream),
      run: async (x) => (await streams.call(stream, { data: x, shape: [1, x.length] })).data,
    },
    {
      name: "forward",
      reset: () => {
        state = undefined;
      },
      run: async (x) => {
        const output = await rnn.forward({ data: x, shape: [1, 1, x.length] }, { state });
        state = output.state;
        return output.output.data;
      },
    },
  ];
}
