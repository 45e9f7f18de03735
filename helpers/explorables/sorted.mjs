import {
  axis,
  bars,
  button,
  choice,
  drawing,
  element,
  framed,
  gallery,
  painter,
  percent,
  roundNumber,
  scale,
  set,
  slider,
  statusLine,
  upright,
  write,
} from "./kit.mjs";

/** The images of a class (1, 2, ...; 0 for all) by a score, and the AUROC against the normal ones. */
export function sorted({ score, shown }, { scores, labels, normal, pictured }) {
  const values = scores[score].values;
  const of = (test) => Array.from(labels.keys()).filter((i) => test(labels[i]));
  const order = of((label) => !shown || label === shown - 1).sort((i, j) => values[i] - values[j]);
  const everyAnomaly = !shown || shown - 1 === normal;
  const anomalous = of((label) => (everyAnomaly ? label !== normal : label === shown - 1));
  const known = new Set(pictured);
  const normals = of((label) => label === normal).map((i) => values[i]);
  const anomalies = anomalous.map((i) => values[i]);
  normals.sort((a, b) => a - b);
  const wins = anomalies.reduce((sum, value) => sum + below(normals, value), 0);
  return {
    order,
    numbers: new Map(order.map((i, rank) => [i, rank + 1])),
    pictured: order.filter((i) => known.has(i)),
    normals,
    anomalies,
    auroc: wins / (normals.length * anomalies.length),
  };
}

/** The first place in the values, in increasing order, at which the test is true. */
function first(values, test) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(values[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** How many of the values lie below a limit; half of those that equal it. */
function below(values, limit) {
  return (first(values, (value) => value >= limit) + first(values, (value) => value > limit)) / 2;
}

/** The images from `place` on in the order of the score, as many as there are in a row. */
export function compute(state, data, now = sorted(state, data)) {
  const { scores, labels, normal, row } = data;
  const chosen = now.pictured.slice(state.place, state.place + row);
  const values = chosen.map((i) => scores[state.score].values[i]);
  const lower = first(now.normals, (value) => value >= values[0]);
  return {
    chosen,
    values,
    numbers: chosen.map((i) => now.numbers.get(i)),
    images: now.order.length,
    anomalous: chosen.filter((i) => labels[i] !== normal).length,
    normals_above: 1 - lower / now.normals.length,
    auroc: now.auroc,
  };
}

const BINS = 40;

/** Histograms of the scores of both groups, and a line for each image that is shown. */
function histogram(now, { name, low, high, log, ticks }, names) {
  const warp = log ? Math.log : (value) => value;
  const straight = scale([warp(low), warp(high)], [70, 305]);
  const x = (value) => straight(warp(value));
  const edge = scale([0, BINS], [warp(low), warp(high)]);
  const edges = Array.from({ length: BINS + 1 }, (_, k) => (log ? Math.exp(edge(k)) : edge(k)));
  const counted = [now.normals, now.anomalies].map((values) => {
    const counts = new Array(BINS).fill(0);
    const place = scale([warp(low), warp(high)], [0, BINS]);
    for (const value of values)
      counts[Math.min(BINS - 1, Math.max(0, Math.floor(place(warp(value)))))] += 1 / values.length;
    return counts;
  });
  const most = Math.max(...counted.flat());
  const y = scale([0, most], [150, 30]);
  const group = element("g");
  const kinds = ["normal", "anomaly"];
  kinds.forEach((kind, k) => {
    const style = { fill: `var(--${kind})`, "fill-opacity": 0.55 };
    const text = `■ ${names[k]} (${[now.normals, now.anomalies][k].length})`;
    group.append(
      bars(counted[k], edges, x, y, style),
      element("text", { x: 15 + 150 * k, y: 14, class: kind }, text),
    );
  });
  group.append(axis(x, 150, ticks, name), upright(70, y, [0, roundNumber(most)], "share"));
  return { group, x };
}

export function render({ model, el }) {
  const keys = ["scores", "labels", "classes", "normal", "pictured", "row", "noun", "sheet"];
  const data = Object.fromEntries([...keys, "layers", "outlines"].map((k) => [k, model.get(k)]));
  const { scores, labels, classes, normal, row, noun, layers } = data;
  const state = { score: 0, shown: 0, place: 0, layer: 0, opacity: 0.5 };
  const where = new Map(data.pictured.map((i, k) => [i, k])); // its number in the sheets
  const outlines = data.outlines.map((path) => new Path2D(path));

  const ZOOM = layers.length ? 4 : 1; // for a lesion's outline
  const frames = Array.from({ length: row + Math.min(1, layers.length) }, (_, k) => {
    const caption = element("figcaption");
    const label = k < row ? `${noun} ${k + 1} of the row` : `the ${noun} with a map over it`;
    return { ...framed(data.sheet, label, caption, ZOOM), caption };
  });
  const pictures = element("div", { class: "pictures" }, ...frames.map(({ node }) => node));
  const images = gallery(data.sheet);
  const maps = layers.map(({ sheet }) => gallery(sheet));
  const svg = drawing(320, 195, `Histograms of the score: normal and other ${noun}s`);
  const lines = element("path", { stroke: "var(--ink)", "stroke-width": 2, fill: "none" });
  const bottom = element("g");
  svg.append(bottom, lines);

  const known = new Map(); // by score and class
  const contents = frames.map(() => undefined); // as drawn last
  let now, x, histogramShown, inRow;
  const others = () =>
    !state.shown || state.shown - 1 === normal ? "all others" : classes[state.shown - 1];
  const sort = () => {
    const key = `${state.score}, ${state.shown}`;
    if (!known.has(key)) {
      const order = sorted(state, data);
      const drawn = histogram(order, scores[state.score], [classes[normal], others()]);
      known.set(key, { order, drawn });
      bottom.append(drawn.group);
    }
    if (histogramShown) set(histogramShown, { visibility: "hidden" });
    const { order, drawn } = known.get(key);
    [now, x, histogramShown] = [order, drawn.x, drawn.group];
    set(histogramShown, { visibility: "visible" });
  };
  const drawImage = (k, i, number) => {
    const { context, node, caption } = frames[k];
    const text =
      k === row ? `with ${layers[state.layer].name}` : `${classes[labels[i]]}, ${number}`;
    write(caption, text);
    const content = k === row ? `${i}, ${state.layer}, ${state.opacity}` : String(i);
    if (contents[k] === content) return;
    contents[k] = content;
    set(node, { class: labels[i] === normal ? "normal" : "anomaly" });
    images.draw(context, where.get(i));
    if (k === row) maps[state.layer].draw(context, where.get(i), state.opacity);
    if (outlines.length) {
      context.globalAlpha = 1;
      context.strokeStyle = "#3dcc9f";
      context.lineWidth = 1 / 2;
      context.save();
      context.scale(ZOOM, ZOOM);
      context.stroke(outlines[where.get(i)]);
      context.restore();
    }
  };
  sort();

  const status = statusLine();
  const repaint = painter(() => {
    const { chosen, values, numbers, ...found } = compute(state, data, now);
    chosen.forEach((i, k) => drawImage(k, i, `number ${numbers[k]}`));
    if (chosen.length !== inRow)
      for (let k = 0; k < row; k++) frames[k].node.hidden = k >= chosen.length;
    inRow = chosen.length;
    if (layers.length) drawImage(row, chosen[0]);
    set(lines, { d: values.map((value) => `M${x(value).toFixed(1)},150V24`).join("") });
    const { name } = scores[state.score];
    const group = state.shown ? classes[state.shown - 1] : "all classes";
    const area = `AUROC of ${name}, ${classes[normal]} against ${others()}: ${found.auroc.toFixed(3)}.`;
    if (row === 1) {
      return (
        `${classes[labels[chosen[0]]]}, ${name} ${values[0].toPrecision(3)}, number ${numbers[0]} of ` +
        `${found.images} (${group}): ${percent(found.normals_above)} of the ${classes[normal]} ` +
        `${noun}s score as high or higher. ${area}`
      );
    }
    return (
      `${name}, ${group}: numbers ${numbers[0]} to ${numbers[numbers.length - 1]} of ${found.images}, ` +
      `scores ${values[0].toPrecision(3)} to ${values[values.length - 1].toPrecision(3)}; ` +
      `${found.anomalous} of these ${chosen.length} are not ${classes[normal]}. ${area}`
    );
  }, status);
  for (const { ready } of [images, ...maps]) {
    ready.then(() => {
      contents.fill(); // drawn before the images were there
      repaint();
    });
  }

  const last = () => Math.max(0, now.pictured.length - row);
  const place = slider(
    "place in the order",
    {
      min: 0,
      max: last(),
      step: 1,
      value: 0,
      show: (k) => {
        const end = Math.min(k + row, now.pictured.length);
        return `${row > 1 ? `${k + 1} to ${end}` : end} of ${now.pictured.length} here`;
      },
    },
    (value) => {
      state.place = value;
      repaint();
    },
  );
  const field = place.node.querySelector("input");
  const regroup = (key) => (value) => {
    state[key] = Number(value);
    sort();
    set(field, { max: last() });
    place.move(last());
  };
  const names = (list) => Object.fromEntries(list.map(({ name }) => name).entries());
  const groups = ["all", ...classes].map((name) => ({ name }));
  el.append(
    choice("sorted by", names(scores), 0, regroup("score")),
    choice("class", names(groups), 0, regroup("shown")),
    pictures,
    element("div", { class: "graphs" }, svg),
    place.node,
    element(
      "div",
      { class: "buttons" },
      button("least anomalous", () => place.move(0)),
      button("most anomalous", () => place.move(last())),
    ),
  );
  if (layers.length) {
    const over = choice("map", names(layers), 0, (value) => {
      state.layer = Number(value);
      repaint();
    });
    const show = (value) => `${Math.round(100 * value)} %`;
    const range = { min: 0, max: 1, step: 0.05, value: state.opacity, show };
    const fade = slider("opacity of the map", range, (value) => {
      state.opacity = value;
      repaint();
    });
    el.append(over, fade.node);
  }
  el.append(status);
  place.move(last());
}
