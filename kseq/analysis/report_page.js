// The page of a report, after elements.js and heatmap.js.

const data = JSON.parse(document.getElementById("data").textContent);
const byNumber = new Map(data.sentences.map((sentence) => [sentence.n, sentence]));
const numbers = [...byNumber.keys()];

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
  place.replaceChildren(
    make("div", { className: "pair" },
      make("p", { dir: "auto", lang: "" }, sentence.s),
      make("p", { dir: "auto", lang: "" }, sentence.t),
      make("p", { className: "numbers" }, numbersLine), ...cut),
    ...heatmap({
      label: `attention of sentence ${sentence.n}`,
      source: sentence.x, output: sentence.y, weights: rows, top,
      never: sentence.never, twice: sentence.twice, gold: sentence.g,
    }));
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
