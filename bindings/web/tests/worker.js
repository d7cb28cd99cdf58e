// A network in a worker.

import init, { Rnn } from "/pkg/wgpu_rnn.js";

onmessage = async ({ data: { file, input } }) => {
  try {
    await init();
    const rnn = await Rnn.load(file, { engine: "gpu" });
    const { output, engine } = await rnn.forward(input);
    postMessage({ output, engine });
  } catch (error) {
    postMessage({ error: String(error) });
  }
};
