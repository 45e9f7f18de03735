import {
  axis,
  button,
  choice,
  drawing,
  element,
  entry,
  generator,
  painter,
  points,
  scale,
  slider,
  statusLine,
  upright,
} from "./kit.mjs";

/** The share of pairs in which the anomaly scores higher; ties count one half. */
export function auroc(normal, anomaly) {
  const sorted = Float64Array.from(normal).sort();
  const count = (value, strictly) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value || (!strictly && sorted[middle] === value)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const sum = anomaly.reduce((total, value) => total + count(value, true) + count(value, false), 0);
  return sum / (2 * normal.length * anomaly.length);
}

/** AUROCs of two detectors on resampled images: the same images for both if `paired`. */
export function compute({ draws, paired, seed }, { first, second }) {
  const random = generator(seed);
  const positions = (n) => Array.from({ length: n }, () => Math.floor(random() * n));
  const rows = [];
  for (let i = 0; i < draws; i++) {
    const chosen = first.map((scores) => positions(scores.length));
    const again = paired ? chosen : second.map((scores) => positions(scores.length));
    const on = (groups, places) =>
      auroc(...groups.map((scores, k) => places[k].map((place) => scores[place])));
    rows.push([on(first, chosen), on(second, again)]);
  }
  return { rows };
}

function quantile(sorted, share) {
  const at = share * (sorted.length - 1);
  const [low, rest] = [Math.floor(at), at % 1];
  return sorted[low] + rest * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

function roc([normal, anomaly]) {
  const all = [...normal.map((s) => [s, 0]), ...anomaly.map((s) => [s, 1])].sort(
    (p, q) => q[0] - p[0],
  );
  const [fpr, tpr] = [[0], [0]];
  let counts = [0, 0];
  all.forEach(([score, kind], i) => {
    counts[kind]++;
    if (i + 1 === all.length || all[i + 1][0] !== score) {
      fpr.push(counts[0] / normal.length);
      tpr.push(counts[1] / anomaly.length);
    }
  });
  return [fpr, tpr];
}

const MOST = 200;

export function render({ model, el }) {
  const data = { first: model.get("first"), second: model.get("second") };
  const names = model.get("names");
  const state = { draws: 20, paired: "yes", seed: 1 };
  const left = drawing(320, 250, "ROC curves of two detectors");
  const right = drawing(320, 250, "Differences of their AUROC on resampled images");
  const [x, y] = [scale([0, 1], [60, 240]), scale([0, 1], [200, 20])];
  const [d, row] = [scale([-0.2, 0.2], [70, 295]), scale([0, MOST], [200, 30])];
  const colors = ["var(--normal)", "var(--second)"];
  const dashes = ["none", "8 3"];
  left.append(
    axis(x, 200, [0, 0.5, 1], "false-positive rate"),
    upright(60, y, [0, 0.5, 1], "true-positive rate"),
  );
  const key = element("p", { class: "key" });
  [data.first, data.second].forEach((groups, i) => {
    const [fpr, tpr] = roc(groups);
    left.append(
      element("polyline", {
        points: points(fpr.map(x), tpr.map(y)),
        fill: "none",
        stroke: colors[i],
        "stroke-width": 2.5,
        "stroke-dasharray": dashes[i],
      }),
    );
    key.append(
      entry("line", { stroke: colors[i], "stroke-dasharray": dashes[i] }, `ROC of ${names[i]}`),
    );
  });
  right.append(
    axis(d, 200, [-0.2, -0.1, 0, 0.1, 0.2], "difference of the AUROC"),
    upright(60, row, [0, MOST / 2, MOST], "number of the resample"),
    element("line", {
      x1: d(0),
      x2: d(0),
      y1: 20,
      y2: 200,
      stroke: "var(--faint)",
      "stroke-dasharray": "4 4",
    }),
  );
  // one path: dots are lines of no length with round ends
  const dots = element("path", {
    stroke: "var(--ink)",
    "stroke-opacity": 0.5,
    "stroke-width": 6,
    "stroke-linecap": "round",
  });
  const bar = { stroke: "var(--ink)", "stroke-width": 4 };
  const span = element("line", { y1: 14, y2: 14, ...bar });
  right.append(dots, span);
  const middle = { fill: "var(--ink)", "fill-opacity": 0.5, r: 3, "stroke-width": 0 };
  key.append(
    entry("circle", middle, `AUROC of ${names[1]} − AUROC of ${names[0]}`),
    entry("line", bar, "95 % of the differences"),
  );

  // all draws are made once for each choice; moving the slider shows more or fewer of them
  const known = new Map();
  const drawsOf = (paired, seed) => {
    const key = `${paired} ${seed}`;
    if (!known.has(key)) {
      const { rows } = compute({ paired: paired === "yes", seed, draws: MOST }, data);
      const differences = rows.map(([a, b]) => b - a);
      const place = (difference) => d(Math.min(Math.max(difference, -0.2), 0.2)).toFixed(1);
      const marks = differences.map((each, i) => `M${place(each)},${row(i + 1).toFixed(1)}h0`);
      known.set(key, { differences, marks });
    }
    return known.get(key);
  };
  const status = statusLine();
  const repaint = painter(() => {
    const { differences, marks } = drawsOf(state.paired, state.seed);
    dots.setAttribute("d", marks.slice(0, state.draws).join(""));
    const sorted = Float64Array.from(differences.slice(0, state.draws)).sort();
    const [low, high] = [quantile(sorted, 0.025), quantile(sorted, 0.975)];
    span.setAttribute("x1", d(low));
    span.setAttribute("x2", d(high));
    return (
      `${state.draws} resamples, ${state.paired === "yes" ? "the same images" : "other images"} for both detectors: ` +
      `95 % of the differences lie between ${low.toFixed(3)} and ${high.toFixed(3)}.`
    );
  }, status);
  const change = (name) => (value) => {
    state[name] = value;
    repaint();
  };
  el.append(
    element("div", { class: "graphs" }, left, right),
    key,
    choice(
      "resampling",
      { yes: "paired: the same images for both", no: "unpaired: drawn for each" },
      "yes",
      change("paired"),
    ),
    slider("number of resamples", { min: 10, max: MOST, step: 10, value: 20 }, change("draws"))
      .node,
    element(
      "div",
      { class: "buttons" },
      button("draw again", () => change("seed")(state.seed + 1)),
    ),
    status,
  );
}
