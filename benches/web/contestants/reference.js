// An LSTM in f64, as plain loops: what every result is held against.

import { arraysOf } from "./models.js";

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** The output [T, N, D*H] of an input [T, N, I]. */
export async function reference(model, { data, shape }, hidden) {
  const arrays = await arraysOf(model);
  const [steps, batch, inputs] = shape;
  const suffixes = ["_l0", "_l0_reverse"].filter((suffix) => arrays.has(`weight_ih${suffix}`));
  const width = suffixes.length * hidden;
  const out = new Float64Array(steps * batch * width);
  suffixes.forEach((suffix, direction) => {
    const part = (name) => arrays.get(name + suffix).data;
    const [wx, wh, bx, bh] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(part);
    const product = (weights, row, size, numbers, from) => {
      let sum = 0;
      for (let k = 0; k < size; k += 1) sum += weights[row * size + k] * numbers[from + k];
      return sum;
    };
    for (let n = 0; n < batch; n += 1) {
      let h = new Float64Array(hidden);
      const c = new Float64Array(hidden);
      for (let at = 0; at < steps; at += 1) {
        const t = direction === 0 ? at : steps - 1 - at;
        const next = new Float64Array(hidden);
        for (let unit = 0; unit < hidden; unit += 1) {
          const [i, f, g, o] = [0, 1, 2, 3].map((gate) => {
            const row = gate * hidden + unit;
            return product(wx, row, inputs, data, (t * batch + n) * inputs) + product(wh, row, hidden, h, 0) + bx[row] + bh[row];
          });
          c[unit] = sigmoid(f) * c[unit] + sigmoid(i) * Math.tanh(g);
          next[unit] = sigmoid(o) * Math.tanh(c[unit]);
        }
        h = next;
        out.set(h, (t * batch + n) * width + direction * hidden);
      }
    }
  });
  return out;
}
