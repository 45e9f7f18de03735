import {
  axis,
  drawing,
  element,
  painter,
  points,
  scale,
  set,
  slider,
  statusLine,
  upright,
} from "./kit.mjs";

/** Mean, standard deviation and ELBO of q after `step` gradient steps on one image's own q.
 *
 * The data have a row after each `every` steps, so `step` is a multiple of `every`. */
export function compute({ step }, { mu, sigma, elbo, every }) {
  const row = step / every;
  return { mu: mu[row], sigma: sigma[row], elbo: elbo[row], gained: elbo[row] - elbo[0] };
}

export function render({ model, el }) {
  const [mu, sigma, elbo, every] = ["mu", "sigma", "elbo", "every"].map((key) => model.get(key));
  const data = { mu, sigma, elbo, every };
  const { density, low, high } = model.get("posterior");
  const state = { step: 0 };
  const side = density.length;
  const left = drawing(
    320,
    310,
    "Posterior of one image over two latent dimensions with q as an ellipse",
  );
  const right = drawing(320, 310, "ELBO by gradient step");
  const canvas = element("canvas", { width: side, height: side });
  canvas.style.cssText = "width:100%;height:100%;display:block";
  const pixels = canvas.getContext("2d");
  const image = pixels.createImageData(side, side);
  const most = Math.max(...density.flat());
  density.forEach((row, j) =>
    row.forEach((value, i) =>
      image.data.set([40, 130, 190, (255 * value) / most], 4 * ((side - 1 - j) * side + i)),
    ),
  );
  pixels.putImageData(image, 0, 0);
  const [x, y] = [scale([low[0], high[0]], [65, 305]), scale([low[1], high[1]], [265, 25])];
  const ellipse = element("ellipse", { fill: "none", stroke: "var(--second)", "stroke-width": 3 });
  const centre = element("circle", { r: 4, fill: "var(--second)" });
  const last = every * (elbo.length - 1); // gradient steps
  const sx = scale([0, last], [75, 305]);
  const [worst, best] = [Math.min(...elbo), Math.max(...elbo)];
  const sy = scale([worst, best], [255, 35]);
  const dot = element("circle", { r: 6, fill: "var(--second)" });
  const ticks = (k) => [low[k], high[k]].map((end) => Number(end.toFixed(1)));
  left.append(
    element("foreignObject", { x: 65, y: 25, width: 240, height: 240 }, canvas),
    axis(x, 265, ticks(0), "first latent dimension"),
    upright(65, y, ticks(1), "second latent dimension"),
    element("text", { x: 65, y: 14 }, "blue: posterior, ring: 1 sd of q"),
    ellipse,
    centre,
  );
  right.append(
    axis(sx, 265, [0, last], "gradient step"),
    upright(65, sy, [worst, best], "", (value) => value.toFixed(1)),
    element("polyline", {
      points: points(
        elbo.map((_, i) => sx(every * i)),
        elbo.map(sy),
      ),
      fill: "none",
      stroke: "var(--ink)",
      "stroke-width": 2,
    }),
    element("text", { x: 65, y: 14 }, "ELBO of this image, nats"),
    dot,
  );
  const status = statusLine();
  const repaint = painter(() => {
    const now = compute(state, data);
    set(ellipse, {
      cx: x(now.mu[0]),
      cy: y(now.mu[1]),
      rx: x(now.sigma[0]) - x(0),
      ry: y(0) - y(now.sigma[1]),
    });
    set(centre, { cx: x(now.mu[0]), cy: y(now.mu[1]) });
    set(dot, { cx: sx(state.step), cy: sy(now.elbo) });
    return state.step
      ? `After ${state.step} steps the ELBO is ${now.elbo.toFixed(2)} nats, ${now.gained.toFixed(2)} more than the encoder's q gives.`
      : `The encoder's own q: the ELBO is ${now.elbo.toFixed(2)} nats.`;
  }, status);
  const control = slider(
    "gradient steps",
    { min: 0, max: last, step: every, value: 0 },
    (value) => {
      state.step = value;
      repaint();
    },
  );
  el.append(element("div", { class: "graphs" }, left, right), control.node, status);
}
