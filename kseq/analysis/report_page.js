"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byNumber = new Map(data.sentences.map((sentence) => [sentence.n, sentence]));
const numbers = [...byNumber.keys()];
const tip = document.getElementById("tip");

// Nine colours of viridis (Smith and van der Walt 2015), which all eyes see in one order.
const VIRIDIS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"]
  .map((hex) => [0, 2, 4].map((place) => parseInt(hex.slice(place, place + 2), 16)));

function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const mixed = VIRIDIS[low].map((from, i) => Math.round(from + (place - low) * (VIRIDIS[low + 1][i] - from)));
  return `rgb(${mixed})`;
}

// An element with properties and children; text is always text, never markup.
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const bdi = (text) => make("bdi", { dir: "auto" }, text.trim() || "␣");

// ---------------------------------------------------------------------------------------------
// A sentence: its text, its numbers, its heatmap

const headChosen = { value: data.head ? data.head.join(" ") : "mean" };

// Weights by output row and source column, and the weight that has the brightest colour.
function attention(sentence) {
  const [layer, head] = headChosen.value.split(" ").map(Number);
  const packed = head ? sentence.h[layer - 1][head - 1] : sentence.w;
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const width = sentence.x.length;
  const rows = sentence.y.map((_, t) => Array.from(bytes.subarray(t * width, (t + 1) * width), (byte) => byte / 255));
  // The mean over heads comes nowhere near 1.
  const top = sentence.h && !head ? Math.max(1 / 255, ...rows.flat()) : 1;
  return { rows, top };
}

function draw(place, sentence) {
  const { rows, top } = attention(sentence);
  const numbersLine = [
    `cross-entropy ${sentence.loss.toFixed(3)} nats per token`,
    `entropy ${sentence.entropy.toFixed(2)} bits`,
    ...("mono" in sentence ? [`monotonicity ${Math.round(100 * sentence.mono)}%`] : []),
    `never attended ${sentence.never.length}, twice ${sentence.twice.length} of ${sentence.words} source words`,
  ].join(" · ") + (sentence.h ? ` (of ${data.measured})` : "");
  const cut = sentence.cut ? [make("p", { className: "numbers" }, `Drawn are the first ${data.longest} tokens of a side.`)] : [];
  const readout = make("p", { className: "readout", "aria-live": "polite" });
  const ramp = make("span");
  ramp.style.background = `linear-gradient(to right, ${[0, 1, 2, 3, 4, 5, 6, 7, 8].map((n) => colour(n / 8))})`;
  place.replaceChildren(
    make("div", { className: "pair" },
      make("p", { dir: "auto", lang: "" }, sentence.s),
      make("p", { dir: "auto", lang: "" }, sentence.t),
      make("p", { className: "numbers" }, numbersLine), ...cut),
    make("div", { className: "scroll" }, heatmap(sentence, rows, top, readout)),
    make("div", { className: "scale", "aria-hidden": "true" }, "0", ramp, `${top.toFixed(2)} weight`),
    readout);
}

function heatmap(sentence, rows, top, readout) {
  const gold = new Set((sentence.g || []).map(([s, t]) => `${s} ${t}`));
  const table = make("table", { className: "heatmap", role: "grid" });
  table.setAttribute("aria-label", `attention of sentence ${sentence.n}`);

  const word = (text, kind, place) => {
    const button = make("button", { type: "button", tabIndex: -1, dir: "auto" }, text.trim() || "␣");
    button.dataset[kind] = place;
    button.setAttribute("aria-pressed", "false");
    if (kind === "source") {
      if ([...text].length <= 2) button.classList.add("short");
      for (const flag of ["never", "twice"]) {
        if (sentence[flag].includes(place)) {
          button.classList.add(flag);
          button.title = flag === "never" ? "never attended" : "attended twice";
        }
      }
    }
    return make("th", { scope: kind === "source" ? "col" : "row" }, button);
  };

  const header = make("tr", {}, make("td", { className: "corner" }));
  sentence.x.forEach((text, s) => header.append(word(text, "source", s)));
  table.append(make("thead", {}, header));
  const body = make("tbody");
  rows.forEach((row, t) => {
    const line = make("tr", {}, word(sentence.y[t], "output", t));
    row.forEach((weight, s) => {
      const cell = make("td", { tabIndex: -1 });
      cell.setAttribute("aria-label", `${sentence.x[s]} → ${sentence.y[t]} ${weight.toFixed(2)}`);
      cell.dataset.s = s;
      cell.dataset.t = t;
      cell.style.backgroundColor = colour(weight / top);
      if (gold.has(`${s} ${t}`)) cell.classList.add("gold");
      line.append(cell);
    });
    body.append(line);
  });
  table.append(body);

  const lights = makeLights(table, sentence, rows, readout);
  const describe = (cell) => {
    const { s, t } = cell.dataset;
    return [bdi(sentence.x[s]), " → ", bdi(sentence.y[t]), ` ${rows[t][s].toFixed(2)}`,
      ...(cell.classList.contains("gold") ? [" (gold link)"] : [])];
  };
  table.addEventListener("pointermove", (event) => {
    const cell = event.target.closest("td[data-s]");
    if (cell) showTip(describe(cell), event.clientX, event.clientY);
    else tip.hidden = true;
  });
  table.addEventListener("pointerleave", () => { tip.hidden = true; });
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const cell = event.target.closest("td[data-s]");
    if (button) lights.toggle(button);
    else if (cell) cell.focus();
  });
  table.addEventListener("focusin", (event) => {
    table.querySelector("[tabindex='0']").tabIndex = -1;
    event.target.tabIndex = 0;
    if (event.target.matches("td")) readout.replaceChildren(...describe(event.target));
    else lights.tell();
  });
  table.addEventListener("keydown", (event) => move(event, table, lights));
  table.querySelector("button").tabIndex = 0;
  return table;
}

// The word that was chosen, and what it lights up.
function makeLights(table, sentence, rows, readout) {
  let chosen = null;

  const paint = () => {
    const kind = chosen && ("source" in chosen.dataset ? "source" : "output");
    const place = chosen && Number(chosen.dataset[kind]);
    table.classList.toggle("lit", chosen !== null);
    for (const cell of table.querySelectorAll("td[data-s]")) {
      cell.classList.toggle("on", chosen !== null && Number(kind === "source" ? cell.dataset.s : cell.dataset.t) === place);
    }
    for (const button of table.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button === chosen));
      const { source, output } = button.dataset;
      let weight = 0;
      if (kind === "source" && output !== undefined) weight = rows[output][place];
      if (kind === "output" && source !== undefined) weight = rows[place][source];
      // Orange on white: as much of it as the weight, the ink staying readable.
      button.style.backgroundColor = weight >= 0.01 ? `rgba(255, 140, 0, ${(0.15 + 0.7 * weight).toFixed(2)})` : "";
    }
  };

  const tell = () => {
    readout.replaceChildren();
    if (!chosen) return;
    const isSource = "source" in chosen.dataset;
    const place = Number(isSource ? chosen.dataset.source : chosen.dataset.output);
    const words = isSource ? sentence.y : sentence.x;
    const weights = isSource ? rows.map((row) => row[place]) : rows[place];
    const strongest = words.map((text, i) => [weights[i], text]).filter(([weight]) => weight >= 0.01);
    strongest.sort(([one], [other]) => other - one);
    readout.append(bdi(chosen.textContent), isSource ? " was attended by " : " attended to ");
    strongest.slice(0, 6).forEach(([weight, text], i) => readout.append(i ? " · " : "", bdi(text), ` ${weight.toFixed(2)}`));
    if (!strongest.length) readout.append("nothing");
  };

  const choose = (button) => {
    chosen = button;
    paint();
    tell();
  };
  return { tell, toggle: (button) => choose(button === chosen ? null : button), clear: () => choose(null) };
}

function move(event, table, lights) {
  const here = event.target.closest("th, td");
  const cells = (row) => [...row.cells].map((cell) => cell.querySelector("button") || cell);
  const row = here.parentElement;
  const column = [...row.cells].indexOf(here);
  const places = [...table.rows];
  const down = places.indexOf(row);
  const steps = {
    ArrowLeft: [down, column - 1], ArrowRight: [down, column + 1], ArrowUp: [down - 1, column],
    ArrowDown: [down + 1, column], Home: [down, down ? 0 : 1], End: [down, row.cells.length - 1],
  };
  if (event.key === "Escape") lights.clear();
  else if (event.key in steps) {
    const [y, x] = steps[event.key];
    const next = places[y] && cells(places[y])[x];
    if (next && !next.matches(".corner")) {
      next.focus();
      next.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  } else return;
  event.preventDefault();
}

function showTip(children, x, y) {
  tip.replaceChildren(...children);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 4))}px`;
  tip.style.top = `${y + 18 + height < innerHeight ? y + 18 : y - height - 10}px`;
}

// ---------------------------------------------------------------------------------------------
// Going from sentence to sentence

const number = document.getElementById("number");
const held = document.getElementById("held");
const shown = document.getElementById("shown");
let current = null;

// "1–200, 314, 907": the numbers that can be typed.
function ranges() {
  const parts = [];
  for (const n of numbers) {
    const last = parts[parts.length - 1];
    if (last && last[1] === n - 1) last[1] = n;
    else parts.push([n, n]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(", ");
}

function jump(n) {
  const sentence = byNumber.get(n);
  held.classList.toggle("missing", !sentence);
  held.textContent = sentence ? `of ${ranges()}` : `sentence ${number.value} is not in this page, which holds ${ranges()}`;
  if (!sentence) return;
  current = n;
  if (Number(number.value) !== n) number.value = n;
  draw(shown, sentence);
}

function drawAll() {
  jump(current);
  for (const place of document.querySelectorAll("[data-sentence]")) {
    draw(place, byNumber.get(Number(place.dataset.sentence)));
  }
}

document.getElementById("jump").addEventListener("submit", (event) => {
  event.preventDefault();
  jump(Number(number.value));
});
number.addEventListener("input", () => { if (number.value) jump(Number(number.value)); });
for (const [id, step] of [["previous", -1], ["next", 1]]) {
  document.getElementById(id).addEventListener("click", () => {
    const place = numbers.indexOf(current) + step;
    jump(numbers[(place + numbers.length) % numbers.length]);
  });
}
for (const button of document.querySelectorAll("[data-open]")) {
  button.addEventListener("click", () => {
    jump(Number(button.dataset.open));
    document.getElementById("look").scrollIntoView();
    number.focus({ preventScroll: true });
  });
}

const layers = (data.sentences[0].h || []).length;
if (layers) {
  const select = document.getElementById("head");
  select.append(make("option", { value: "mean" }, "mean over all heads"));
  for (let layer = 1; layer <= layers; layer++) {
    data.sentences[0].h[layer - 1].forEach((_, head) => {
      select.append(make("option", { value: `${layer} ${head + 1}` }, `layer ${layer}, head ${head + 1}`));
    });
  }
  select.value = headChosen.value;
  select.addEventListener("change", () => {
    headChosen.value = select.value;
    drawAll();
  });
  document.getElementById("heads").hidden = false;
}
current = numbers[0];
number.max = numbers[numbers.length - 1];
drawAll();

// ---------------------------------------------------------------------------------------------
// Bar charts

function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Round steps of which at most five reach the highest bar.
function ticks(highest) {
  const rough = Math.max(highest, 1e-6) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  return Array.from({ length: Math.ceil(highest / step - 1e-9) + 1 }, (_, n) => n * step);
}

function chart(id, { horizontal, form, counted }) {
  const figure = document.getElementById(id);
  const bars = data.charts[id];
  const width = Math.max(280, Math.min(figure.clientWidth, 800));
  const levels = ticks(Math.max(...bars.map(([, value]) => value)));
  const left = 14 + 7.5 * Math.max(...levels.map((level) => form(level).length));
  const [height, bottom, top] = [220, 42, 8];
  const y = (value) => height - bottom - (value / (levels[levels.length - 1] || 1)) * (height - bottom - top);
  const step = (width - left) / bars.length;
  const widest = 8 * Math.max(...bars.map(([label]) => label.length)) + 8;
  const every = Math.ceil(widest / step);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": `${id}-caption` });
  for (const level of levels) {
    picture.append(
      svg("line", { class: "grid", x1: left, x2: width, y1: y(level), y2: y(level) }),
      svg("text", { x: left - 6, y: y(level) + 4, "text-anchor": "end" }, form(level)));
  }
  bars.forEach(([label, value, count], n) => {
    const x = left + n * step;
    const title = svg("title", {}, `${label}: ${form(value)}, ${count.toLocaleString("en")} ${counted}`);
    picture.append(svg("rect", { class: "bar", x: x + step * 0.1, width: step * 0.8, y: y(value), height: height - bottom - y(value) }, title));
    if (n % every === 0) picture.append(svg("text", { x: x + step / 2, y: height - bottom + 16, "text-anchor": "middle" }, label));
  });
  picture.append(svg("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, horizontal));
  figure.querySelector("figcaption").id = `${id}-caption`;
  const rows = bars.map(([label, value, count]) => make("tr", {}, make("td", {}, label), make("td", {}, form(value)), make("td", {}, count.toLocaleString("en"))));
  const head = make("tr", {}, ...[horizontal, "value", counted].map((text) => make("th", { scope: "col" }, text)));
  const isOpen = Boolean(figure.querySelector("details[open]"));
  figure.replaceChildren(
    figure.querySelector("figcaption"), picture,
    make("details", { open: isOpen }, make("summary", {}, "as a table"), make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))));
}

function charts() {
  const precise = (unit) => (value) => `${value >= 0.095 || value === 0 ? +value.toFixed(2) : +value.toPrecision(2)}${unit}`;
  chart("entropy", { horizontal: "position of the output word", form: precise(" bits"), counted: "words" });
  chart("jumps", { horizontal: "jump", form: (value) => `${+(100 * value).toFixed(1)}%`, counted: "steps" });
  chart("loss", { horizontal: "source tokens", form: precise(" nats"), counted: "tokens" });
}
charts();
let waiting = 0;
addEventListener("resize", () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(charts);
});
