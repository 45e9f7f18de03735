import { drawing, element, painter, scale, set, slider, statusLine, write } from "./kit.mjs";

const WINDOW = 7;
const [C1, C2] = [0.01 ** 2, 0.03 ** 2]; // the published constants, for pixels between 0 and 1

/** The image moved to the right, with its contrast and brightness changed, cut off at 0 and 1. */
export function changed({ brightness, contrast, shift }, { image, side }) {
  let mean = 0;
  for (let i = 0; i < image.length; i++) mean += image[i] / image.length;
  const other = new Float64Array(image.length);
  for (let i = 0; i < image.length; i++) {
    const column = (i % side) - shift;
    const value = column < 0 || column >= side ? 0 : image[i - shift];
    other[i] = Math.min(Math.max((value - mean) * contrast + mean + brightness, 0), 1);
  }
  return other;
}

let along = new Float64Array(0); // row sums, in one place for all images: no garbage at a move

/** Sums of the values over the 7×7 window that begins at each pixel: along the rows, then down. */
function windowSums(value, side) {
  if (along.length !== side * side) along = new Float64Array(side * side);
  const down = new Float64Array(side * side);
  const places = side - WINDOW + 1;
  for (let row = 0; row < side * side; row += side) {
    let sum = 0;
    for (let k = row; k < row + WINDOW; k++) sum += value[k];
    along[row] = sum;
    // the window moves on by one pixel: one comes in, one goes out
    for (let i = row + 1; i < row + places; i++) {
      sum += value[i + WINDOW - 1] - value[i - 1];
      along[i] = sum;
    }
  }
  for (let column = 0; column < places; column++) {
    let sum = 0;
    for (let k = 0; k < WINDOW; k++) sum += along[column + k * side];
    down[column] = sum;
    for (let i = column + side; i < places * side; i += side) {
      sum += along[i + (WINDOW - 1) * side] - along[i - side];
      down[i] = sum;
    }
  }
  return down;
}

/** Window sums of the products of two images' values. */
function productSums(image, other, side) {
  const products = new Float64Array(image.length);
  for (let i = 0; i < image.length; i++) products[i] = image[i] * other[i];
  return windowSums(products, side);
}

/** What of an image alone goes into the comparison: window sums of its values and their squares. */
function sumsOf(image, side) {
  return [windowSums(image, side), productSums(image, image, side)];
}

/** Means over all 7×7 windows: luminance, contrast and structure term, SSIM; and the MSE. */
export function compute(state, { image, side }) {
  return compared(image, changed(state, { image, side }), side, sumsOf(image, side));
}

function compared(image, other, side, [sx, sxx]) {
  let [luminances, contrasts, structures, ssims] = [0, 0, 0, 0];
  const [n, last] = [WINDOW * WINDOW, side - WINDOW];
  const [sy, syy] = sumsOf(other, side);
  const sxy = productSums(image, other, side);
  for (let top = 0; top <= last; top++) {
    for (let left = 0; left <= last; left++) {
      const at = top * side + left;
      const mx = sx[at] / n;
      const my = sy[at] / n;
      // unbiased, as scikit-image has them; rounding may leave them just below zero
      const vx = Math.max((sxx[at] - n * mx * mx) / (n - 1), 0);
      const vy = Math.max((syy[at] - n * my * my) / (n - 1), 0);
      const cov = (sxy[at] - n * mx * my) / (n - 1);
      const root = Math.sqrt(vx * vy);
      const luminance = (2 * mx * my + C1) / (mx * mx + my * my + C1);
      const contrast = (2 * root + C2) / (vx + vy + C2);
      const structure = (cov + C2 / 2) / (root + C2 / 2);
      luminances += luminance;
      contrasts += contrast;
      structures += structure;
      ssims += (luminance * (2 * cov + C2)) / (vx + vy + C2);
    }
  }
  const windows = (last + 1) ** 2;
  let mse = 0;
  for (let i = 0; i < image.length; i++) mse += (other[i] - image[i]) ** 2 / image.length;
  return {
    luminance: luminances / windows,
    contrast: contrasts / windows,
    structure: structures / windows,
    ssim: ssims / windows,
    mse,
  };
}

function picture(side, label) {
  const canvas = element("canvas", { width: side, height: side, role: "img", "aria-label": label });
  canvas.style.cssText = "width:9em;height:9em;image-rendering:pixelated";
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(side, side);
  const whole = new Uint32Array(pixels.data.buffer); // a pixel's four bytes at once
  const paint = (image) => {
    for (let i = 0; i < image.length; i++)
      whole[i] = 0xff000000 | (0x010101 * Math.round(255 * image[i]));
    context.putImageData(pixels, 0, 0);
  };
  return {
    node: element("figure", { style: "margin:0" }, canvas, element("figcaption", {}, label)),
    paint,
  };
}

export function render({ model, el }) {
  const data = { image: Float64Array.from(model.get("image")), side: model.get("side") };
  const state = { brightness: 0, contrast: 1, shift: 0 };
  const first = picture(data.side, "the image");
  const second = picture(data.side, "changed");
  first.paint(data.image);
  const own = sumsOf(data.image, data.side); // the same at every move

  const svg = drawing(
    320,
    150,
    "Bars of the three terms, of the SSIM and of the mean squared error",
  );
  const width = scale([0, 1], [0, 165]);
  const names = ["luminance", "contrast", "structure", "ssim", "mse"];
  const bars = names.map((name, i) => {
    const bar = element("rect", {
      x: 100,
      y: 6 + 28 * i,
      height: 20,
      fill: i < 3 ? "var(--normal)" : "var(--second)",
    });
    const value = element("text", { x: 272, y: 21 + 28 * i });
    svg.append(
      element(
        "text",
        { x: 92, y: 21 + 28 * i, "text-anchor": "end" },
        name.length < 5 ? name.toUpperCase() : name,
      ),
      bar,
      value,
    );
    return { name, bar, value };
  });

  const status = statusLine();
  const repaint = painter(() => {
    const other = changed(state, data);
    const now = compared(data.image, other, data.side, own);
    second.paint(other);
    for (const { name, bar, value } of bars) {
      set(bar, { width: width(Math.max(now[name], 0)) });
      write(value, now[name].toFixed(3));
    }
    return (
      `SSIM ${now.ssim.toFixed(3)}; mean squared error ${now.mse.toFixed(4)}. The means of the three terms: ` +
      `luminance ${now.luminance.toFixed(3)}, contrast ${now.contrast.toFixed(3)}, structure ${now.structure.toFixed(3)}.`
    );
  }, status);
  const change = (name) => (value) => {
    state[name] = value;
    repaint();
  };
  const two = (value) => value.toFixed(2);
  const row = element(
    "div",
    { class: "buttons", style: "gap:1em;align-items:center" },
    first.node,
    second.node,
  );
  el.append(
    row,
    element("div", { class: "graphs" }, svg),
    slider(
      "brightness added",
      { min: -0.5, max: 0.5, step: 0.02, value: 0, show: two },
      change("brightness"),
    ).node,
    slider(
      "contrast times",
      { min: 0, max: 2, step: 0.05, value: 1, show: two },
      change("contrast"),
    ).node,
    slider("shift in pixels", { min: 0, max: 6, step: 1, value: 0 }, change("shift")).node,
    status,
  );
}
