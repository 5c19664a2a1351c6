// Bar charts of the report, after report_page.js.

function chart(id, { xLabel, format, unit }) {
  const figure = document.getElementById(id);
  const bars = data.charts[id];
  const width = Math.max(280, Math.min(figure.clientWidth, 800));
  const levels = ticks(0, Math.max(...bars.map(([, value]) => value)));
  const left = 14 + 7.5 * Math.max(...levels.map((level) => format(level).length));
  const [height, bottom, top] = [220, 42, 8];
  const y = (value) => height - bottom - (value / (levels[levels.length - 1] || 1)) * (height - bottom - top);
  const step = (width - left) / bars.length;
  const widest = 8 * Math.max(...bars.map(([label]) => label.length)) + 8;
  const labelInterval = Math.ceil(widest / step);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": `${id}-caption` });
  for (const level of levels) {
    picture.append(
      svg("line", { class: "grid", x1: left, x2: width, y1: y(level), y2: y(level) }),
      svg("text", { x: left - 6, y: y(level) + 4, "text-anchor": "end" }, format(level)));
  }
  bars.forEach(([label, value, count], n) => {
    const x = left + n * step;
    const title = svg("title", {}, `${label}: ${format(value)}, ${count.toLocaleString("en")} ${unit}`);
    picture.append(svg("rect", { class: "bar", x: x + step * 0.1, width: step * 0.8, y: y(value), height: height - bottom - y(value) }, title));
    if (n % labelInterval === 0) picture.append(svg("text", { x: x + step / 2, y: height - bottom + 16, "text-anchor": "middle" }, label));
  });
  picture.append(svg("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, xLabel));
  figure.querySelector("figcaption").id = `${id}-caption`;
  const rows = bars.map(([label, value, count]) => make("tr", {}, make("td", {}, label), make("td", {}, format(value)), make("td", {}, count.toLocaleString("en"))));
  const head = make("tr", {}, ...[xLabel, "value", unit].map((text) => make("th", { scope: "col" }, text)));
  const isOpen = Boolean(figure.querySelector("details[open]"));
  figure.replaceChildren(
    figure.querySelector("figcaption"), picture,
    make("details", { open: isOpen }, make("summary", {}, "show as a table"), make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))));
}

function charts() {
  const precise = (unit) => (value) => `${value >= 0.095 || value === 0 ? +value.toFixed(2) : +value.toPrecision(2)}${unit}`;
  chart("entropy", { xLabel: "position of the output word", format: precise(" bits"), unit: "words" });
  chart("jumps", { xLabel: "jump", format: (value) => `${+(100 * value).toFixed(1)}%`, unit: "steps" });
  chart("loss", { xLabel: "source tokens", format: precise(" nats"), unit: "tokens" });
}
charts();
let waiting = 0;
addEventListener("resize", () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(charts);
});
