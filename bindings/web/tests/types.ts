// The programs of npm/README.md, for the compiler of TypeScript alone: they show that the types are right.

import init, { Rnn, Streams, type Array32, type Output } from "../pkg/wgpu_rnn.js";
import { Arrays } from "../pkg/wgpu_rnn_formats.js";
import { Dataset, Loader, Rnn as Network, Trainer, type CallGradients, type Report } from "../pkg/wgpu_rnn_training.js";

export async function infer(bytes: Uint8Array): Promise<Output> {
  await init();
  using rnn = await Rnn.load(bytes, { prefix: "encoder.lstm", engine: "auto" });
  await rnn.warmUp(50, 1);
  const input: Array32 = { data: new Float32Array(50 * rnn.inputSize), shape: [50, 1, rnn.inputSize] };
  const { output, state, lower } = await rnn.forward(input, { lengths: [50], everyLayer: true });
  const below: Array32 | undefined = lower?.[0];
  const streams = await Streams.open(rnn, 4);
  const stream = await streams.join();
  const { shape } = await streams.call(stream, below ?? output);
  // @ts-expect-error: an option that there is not.
  await rnn.forward(input, { lenghts: [50] });
  console.log(shape, Arrays.read(bytes).array("embedding.weight").data);
  return await rnn.forward(input, { state });
}

export async function train(bytes: Uint8Array): Promise<Uint8Array> {
  const dataset = Dataset.read(bytes, 8);
  const rnn = await Network.create({ cell: "lstm", inputSize: dataset.features, hiddenSize: 64, bidirectional: true });
  const trainer = new Trainer(rnn, {
    head: { reads: "lastStates", outputs: dataset.classes },
    loss: { kind: "crossEntropy", labelSmoothing: 0.1 },
    optimizer: { rule: "adamw", learningRate: 2e-3 },
    clip: { norm: 1 },
    dropout: { p: 0.3 },
  });
  for (const places of new Loader(dataset, { batchSize: 27, buckets: 3 }).epoch(0)) {
    const { input, lengths, labels } = dataset.batch(places);
    const reports: Report[] = await trainer.step(input, labels, { lengths });
    const saved = await rnn.forwardSaved(input, { lengths }, { p: 0.3, call: 2 });
    const gradients: CallGradients = await saved.backward({ output: saved.result.output });
    console.log(reports.map(({ loss }) => loss), gradients.weights.weight_hh_l0.shape);
  }
  // @ts-expect-error: a rule that there is not.
  new Trainer(rnn, { head: { reads: "mean", outputs: 1 }, loss: { kind: "huber" }, optimizer: { rule: "adagrad", learningRate: 1 } });
  return trainer.save();
}
