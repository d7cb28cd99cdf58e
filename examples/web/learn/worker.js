// The training, away from the page: an engine on the CPU would hold up everything that a person sees.
//
// The page sends { settings, train, test } once and "stop" at will. Answers are { ready }, { reports, seconds } after
// every batch, { epoch } with accuracies and the confusion matrix, and { file } at the end, or { error }.

import init, { Dataset, Loader, Rnn, Trainer } from "../../../bindings/web/pkg/wgpu_rnn_training.js";

// The numbers of the example `train`.
const STEP_MULTIPLE = 8;
const BUCKETS = 3;
const BATCH = 27;
const TEST_BATCH = 64;
const CLIP = 1;

let isStopped = false;

/** A turn of the events, so that "stop" is heard. */
const channel = new MessageChannel();
const turn = () => new Promise((resolve) => {
  channel.port1.onmessage = resolve;
  channel.port2.postMessage(null);
});

/** Counts of the test by class and prediction. */
async function confusion(trainer, test, classes) {
  const counts = Array.from({ length: classes }, () => new Array(classes).fill(0));
  for (let first = 0; first < test.length; first += TEST_BATCH) {
    const places = Array.from({ length: Math.min(TEST_BATCH, test.length - first) }, (_, at) => first + at);
    const { input, lengths, labels } = test.batch(places);
    const { data } = await trainer.predict(input, { lengths });
    labels.forEach((label, row) => {
      const scores = data.subarray(row * classes, (row + 1) * classes);
      counts[label][scores.indexOf(Math.max(...scores))] += 1;
    });
  }
  return counts;
}

async function learn({ settings, train: trainBytes, test: testBytes }) {
  await init();
  const { cell, layers, hidden, dropout, rate, epochs, seed, engine } = settings;
  const [train, test] = [trainBytes, testBytes].map((bytes) => Dataset.read(bytes, STEP_MULTIPLE));
  const classes = Math.max(train.classes, test.classes);
  const rnn = await Rnn.create({
    cell, inputSize: train.features, hiddenSize: hidden, numLayers: layers, bidirectional: true, seed, engine,
  });
  const options = {
    head: { reads: "lastStates", outputs: classes, seed },
    loss: { kind: "crossEntropy" },
    optimizer: { rule: "adamw", learningRate: rate },
    clip: { norm: CLIP },
  };
  // There is nothing between layers if there is one.
  if (dropout > 0 && layers > 1) options.dropout = { p: dropout, seed };
  const trainer = new Trainer(rnn, options);
  const loader = new Loader(train, { batchSize: BATCH, seed, buckets: BUCKETS });
  postMessage({ ready: { engine: rnn.engine, batches: loader.epoch(0).length } });
  for (let epoch = 0; epoch < epochs && !isStopped; epoch += 1) {
    const sums = { rows: 0, right: 0 };
    const add = (reports, begun) => {
      for (const { rows, right } of reports) [sums.rows, sums.right] = [sums.rows + rows, sums.right + right];
      postMessage({ reports, seconds: (performance.now() - begun) / 1000 });
    };
    for (const places of loader.epoch(epoch)) {
      const begun = performance.now();
      const { input, lengths, labels } = train.batch(places);
      add(await trainer.step(input, labels, { lengths }), begun);
      await turn();
      if (isStopped) break;
    }
    const begun = performance.now();
    add(await trainer.finish(), begun);
    const counts = await confusion(trainer, test, classes);
    const right = counts.reduce((sum, row, label) => sum + row[label], 0);
    postMessage({ epoch: { number: epoch + 1, train: sums.right / sums.rows, test: right / test.length, counts } });
  }
  postMessage({ file: await trainer.save() });
}

onmessage = async ({ data }) => {
  if (data === "stop") {
    isStopped = true;
    return;
  }
  try {
    await learn(data);
  } catch (error) {
    postMessage({ error: error?.message ?? String(error) });
  }
};
