// The page: sound from the microphone or from a recording, the probability of speech over time, and its latency.

import { draw } from "../chart.js";
import { Speech } from "./speech.js";

/** Places of the network's file: that of `python3 examples/fetch.py vad`, or the one of ?model=. */
const MODEL = new URLSearchParams(location.search).get("model") ?? "../../../models/silero_vad.jit";

/** Samples a second, as the network hears them. */
const RATE = 16_000;

/** Seconds of live sound that the chart shows. */
const SHOWN = 12;

const at = (id) => document.getElementById(id);
const [microphone, chart, player] = [at("microphone"), at("chart"), at("player")];

/** The network on the engine that is chosen. */
let silero = null;
/** The sound that is listened to. */
let session = null;

/** A sound, what was heard of it, and how long that took. */
class Session {
  points = [];
  speech = new Speech();
  times = [];
  isDone = false;
  /** Chunks wait for those before. */
  #last = Promise.resolve();

  constructor(isLive) {
    this.silero = silero;
    this.isLive = isLive;
    this.seconds = silero.chunk / RATE;
  }

  /** True until another sound begins. */
  get isOn() {
    return session === this && silero === this.silero;
  }

  /** Hears the next chunk, in its turn. */
  hear(chunk) {
    const arrived = performance.now();
    this.#last = this.#last.then(async () => {
      if (!this.isOn) return;
      const begun = this.isLive ? arrived : performance.now();
      const probability = await this.silero.hear(chunk);
      this.times.push(performance.now() - begun);
      const time = this.points.length * this.seconds;
      this.points.push([time, probability]);
      this.speech.hear(probability, time, this.seconds);
    });
    return this.#last;
  }
}

function say(text) {
  at("status").textContent = text;
}

function tell(error) {
  at("error").textContent = error?.message ?? String(error);
  say("");
}

/** Runs something that may fail, and shows its error. */
async function trying(run) {
  at("error").textContent = "";
  try {
    await run();
  } catch (error) {
    tell(error);
  }
}

async function load() {
  enable(false);
  stop();
  say("loading the network…");
  at("where").textContent = "–";
  const { Silero } = await import("./silero.js").catch(() => {
    throw new Error("wgpu-rnn: expected the package in bindings/web/pkg, found none; bash bindings/web/build.sh builds it");
  });
  const answer = await fetch(MODEL);
  if (!answer.ok) throw new Error(`${MODEL}: expected a file of Silero's network, found ${answer.status}; python3 examples/fetch.py vad fetches it`);
  const loaded = await Silero.load(new Uint8Array(await answer.arrayBuffer()), at("engine").value);
  silero?.free();
  silero = loaded;
  at("where").textContent = silero.engine;
  at("budget").textContent = ((1000 * silero.chunk) / RATE).toFixed();
  enable(true);
  say("ready: speak, or drop a recording here");
}

function enable(isReady) {
  for (const button of [microphone, at("file")]) button.disabled = !isReady;
}

/** Ends the sound of the microphone. */
let stop = () => {};

async function listen() {
  if (microphone.textContent === "Stop") return stop();
  // Only a page of https or of this machine is given a microphone.
  if (!navigator.mediaDevices) throw new Error("microphone: expected a page of https or localhost, found another");
  enable(false);
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } }).catch((error) => {
      throw new Error(`microphone: expected one that may be heard, found none: ${error.message}`);
    });
    let context = null;
    stop = () => {
      stop = () => {};
      stream.getTracks().forEach((track) => track.stop());
      microphone.textContent = "Microphone";
      context?.close();
      say("");
    };
    try {
      const listening = await begin(true);
      let source;
      ({ context, source } = microphoneContext(stream));
      await context.audioWorklet.addModule(new URL("microphone-worklet.js", import.meta.url));
      const node = new AudioWorkletNode(context, "microphone", { processorOptions: { rate: RATE, chunk: silero.chunk } });
      node.port.onmessage = ({ data }) => listening.hear(data).catch((error) => {
        stop();
        tell(error);
      });
      stream.getAudioTracks()[0].onended = () => {
        stop();
        tell(new Error("microphone: expected more sound, found its end"));
      };
      source.connect(new BiquadFilterNode(context, { type: "lowpass", frequency: 7500, Q: 0.7 })).connect(node);
    } catch (error) {
      stop();
      throw error;
    }
    microphone.textContent = "Stop";
    say("listening…");
  } finally {
    enable(true);
  }
}

/** A context of the network's rate, or of the microphone's where a browser converts none. */
function microphoneContext(stream) {
  for (const options of [{ sampleRate: RATE }, {}]) {
    const context = new AudioContext(options);
    try {
      return { context, source: context.createMediaStreamSource(stream) };
    } catch (error) {
      context.close();
      if (!options.sampleRate) throw error;
    }
  }
}

/** A recording: all of it is heard at once, as fast as the engine can. */
async function hearFile(file) {
  stop();
  say(`reading ${file.name}…`);
  const bytes = await file.arrayBuffer();
  // The mean of all channels, at the network's rate.
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes).catch(() => {
    throw new Error(`${file.name}: expected a recording that the browser can decode, found another file`);
  });
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel += 1) {
    sound.getChannelData(channel).forEach((sample, place) => (mono[place] += sample / sound.numberOfChannels));
  }
  const own = await begin(false);
  own.duration = sound.duration;
  if (player.src) URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(file);
  player.hidden = false;
  const begun = performance.now();
  for (let from = 0; from < mono.length; from += silero.chunk) {
    // The last chunk ends in silence.
    const chunk = new Float32Array(silero.chunk);
    chunk.set(mono.subarray(from, from + silero.chunk));
    await own.hear(chunk);
    if (!own.isOn) return;
    if (from % (64 * silero.chunk) === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  const seconds = (performance.now() - begun) / 1000;
  say(`${file.name}: ${sound.duration.toFixed(1)} s in ${seconds.toFixed(2)} s, ${(sound.duration / seconds).toFixed()} times as fast as real time`);
  own.isDone = true;
}

/** Begins with a new sound. */
async function begin(isLive) {
  session = new Session(isLive);
  window.session = session;
  player.hidden = isLive || !player.src;
  // After the chunk that is still heard of the sound before.
  await silero.reset();
  return session;
}

function show() {
  requestAnimationFrame(show);
  const points = session?.points ?? [];
  const seconds = session ? points.length * session.seconds : 0;
  const end = session?.isLive === false ? session.duration : Math.max(seconds, SHOWN);
  const x = session?.isLive === false ? [0, end] : [end - SHOWN, end];
  const visible = points.filter(([time]) => time >= x[0] - 1);
  draw(chart, {
    lines: [{ name: "", colour: "--first", points: visible }], spans: session?.speech.spans, x, y: [0, 1], unit: " s",
    dashes: [0.5], cursor: player.hidden || player.currentTime === 0 ? null : player.currentTime,
  });
  if (!session) return;
  at("speaking").textContent = session.isLive ? (session.speech.isSpeaking ? "· speech" : "· silence") : `· stretches: ${session.speech.spans.length}`;
  at("chunks").textContent = session.times.length;
  const recent = session.times.slice(-300).sort((a, b) => a - b);
  if (recent.length === 0) return;
  const [median, p99] = [0.5, 0.99].map((part) => recent[Math.floor((recent.length - 1) * part)]);
  at("median").textContent = `${median.toFixed(2)} ms`;
  at("p99").textContent = `${p99.toFixed(2)} ms`;
  at("load").style.width = `${Math.min(100, (100 * median) / (1000 * session.seconds))}%`;
}

microphone.onclick = () => trying(listen);
at("file").onclick = () => at("files").click();
at("files").onchange = ({ target }) => target.files[0] && trying(() => hearFile(target.files[0]));
at("engine").onchange = () => trying(load);
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file && !at("file").disabled) trying(() => hearFile(file));
};
trying(load);
show();
