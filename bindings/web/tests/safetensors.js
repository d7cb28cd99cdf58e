/** Arrays and metadata of a safetensors file of f32 and i64. */
export function parse(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const { __metadata__: metadata, ...entries } = header;
  const arrays = new Map();
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(entries)) {
    const bytes = buffer.slice(8 + length + start, 8 + length + end);
    const data = dtype === "F32" ? new Float32Array(bytes) : Array.from(new BigInt64Array(bytes), Number);
    arrays.set(name, { data, shape });
  }
  return { metadata, arrays };
}
