// TensorFlow.js: its LSTM layers, and a loop of its operations with the input's product made once for all steps.

import { arraysOf } from "./models.js";

async function open(backend, threads) {
  const tf = await import("/build/tf.js");
  tf.setWasmPaths("/tfjs-wasm/");
  if (threads) tf.setThreadsCount(threads);
  if (!await tf.setBackend(backend)) throw new Error(`tfjs has no ${backend}`);
  await tf.ready();
  return tf;
}

/** Keras' kernel, recurrent kernel and bias of every direction, from PyTorch's: the same order of gates. */
async function kernels(tf, model) {
  const arrays = await arraysOf(model);
  const tensor = (name) => tf.tensor(arrays.get(name).data, arrays.get(name).shape);
  const suffixes = ["_l0", "_l0_reverse"].filter((suffix) => arrays.has(`weight_ih${suffix}`));
  return suffixes.map((suffix) => [
    tf.transpose(tensor(`weight_ih${suffix}`)), tf.transpose(tensor(`weight_hh${suffix}`)),
    tf.add(tensor(`bias_ih${suffix}`), tensor(`bias_hh${suffix}`)),
  ]);
}

/** The gates of a step, or of all directions' steps, made a new state: [..., 4H] and c to h and c. */
function update(tf, gates, c) {
  const [i, f, g, o] = tf.split(gates, 4, -1);
  const next = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)));
  return [tf.mul(tf.sigmoid(o), tf.tanh(next)), next];
}

/** All steps of both directions, a step of both at once: x [T, N, I] to [T, N, 2H]. */
function bidirectional(tf, x, w, u, b, hidden) {
  const [steps, batch, inputs] = x.shape;
  const flat = tf.reshape(x, [1, steps * batch, inputs]);
  const products = tf.add(tf.matMul(tf.tile(flat, [2, 1, 1]), w), b);
  const [forward, back] = tf.split(tf.reshape(products, [2, steps, batch, 4 * hidden]), 2, 0);
  const paired = tf.unstack(tf.concat([forward, tf.reverse(back, 1)], 0), 1);
  let h = tf.zeros([2, batch, hidden]);
  let c = tf.zeros([2, batch, hidden]);
  const outputs = [];
  for (const product of paired) {
    [h, c] = update(tf, tf.add(tf.matMul(h, u), product), c);
    outputs.push(h);
  }
  const [first, second] = tf.split(tf.stack(outputs, 1), 2, 0);
  return tf.squeeze(tf.concat([first, tf.reverse(second, 1)], 3), [0]);
}

function layer(tf, hidden, sequences) {
  return tf.layers.layers.lstm({
    units: hidden, returnSequences: sequences, recurrentActivation: "sigmoid", recurrentInitializer: "zeros",
  });
}

/** A sequence at once by a bidirectional network, from numbers to numbers. */
export async function forward(backend, threads, model, { data, shape }, hidden) {
  const tf = await open(backend, threads);
  const weights = await kernels(tf, model);
  const [steps, batch, inputs] = shape;
  // Layers take sequences first.
  const byBatch = new Float32Array(data.length);
  for (let t = 0; t < steps; t += 1) for (let n = 0; n < batch; n += 1) {
    byBatch.set(data.subarray((t * batch + n) * inputs, (t * batch + n + 1) * inputs), (n * steps + t) * inputs);
  }
  const network = tf.layers.sequential({ layers: [
    tf.layers.layers.bidirectional({ layer: layer(tf, hidden, true), mergeMode: "concat", inputShape: [steps, inputs] }),
  ] });
  network.setWeights(weights.flat());
  const [w, u, b] = [0, 1, 2].map((at) => tf.stack(weights.map((arrays) => arrays[at])));
  const bias = tf.reshape(b, [2, 1, 4 * hidden]);
  const run = async (input, shape, compute) => {
    const x = tf.tensor(input, shape);
    const y = tf.tidy(() => compute(x));
    const numbers = await y.data();
    tf.dispose([x, y]);
    return numbers;
  };
  return [
    {
      name: "layers",
      run: () => run(byBatch, [batch, steps, inputs], (x) => network.predict(x, { batchSize: batch })),
      order: (y) => swapped(y, batch, steps),
    },
    { name: "operations", run: () => run(data, shape, (x) => bidirectional(tf, x, w, u, bias, hidden)) },
  ];
}

/** [A, B, C] as [B, A, C]. */
function swapped(numbers, a, b) {
  const width = numbers.length / (a * b);
  const out = new Float32Array(numbers.length);
  for (let i = 0; i < a; i += 1) for (let j = 0; j < b; j += 1) {
    out.set(numbers.subarray((i * b + j) * width, (i * b + j + 1) * width), (j * a + i) * width);
  }
  return out;
}

/** A step at a time: the layer with its state kept, the cell of the core, and operations. */
export async function step(backend, threads, model, hidden) {
  const tf = await open(backend, threads);
  const [[w, u, b]] = await kernels(tf, model);
  const stateful = tf.layers.sequential({ layers: [
    tf.layers.layers.lstm({
      units: hidden, stateful: true, recurrentActivation: "sigmoid", recurrentInitializer: "zeros", batchInputShape: [1, 1, hidden],
    }),
  ] });
  stateful.setWeights([w, u, b]);
  const kernel = tf.concat([w, u], 0);
  // The cell's gates are i, g, f, o, and it takes input and state as one.
  const reorder = (array) => {
    const [i, f, g, o] = tf.split(array, 4, -1);
    return tf.concat([i, g, f, o], -1);
  };
  const cell = [reorder(kernel), reorder(b)];
  const forget = tf.scalar(0);
  const zeros = () => tf.zeros([1, hidden]);
  const carried = (name, compute) => {
    let state = [zeros(), zeros()];
    return {
      name,
      reset: () => {
        tf.dispose(state);
        state = [zeros(), zeros()];
      },
      run: async (x) => {
        const next = tf.tidy(() => compute(tf.tensor2d(x, [1, x.length]), state));
        tf.dispose(state);
        state = next;
        return state[0].dataSync();
      },
    };
  };
  return [
    {
      name: "layers",
      reset: () => stateful.resetStates(),
      run: async (x) => {
        const y = tf.tidy(() => stateful.predictOnBatch(tf.tensor3d(x, [1, 1, x.length])));
        const numbers = y.dataSync();
        y.dispose();
        return numbers;
      },
    },
    carried("basicLSTMCell", (x, [h, c]) => tf.basicLSTMCell(forget, cell[0], cell[1], x, c, h).reverse()),
    carried("operations", (x, [h, c]) => update(tf, tf.add(tf.matMul(tf.concat([x, h], 1), kernel), b), c)),
  ];
}

/** A training step: a linear head on the final states, cross-entropy of classes, Adam. */
export async function train(backend, threads, model, { data, shape }, hidden, classes) {
  const tf = await open(backend, threads);
  const [steps, batch, inputs] = shape;
  const weights = await kernels(tf, model);
  const labels = tf.oneHot(tf.tensor1d(classes, "int32"), 10).cast("float32");

  const network = tf.layers.sequential({ layers: [
    tf.layers.layers.bidirectional({ layer: layer(tf, hidden, false), mergeMode: "concat", inputShape: [steps, inputs] }),
    tf.layers.layers.dense({ units: 10 }),
  ] });
  network.compile({
    optimizer: tf.train.adam(1e-3),
    loss: (expected, logits) => tf.losses.softmaxCrossEntropy(expected, logits),
  });

  const variables = [0, 1, 2].map((at) => tf.variable(tf.stack(weights.map((arrays) => arrays[at]))));
  const head = [tf.variable(tf.randomNormal([2 * hidden, 10], 0, 0.1)), tf.variable(tf.zeros([10]))];
  const adam = tf.train.adam(1e-3);
  const loss = (x) => {
    const [w, u, b] = variables;
    const y = bidirectional(tf, x, w, u, tf.reshape(b, [2, 1, 4 * hidden]), hidden);
    const last = tf.slice(y, [steps - 1, 0, 0], [1, batch, hidden]);
    const first = tf.slice(y, [0, 0, hidden], [1, batch, hidden]);
    const features = tf.squeeze(tf.concat([last, first], 2), [0]);
    return tf.losses.softmaxCrossEntropy(labels, tf.add(tf.matMul(features, head[0]), head[1]));
  };
  return [
    {
      name: "layers",
      run: async () => {
        const x = tf.tensor(data, [batch, steps, inputs]);
        const value = await network.trainOnBatch(x, labels);
        x.dispose();
        return value;
      },
    },
    {
      name: "operations",
      run: async () => {
        const x = tf.tensor(data, shape);
        const value = adam.minimize(() => loss(x), true, [...variables, ...head]);
        const [number] = await value.data();
        tf.dispose([x, value]);
        return number;
      },
    },
  ];
}
