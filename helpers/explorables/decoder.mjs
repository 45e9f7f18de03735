import {
  axis,
  drawing,
  element,
  entry,
  painter,
  scale,
  set,
  slider,
  statusLine,
  upright,
} from "./kit.mjs";

/** The pixels, between 0 and 1, that a small dense decoder makes of the code (z1, z2). */
export function compute(state, { layers }) {
  const { index, share } = decoder(layers)(state.z1, state.z2);
  return { pixels: Array.from(index, (k, i) => sigmoid(k, share[i])) };
}

// The logistic function in a table: between two of its points the error of a straight line is
// below 2e-6 (a hundredth of a grey level is 4e-5), and at the ends, where it is cut off, 6e-6.
const END = 12;
const STEPS = 2048;
const LOGISTIC = Float64Array.from(
  { length: STEPS + 2 },
  (_, k) => 1 / (1 + Math.exp(END - (2 * END * k) / STEPS)),
);
function sigmoid(k, share) {
  return LOGISTIC[k] + share * (LOGISTIC[k + 1] - LOGISTIC[k]);
}

/** A function of (z1, z2) that gives for each pixel its place in the table of the logistic. */
function decoder(layers) {
  const sums = layers.map(({ bias }) => new Float64Array(bias.length));
  const index = new Uint16Array(sums[sums.length - 1].length);
  const share = new Float64Array(index.length);
  const toTable = STEPS / (2 * END);
  return (z1, z2) => {
    let values = Float64Array.of(z1, z2);
    layers.forEach((layer, l) => {
      product(layer, values, sums[l]);
      values = sums[l];
      if (layer.relu) for (let i = 0; i < values.length; i++) values[i] = Math.max(values[i], 0);
    });
    for (let i = 0; i < index.length; i++) {
      const place = Math.min(Math.max((values[i] + END) * toTable, 0), STEPS);
      index[i] = place; // cut to a whole number
      share[i] = place - index[i];
    }
    return { index, share };
  };
}

/** Weight times values plus bias, column by column; after a ReLU, half of the columns count. */
function product({ weight, scale: unit, bias }, values, sums) {
  const size = bias.length;
  for (let i = 0; i < size; i++) sums[i] = bias[i];
  for (let j = 0; j < values.length; j++) {
    const value = values[j] * unit;
    if (value === 0) continue;
    const column = j * size;
    for (let i = 0; i < size; i++) sums[i] += weight[column + i] * value;
  }
}

/** int16 numbers that were sent as base64. */
export function numbers(text) {
  return new Int16Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

export function render({ model, el }) {
  const layers = model.get("layers").map((layer) => ({
    ...layer,
    weight: numbers(layer.weight),
    bias: Float64Array.from(layer.bias),
  }));
  const decode = decoder(layers);
  const { codes, labels, classes } = model.get("map");
  const places = Float64Array.from(codes.flat());
  const [low, high] = model.get("range");
  const side = model.get("side");
  const state = { z1: 0, z2: 0 };
  const colors = [
    "#cc6677",
    "#332288",
    "#ddcc77",
    "#117733",
    "#88ccee",
    "#882255",
    "#44aa99",
    "#999933",
    "#aa4499",
    "#777777",
  ];

  const map = drawing(320, 310, "Map of the latent space with the codes of images");
  const decoded = drawing(320, 310, "The image decoded at the cross");
  const [x, y] = [scale([low, high], [60, 310]), scale([low, high], [265, 15])];
  const dots = classes.map((_, k) => {
    const path = codes
      .filter((__, i) => labels[i] === k)
      .map(([a, b]) => `M${x(a).toFixed(1)},${y(b).toFixed(1)}h0`);
    return element("path", {
      d: path.join(""),
      stroke: colors[k],
      "stroke-width": 5,
      "stroke-linecap": "round",
      "stroke-opacity": 0.6,
    });
  });
  const cross = element("path", {
    d: "M-9,0 h18 M0,-9 v18",
    stroke: "var(--ink)",
    "stroke-width": 3,
  });
  const canvas = element("canvas", { width: side, height: side });
  canvas.style.cssText = "width:100%;height:100%;display:block;image-rendering:pixelated";
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  // grey and opaque, as one number; the bytes of a number stand in this order wherever a browser runs
  const pixels = new Uint32Array(image.data.buffer);
  const greys = Uint32Array.from(
    LOGISTIC,
    (value) => 0xff000000 + 0x010101 * Math.round(255 * value),
  );
  const middle = Math.round((low + high) / 2);
  map.append(
    ...dots,
    axis(x, 265, [low, middle, high], "first latent dimension"),
    upright(60, y, [low, middle, high], "second latent dimension"),
    cross,
  );
  decoded.append(
    element("foreignObject", { x: 60, y: 15, width: 250, height: 250 }, canvas),
    element("text", { x: 60, y: 285 }, "decoded at the cross"),
  );
  const key = element("p", { class: "key" });
  key.append(
    ...classes.map((name, k) => entry("circle", { fill: colors[k], "stroke-width": 0 }, name)),
  );

  const status = statusLine();
  const repaint = painter(() => {
    const { index, share } = decode(state.z1, state.z2);
    let sum = 0;
    for (let i = 0; i < pixels.length; i++) {
      sum += sigmoid(index[i], share[i]);
      pixels[i] = greys[index[i]];
    }
    context.putImageData(image, 0, 0);
    set(cross, { transform: `translate(${x(state.z1).toFixed(1)} ${y(state.z2).toFixed(1)})` });
    let [nearest, least] = [0, Infinity];
    for (let i = 0; i < codes.length; i++) {
      const [first, second] = [places[2 * i] - state.z1, places[2 * i + 1] - state.z2];
      const squared = first * first + second * second;
      if (squared < least) [nearest, least] = [i, squared];
    }
    return (
      `z = (${state.z1.toFixed(2)}, ${state.z2.toFixed(2)}): the decoded image has a mean of ${(sum / pixels.length).toFixed(3)}; ` +
      `the nearest code is that of a ${classes[labels[nearest]]}, at distance ${Math.sqrt(least).toFixed(2)}.`
    );
  }, status);
  const two = (value) => value.toFixed(2);
  const options = { min: low, max: high, step: (high - low) / 200, value: 0, show: two };
  const change = (name) => (value) => {
    state[name] = value;
    repaint();
  };
  const first = slider("first latent dimension", options, change("z1"));
  const second = slider("second latent dimension", options, change("z2"));
  // pointing at the map is the same as moving both sliders
  const point = (event) => {
    const box = map.getBoundingClientRect();
    const unit = 320 / box.width;
    const [a, b] = [(event.clientX - box.left) * unit, (event.clientY - box.top) * unit];
    if (a < 50 || b > 275) return;
    first.move(low + ((a - 60) / 250) * (high - low));
    second.move(low + ((265 - b) / 250) * (high - low));
  };
  map.addEventListener(
    "pointermove",
    (event) => (event.pointerType === "mouse" || event.buttons) && point(event),
  );
  map.addEventListener("pointerdown", point);
  el.append(
    element("div", { class: "graphs" }, map, decoded),
    key,
    first.node,
    second.node,
    status,
    element(
      "p",
      { class: "note" },
      `To load quickly, this page has a smaller copy of the network (weights of 16 bits, a last layer ` +
        `of lower rank). On a grid of codes over this map, its pixels, from 0 to 1, differ from those ` +
        `of the notebook's network by ${model.get("error")} at most.`,
    ),
  );
}
