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

/** A training step: a linear head on the final states, cross-entropy of classes, Adam; its loss is awaited. */
export async function train(engine, model, input, classes) {
  const training = await import("/web/pkg/wgpu_rnn_training.js");
  await training.default();
  const rnn = await training.Rnn.load(new Uint8Array(await bytesOf(`${model}.safetensors`)), { engine });
  const trainer = new training.Trainer(rnn, {
    head: { reads: "lastStates", outputs: 10 }, loss: { kind: "crossEntropy" }, optimizer: { rule: "adam", learningRate: 1e-3 },
  });
  return {
    run: async () => {
      const reports = await trainer.step(input, classes);
      return [...reports, ...await trainer.finish()].at(-1).loss;
    },
  };
}
