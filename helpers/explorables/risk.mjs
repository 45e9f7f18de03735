import {
  axis,
  choice,
  drawing,
  element,
  painter,
  percent,
  points,
  scale,
  set,
  slider,
  statusLine,
} from "./kit.mjs";

/** The images of the stream at a rate, the most confident first: their positions in the data. */
function streamOf({ rate }, { turn, foreign, ends }) {
  return Array.from(turn.keys()).filter((i) => turn[i] < ends[rate][foreign[i]]);
}

/**
 * Risk after each image, and the area below: answered images first, then the refused ones.
 * Images of equal confidence have no order and count with their mean.
 */
function curve(stream, { place, correct }, refused) {
  const risk = new Float64Array(stream.length);
  let [done, wrong, area] = [0, 0, 0];
  for (const turn of refused ? [0, 1] : [0]) {
    let [group, errors, last] = [0, 0, -1];
    const close = () => {
      for (let k = 0; k < group; k++) {
        wrong += errors / group;
        done += 1;
        risk[done - 1] = wrong / done;
        area += wrong / done;
      }
    };
    for (let k = 0; k < stream.length; k++) {
      const i = stream[k];
      if (refused && refused[k] !== turn) continue;
      if (place[i] !== last) {
        close();
        [group, errors, last] = [0, 0, place[i]];
      }
      group += 1;
      errors += 1 - correct[i];
    }
    close();
  }
  return { risk, area: area / stream.length };
}

/** Coverage, risk and cost of the screen at alpha; the least cost; both risk-coverage curves. */
export function compute(state, data, stream = streamOf(state, data)) {
  const { screens, alphas, correct } = data;
  const { step } = screens[state.screen];
  const n = stream.length;
  const refused = new Uint8Array(n);
  const [stopped, errors] = [new Float64Array(alphas.length), new Float64Array(alphas.length)];
  for (let k = 0; k < n; k++) {
    const i = stream[k];
    refused[k] = step[i] <= state.alpha ? 1 : 0;
    if (step[i] >= alphas.length) continue;
    stopped[step[i]] += 1;
    errors[step[i]] += 1 - correct[i];
  }
  let [allErrors, sum, spared] = [0, 0, 0];
  for (let k = 0; k < n; k++) allErrors += 1 - correct[stream[k]];
  let [count, left] = [0, 0];
  const costs = Array.from(alphas, (_, a) => {
    sum += stopped[a];
    spared += errors[a];
    if (a === state.alpha) [count, left] = [sum, allErrors - spared];
    return (state.price * sum + allErrors - spared) / n;
  });
  const best = costs.indexOf(Math.min(...costs));
  const [plain, screened] = [curve(stream, data), curve(stream, data, refused)];
  return {
    coverage: 1 - count / n,
    risk: count < n ? left / (n - count) : 0,
    plain_risk: allErrors / n,
    cost: costs[state.alpha],
    best_alpha: alphas[best],
    least_cost: costs[best],
    plain_aurc: plain.area,
    aurc: screened.area,
    curves: [plain.risk, screened.risk],
    costs,
  };
}

const POINTS = 120; // of a curve

export function render({ model, el }) {
  const keys = ["place", "foreign", "turn", "correct", "screens", "alphas", "rates", "ends"];
  const data = Object.fromEntries(keys.map((key) => [key, model.get(key)]));
  const { screens, alphas, rates } = data;
  const state = { ...model.get("start") };
  let stream = streamOf(state, data);

  const graph = (label, title, names) => {
    const node = drawing(320, 245, label);
    const lines = names.map((color, k) =>
      element("polyline", {
        fill: "none",
        stroke: color,
        "stroke-width": 2.5,
        "stroke-dasharray": ["none", "8 3"][k],
      }),
    );
    const dot = element("circle", { r: 6, fill: "var(--ink)" });
    const ends = [0.5, 1].map((share) => {
      const place = { x: 39, y: scale([0, 1], [205, 33])(share), "text-anchor": "end" };
      return { share, text: element("text", place) };
    });
    node.append(
      element("text", { x: 45, y: 16 }, title),
      element("text", { x: 39, y: 205, "text-anchor": "end" }, "0"),
      ...ends.map(({ text }) => text),
      ...lines,
      dot,
    );
    // an axis to one half where the values leave the upper part empty
    const fit = (most) => {
      const top = most <= 0.5 ? 0.5 : 1;
      for (const { share, text } of ends) text.textContent = share * top;
      const y = scale([0, top], [200, 28]);
      return (value) => y(Math.min(value, top));
    };
    return { node, lines, dot, fit };
  };
  const left = graph("Risk over coverage", "risk", ["var(--normal)", "var(--second)"]);
  const right = graph("Cost over alpha", "cost of an image", ["var(--ink)"]);
  const x = scale([0, 1], [45, 305]);
  const level = element("line", {
    x1: x(0),
    x2: x(1),
    stroke: "var(--faint)",
    "stroke-width": 2,
    "stroke-dasharray": "3 3",
  });
  right.node.append(level);
  for (const [{ node }, name] of [
    [left, "coverage"],
    [right, "alpha"],
  ]) {
    node.append(
      axis(x, 200, [0, 0.5, 1], name),
      element("line", { x1: x(0), x2: x(0), y1: 200, y2: 28, stroke: "var(--ink)" }),
    );
  }
  const key = element("p", { class: "key" });
  const known = ["probability", "behind the screen", "present alpha", "refuse all"].map((name) => {
    const span = element("span", {}, name);
    key.append(span);
    return span;
  });
  const sample = (span, shape) => {
    const svg = element("svg", { viewBox: "0 0 36 12", "aria-hidden": "true" });
    svg.append(shape);
    span.prepend(svg);
  };
  const flat = { x1: 0, x2: 36, y1: 6, y2: 6, "stroke-width": 2.5 };
  sample(known[0], element("line", { ...flat, stroke: "var(--normal)" }));
  sample(
    known[1],
    element("line", { ...flat, stroke: "var(--second)", "stroke-dasharray": "8 3" }),
  );
  sample(known[2], element("circle", { cx: 18, cy: 6, r: 6, fill: "var(--ink)" }));
  sample(known[3], element("line", { ...flat, stroke: "var(--faint)", "stroke-dasharray": "3 3" }));

  const status = statusLine();
  const draw = (line, risk, y) => {
    const at = Array.from({ length: POINTS + 1 }, (_, k) =>
      Math.max(0, Math.round((k / POINTS) * risk.length) - 1),
    );
    const xs = at.map((i) => x((i + 1) / risk.length));
    set(line, {
      points: points(
        xs,
        at.map((i) => y(risk[i])),
      ),
    });
  };
  const repaint = painter(() => {
    const now = compute(state, data, stream);
    const risk = left.fit(Math.max(now.risk, now.plain_risk));
    left.lines.forEach((line, k) => draw(line, now.curves[k], risk));
    set(left.dot, { cx: x(now.coverage), cy: risk(now.risk) });
    const cost = right.fit(Math.max(state.price, ...now.costs));
    set(right.lines[0], { points: points(Array.from(alphas, x), now.costs.map(cost)) });
    set(right.dot, { cx: x(alphas[state.alpha]), cy: cost(now.cost) });
    set(level, { y1: cost(state.price), y2: cost(state.price) });
    return (
      `${screens[state.screen].name}, ${Math.round(100 * rates[state.rate])} % foreign: at alpha = ` +
      `${alphas[state.alpha].toFixed(2)} the system answers ${percent(now.coverage)} of the images, ` +
      `${percent(now.risk)} of these wrongly (without a screen ${percent(now.plain_risk)}). AURC ` +
      `${now.aurc.toFixed(3)} behind the screen, ${now.plain_aurc.toFixed(3)} by the probability ` +
      `alone. A refusal at ${state.price.toFixed(2)} of an error, an image costs ` +
      `${now.cost.toFixed(3)}; answering all costs ${now.plain_risk.toFixed(3)}, refusing all ` +
      `${state.price.toFixed(2)}; least at alpha = ${now.best_alpha.toFixed(2)}, ` +
      `${now.least_cost.toFixed(3)}.`
    );
  }, status);
  const change = (name) => (value) => {
    state[name] = Number(value);
    if (name === "rate") stream = streamOf(state, data);
    repaint();
  };
  const moved = (label, name, last, show) =>
    slider(label, { min: 0, max: last, step: 1, value: state[name], show }, change(name)).node;
  const names = Object.fromEntries(screens.map(({ name }, k) => [k, name]));
  const prices = { min: 0, max: 1, step: 0.05, value: state.price, show: (v) => v.toFixed(2) };
  const graphs = element("div", { class: "graphs" }, left.node, right.node);
  el.append(
    graphs,
    key,
    choice("screen", names, state.screen, change("screen")),
    moved("foreign images", "rate", rates.length - 1, (k) => `${Math.round(100 * rates[k])} %`),
    moved("alpha", "alpha", alphas.length - 1, (k) => alphas[k].toFixed(2)),
    slider("a refusal costs", prices, change("price")).node,
    status,
  );
}
