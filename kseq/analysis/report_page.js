"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byNumber = new Map(data.sentences.map((sentence) => [sentence.n, sentence]));
const numbers = [...byNumber.keys()];
const tip = document.getElementById("tip");

// Nine colours of viridis (Smith and van der Walt 2015), which is readable with colour blindness.
const VIRIDIS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"]
  .map((hex) => [0, 2, 4].map((place) => parseInt(hex.slice(place, place + 2), 16)));

function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const mixed = VIRIDIS[low].map((from, i) => Math.round(from + (place - low) * (VIRIDIS[low + 1][i] - from)));
  return `rgb(${mixed})`;
}

// Makes an element with properties and children; strings become text, never markup.
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

const selectedHead = { value: data.head ? data.head.join(" ") : "mean" };

// Returns weights by output row and source column, and the weight with the brightest colour.
function unpackAttention(sentence) {
  const [layer, head] = selectedHead.value.split(" ").map(Number);
  const packed = head ? sentence.h[layer - 1][head - 1] : sentence.w;
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const width = sentence.x.length;
  const rows = sentence.y.map((_, t) => Array.from(bytes.subarray(t * width, (t + 1) * width), (byte) => byte / 255));
  // The mean over heads is far below 1.
  const top = sentence.h && !head ? Math.max(1 / 255, ...rows.flat()) : 1;
  return { rows, top };
}

function draw(place, sentence) {
  const { rows, top } = unpackAttention(sentence);
  const numbersLine = [
    `cross-entropy ${sentence.loss.toFixed(3)} nats per token`,
    `entropy ${sentence.entropy.toFixed(2)} bits`,
    ...("mono" in sentence ? [`monotonicity ${Math.round(100 * sentence.mono)}%`] : []),
    `${sentence.never.length} of ${sentence.words} source words never attended to, ${sentence.twice.length} attended to twice`,
  ].join(" · ") + (sentence.h ? ` (of ${data.measured})` : "");
  const cut = sentence.cut ? [make("p", { className: "numbers" }, `Only the first ${data.longest} tokens of each side are drawn.`)] : [];
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
          button.title = flag === "never" ? "never attended to" : "attended to twice";
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

  const highlights = makeHighlights(table, sentence, rows, readout);
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
    if (button) highlights.toggle(button);
    else if (cell) cell.focus();
  });
  table.addEventListener("focusin", (event) => {
    table.querySelector("[tabindex='0']").tabIndex = -1;
    event.target.tabIndex = 0;
    if (event.target.matches("td")) readout.replaceChildren(...describe(event.target));
    else highlights.describe();
  });
  table.addEventListener("keydown", (event) => move(event, table, highlights));
  table.querySelector("button").tabIndex = 0;
  return table;
}

// Highlights what the selected word attended to, or what attended to it.
function makeHighlights(table, sentence, rows, readout) {
  let selected = null;

  const paint = () => {
    const kind = selected && ("source" in selected.dataset ? "source" : "output");
    const place = selected && Number(selected.dataset[kind]);
    table.classList.toggle("lit", selected !== null);
    for (const cell of table.querySelectorAll("td[data-s]")) {
      cell.classList.toggle("on", selected !== null && Number(kind === "source" ? cell.dataset.s : cell.dataset.t) === place);
    }
    for (const button of table.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button === selected));
      const { source, output } = button.dataset;
      let weight = 0;
      if (kind === "source" && output !== undefined) weight = rows[output][place];
      if (kind === "output" && source !== undefined) weight = rows[place][source];
      // Orange on white, in proportion to the weight, so that the text stays readable.
      button.style.backgroundColor = weight >= 0.01 ? `rgba(255, 140, 0, ${(0.15 + 0.7 * weight).toFixed(2)})` : "";
    }
  };

  const describe = () => {
    readout.replaceChildren();
    if (!selected) return;
    const isSource = "source" in selected.dataset;
    const place = Number(isSource ? selected.dataset.source : selected.dataset.output);
    const words = isSource ? sentence.y : sentence.x;
    const weights = isSource ? rows.map((row) => row[place]) : rows[place];
    const strongest = words.map((text, i) => [weights[i], text]).filter(([weight]) => weight >= 0.01);
    strongest.sort(([a], [b]) => b - a);
    readout.append(bdi(selected.textContent), isSource ? " was attended to by " : " attended to ");
    strongest.slice(0, 6).forEach(([weight, text], i) => readout.append(i ? " · " : "", bdi(text), ` ${weight.toFixed(2)}`));
    if (!strongest.length) readout.append("nothing");
  };

  const select = (button) => {
    selected = button;
    paint();
    describe();
  };
  return { describe, toggle: (button) => select(button === selected ? null : button), clear: () => select(null) };
}

function move(event, table, highlights) {
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
  if (event.key === "Escape") highlights.clear();
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
// Moving from sentence to sentence

const number = document.getElementById("number");
const available = document.getElementById("available");
const viewer = document.getElementById("viewer");
let current = null;

// Returns the numbers of the sentences on the page, such as "1–200, 314, 907".
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
  available.classList.toggle("missing", !sentence);
  available.textContent = sentence ? `of ${ranges()}` : `sentence ${number.value} is not on this page, which holds ${ranges()}`;
  if (!sentence) return;
  current = n;
  if (Number(number.value) !== n) number.value = n;
  draw(viewer, sentence);
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
  select.value = selectedHead.value;
  select.addEventListener("change", () => {
    selectedHead.value = select.value;
    drawAll();
  });
  document.getElementById("heads").hidden = false;
}
current = numbers[0];
number.max = numbers[numbers.length - 1];
drawAll();
