// The page of a server, after elements.js, heatmap.js and curves.js: a question, and the answers of
// one model or of two.

const SECONDS_TO_SETTLE = 0.25; // after the last key
const SECONDS_BETWEEN_LOOKS = 1;
const SECONDS_TO_NOTICE = 0.7; // The first answer with new options takes longer than others.
const WORKING = "Working …";
const LONGEST = 100; // tokens or steps per side of a heatmap; with more cells, browsers are slow
const TEXT_LABELS = { "language model": "Beginning of a text (it may be empty)", dialogue: "Turns, a line for each" };
const TURN = " ⏎ "; // between two turns
const LARGEST_SEED = 2 ** 31 - 1;

const find = (id) => document.getElementById(id);
const number = (id) => find(id).valueAsNumber;
let models = [];

// ---------------------------------------------------------------------------------------------
// The server

// Sends a question, or gets a list; returns the answer, or an error to show to the user.
async function request(path, body) {
  let response;
  try {
    response = await fetch(path, body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    return { error: "The server does not answer." };
  }
  const answer = await response.json().catch(() => ({ error: `The server answered with status ${response.status}.` }));
  return { ...answer, retryAfter: Number(response.headers.get("Retry-After")) || 0 };
}

async function findModels() {
  const answer = await request("models");
  const loading = (answer.models || []).filter((model) => !model.reads).map((model) => model.name);
  if (answer.error || loading.length) {
    find("status").textContent = answer.error || `Loading ${loading.join(", ")} …`;
    setTimeout(findModels, 1000 * SECONDS_BETWEEN_LOOKS);
    return;
  }
  models = answer.models;
  find("status").textContent = "";
  find("model").replaceChildren(...models.map(({ name }) => make("option", { value: name }, name)));
  find("pickers").hidden = models.length < 2;
  useModel();
  find(model().reads === "text" ? "text" : "values").focus();
}

// ---------------------------------------------------------------------------------------------
// The question

const model = () => models.find(({ name }) => name === find("model").value);
const other = () => models.find(({ name }) => name === find("other").value);
const chosen = () => [model(), other()].filter(Boolean);
const isSampling = () => find("question").elements.method.value === "sample";

// Shows the fields that the chosen model needs.
function useModel() {
  const { name, reads, source_width: width, reads_features: readsFeatures, task } = model();
  find("title").textContent = models.length > 1 ? "kseq" : name;
  document.title = models.length > 1 ? "kseq" : `${name} · kseq`;
  const comparable = models.filter((each) => each.name !== name && each.reads === reads && each.task === task
    && each.source_width === width && each.reads_features === readsFeatures);
  const before = find("other").value;
  find("other").replaceChildren(make("option", { value: "" }, "no other"), ...comparable.map((each) => make("option", { value: each.name }, each.name)));
  find("other").value = comparable.some((each) => each.name === before) ? before : "";
  find("other-label").hidden = !comparable.length;
  find("text-source").hidden = reads !== "text";
  find("value-source").hidden = reads !== "values";
  find("text-label").textContent = TEXT_LABELS[task] || "Sentence";
  // The likeliest text of a language model is a dull one.
  if (task === "language model") find("question").elements.method.value = "sample";
  find("width").textContent = width === 1 ? "a number" : `${width} numbers`;
  find("features-label").hidden = !readsFeatures;
  showOptions();
}

function showOptions() {
  find("steps-label").hidden = chosen().every(({ writes }) => writes === "text");
  find("search").hidden = !chosen().some((each) => each.has_options);
  find("beam-options").hidden = isSampling();
  find("sample-options").hidden = !isSampling();
  showPanels();
  ask();
}

// Returns the source, an entry of the body; null if there is none.
function source() {
  if (model().reads === "text") {
    let text = find("text").value.trim();
    if (model().task === "dialogue") text = text.split("\n").map((line) => line.trim()).filter(Boolean).join(TURN);
    return text || model().task === "language model" ? { text: [text] } : null;
  }
  const { values, error } = parse(find("values").value, model().source_width);
  find("values-error").hidden = !error;
  find("values-error").textContent = error || "";
  find("source-curve").replaceChildren(...(values ? [curves("Source", values)] : []));
  return values ? { values: [values] } : null;
}

// Reads numbers, a step on each line.
function parse(text, width) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  const values = lines.map((line) => line.split(/[\s,;]+/).filter(Boolean).map(Number));
  const wrong = values.findIndex((step) => step.length !== width || !step.every(Number.isFinite));
  if (wrong < 0) return { values: values.length ? values : null };
  const expected = width === 1 ? "a number" : `${width} numbers`;
  return { error: `Line ${wrong + 1}: expected ${expected}; received “${lines[wrong].slice(0, 40)}”.` };
}

// Returns the body of the request to one of the chosen models.
function bodyFor(each, given) {
  const body = { ...given, model: each.name, attention: each.has_attention };
  if (each.reads_features) body.features = find("features").value;
  if (each.writes === "values") return { ...body, steps: number("steps") };
  if (!each.has_options) return body;
  if (!isSampling()) return { ...body, beam: number("beam"), n_best: number("n-best") };
  return { ...body, samples: number("samples"), seed: number("seed"), temperature: number("temperature"), top_p: number("top-p") };
}

// ---------------------------------------------------------------------------------------------
// Asking as the user types

let panels = [];
let settling = 0;

const askSoon = () => {
  clearTimeout(settling);
  settling = setTimeout(ask, 1000 * SECONDS_TO_SETTLE);
};

function ask() {
  clearTimeout(settling);
  if (!models.length) return;
  const given = source();
  const wrong = [...find("question").querySelectorAll("input:invalid")].find((input) => !input.closest("[hidden]"));
  if (wrong) {
    find("status").textContent = `${wrong.labels[0].textContent.trim()}: ${wrong.validationMessage}`;
    for (const panel of panels) panel.place.classList.add("stale");
    return;
  }
  find("status").textContent = "";
  for (const panel of panels) panel.ask(given && bodyFor(panel.model, given));
}

function showPanels() {
  if (chosen().length === panels.length && chosen().every((each, n) => each === panels[n].model)) return;
  panels = chosen().map((each) => new Panel(each));
  find("results").replaceChildren(...panels.map((panel) => panel.place));
}

// The answers of a model. It has one request at a time, so that fast typing does not fill the queue
// of the server, and an answer is shown only if the question has not changed since.
class Panel {
  constructor(each) {
    this.model = each;
    this.question = null;
    this.isAsking = false;
    this.picked = 0;
    const isFixed = each.writes === "text" && !each.has_options;
    this.answer = make("div");
    this.place = make("section", {}, make("h2", { className: models.length > 1 ? "" : "unseen" }, each.name),
      ...(isFixed ? [make("p", { className: "note" }, "The search of this model was fixed when it was exported.")] : []), this.answer);
    this.place.hidden = true;
  }

  async ask(question) {
    this.place.classList.remove("stale");
    const text = JSON.stringify(question);
    const isSame = text === this.question;
    this.question = text;
    if (this.isAsking || (isSame && !this.failed)) return;
    this.isAsking = true;
    const notice = setTimeout(() => { find("status").textContent = WORKING; }, 1000 * SECONDS_TO_NOTICE);
    let answer, asked;
    do {
      asked = this.question;
      this.place.setAttribute("aria-busy", "true");
      answer = asked === "null" ? {} : await request("translate", JSON.parse(asked));
    } while (asked !== this.question);
    this.isAsking = false;
    clearTimeout(notice);
    if (find("status").textContent === WORKING && !panels.some((each) => each.isAsking)) find("status").textContent = "";
    this.failed = Boolean(answer.error);
    this.place.setAttribute("aria-busy", "false");
    this.place.hidden = asked === "null";
    if (!this.place.hidden) this.show(answer);
    showHelp();
  }

  show(answer) {
    if (answer.error) {
      const again = answer.retryAfter ? [make("p", { className: "note" }, `The page asks again in ${answer.retryAfter} s.`)] : [];
      this.answer.replaceChildren(make("p", { className: "error", role: "alert" }, answer.error), ...again);
      if (answer.retryAfter) setTimeout(() => panels.includes(this) && ask(), 1000 * answer.retryAfter);
      return;
    }
    this.prediction = answer.predictions && answer.predictions[0];
    if (this.prediction) this.showPrediction(this.prediction);
    else this.showTranslations([answer.translations[0]].flat());
  }

  showPrediction({ values, attention }) {
    this.answer.replaceChildren(curves("Prediction", values), ...this.attentionOf({ attention }, values.map((_, t) => `${t + 1}`)));
    report(this, `${values.length} steps predicted.`);
  }

  showTranslations(outputs) {
    const weights = make("div");
    const canPick = outputs.length > 1 && outputs.some((output) => output.attention);
    const pick = (place) => {
      this.picked = place;
      [...list.querySelectorAll("button")].forEach((button, n) => button.setAttribute("aria-pressed", String(n === place)));
      weights.replaceChildren(...this.attentionOf(outputs[place], outputs[place].tokens));
    };
    const list = make("ol", { className: "outputs" }, ...outputs.map((output, place) => make("li", {},
      make(canPick ? "button" : "div", canPick ? { type: "button", onclick: () => pick(place) } : { className: "only" },
        make("span", { className: "written", dir: "auto", lang: "" }, output.text),
        make("span", { className: "note" }, scores(output))))));
    this.answer.replaceChildren(list, weights);
    pick(Math.min(this.picked, outputs.length - 1));
    report(this, `${outputs.length > 1 ? `${outputs.length} outputs, the first: ` : ""}${outputs[0].text}`);
  }

  attentionOf({ attention, source_tokens: sourceTokens }, output) {
    if (!attention || !attention.length) return [];
    const source = sourceTokens || attention[0].map((_, s) => `${s + 1}`);
    const weights = attention.slice(0, LONGEST).map((row) => row.slice(0, LONGEST));
    const peak = Math.max(0.01, ...weights.flat());
    const isCut = Math.max(source.length, output.length) > LONGEST;
    return [
      ...(isCut ? [make("p", { className: "note" }, `Only the first ${LONGEST} of each side are drawn.`)] : []),
      ...heatmap({
        label: `attention of ${this.model.name}`, source: source.slice(0, LONGEST), output: output.slice(0, LONGEST), weights,
        top: peak > 0.5 ? 1 : peak,
      })];
  }
}

function scores({ score, log_probability: logProbability, is_cut: isCut }) {
  const signed = (value) => value.toFixed(2).replace("-", "−");
  return [
    `score ${signed(score)}`,
    ...(logProbability === undefined || logProbability === score ? [] : [`log-probability ${signed(logProbability)}`]),
    ...(isCut ? ["cut at the maximum length"] : []),
  ].join(" · ");
}

// Tells screen readers what has come.
function report(panel, text) {
  panel.summary = panels.length > 1 ? `${panel.model.name}: ${text}` : text;
  find("announcement").textContent = panels.map((each) => each.summary || "").join(" ");
}

function showHelp() {
  find("help").hidden = !document.querySelector(".heatmap");
}

// ---------------------------------------------------------------------------------------------
// Events

find("question").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
find("question").addEventListener("input", askSoon);
find("question").addEventListener("change", ask); // Enter, or another field
find("model").addEventListener("change", useModel);
find("other").addEventListener("change", showOptions);
for (const radio of find("question").elements.method) radio.addEventListener("change", showOptions);
// A beam holds all outputs that are returned.
find("n-best").addEventListener("input", () => { if (number("n-best") > number("beam")) find("beam").value = number("n-best"); });
find("beam").addEventListener("input", () => { if (number("beam") < number("n-best")) find("n-best").value = number("beam"); });
find("draw-again").addEventListener("click", () => {
  find("seed").value = Math.floor(Math.random() * LARGEST_SEED);
  ask();
});
find("example").addEventListener("click", () => {
  const step = (t) => Array.from({ length: model().source_width }, (_, n) => Math.sin(t / 4 + n).toFixed(3)).join(" ");
  find("values").value = Array.from({ length: 40 }, (_, t) => step(t)).join("\n");
  ask();
});
let width = innerWidth;
addEventListener("resize", () => {
  if (width === innerWidth || !models.length) return; // A phone's keyboard came or went.
  width = innerWidth;
  source();
  for (const panel of panels) if (panel.prediction) panel.showPrediction(panel.prediction);
});
findModels();
