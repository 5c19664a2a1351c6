// The heatmap of an attention: a row for each output token, a column for each source token.

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

// Returns the heatmap with its scale and a line that describes what is selected.
//
// An attention has `source` and `output`, tokens as strings; `weights`, a list for each output
// token; `top`, the weight with the brightest colour; `label`, for screen readers; and it may have
// `never` and `twice`, places of source tokens, and `gold`, links [source, output].
function heatmap(attention) {
  const readout = make("p", { className: "readout", "aria-live": "polite" });
  const ramp = make("span");
  ramp.style.background = `linear-gradient(to right, ${[0, 1, 2, 3, 4, 5, 6, 7, 8].map((n) => colour(n / 8))})`;
  return [
    make("div", { className: "scroll" }, grid(attention, readout)),
    make("div", { className: "scale", "aria-hidden": "true" }, "0", ramp, `${attention.top.toFixed(2)} weight`),
    readout];
}

function grid(attention, readout) {
  const { source, output, weights, top } = attention;
  const gold = new Set((attention.gold || []).map(([s, t]) => `${s} ${t}`));
  const table = make("table", { className: "heatmap", role: "grid" });
  table.setAttribute("aria-label", attention.label);

  const word = (text, kind, place) => {
    const button = make("button", { type: "button", tabIndex: -1, dir: "auto" }, text.trim() || "␣");
    button.dataset[kind] = place;
    button.setAttribute("aria-pressed", "false");
    if (kind === "source") {
      if ([...text].length <= 2) button.classList.add("short");
      for (const flag of ["never", "twice"]) {
        if ((attention[flag] || []).includes(place)) {
          button.classList.add(flag);
          button.title = flag === "never" ? "never attended to" : "attended to twice";
        }
      }
    }
    return make("th", { scope: kind === "source" ? "col" : "row" }, button);
  };

  const header = make("tr", {}, make("td", { className: "corner" }));
  source.forEach((text, s) => header.append(word(text, "source", s)));
  table.append(make("thead", {}, header));
  const body = make("tbody");
  weights.forEach((row, t) => {
    const line = make("tr", {}, word(output[t], "output", t));
    row.forEach((weight, s) => {
      const cell = make("td", { tabIndex: -1 });
      cell.setAttribute("aria-label", `${source[s]} → ${output[t]} ${weight.toFixed(2)}`);
      cell.dataset.s = s;
      cell.dataset.t = t;
      cell.style.backgroundColor = colour(weight / top);
      if (gold.has(`${s} ${t}`)) cell.classList.add("gold");
      line.append(cell);
    });
    body.append(line);
  });
  table.append(body);

  const highlights = makeHighlights(table, attention, readout);
  const describe = (cell) => {
    const { s, t } = cell.dataset;
    return [bdi(source[s]), " → ", bdi(output[t]), ` ${weights[t][s].toFixed(2)}`,
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
function makeHighlights(table, { source, output, weights }, readout) {
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
      let weight = 0;
      if (kind === "source" && "output" in button.dataset) weight = weights[button.dataset.output][place];
      if (kind === "output" && "source" in button.dataset) weight = weights[place][button.dataset.source];
      // Orange, in proportion to the weight, so that the text stays readable.
      button.style.backgroundColor = weight >= 0.01 ? `rgba(255, 140, 0, ${(0.15 + 0.7 * weight).toFixed(2)})` : "";
      button.classList.toggle("strong", weight >= 0.7);
    }
  };

  const describe = () => {
    readout.replaceChildren();
    if (!selected) return;
    const isSource = "source" in selected.dataset;
    const place = Number(isSource ? selected.dataset.source : selected.dataset.output);
    const words = isSource ? output : source;
    const shares = isSource ? weights.map((row) => row[place]) : weights[place];
    const strongest = words.map((text, i) => [shares[i], text]).filter(([weight]) => weight >= 0.01);
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
