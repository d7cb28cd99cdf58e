/** The arrays of numbers by the names of their types. */
const TYPES = { F32: Float32Array, F64: Float64Array, I64: BigInt64Array, I32: Int32Array };

/** Arrays and metadata of a safetensors file. */
export function parse(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const { __metadata__: metadata, ...entries } = header;
  const arrays = new Map();
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(entries)) {
    const data = new TYPES[dtype](buffer.slice(8 + length + start, 8 + length + end));
    arrays.set(name, { data: dtype === "I64" ? Array.from(data, Number) : data, shape });
  }
  return { metadata, arrays };
}

/** A safetensors file of arrays of f32, by their names. */
export function write(arrays, metadata = {}) {
  const header = { __metadata__: metadata };
  let at = 0;
  for (const [name, { data, shape }] of arrays) {
    header[name] = { dtype: "F32", shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  let place = 8 + text.length;
  for (const [, { data }] of arrays) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), place);
    place += data.byteLength;
  }
  return file;
}
