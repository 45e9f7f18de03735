import { drawing, element, painter, scale, set, slider, statusLine } from "./kit.mjs";

const WINDOW = 7;
const [C1, C2] = [0.01 ** 2, 0.03 ** 2]; // the published constants, for pixels between 0 and 1

/** The image moved to the right, with its contrast and brightness changed, cut off at 0 and 1. */
export function changed({ brightness, contrast, shift }, { image, side }) {
  const mean = image.reduce((sum, value) => sum + value, 0) / image.length;
  return image.map((_, i) => {
    const column = (i % side) - shift;
    const value = column < 0 || column >= side ? 0 : image[i - shift];
    return Math.min(Math.max((value - mean) * contrast + mean + brightness, 0), 1);
  });
}

/** Means over all 7×7 windows: luminance, contrast and structure term, SSIM; and the MSE. */
export function compute(state, { image, side }) {
  const other = changed(state, { image, side });
  const sums = { luminance: 0, contrast: 0, structure: 0, ssim: 0 };
  const [n, last] = [WINDOW * WINDOW, side - WINDOW];
  for (let top = 0; top <= last; top++) {
    for (let left = 0; left <= last; left++) {
      let [x, y, xx, yy, xy] = [0, 0, 0, 0, 0];
      for (let row = top; row < top + WINDOW; row++) {
        for (let i = row * side + left; i < row * side + left + WINDOW; i++) {
          const [a, b] = [image[i], other[i]];
          x += a;
          y += b;
          xx += a * a;
          yy += b * b;
          xy += a * b;
        }
      }
      const [mx, my] = [x / n, y / n];
      // unbiased, as scikit-image has them; rounding may leave them just below zero
      const vx = Math.max((xx - n * mx * mx) / (n - 1), 0);
      const vy = Math.max((yy - n * my * my) / (n - 1), 0);
      const cov = (xy - n * mx * my) / (n - 1);
      const root = Math.sqrt(vx * vy);
      const luminance = (2 * mx * my + C1) / (mx * mx + my * my + C1);
      const contrast = (2 * root + C2) / (vx + vy + C2);
      const structure = (cov + C2 / 2) / (root + C2 / 2);
      sums.luminance += luminance;
      sums.contrast += contrast;
      sums.structure += structure;
      sums.ssim += (luminance * (2 * cov + C2)) / (vx + vy + C2);
    }
  }
  const windows = (last + 1) ** 2;
  const means = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / windows]));
  const mse = other.reduce((sum, value, i) => sum + (value - image[i]) ** 2, 0) / image.length;
  return { ...means, mse };
}

function picture(side, label) {
  const canvas = element("canvas", { width: side, height: side, role: "img", "aria-label": label });
  canvas.style.cssText = "width:9em;height:9em;image-rendering:pixelated";
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(side, side);
  const paint = (image) => {
    image.forEach((value, i) => pixels.data.set([255 * value, 255 * value, 255 * value, 255], 4 * i));
    context.putImageData(pixels, 0, 0);
  };
  return { node: element("figure", { style: "margin:0" }, canvas, element("figcaption", {}, label)), paint };
}

export function render({ model, el }) {
  const data = { image: model.get("image"), side: model.get("side") };
  const state = { brightness: 0, contrast: 1, shift: 0 };
  const first = picture(data.side, "the image");
  const second = picture(data.side, "changed");
  first.paint(data.image);

  const svg = drawing(420, 150, "Bars of the three terms, of the SSIM and of the mean squared error");
  svg.style.maxWidth = "26em";
  const width = scale([0, 1], [0, 200]);
  const names = ["luminance", "contrast", "structure", "ssim", "mse"];
  const bars = names.map((name, i) => {
    const bar = element("rect", { x: 100, y: 6 + 28 * i, height: 20, fill: i < 3 ? "var(--normal)" : "var(--second)" });
    const value = element("text", { x: 310, y: 21 + 28 * i });
    svg.append(element("text", { x: 92, y: 21 + 28 * i, "text-anchor": "end" }, name.length < 5 ? name.toUpperCase() : name), bar, value);
    return { name, bar, value };
  });

  const status = statusLine();
  const repaint = painter(() => {
    const now = compute(state, data);
    second.paint(changed(state, data));
    for (const { name, bar, value } of bars) {
      bar.setAttribute("width", width(Math.max(now[name], 0)));
      value.textContent = now[name].toFixed(3);
    }
    set(svg, { "aria-label": "Bars of the three terms, the SSIM and the mean squared error" });
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
  const row = element("div", { class: "buttons", style: "gap:1em;align-items:center" }, first.node, second.node);
  el.append(
    row,
    svg,
    slider("brightness added", { min: -0.5, max: 0.5, step: 0.02, value: 0, show: two }, change("brightness")).node,
    slider("contrast times", { min: 0, max: 2, step: 0.05, value: 1, show: two }, change("contrast")).node,
    slider("shift in pixels", { min: 0, max: 6, step: 1, value: 0 }, change("shift")).node,
    status,
  );
}
