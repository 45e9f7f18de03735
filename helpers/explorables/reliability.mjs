import {
  axis,
  button,
  drawing,
  element,
  generator,
  painter,
  scale,
  set,
  slider,
  statusLine,
} from "./kit.mjs";

const BINS = 10;

/**
 * Accuracy by bin, and the calibration error, of n simulated images.
 *
 * The classifier's true chance to be right is uniform between 0.5 and 1. It reports that chance with
 * its logit divided by the temperature: at 1 it is perfectly calibrated, below it is too sure.
 */
export function compute({ n, temperature, seed }) {
  const random = generator(seed);
  const bins = Array.from({ length: BINS }, () => ({ count: 0, right: 0, sure: 0 }));
  for (let i = 0; i < n; i++) {
    const chance = 0.5 + 0.5 * random();
    const right = random() < chance;
    const logit = Math.log(chance / Math.max(1 - chance, 1e-12));
    const sure = 1 / (1 + Math.exp(-logit / temperature));
    const bin = bins[Math.min(Math.floor((sure - 0.5) * 2 * BINS), BINS - 1)];
    bin.count++;
    bin.right += right ? 1 : 0;
    bin.sure += sure;
  }
  const error = bins.reduce((sum, bin) => sum + Math.abs(bin.right - bin.sure), 0) / n;
  return {
    error,
    counts: bins.map((bin) => bin.count),
    accuracy: bins.map((bin) => (bin.count ? bin.right / bin.count : 0)),
  };
}

export function render({ model, el }) {
  const state = { ...model.get("start"), seed: 1 };
  const svg = drawing(
    640,
    280,
    "Reliability diagram: accuracy of simulated images in ten bins of confidence",
  );
  const [x, y] = [scale([0.5, 1], [50, 400]), scale([0, 1], [230, 20])];
  const bars = Array.from({ length: BINS }, (_, i) =>
    element("rect", {
      x: x(0.5 + 0.05 * i) + 1,
      width: x(0.55) - x(0.5) - 2,
      fill: "var(--normal)",
      "fill-opacity": 0.7,
    }),
  );
  const past = element("path", {
    stroke: "var(--ink)",
    "stroke-width": 6,
    "stroke-linecap": "round",
    "stroke-opacity": 0.5,
  });
  const e = scale([0, 0.1], [230, 20]);
  svg.append(
    ...bars,
    element("line", {
      x1: x(0.5),
      y1: y(0.5),
      x2: x(1),
      y2: y(1),
      stroke: "var(--ink)",
      "stroke-dasharray": "5 4",
    }),
    axis(x, 230, [0.5, 0.6, 0.7, 0.8, 0.9, 1], "confidence that the classifier reports"),
    element(
      "text",
      { x: 20, y: 130, "text-anchor": "middle", transform: "rotate(-90 20 130)" },
      "accuracy",
    ),
    element("text", { x: 540, y: 264, "text-anchor": "middle" }, "calibration errors so far"),
    element("line", { x1: 470, x2: 470, y1: 20, y2: 230, stroke: "var(--ink)" }),
    ...[0, 0.05, 0.1].map((tick) =>
      element("text", { x: 462, y: e(tick) + 4, "text-anchor": "end" }, String(tick)),
    ),
    past,
  );
  let drawn = [];
  const status = statusLine();
  const repaint = painter(() => {
    const { error, counts, accuracy } = compute(state);
    bars.forEach((bar, i) =>
      set(bar, { y: y(accuracy[i]), height: counts[i] ? 230 - y(accuracy[i]) : 0 }),
    );
    drawn.push(error);
    drawn = drawn.slice(-30);
    past.setAttribute(
      "d",
      drawn.map((value, i) => `M${480 + 5 * i},${e(Math.min(value, 0.1)).toFixed(1)}h0`).join(""),
    );
    return (
      `${state.n} images, temperature ${state.temperature.toFixed(1)}: calibration error ${error.toFixed(4)}. ` +
      (state.temperature === 1
        ? "This classifier is perfectly calibrated: the error is chance alone."
        : `This classifier is too ${state.temperature < 1 ? "sure" : "unsure"}.`)
    );
  }, status);
  const change = (name, again) => (value) => {
    if (again) drawn = [];
    state[name] = value;
    repaint();
  };
  el.append(
    svg,
    slider(
      "number of images",
      { min: 100, max: 2000, step: 100, value: state.n },
      change("n", true),
    ).node,
    slider(
      "temperature",
      { min: 0.4, max: 2, step: 0.1, value: state.temperature, show: (v) => v.toFixed(1) },
      change("temperature", true),
    ).node,
    element(
      "div",
      { class: "buttons" },
      button("draw other images", () => change("seed")(state.seed + 1)),
    ),
    status,
  );
}
