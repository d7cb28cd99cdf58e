// Speech from probabilities: it begins where one is high, and ends after a silence. The numbers are the defaults of
// silero-vad.

const THRESHOLD = 0.5;
const END_THRESHOLD = 0.35;
/** Seconds of silence that end speech. */
const SILENCE = 0.1;

export class Speech {
  /** Stretches of speech, as [from, to] in seconds; the last one may still go on. */
  spans = [];
  isSpeaking = false;
  #silence = null;

  /** Takes the probability of the chunk that begins at a time. */
  hear(probability, time, seconds) {
    if (!this.isSpeaking) {
      if (probability < THRESHOLD) return;
      this.isSpeaking = true;
      this.spans.push([time, time]);
    }
    if (probability >= THRESHOLD) this.#silence = null;
    else if (probability < END_THRESHOLD) this.#silence ??= time;
    const span = this.spans.at(-1);
    span[1] = this.#silence ?? time + seconds;
    if (this.#silence !== null && time + seconds - this.#silence >= SILENCE) {
      this.isSpeaking = false;
      this.#silence = null;
    }
  }
}
