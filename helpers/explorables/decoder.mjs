import { axis, drawing, element, painter, scale, set, slider, statusLine } from "./kit.mjs";

/** The pixels, between 0 and 1, that a small dense decoder makes of the code (z1, z2). */
export function compute(state, { layers }) {
  return { pixels: Array.from(decoded(state, layers)) };
}

function decoded({ z1, z2 }, layers) {
  let values = [z1, z2];
  layers.forEach(({ weight, scale: unit, bias }, index) => {
    const outputs = bias.length;
    const next = new Float64Array(outputs);
    // After a ReLU half of the values are 0, and their columns are skipped. Four columns in one
    // pass, so that `next` is read and written a quarter as often; zeros fill the last four.
    const active = values.map((_, j) => j).filter((j) => values[j] !== 0);
    while (active.length % 4) active.push(active[0]);
    const used = values.filter((value) => value !== 0).map((value) => value * unit);
    for (let k = 0; k < used.length; k += 4) {
      const [a, b, c, d] = active.slice(k, k + 4).map((j) => j * outputs);
      const [p, q = 0, r = 0, s = 0] = used.slice(k, k + 4);
      for (let i = 0; i < outputs; i++) {
        next[i] += weight[a + i] * p + weight[b + i] * q + weight[c + i] * r + weight[d + i] * s;
      }
    }
    const last = index === layers.length - 1;
    for (let i = 0; i < outputs; i++) {
      const sum = next[i] + bias[i];
      next[i] = last ? 1 / (1 + Math.exp(-sum)) : Math.max(sum, 0);
    }
    values = last ? next : Array.from(next);
  });
  return values;
}

/** int8 numbers that were sent as base64. */
export function bytes(text) {
  return Int8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

export function render({ model, el }) {
  const layers = model
    .get("layers")
    .map((layer) => ({ ...layer, weight: Float32Array.from(bytes(layer.weight)) }));
  const { codes, labels, classes } = model.get("map");
  const [across, up] = [0, 1].map((axis) => Float64Array.from(codes, (code) => code[axis]));
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

  const svg = drawing(
    640,
    350,
    "Map of the latent space with the codes of images, and the image decoded at the cross",
  );
  const [x, y] = [scale([low, high], [30, 310]), scale([low, high], [300, 20])];
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
  image.data.fill(255);
  const middle = Math.round((low + high) / 2);
  svg.append(
    ...dots,
    axis(x, 300, [low, middle, high], "first latent dimension"),
    element(
      "text",
      { x: 14, y: 160, "text-anchor": "middle", transform: "rotate(-90 14 160)" },
      "second latent dimension",
    ),
    cross,
    element("foreignObject", { x: 400, y: 20, width: 210, height: 210 }, canvas),
    element("text", { x: 400, y: 250 }, "decoded at the cross"),
  );
  classes.forEach((name, k) =>
    svg.append(
      element("circle", {
        cx: 405 + 55 * (k % 4),
        cy: 275 + 22 * Math.floor(k / 4),
        r: 5,
        fill: colors[k],
      }),
      element("text", { x: 415 + 55 * (k % 4), y: 280 + 22 * Math.floor(k / 4) }, name),
    ),
  );

  const status = statusLine();
  const repaint = painter(() => {
    const pixels = decoded(state, layers);
    let sum = 0;
    for (let i = 0; i < pixels.length; i++) {
      sum += pixels[i];
      image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = 255 * pixels[i];
    }
    context.putImageData(image, 0, 0);
    set(cross, { transform: `translate(${x(state.z1).toFixed(1)} ${y(state.z2).toFixed(1)})` });
    let [nearest, least] = [0, Infinity];
    for (let i = 0; i < across.length; i++) {
      const [dx, dy] = [across[i] - state.z1, up[i] - state.z2];
      const squared = dx * dx + dy * dy;
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
    const box = svg.getBoundingClientRect();
    const unit = 640 / box.width;
    const [a, b] = [(event.clientX - box.left) * unit, (event.clientY - box.top) * unit];
    if (a > 320 || b > 310) return;
    first.move(low + ((a - 30) / 280) * (high - low));
    second.move(low + ((300 - b) / 280) * (high - low));
  };
  svg.addEventListener(
    "pointermove",
    (event) => (event.pointerType === "mouse" || event.buttons) && point(event),
  );
  svg.addEventListener("pointerdown", point);
  el.append(svg, first.node, second.node, status);
}
