// Silero's network: a spectrum by convolution, four convolutions, an LSTM, and a layer that gives one number. The
// convolutions know a chunk of sound and the end of the one before; the LSTM's state is all that is carried on.

import init, { Rnn, Streams } from "../../../bindings/web/pkg/wgpu_rnn.js";
import initFormats, { Arrays } from "../../../bindings/web/pkg/wgpu_rnn_formats.js";

/** Strides of the convolutions after the spectrum. */
const STRIDES = [1, 2, 2, 1];

/** Steps that a convolution looks at; a zero stands before and behind its input. */
const TAPS = 3;

/** The names of the arrays in silero_vad.jit, and of the same layers in silero_vad_16k.safetensors. */
const NAMES = [
  {
    basis: "_model.stft.forward_basis_buffer",
    convolutions: [0, 1, 2, 3].map((layer) => `_model.encoder.${layer}.reparam_conv`),
    lstm: "_model.decoder.rnn",
    last: "_model.decoder.decoder.2",
  },
  {
    basis: "stft_conv.weight",
    convolutions: [1, 2, 3, 4].map((layer) => `conv${layer}`),
    lstm: "lstm_cell",
    last: "final_conv",
  },
];

export class Silero {
  /** Reads the network of a file, with its LSTM on an engine: "auto", "gpu" or "cpu". */
  static async load(bytes, engine) {
    await Promise.all([init(), initFormats()]);
    const arrays = Arrays.read(bytes);
    const known = new Set(arrays.names());
    const names = NAMES.find(({ basis }) => known.has(basis)) ?? NAMES[0];
    const silero = new Silero();
    const basis = arrays.array(names.basis);
    silero.window = basis.shape[2];
    silero.basis = basis.data;
    silero.convolutions = names.convolutions.map((name) => {
      const weight = arrays.array(`${name}.weight`);
      return { weight: weight.data, inputs: weight.shape[1], bias: arrays.array(`${name}.bias`).data };
    });
    silero.last = arrays.array(`${names.last}.weight`).data;
    silero.lastBias = arrays.array(`${names.last}.bias`).data[0];
    arrays.free();
    const rnn = await Rnn.load(bytes, { prefix: names.lstm, engine });
    silero.engine = rnn.engine;
    silero.streams = await Streams.open(rnn, 1);
    rnn.free();
    silero.stream = await silero.streams.join();
    silero.context = new Float32Array(silero.window / 4);
    // The first call makes pipelines, which nobody who speaks should wait for.
    await silero.hear(new Float32Array(silero.chunk));
    await silero.reset();
    return silero;
  }

  /** Samples of a chunk: 512, which are 32 ms. */
  get chunk() {
    return 2 * this.window;
  }

  /** Gives the memory of the engine back. */
  free() {
    this.stream.free();
    this.streams.free();
  }

  /** Begins anew. */
  async reset() {
    this.context.fill(0);
    await this.streams.reset(this.stream);
  }

  /** The probability of speech in the next chunk of sound. */
  async hear(chunk) {
    let features = this.spectrum(chunk);
    this.convolutions.forEach((layer, at) => (features = convolve(features, layer, STRIDES[at])));
    // Four windows of the spectrum have become one step.
    const steps = { data: features.data, shape: [features.steps, features.channels] };
    const output = await this.streams.call(this.stream, steps);
    const logit = output.data.reduce((sum, h, at) => sum + Math.max(h, 0) * this.last[at], this.lastBias);
    return 1 / (1 + Math.exp(-logit));
  }

  /** The strength of each frequency in windows that overlap by half; a row for each window. */
  spectrum(chunk) {
    const { window, context, basis } = this;
    const margin = context.length;
    const sound = new Float32Array(chunk.length + 2 * margin);
    sound.set(context);
    sound.set(chunk, margin);
    // The end, mirrored about the last sample.
    const end = margin + chunk.length - 1;
    for (let back = 1; back <= margin; back += 1) sound[end + back] = sound[end - back];
    context.set(chunk.subarray(chunk.length - margin));

    const [hop, channels] = [window / 2, window / 2 + 1];
    const steps = (sound.length - window) / hop + 1;
    const data = new Float32Array(steps * channels);
    const dot = (row, from) => {
      let sum = 0;
      for (let at = 0, place = row * window; at < window; at += 1) sum += basis[place + at] * sound[from + at];
      return sum;
    };
    for (let step = 0; step < steps; step += 1) {
      for (let channel = 0; channel < channels; channel += 1) {
        data[step * channels + channel] = Math.hypot(dot(channel, step * hop), dot(channels + channel, step * hop));
      }
    }
    return { data, steps, channels };
  }
}

/** A convolution over time with three taps, and ReLU. Features have a row for each step. */
function convolve({ data, steps, channels }, { weight, bias }, stride) {
  const [outputs, found] = [bias.length, Math.floor((steps - 1) / stride) + 1];
  const result = new Float32Array(found * outputs);
  for (let step = 0; step < found; step += 1) {
    for (let output = 0; output < outputs; output += 1) {
      let sum = bias[output];
      for (let tap = 0; tap < TAPS; tap += 1) {
        const from = step * stride + tap - 1;
        if (from < 0 || from >= steps) continue;
        const [row, place] = [from * channels, output * channels * TAPS + tap];
        for (let channel = 0; channel < channels; channel += 1) sum += weight[place + channel * TAPS] * data[row + channel];
      }
      result[step * outputs + output] = Math.max(sum, 0);
    }
  }
  return { data: result, steps: found, channels: outputs };
}
