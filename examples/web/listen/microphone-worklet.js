// Gives the microphone's sound to the page at 16,000 samples a second, in chunks. Where the context has another rate,
// numbers between two samples are on the line between them; a filter before this node has taken out what the lower
// rate cannot have.

class Microphone extends AudioWorkletProcessor {
  constructor({ processorOptions: { rate, chunk } }) {
    super();
    this.step = sampleRate / rate;
    this.chunk = new Float32Array(chunk);
    this.filled = 0;
    /** The place of the next number behind the last sample of the block before. */
    this.place = 0;
    this.before = 0;
  }

  process([[samples]]) {
    if (!samples) return true;
    for (; this.place < samples.length; this.place += this.step) {
      const [whole, part] = [Math.floor(this.place), this.place % 1];
      const first = whole === 0 ? this.before : samples[whole - 1];
      this.chunk[this.filled] = first + part * (samples[whole] - first);
      this.filled += 1;
      if (this.filled === this.chunk.length) {
        this.port.postMessage(this.chunk.slice());
        this.filled = 0;
      }
    }
    this.place -= samples.length;
    this.before = samples.at(-1);
    return true;
  }
}

registerProcessor("microphone", Microphone);
