import {
  axis,
  choice,
  drawing,
  element,
  entry,
  painter,
  percent,
  points,
  scale,
  set,
  slider,
  statusLine,
} from "./kit.mjs";

/**
 * Risk after each image, and the area below. First come the images that are answered (whose step
 * is above alpha), then the refused ones; images of equal confidence count with their mean.
 */
function curve({ place, wrong, step }, alpha) {
  const n = place.length;
  const risk = new Float64Array(n);
  let [done, sum, area] = [0, 0, 0];
  for (let refused = 0; refused < 2; refused++) {
    let [k, first] = [0, done];
    while (k < n) {
      const here = place[k];
      let errors = 0;
      for (; k < n && place[k] === here; k++) {
        if (step[k] <= alpha !== (refused === 1)) continue;
        errors += wrong[k];
        done += 1;
      }
      const mean = errors / (done - first);
      for (; first < done; first++) {
        sum += mean;
        risk[first] = sum / (first + 1);
        area += risk[first];
      }
    }
  }
  return { risk, area: area / n };
}

/** What does not change with alpha and price: the stream, its plain curve, counts by step. */
export function prepared(state, { turn, foreign, ends, place, correct, screens, alphas }) {
  const end = ends[state.rate];
  const stream = { place: new Int32Array(end[0] + end[1]) };
  stream.wrong = new Uint8Array(stream.place.length);
  stream.step = new Uint8Array(stream.place.length);
  const stopped = new Float64Array(alphas.length + 1);
  const spared = new Float64Array(alphas.length + 1);
  const { step } = screens[state.screen];
  let [n, errors] = [0, 0];
  for (let i = 0; i < turn.length; i++) {
    if (turn[i] >= end[foreign[i]]) continue;
    const wrong = 1 - correct[i];
    stream.place[n] = place[i];
    stream.wrong[n] = wrong;
    stream.step[n] = step[i];
    stopped[step[i]] += 1;
    spared[step[i]] += wrong;
    errors += wrong;
    n += 1;
  }
  return { stream, stopped, spared, errors, plain: curve(stream, -1) };
}

/** Coverage, risk and cost of the screen at alpha; the least cost; both risk-coverage curves. */
export function compute(state, data, now = prepared(state, data)) {
  const { alphas } = data;
  const { stream, stopped, spared, errors, plain } = now;
  const n = stream.place.length;
  let [refused, left, count, wrong] = [0, errors, 0, errors];
  const costs = Array.from(alphas, (_, a) => {
    count += stopped[a];
    wrong -= spared[a];
    if (a === state.alpha) [refused, left] = [count, wrong];
    return (state.price * count + wrong) / n;
  });
  const best = costs.indexOf(Math.min(...costs));
  const screened = curve(stream, state.alpha);
  return {
    coverage: 1 - refused / n,
    risk: refused < n ? left / (n - refused) : 0,
    plain_risk: errors / n,
    cost: costs[state.alpha],
    best_alpha: alphas[best],
    least_cost: costs[best],
    plain_aurc: plain.area,
    aurc: screened.area,
    curves: [plain.risk, screened.risk],
    costs,
  };
}

const POINTS = 40; // of a curve

export function render({ model, el }) {
  const keys = ["place", "foreign", "turn", "correct", "screens", "alphas", "rates", "ends"];
  const data = Object.fromEntries(keys.map((key) => [key, model.get(key)]));
  for (const key of ["place", "foreign", "turn", "correct"]) data[key] = Int32Array.from(data[key]);
  data.screens = data.screens.map(({ name, step }) => ({ name, step: Int32Array.from(step) }));
  const { screens, alphas, rates } = data;
  const state = { ...model.get("start") };
  const known = new Map(); // by rate and screen
  const prepare = () => {
    const key = `${state.rate}, ${state.screen}`;
    if (!known.has(key)) known.set(key, prepared(state, data));
    return known.get(key);
  };

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
    let shown, height;
    // an axis to one half where the values leave the upper part empty
    const fit = (most) => {
      const top = most <= 0.5 ? 0.5 : 1;
      if (top === shown) return height;
      shown = top;
      for (const { share, text } of ends) text.textContent = share * top;
      const y = scale([0, top], [200, 28]);
      height = (value) => y(Math.min(value, top));
      return height;
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
  key.append(
    entry("line", { stroke: "var(--normal)" }, "probability"),
    entry("line", { stroke: "var(--second)", "stroke-dasharray": "8 3" }, "behind the screen"),
    entry("circle", { fill: "var(--ink)" }, "present alpha"),
    entry("line", { stroke: "var(--faint)", "stroke-dasharray": "3 3" }, "refuse all"),
  );

  const status = statusLine();
  const spread = (values, y) => {
    const at = Array.from({ length: POINTS + 1 }, (_, k) =>
      Math.max(0, Math.round((k / POINTS) * values.length) - 1),
    );
    return points(
      at.map((i) => x((i + 1) / values.length)),
      at.map((i) => y(values[i])),
    );
  };
  const some = Array.from(alphas.keys()).filter((a) => a % 2 === 0);
  const across = some.map((a) => x(alphas[a]));
  const curves = [{}, {}]; // as drawn last
  const repaint = painter(() => {
    const now = compute(state, data, prepare());
    const risk = left.fit(Math.max(now.risk, now.plain_risk));
    left.lines.forEach((line, k) => {
      const { values, y } = curves[k]; // the plain curve is the same for all alphas and prices
      if (values === now.curves[k] && y === risk) return;
      curves[k] = { values: now.curves[k], y: risk };
      line.setAttribute("points", spread(now.curves[k], risk));
    });
    set(left.dot, { cx: x(now.coverage), cy: risk(now.risk) });
    const cost = right.fit(Math.max(state.price, ...now.costs));
    set(right.lines[0], {
      points: points(
        across,
        some.map((a) => cost(now.costs[a])),
      ),
    });
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
