import {
  axis,
  drawing,
  element,
  painter,
  scale,
  set,
  slider,
  statusLine,
  upright,
} from "./kit.mjs";

/** Largest softmax probability, and energy -T log(exp(a / T) + exp(b / T)), of two logits. */
export function compute({ a, b, temperature }) {
  const high = Math.max(a, b);
  const sum = Math.exp((a - high) / temperature) + Math.exp((b - high) / temperature);
  return { probability: 1 / sum, energy: -(high + temperature * Math.log(sum)) };
}

const [LOW, HIGH, CELLS] = [-6, 10, 24];

function map(label, name, value) {
  const x = scale([LOW, HIGH], [60, 300]);
  const y = scale([LOW, HIGH], [265, 25]);
  const canvas = element("canvas", { width: CELLS, height: CELLS });
  const pixels = canvas.getContext("2d");
  const image = pixels.createImageData(CELLS, CELLS);
  const box = { x: 60, y: 25, width: 240, height: 240 };
  const node = drawing(320, 310, label);
  canvas.style.cssText = "width:100%;height:100%;display:block";
  const dot = element("circle", {
    r: 8,
    fill: "var(--second)",
    stroke: "var(--ink)",
    "stroke-width": 2,
  });
  node.append(
    element("foreignObject", box, canvas),
    axis(x, 265, [-5, 0, 5, 10], "logit of class A"),
    upright(60, y, [-5, 0, 5, 10], "logit of class B"),
    element("text", { x: 60, y: 14 }, name),
    dot,
  );
  const at = (k) => LOW + ((k + 0.5) / CELLS) * (HIGH - LOW);
  const shade = (temperature) => {
    for (let i = 0; i < CELLS; i++) {
      for (let j = 0; j < CELLS; j++) {
        const opacity = 255 * value(compute({ a: at(i), b: at(j), temperature }));
        image.data.set([40, 130, 190, opacity], 4 * ((CELLS - 1 - j) * CELLS + i));
      }
    }
    pixels.putImageData(image, 0, 0);
  };
  return { node, shade, move: (a, b) => set(dot, { cx: x(a), cy: y(b) }) };
}

export function render({ model, el }) {
  const state = { ...model.get("start") };
  const sure = map(
    "Map over two logits: the largest probability",
    "largest probability: dark = sure",
    ({ probability }) => 2 * (probability - 0.5),
  );
  const low = map(
    "Map over two logits: the energy",
    "energy: dark = low (known images)",
    ({ energy }) => Math.min(Math.max((8 - energy) / 18, 0), 1),
  );

  let shaded;
  const status = statusLine();
  const repaint = painter(() => {
    if (shaded !== state.temperature) [sure, low].forEach((one) => one.shade(state.temperature));
    shaded = state.temperature;
    [sure, low].forEach((one) => one.move(state.a, state.b));
    const { probability, energy } = compute(state);
    return (
      `Logits ${state.a.toFixed(1)} and ${state.b.toFixed(1)}: largest probability ${probability.toFixed(3)}, ` +
      `energy ${energy.toFixed(2)}. Adding the same number to both logits changes the energy alone.`
    );
  }, status);
  const one = (value) => value.toFixed(1);
  const change = (name) => (value) => {
    state[name] = value;
    repaint();
  };
  const logit = (label, name) =>
    slider(label, { min: LOW, max: HIGH, step: 0.1, value: state[name], show: one }, change(name))
      .node;
  el.append(
    element("div", { class: "graphs" }, sure.node, low.node),
    logit("logit of class A", "a"),
    logit("logit of class B", "b"),
    slider(
      "temperature T",
      { min: 0.5, max: 4, step: 0.5, value: state.temperature, show: one },
      change("temperature"),
    ).node,
    status,
  );
}
