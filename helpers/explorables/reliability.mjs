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
  upright,
} from "./kit.mjs";

const BINS = 10;
const DRAWS = 30; // whose errors are shown

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
  const left = drawing(
    320,
    250,
    "Reliability diagram: accuracy of simulated images in ten bins of confidence",
  );
  const right = drawing(320, 250, "Calibration errors of the draws so far");
  const [x, y] = [scale([0.5, 1], [60, 300]), scale([0, 1], [200, 20])];
  const bars = element("path", { fill: "var(--normal)", "fill-opacity": 0.7 });
  const [start, wide] = [(i) => x(0.5 + 0.05 * i) + 1, x(0.55) - x(0.5) - 2];
  const past = element("path", {
    stroke: "var(--ink)",
    "stroke-width": 6,
    "stroke-linecap": "round",
    "stroke-opacity": 0.5,
  });
  const e = scale([0, 0.1], [200, 20]);
  const draw = scale([1, DRAWS], [70, 295]);
  left.append(
    bars,
    element("line", {
      x1: x(0.5),
      y1: y(0.5),
      x2: x(1),
      y2: y(1),
      stroke: "var(--ink)",
      "stroke-dasharray": "5 4",
    }),
    axis(x, 200, [0.5, 0.6, 0.7, 0.8, 0.9, 1], "confidence that the classifier reports"),
    upright(60, y, [0, 0.25, 0.5, 0.75, 1], "accuracy"),
  );
  right.append(
    axis(draw, 200, [1, 10, 20, DRAWS], "the last draws"),
    upright(60, e, [0, 0.05, 0.1], "calibration error"),
    past,
  );
  let drawn = [];
  const status = statusLine();
  const repaint = painter(() => {
    const { error, counts, accuracy } = compute(state);
    const full = Array.from(counts.keys()).filter((i) => counts[i]);
    set(bars, {
      d: full.map((i) => `M${start(i)},200V${y(accuracy[i]).toFixed(1)}h${wide}V200Z`).join(""),
    });
    drawn.push(error);
    drawn = drawn.slice(-DRAWS);
    past.setAttribute(
      "d",
      drawn
        .map((value, i) => `M${draw(i + 1).toFixed(1)},${e(Math.min(value, 0.1)).toFixed(1)}h0`)
        .join(""),
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
    element("div", { class: "graphs" }, left, right),
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
