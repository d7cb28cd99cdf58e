// Lines over an axis, drawn on a canvas in the colours of the page.

/** The value of a custom property of style.css. */
function colour(name) {
  return getComputedStyle(document.body).getPropertyValue(name).trim() || "gray";
}

/** A custom property may be light-dark(); a colour of an element never is. */
const probe = document.createElement("i");

function resolved(name) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color || colour(name);
}

/**
 * Draws lines of points [x, y].
 *
 * lines: [{ name, colour: "--first", points }], spans: [[from, to]] shaded, x: [from, to], y: [from, to],
 * marks: numbers on the x axis, unit: the text behind them, dashes: [y] of broken lines, cursor: x of a line.
 */
export function draw(canvas, { lines, spans = [], x, y, unit = "", dashes = [], cursor = null }) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = "12px system-ui, sans-serif";
  const [left, right, top, bottom] = [40, width - 8, 8, height - 22];
  const across = (value) => left + ((value - x[0]) / (x[1] - x[0])) * (right - left);
  const up = (value) => bottom - ((value - y[0]) / (y[1] - y[0])) * (bottom - top);

  context.globalAlpha = 0.18;
  context.fillStyle = resolved("--good");
  for (const [from, to] of spans) {
    const [start, end] = [Math.max(across(from), left), Math.min(across(to), right)];
    if (end > start) context.fillRect(start, top, end - start, bottom - top);
  }
  context.globalAlpha = 1;

  context.fillStyle = resolved("--faint");
  context.strokeStyle = resolved("--line");
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const value of marks(y, 4)) {
    stroke(context, [[left, up(value)], [right, up(value)]]);
    context.fillText(number(value), left - 6, up(value));
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const value of marks(x, Math.max(2, Math.floor(width / 90)))) {
    context.fillText(number(value) + unit, Math.min(across(value), right - 12), bottom + 6);
  }
  context.setLineDash([4, 4]);
  for (const value of dashes) stroke(context, [[left, up(value)], [right, up(value)]]);
  context.setLineDash([]);

  context.save();
  context.beginPath();
  context.rect(left, top - 2, right - left, bottom - top + 4);
  context.clip();
  context.lineWidth = 1.75;
  context.lineJoin = "round";
  for (const line of lines) {
    context.strokeStyle = resolved(line.colour);
    stroke(context, line.points.map(([at, value]) => [across(at), up(value)]));
  }
  if (cursor !== null) {
    context.strokeStyle = resolved("--text");
    stroke(context, [[across(cursor), top], [across(cursor), bottom]]);
  }
  context.restore();

  context.textAlign = "right";
  const named = lines.filter(({ name }) => name);
  named.forEach(({ name, colour: of }, at) => {
    context.fillStyle = resolved(of);
    context.fillText(name, right - 4, top + 4 + 15 * at);
  });
}

function stroke(context, points) {
  context.beginPath();
  points.forEach(([across, up], at) => (at === 0 ? context.moveTo(across, up) : context.lineTo(across, up)));
  context.stroke();
}

/** Round numbers within a range, about so many. */
function marks([from, to], count) {
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough;
  const first = Math.ceil(from / step - 1e-9);
  return Array.from({ length: Math.floor(to / step + 1e-9) - first + 1 }, (_, at) => (first + at) * step);
}

function number(value) {
  return String(Math.round(value * 1000) / 1000);
}
