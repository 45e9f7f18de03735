import {
  axis,
  bars,
  button,
  drawing,
  element,
  painter,
  percent,
  points,
  roundNumber,
  scale,
  set,
  slider,
  statusLine,
  upright,
} from "./kit.mjs";

/** Counts and rates at the threshold with the number `place`. */
export function compute(
  { place },
  { thresholds, flagged_normals, flagged_anomalies, normals, anomalies },
) {
  const [alarms, found] = [flagged_normals[place], flagged_anomalies[place]];
  return {
    threshold: thresholds[place],
    false_alarms: alarms,
    found,
    passed: normals - alarms,
    missed: anomalies - found,
    fpr: alarms / normals,
    tpr: found / anomalies,
  };
}

export function render({ model, el }) {
  const names = ["thresholds", "flagged_normals", "flagged_anomalies", "normals", "anomalies"];
  const data = Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const edges = model.get("edges");
  const [first, last] = [edges[0], edges[edges.length - 1]];
  const warp = model.get("log") ? Math.log : (value) => value;
  const straight = scale([warp(first), warp(last)], [70, 305]);
  const x = (value) => straight(warp(value));
  const most = Math.max(...model.get("normal_bars"), ...model.get("anomaly_bars"));
  const y = scale([0, most], [200, 30]);
  const state = { place: model.get("place") };

  const left = drawing(320, 250, "Histogram of the scores with the threshold");
  const right = drawing(320, 250, "ROC curve with the point of the threshold");
  const line = element("line", { y1: 20, y2: 200, stroke: "var(--ink)", "stroke-width": 2.5 });
  const [rx, ry] = [scale([0, 1], [75, 255]), scale([0, 1], [200, 20])];
  const dot = element("circle", { r: 7, fill: "var(--ink)" });
  left.append(
    bars(model.get("normal_bars"), edges, x, y, { fill: "var(--normal)", "fill-opacity": 0.55 }),
    bars(model.get("anomaly_bars"), edges, x, y, { fill: "var(--anomaly)", "fill-opacity": 0.55 }),
    element("text", { x: 70, y: 14, class: "normal" }, "■ normal"),
    element("text", { x: 150, y: 14, class: "anomaly" }, "■ anomaly"),
    axis(x, 200, model.get("ticks"), "anomaly score"),
    upright(70, y, [0, roundNumber(most)], "share of images"),
    line,
  );
  right.append(
    axis(rx, 200, [0, 0.5, 1], "false-positive rate"),
    upright(rx(0), ry, [0, 0.5, 1], "true-positive rate"),
    element("line", {
      x1: rx(0),
      y1: ry(0),
      x2: rx(1),
      y2: ry(1),
      stroke: "var(--faint)",
      "stroke-dasharray": "4 4",
    }),
    element("polyline", {
      points: points(model.get("fpr").map(rx), model.get("tpr").map(ry)),
      fill: "none",
      stroke: "var(--second)",
      "stroke-width": 2.5,
    }),
    dot,
  );

  const counts = ["passed", "false_alarms", "missed", "found"].map((name) => ({
    name,
    number: element("b"),
  }));
  const cell = ({ number }, name) => element("td", {}, `${name} `, number);
  const head = (scope, text) => element("th", { scope }, text);
  const table = element(
    "table",
    { class: "counts" },
    element("tr", {}, element("td"), head("col", "not flagged"), head("col", "flagged")),
    element(
      "tr",
      {},
      head("row", "normal"),
      cell(counts[0], "true negatives"),
      cell(counts[1], "false positives"),
    ),
    element(
      "tr",
      {},
      head("row", "anomaly"),
      cell(counts[2], "false negatives"),
      cell(counts[3], "true positives"),
    ),
  );

  const status = statusLine();
  const named = model.get("named");
  const repaint = painter(() => {
    const now = compute(state, data);
    set(line, { x1: x(now.threshold), x2: x(now.threshold) });
    set(dot, { cx: rx(now.fpr), cy: ry(now.tpr) });
    for (const { name, number } of counts) number.textContent = now[name];
    const name = Object.keys(named).find((key) => named[key] === state.place);
    return (
      `Threshold ${now.threshold.toPrecision(3)}${name ? ` (${name})` : ""}: ` +
      `${now.false_alarms} of ${data.normals} normal images are flagged, ` +
      `a false-positive rate of ${percent(now.fpr)}; ${now.found} of ${data.anomalies} anomalies are ` +
      `flagged, a true-positive rate of ${percent(now.tpr)}.`
    );
  }, status);

  const control = slider(
    "threshold",
    {
      min: 0,
      max: data.thresholds.length - 1,
      step: 1,
      value: state.place,
      show: (i) => data.thresholds[i].toPrecision(3),
    },
    (value) => {
      state.place = value;
      repaint();
    },
  );
  const buttons = element("div", { class: "buttons" });
  for (const [name, place] of Object.entries(named))
    buttons.append(button(name, () => control.move(place)));
  el.append(element("div", { class: "graphs" }, left, right), control.node, buttons, table, status);
}
