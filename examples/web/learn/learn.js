// The page: settings, curves that grow as the network learns, the confusion matrix, and the file of the weights.

import { draw } from "../chart.js";

const DATA = "../../data/japanese_vowels";
const at = (id) => document.getElementById(id);
const form = at("settings");

/** The run that the page shows; its reports are those of every batch. */
let run = null;
let worker = null;

async function bytesOf(name) {
  const answer = await fetch(`${DATA}/${name}`);
  if (!answer.ok) throw new Error(`${name}: expected the recordings beside the page, found ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

function settings() {
  const texts = ["cell", "engine"];
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, texts.includes(name) ? value : Number(value)]));
}

async function learn() {
  end();
  at("error").textContent = "";
  at("status").textContent = "loading…";
  at("download").hidden = true;
  run = { settings: settings(), reports: [], epochs: [], rows: 0, seconds: 0 };
  window.run = run;
  at("start").disabled = true;
  show();
  const own = run;
  try {
    const [train, test] = await Promise.all([bytesOf("train.safetensors"), bytesOf("test.safetensors")]);
    worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => own === run && hear(data);
    worker.onerror = (event) => {
      fail(event.message ?? "wgpu-rnn: expected the package in bindings/web/pkg, found none; bash bindings/web/build.sh builds it");
    };
    worker.postMessage({ settings: run.settings, train, test });
  } catch (error) {
    fail(error.message);
  }
}

/** Takes a message of the worker. */
function hear({ ready, reports, seconds, epoch, file, error }) {
  if (error) return fail(error);
  if (ready) {
    run.batches = ready.batches;
    at("where").textContent = ready.engine;
    at("status").textContent = "learning…";
    at("stop").disabled = false;
  }
  if (reports) {
    run.reports.push(...reports);
    run.rows += reports.reduce((sum, report) => sum + report.rows, 0);
    run.seconds += seconds;
  }
  if (epoch) run.epochs.push(epoch);
  if (file) {
    const link = at("download");
    if (link.href) URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([file], { type: "application/octet-stream" }));
    link.hidden = false;
    at("status").textContent = run.epochs.length === run.settings.epochs ? "done" : "stopped";
    run.isDone = true;
    end();
  }
  show();
}

function fail(message) {
  at("error").textContent = message;
  at("status").textContent = "";
  end();
}

function end() {
  worker?.terminate();
  worker = null;
  [at("start").disabled, at("stop").disabled] = [false, true];
}

let isDue = false;

/** Draws the run, once a frame. */
function show() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const { settings: of, reports, epochs, batches = 1, rows, seconds } = run;
    const steps = of.epochs * batches;
    const last = epochs.at(-1);
    at("progress").style.width = `${(100 * reports.length) / steps}%`;
    at("epoch").textContent = `${epochs.length} of ${of.epochs}`;
    at("loss").textContent = reports.at(-1)?.loss.toFixed(3) ?? "–";
    at("accuracy").textContent = last ? `${(100 * last.test).toFixed(1)} %` : "–";
    at("speed").textContent = seconds > 0 ? Math.round(rows / seconds) : "–";
    const x = [0, Math.max(of.epochs, 1)];
    const losses = reports.map(({ step, loss }) => [step / batches, loss]);
    const most = Math.max(1e-3, ...losses.slice(0, 200).map(([, loss]) => loss));
    draw(at("losses"), { lines: [{ name: "training", colour: "--first", points: losses }], x, y: [0, most] });
    // A run begins with a guess.
    const guess = [[0, 1 / (last?.counts.length ?? 1)]];
    const curve = (name, colour, part) => ({
      name, colour, points: last ? [...guess, ...epochs.map((epoch) => [epoch.number, epoch[part]])] : [],
    });
    draw(at("accuracies"), { lines: [curve("training", "--first", "train"), curve("test", "--second", "test")], x, y: [0, 1], legend: "bottom" });
    matrix(last?.counts ?? []);
  });
}

/** A row for each class; right counts and wrong ones in two colours, as strong as their part of the row. */
function matrix(counts) {
  const cell = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  const head = [cell("th", ""), ...counts.map((_, label) => cell("th", label + 1))];
  const rows = counts.map((row, label) => {
    const sum = row.reduce((a, b) => a + b, 0);
    const cells = row.map((count, predicted) => {
      const found = cell("td", count);
      const part = Math.round((100 * Math.min(1, 0.15 + count / sum)));
      const colour = predicted === label ? "--good" : "--bad";
      found.style.background = count > 0 ? `color-mix(in srgb, var(${colour}) ${part / 2}%, transparent)` : "";
      found.style.color = count > 0 ? "" : "var(--faint)";
      return found;
    });
    return [cell("th", label + 1), ...cells];
  });
  at("confusion").replaceChildren(...[head, ...rows].map((cells) => {
    const line = document.createElement("tr");
    line.append(...cells);
    return line;
  }));
}

form.onsubmit = (event) => {
  event.preventDefault();
  learn();
};
at("stop").onclick = () => worker?.postMessage("stop");
window.onresize = () => run && show();

// ?seed=3&engine=cpu and the like set the form.
for (const [name, value] of new URLSearchParams(location.search)) {
  const field = form.elements[name];
  if (!field) continue;
  const before = field.value;
  field.value = value;
  if (!field.checkValidity() || field.value !== value) {
    field.value = before;
    at("error").textContent = `${name}: expected a value of the form, found ${value}`;
  }
}
