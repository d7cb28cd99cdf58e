// The files that models.py has made.

import { parse } from "/web/tests/safetensors.js";

export async function bytesOf(file) {
  const response = await fetch(`/build/models/${file}`);
  if (!response.ok) throw new Error(`${file}: ${response.status}; models.py makes it`);
  return response.arrayBuffer();
}

export async function arraysOf(model) {
  return parse(await bytesOf(`${model}.safetensors`)).arrays;
}
