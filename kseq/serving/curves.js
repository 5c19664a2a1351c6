// Real values as curves, after elements.js.

const MOST_CURVES = 8;
const MOST_ROWS = 1000; // of the table
const WIDEST = 600; // pixels
const COLOURS = 4; // with more curves, further ones are dashed

const lineClass = (n) => `line-${n % COLOURS}${n >= COLOURS ? " dashed" : ""}`;
const precise = (value) => String(+value.toPrecision(4)).replace("-", "−");

// Draws values [steps][values] with a curve for each value; returns a figure with a table.
function curves(caption, values) {
  const count = Math.min(values[0].length, MOST_CURVES);
  const id = `caption-${caption.replace(/\W+/g, "-")}-${Math.random().toString(36).slice(2)}`;
  const note = count < values[0].length ? ` (the first ${count} of ${values[0].length} values)` : "";
  const head = make("tr", {}, ...["step", ...valueNames(values[0].length)].map((name) => make("th", { scope: "col" }, name)));
  const rows = values.slice(0, MOST_ROWS).map((step, t) =>
    make("tr", {}, make("td", {}, `${t + 1}`), ...step.map((value) => make("td", {}, precise(value)))));
  return make("figure", { className: "curve" },
    make("figcaption", { id }, caption + note),
    picture(values, count, id),
    ...(count > 1 ? [legend(count)] : []),
    make("details", {}, make("summary", {}, "show as a table"),
      make("div", { className: "scroll", tabIndex: 0 }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)))));
}

const valueNames = (count) => Array.from({ length: count }, (_, n) => (count > 1 ? `value ${n + 1}` : "value"));

function legend(count) {
  const names = valueNames(count).map((name, n) => make("span", {},
    svg("svg", { width: 26, height: 10, "aria-hidden": "true" }, svg("polyline", { class: lineClass(n), points: "0,5 26,5" })), name));
  return make("div", { className: "legend" }, ...names);
}

function picture(values, count, id) {
  const drawn = values.map((step) => step.slice(0, count));
  const levels = levelsOf(drawn.flat());
  const [lowest, highest] = [levels[0], levels[levels.length - 1]];
  const left = 14 + 7.5 * Math.max(...levels.map((level) => precise(level).length));
  const width = Math.min(WIDEST, document.querySelector("main").clientWidth - 40);
  const [height, top, bottom] = [220, 10, 40];
  const x = (t) => left + 8 + (t / Math.max(values.length - 1, 1)) * (width - left - 20);
  const y = (value) => height - bottom - ((value - lowest) / (highest - lowest)) * (height - bottom - top);
  const result = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": id });
  for (const level of levels) {
    result.append(
      svg("line", { class: "grid", x1: left, x2: width, y1: y(level), y2: y(level) }),
      svg("text", { x: left - 6, y: y(level) + 4, "text-anchor": "end" }, precise(level)));
  }
  for (let n = 0; n < count; n++) {
    if (values.length === 1) result.append(svg("circle", { class: lineClass(n), cx: x(0), cy: y(drawn[0][n]), r: 4 }));
    else result.append(svg("polyline", { class: lineClass(n), points: drawn.map((step, t) => `${x(t)},${y(step[n])}`).join(" ") }));
  }
  const last = values.length - 1;
  for (const t of new Set([0, Math.round(last / 2), last])) {
    result.append(svg("text", { x: x(t), y: height - bottom + 18, "text-anchor": "middle" }, `${t + 1}`));
  }
  result.append(svg("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, "step"));
  return result;
}

function levelsOf(numbers) {
  const [lowest, highest] = [Math.min(...numbers), Math.max(...numbers)];
  const room = highest - lowest > 1e-9 * Math.max(1, Math.abs(highest)) ? 0 : Math.max(1, Math.abs(highest)) / 2;
  return ticks(lowest - room, highest + room);
}
