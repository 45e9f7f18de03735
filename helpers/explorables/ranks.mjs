import {
  axis,
  drawing,
  element,
  painter,
  percent,
  scale,
  set,
  slider,
  statusLine,
} from "./kit.mjs";

const WIDTH = 320;

/** The conformal p-value of a score among calibration scores. */
export function compute({ score, alpha }, { calibration }) {
  const atLeast = calibration.filter((other) => other >= score).length;
  const p = (1 + atLeast) / (calibration.length + 1);
  return { at_least: atLeast, p, flagged: p <= alpha };
}

export function render({ model, el }) {
  const calibration = model.get("calibration");
  const state = { score: model.get("score"), alpha: model.get("alpha") };
  const [low, high] = model.get("range");
  const x = scale([low, high], [20, WIDTH - 20]);

  const svg = drawing(WIDTH, 150, "Calibration scores on a line, and a new score among them");
  const dots = calibration.map((score) =>
    element("circle", { cx: x(score), cy: 75, r: 5, stroke: "var(--normal)" }),
  );
  const fills = [];
  const mark = element("path", {
    d: "M0,-14 l9,14 l-9,14 l-9,-14 z",
    fill: "var(--second)",
    cursor: "ew-resize",
  });
  const name = element("text", { "text-anchor": "middle", y: 25 }, "new image");
  const stem = element("line", { y1: 32, y2: 58, stroke: "var(--second)" });
  svg.append(axis(x, 105, model.get("ticks"), "anomaly score"), ...dots, stem, mark, name);

  const status = statusLine();
  const repaint = painter(() => {
    const { at_least, p, flagged } = compute(state, { calibration });
    const place = x(state.score);
    mark.setAttribute("transform", `translate(${place.toFixed(1)} 75)`);
    set(stem, { x1: place, x2: place });
    name.setAttribute("x", Math.min(Math.max(place, 45), WIDTH - 45));
    dots.forEach((dot, i) => {
      const fill = calibration[i] >= state.score ? "var(--normal)" : "var(--paper)";
      if (fill !== fills[i]) dot.setAttribute("fill", fill);
      fills[i] = fill;
    });
    return (
      `${at_least} of ${calibration.length} calibration scores are at least as high (filled). ` +
      `The p-value is (1 + ${at_least}) / (${calibration.length} + 1) = ${p.toFixed(3)}, ` +
      `which is ${flagged ? "at most" : "above"} alpha = ${state.alpha.toFixed(2)}: ` +
      `the image is ${flagged ? "flagged" : "not flagged"}.`
    );
  }, status);

  const step = (high - low) / 400;
  const score = slider(
    "score of the new image",
    { min: low, max: high, step, value: state.score, show: (v) => v.toPrecision(3) },
    (value) => {
      state.score = value;
      repaint();
    },
  );
  const alpha = slider(
    "promised rate alpha",
    { min: 0.01, max: 0.5, step: 0.01, value: state.alpha, show: percent },
    (value) => {
      state.alpha = value;
      repaint();
    },
  );
  // dragging the mark is the same as moving the slider
  svg.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    score.move(Math.min(Math.max(low + ((at - 20) / (WIDTH - 40)) * (high - low), low), high));
  });
  svg.style.touchAction = "pan-y";
  el.append(element("div", { class: "graphs" }, svg), score.node, alpha.node, status);
}
