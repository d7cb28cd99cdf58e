// Inputs and networks that are made, the same in every run.

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
  const header = {};
  const parts = [];
  let at = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const data = numbers(shape.reduce((a, b) => a * b), seed + at).map((x) => 0.3 * x);
    header[name] = { dtype: "F32", shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
    parts.push(new Uint8Array(data.buffer));
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  parts.reduce((offset, part) => (file.set(part, offset), offset + part.length), 8 + text.length);
  return file;
}
