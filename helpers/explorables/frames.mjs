import {
  axis,
  choice,
  drawing,
  element,
  entry,
  framed,
  gallery,
  painter,
  scale,
  set,
  slider,
  statusLine,
  upright,
} from "./kit.mjs";

/** What belongs to the places of all controls: images by number, a text, marked points of curves. */
export function compute({ places }, { controls, images, text, panels }) {
  const row = places.reduce((sum, place, k) => sum * controls[k].options.length + place, 0);
  const marks = panels.map(({ x, lines, along, line }) => {
    const chosen = line === null ? 0 : places[line];
    return { x: x[places[along]], y: lines[chosen].y[places[along]], line: chosen };
  });
  return { images: images[row], text: text[row], marks };
}

const COLORS = ["var(--normal)", "var(--second)", "var(--ink)", "#aa4499", "#999933"];
const DASHES = ["none", "8 3", "2 3", "8 3 2 3", "12 4"];

function panel({ title, x, ticks, lines, line, range, label }) {
  const [h, v] = [scale([0, x.length - 1], [70, 300]), scale(range, [170, 30])];
  const value = (end) =>
    `${Math.abs(end) < (range[1] - range[0]) / 1000 ? 0 : Number(end.toPrecision(3))}`;
  const curves = lines.map(({ y }, k) => {
    const known = y.map((value, i) => (value === null ? "" : `${h(i)},${v(value)}`));
    const path = known.map((point, i) => point && (i && known[i - 1] ? "L" : "M") + point);
    const style = { fill: "none", "stroke-width": 2.5, "stroke-dasharray": DASHES[k % 5] };
    return element("path", { d: path.join(""), stroke: COLORS[k % 5], ...style });
  });
  const rule = element("line", { y1: 170, y2: 30, stroke: "var(--faint)" });
  const dot = element("circle", { r: 6, fill: "var(--ink)" });
  const move = (place, y, chosen) => {
    set(rule, { x1: h(place), x2: h(place) });
    set(dot, { visibility: y === null ? "hidden" : "visible" });
    if (y !== null) set(dot, { cx: h(place), cy: v(y) });
    if (line !== null)
      curves.forEach((curve, k) => set(curve, { opacity: k === chosen ? 1 : 0.5 }));
  };
  const node = drawing(320, 215, `${title} over ${label}`);
  node.append(
    element("text", { x: 70, y: 18 }, title),
    axis(h, 170, [...ticks.keys()], label, (i) => ticks[i]),
    upright(70, v, range, "", value),
    rule,
    ...curves,
    dot,
  );
  return { node, move };
}

export function render({ model, el }) {
  const names = ["controls", "images", "text", "panels", "titles", "sheet"];
  const data = Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const { controls, panels, titles, sheet } = data;
  const state = { places: controls.map(({ start }) => start) };

  const frames = titles.map((title) => framed(sheet, title, element("figcaption", {}, title)));
  const pictures = element("div", { class: "pictures" }, ...frames.map(({ node }) => node));
  const drawn = panels.map(panel);
  const graphs = element("div", { class: "graphs" }, ...drawn.map(({ node }) => node));
  // which line is which
  const key = element("p", { class: "key" });
  const several = panels.find(({ lines }) => lines.length > 1);
  several?.lines.forEach(({ name }, k) => {
    const style = { stroke: COLORS[k % 5], "stroke-dasharray": DASHES[k % 5] };
    key.append(entry("line", style, name));
  });

  const status = statusLine();
  const images = sheet && gallery(sheet);
  const repaint = painter(() => {
    const now = compute(state, data);
    frames.forEach(({ context }, k) => images.draw(context, now.images[k]));
    now.marks.forEach(({ y, line }, k) => drawn[k].move(state.places[panels[k].along], y, line));
    return now.text;
  }, status);
  images?.ready.then(repaint);
  const nodes = controls.map(({ label, options, list }, k) => {
    const change = (value) => {
      state.places[k] = Number(value);
      repaint();
    };
    if (list) return choice(label, Object.fromEntries(options.entries()), state.places[k], change);
    const range = { min: 0, max: options.length - 1, step: 1, value: state.places[k] };
    return slider(label, { ...range, show: (place) => options[place] }, change).node;
  });
  el.append(pictures, graphs, key, ...nodes, status);
}
