// Trials of gradients and training: against PyTorch's gradients, and of what a trainer promises.

import init, { Dataset, Loader, Rnn, Trainer } from "/pkg/wgpu_rnn_training.js";
import { bytesOf, check, near, refuses } from "./checks.js";
import { numbers } from "./made.js";
import { parse, write } from "./safetensors.js";

const GOLDEN = "/golden/pytorch_gradients.safetensors";

/** Settings of PyTorch's cases that have an argument here. */
const SETTINGS = ["directions", "dropout", "last_only", "cell_states", "nonlinearity", "residual", "merge", "gru_reset"];

/** A case of PyTorch's file: weights by plain names, and the arrays of a call. */
function caseOf(arrays, name) {
  const own = [...arrays].filter(([key]) => key.startsWith(`${name}/`)).map(([key, value]) => [key.slice(name.length + 1), value]);
  const weights = own.filter(([key]) => /^(weight|bias)_/.test(key));
  return { weights, of: Object.fromEntries(own) };
}

/** Gradients by input, initial state and every weight are PyTorch's. */
async function gradients(arrays, name, settings, engine) {
  const { weights, of } = caseOf(arrays, name);
  const metadata = { cells: [] };
  const cell = name.startsWith("lstm") ? "lstm" : name.startsWith("gru") ? "gru" : `rnn_${settings.nonlinearity}`;
  const layers = new Set(weights.map(([key]) => key.match(/_l(\d+)/)[1])).size;
  metadata.cells = new Array(layers).fill(cell).join(",");
  for (const key of ["merge", "gru_reset", "residual"]) if (key in settings) metadata[key] = String(settings[key]);
  const rnn = await Rnn.load(write(weights, metadata), { engine });
  const options = { lastOnly: Boolean(settings.last_only), cellStates: Boolean(settings.cell_states) };
  if (of.h0) options.state = of.c0 ? { h: of.h0, c: of.c0 } : { h: of.h0 };
  if (of.lengths) options.lengths = of.lengths.data;
  let dropout;
  if (settings.dropout) {
    const [p, seed, call, variational] = settings.dropout;
    dropout = { p, seed, call, variational };
  }
  const saved = await rnn.forwardSaved(of.input, options, dropout);
  near(saved.result.output, of.output, `${name} output`);
  const single = (array) => array && { data: Float32Array.from(array.data), shape: array.shape };
  const given = {
    output: single(of.grad_output), cellStates: single(of.grad_cell_states), h: single(of.grad_h_n), c: single(of.grad_c_n),
  };
  const found = await saved.backward(given);
  near(found.input, of.grad_input, `${name} grad_input`);
  if (of.grad_h0) near(found.state.h, of.grad_h0, `${name} grad_h0`);
  if (of.grad_c0) near(found.state.c, of.grad_c0, `${name} grad_c0`);
  let compared = 0;
  for (const [key, gradient] of Object.entries(found.weights)) {
    near(gradient, of[`grad.${key}`], `${name} grad.${key}`);
    compared += 1;
  }
  check(compared === weights.length, `${compared} of ${weights.length} weights`);
  await refuses(saved.backward(given), "SavedUsed", "");
}

const [STEPS, BATCH, FEATURES, CLASSES] = [6, 8, 3, 2];

/** Sequences whose class is the sign of their sum. */
function batch(seed) {
  const data = numbers(STEPS * BATCH * FEATURES, seed);
  const sums = new Array(BATCH).fill(0);
  data.forEach((x, at) => (sums[Math.floor(at / FEATURES) % BATCH] += x));
  return { input: { data, shape: [STEPS, BATCH, FEATURES] }, targets: sums.map((sum) => (sum > 0 ? 1 : 0)) };
}

const network = (engine, more = {}) =>
  Rnn.create({ cell: "gru", inputSize: FEATURES, hiddenSize: 8, numLayers: 2, bidirectional: true, seed: 3, engine, ...more });

const options = {
  head: { reads: "lastStates", outputs: CLASSES, seed: 1 },
  loss: { kind: "crossEntropy" },
  optimizer: { rule: "adamw", learningRate: 0.02 },
  clip: { norm: 1 },
  schedule: { warmUp: 4, cosine: { steps: 100 } },
  dropout: { p: 0.1, seed: 2 },
};

/** Trains by these batches, and gives the losses. */
async function losses(trainer, seeds) {
  const reports = [];
  for (const seed of seeds) {
    const { input, targets } = batch(seed);
    reports.push(...(await trainer.step(input, targets)));
  }
  reports.push(...(await trainer.finish()));
  return reports.map(({ loss }) => loss);
}

const count = (from, to) => Array.from({ length: to - from }, (_, at) => from + at);
const sameBits = (a, b) => a.length === b.length && a.every((x, at) => Object.is(x, b[at]));

const own = {
  async a_trainer_learns_and_its_file_is_read(engine) {
    const trainer = new Trainer(await network(engine), options);
    const first = batch(1);
    const guesses = (await trainer.predict(first.input)).data;
    const right = first.targets.filter((target, row) => Number(guesses[row * CLASSES + 1] > guesses[row * CLASSES]) === target).length;
    const before = await trainer.evaluate(first.input, first.targets);
    check(before.rows === BATCH && before.right === right && right < BATCH, `${right} right, found ${JSON.stringify(before)}`);
    const found = await losses(trainer, count(0, 60));
    check(found.length === 60, `${found.length} reports`);
    const mean = (part) => part.reduce((a, b) => a + b, 0) / part.length;
    check(mean(found.slice(50)) < 0.5 * mean(found.slice(0, 10)), `losses ${found}`);
    const { input, targets } = batch(1);
    const value = await trainer.evaluate(input, targets);
    check(value.rows === BATCH && value.right >= BATCH - 1, JSON.stringify(value));
    const predictions = await trainer.predict(input);
    check(predictions.shape.join() === `1,${BATCH},${CLASSES}`, predictions.shape.join());
    // The network of the file gives the predictions, with its head by hand.
    const file = await trainer.save();
    const { arrays } = parse(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
    const rnn = await Rnn.load(file, { engine });
    const { state } = await rnn.forward(input);
    const [weight, bias] = [arrays.get("head.weight"), arrays.get("head.bias")];
    const hidden = 8;
    const byHand = [];
    for (let row = 0; row < BATCH; row += 1) {
      for (let output = 0; output < CLASSES; output += 1) {
        let sum = bias.data[output];
        for (let of = 0; of < 2 * hidden; of += 1) {
          const slot = 2 + Math.floor(of / hidden);
          sum += weight.data[output * 2 * hidden + of] * state.h.data[(slot * BATCH + row) * hidden + (of % hidden)];
        }
        byHand.push(sum);
      }
    }
    near(predictions, { data: byHand, shape: [] }, "predictions");
  },

  async a_checkpoint_goes_on_with_the_same_bits(engine) {
    const whole = await losses(new Trainer(await network(engine), options), count(0, 12));
    const first = new Trainer(await network(engine), options);
    const before = await losses(first, count(0, 5));
    const checkpoint = await first.checkpoint();
    const second = new Trainer(await network(engine, { seed: 77 }), options);
    await second.restore(checkpoint);
    const after = await losses(second, count(5, 12));
    check(sameBits([...before, ...after], whole), `${[...before, ...after]}\n${whole}`);
    checkpoint[checkpoint.length - 3] ^= 1;
    await refuses(second.restore(checkpoint), "Damaged", "checksum");
  },

  async every_loss_and_rule_takes_a_step(engine) {
    const { input } = batch(4);
    const steps = STEPS * BATCH;
    const each = [
      ["lastStates", { kind: "crossEntropy", classWeights: [1, 2], ignored: -1, labelSmoothing: 0.1 }, batch(4).targets],
      ["everyStep", { kind: "crossEntropy" }, { classes: { data: count(0, steps).map((at) => at % 2), shape: [STEPS, BATCH] } }],
      ["mean", { kind: "binaryCrossEntropy" }, { numbers: { data: numbers(BATCH * CLASSES, 1).map((x) => Number(x > 0)), shape: [BATCH, CLASSES] } }],
      ["everyStep", { kind: "meanSquared" }, { numbers: { data: numbers(steps * CLASSES, 1), shape: [STEPS, BATCH, CLASSES] } }],
      ["max", { kind: "huber", delta: 0.5 }, { numbers: { data: numbers(BATCH * CLASSES, 1), shape: [BATCH, CLASSES] } }],
      ["everyStep", { kind: "ctc", zeroInfinity: true }, { labels: count(0, BATCH).map((at) => new Array(1 + (at % 3)).fill(1)) }],
    ];
    const rules = [
      { rule: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true },
      { rule: "adam", learningRate: 0.01, betas: [0.8, 0.99], amsgrad: true },
      { rule: "adamw", learningRate: 0.01, weightDecay: 0.1, epsilon: 1e-7 },
      { rule: "rmsprop", learningRate: 0.01, alpha: 0.9, centered: true, momentum: 0.5 },
    ];
    for (const [at, [reads, loss, targets]] of each.entries()) {
      const trainer = new Trainer(await network(engine), { head: { reads, outputs: CLASSES }, loss, optimizer: rules[at % rules.length] });
      const before = (await trainer.evaluate(input, targets)).loss;
      for (let step = 0; step < 8; step += 1) await trainer.step(input, targets);
      await trainer.finish();
      const after = (await trainer.evaluate(input, targets)).loss;
      check(after < before, `${loss.kind}: ${before} became ${after}`);
    }
  },

  async every_option_of_a_trainer_matters(engine) {
    const rnn = await network(engine);
    const head = { reads: "lastStates", outputs: CLASSES };
    const loss = { kind: "crossEntropy" };
    const [sgd, adam, rmsprop] = ["sgd", "adamw", "rmsprop"].map((rule) => ({ rule, learningRate: 0.05 }));
    const momentum = { ...sgd, momentum: 0.9 };
    const run = (more) => losses(new Trainer(rnn, { head, loss, ...more }), [1, 1, 2, 2]);
    for (const [without, ...others] of [
      [{ optimizer: sgd }, { optimizer: momentum }, { optimizer: { ...sgd, weightDecay: 1 } }, { optimizer: adam }, { optimizer: rmsprop }],
      [{ optimizer: momentum }, { optimizer: { ...momentum, dampening: 0.5 } }, { optimizer: { ...momentum, nesterov: true } }],
      [{ optimizer: adam }, ...[{ weightDecay: 1 }, { betas: [0.5, 0.5] }, { epsilon: 1 }].map((more) => ({ optimizer: { ...adam, ...more } }))],
      [{ optimizer: rmsprop }, ...[{ alpha: 0.5 }, { centered: true }, { momentum: 0.5 }, { epsilon: 1 }].map((more) => ({ optimizer: { ...rmsprop, ...more } }))],
      [
        { optimizer: sgd }, { optimizer: sgd, clip: { norm: 0.01 } }, { optimizer: sgd, clip: { value: 0.001 } },
        { optimizer: sgd, schedule: { warmUp: 9 } }, { optimizer: sgd, schedule: { step: { every: 1, factor: 0.1 } } },
        { optimizer: sgd, schedule: { cosine: { steps: 2 } } }, { optimizer: sgd, dropout: { p: 0.5 } }, { optimizer: sgd, accumulate: 2 },
        { optimizer: sgd, carryStates: true }, { optimizer: sgd, head: { ...head, seed: 5 } }, { optimizer: sgd, head: { ...head, reads: "mean" } },
        { optimizer: sgd, loss: { ...loss, classWeights: [1, 3] } }, { optimizer: sgd, loss: { ...loss, labelSmoothing: 0.2 } },
        { optimizer: sgd, loss: { ...loss, ignored: 1 } },
      ],
      [{ optimizer: sgd, dropout: { p: 0.5 } }, { optimizer: sgd, dropout: { p: 0.5, seed: 1 } }, { optimizer: sgd, dropout: { p: 0.5, variational: true } }],
    ]) {
      const base = await run(without);
      for (const other of others) check(!sameBits(base, await run(other)), `${JSON.stringify(other)} changes nothing`);
    }
  },

  async mistakes_of_training_are_errors_with_a_code(engine) {
    await refuses(network(engine, { hiden: 3 }), "Argument", "unknown field `hiden`");
    await refuses(network(engine, { cell: "lstmm" }), "Text", "cell");
    await refuses(network(engine, { hiddenSize: 0 }), "Setting", "hidden_size");
    const rnn = await network(engine);
    const refused = (more, code, text) => refuses((async () => new Trainer(rnn, { ...options, ...more }))(), code, text);
    await refused({ optimizer: { rule: "adamw", learningRate: 0.1, momentum: 0.5 } }, "Setting", "momentum");
    await refused({ optimizer: { rule: "adagrad", learningRate: 0.1 } }, "Argument", "adagrad");
    await refused({ loss: { kind: "crossEntropy", delta: 1 } }, "Argument", "delta");
    await refused({ clip: { norm: -1 } }, "Setting", "clip norm");
    await refused({ schedule: { step: { every: 2, factor: 0.5 }, cosine: { steps: 5 } } }, "Argument", "schedule");
    await refused({ head: { reads: "lastState", outputs: 2 } }, "Argument", "options.head.reads: unknown variant `lastState`");
    await refused({ accumulate: NaN }, "Argument", "options.accumulate: invalid type: string \"NaN\"");
    await refused({ optimizer: { rule: "adamw", learningRate: 1, weightDecay: Infinity } }, "Argument", "options.optimizer.weightDecay");
    await refuses(Rnn.create(["lstm", 3, 4]), "Argument", "options: expected an object");
    await refuses(network(engine, { hiddenSize: -1 }), "Argument", "options.hiddenSize");
    const trainer = new Trainer(rnn, options);
    const { input, targets } = batch(1);
    await refuses(trainer.step(input, [0, 1]), "Argument", "targets");
    await refuses(trainer.step(input, targets.map(() => 9)), "Argument", "targets");
    await refuses(trainer.step(input, "classes"), "Argument", "targets");
    await refuses(trainer.step(input, targets, { lastOnly: true }), "Argument", "expected lengths, state, found lastOnly");
    // Steps at once take their turns.
    const other = new Trainer(rnn, options);
    const once = (await Promise.all([1, 2, 3].map((seed) => other.step(batch(seed).input, batch(seed).targets)))).flat();
    once.push(...(await other.finish()));
    check(sameBits(once.map(({ loss }) => loss), await losses(trainer, [1, 2, 3])), "steps at once");
  },

  async a_dataset_has_the_orders_of_its_seed() {
    const data = Float32Array.from({ length: 2 * (1 + 2 + 3 + 4 + 5) }, (_, at) => at);
    const file = integerFile({ x: [data, [15, 2]], length: [Int32Array.of(1, 2, 3, 4, 5), [5]], label: [Int32Array.of(0, 1, 2, 1, 0), [5]] });
    const dataset = Dataset.read(file, 4);
    check([dataset.length, dataset.features, dataset.classes].join() === "5,2,3", "sizes");
    check([...dataset.lengths].join() === "1,2,3,4,5", "lengths");
    const { input, lengths, labels } = dataset.batch([4, 0]);
    check(input.shape.join() === "8,2,2" && [...lengths].join() === "5,1" && [...labels].join() === "0,0", "a batch");
    check(input.data[0] === 20 && input.data[2] === 0 && input.data[4] === 22, `${input.data}`);
    // As in the example of the Rust crate's documentation.
    const loader = new Loader(dataset, { batchSize: 2, seed: 1 });
    const epoch = loader.epoch(0).map((places) => [...places]);
    check(epoch.map((places) => places.length).join() === "2,2,1" && epoch.flat().sort().join() === "0,1,2,3,4", JSON.stringify(epoch));
    for (const wrong of [-1, NaN, 0.5]) await refuses((async () => loader.epoch(wrong))(), "Argument", "epoch: expected a whole number");
    check(JSON.stringify(new Loader(dataset, { batchSize: 2, seed: 1 }).epoch(0)) === JSON.stringify(loader.epoch(0)), "the same order");
    try {
      new Loader(dataset, { batchSize: 0 });
      check(false, "batches of none");
    } catch (error) {
      check(error.message.includes("batch_size"), error.message);
    }
  },
};

/** A safetensors file of f32 and i32. */
function integerFile(arrays) {
  const header = {};
  let at = 0;
  for (const [name, [data, shape]] of Object.entries(arrays)) {
    header[name] = { dtype: data instanceof Int32Array ? "I32" : "F32", shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const parts = Object.values(arrays).map(([data]) => new Uint8Array(data.buffer));
  const length = new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer);
  return Uint8Array.from([...length, ...text, ...parts.flatMap((part) => [...part])]);
}

/** The trials of every engine. */
export async function trainingTrials(engines) {
  await init();
  const { metadata, arrays } = parse(await bytesOf(GOLDEN));
  const cases = Object.entries(metadata).filter(([, text]) => text.startsWith("{")).map(([name, text]) => [name, JSON.parse(text)]);
  const usable = cases.filter(([name, settings]) => {
    const isPlain = Object.keys(settings).every((key) => SETTINGS.includes(key)) && !/learned|clip|peephole|norm/.test(name);
    return isPlain && !["backward"].includes(settings.directions) && settings.merge !== "apart" && ["tanh", "relu", undefined].includes(settings.nonlinearity);
  });
  return engines.flatMap((engine) => [
    ...usable.map(([name, settings]) => ({ name: `${engine}::gradients::${name}`, run: () => gradients(arrays, name, settings, engine) })),
    ...Object.entries(own).map(([name, run]) => ({ name: `${engine}::training::${name}`, run: () => run(engine) })),
  ]);
}
