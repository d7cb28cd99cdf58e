// Inputs and networks that are made, the same in every run.

import { write } from "./safetensors.js";

/** Numbers that are the same in every run. */
export function numbers(count, seed) {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** An LSTM as a safetensors file. */
export function lstm(input, hidden, seed) {
  const shapes = {
    weight_ih_l0: [4 * hidden, input], weight_hh_l0: [4 * hidden, hidden], bias_ih_l0: [4 * hidden], bias_hh_l0: [4 * hidden],
  };
  const arrays = Object.entries(shapes).map(([name, shape], at) => {
    const count = shape.reduce((a, b) => a * b);
    return [name, { data: numbers(count, seed + 101 * at).map((x) => 0.3 * x), shape }];
  });
  return write(arrays);
}
