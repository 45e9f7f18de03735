import {
  axis,
  drawing,
  element,
  painter,
  points,
  roundNumber,
  scale,
  set,
  slider,
  statusLine,
  upright,
  write,
} from "./kit.mjs";

const normal = (z, mean, sd) =>
  Math.exp(-0.5 * ((z - mean) / sd) ** 2) / (sd * Math.sqrt(2 * Math.PI));

/**
 * ELBO and KL of a Gaussian q with mean mu and standard deviation sigma, in nats.
 *
 * The joint density is given as log_joint on an even grid z; q is cut off outside it.
 */
export function compute({ mu, sigma }, { z, log_joint }) {
  const step = z[1] - z[0];
  let [mass, evidence] = [0, 0];
  const q = z.map((value) => normal(value, mu, sigma));
  q.forEach((density, i) => {
    mass += density * step;
    evidence += Math.exp(log_joint[i]) * step;
  });
  let elbo = 0;
  q.forEach((density, i) => {
    const share = density / mass;
    if (share > 0) elbo += share * (log_joint[i] - Math.log(share)) * step;
  });
  const log_evidence = Math.log(evidence);
  return { elbo, log_evidence, kl: log_evidence - elbo };
}

const EVERY = 4; // of the grid's points are drawn: 100 to a curve

export function render({ model, el }) {
  const data = { z: model.get("z"), log_joint: model.get("log_joint") };
  const state = { mu: model.get("mu"), sigma: model.get("sigma") };
  const { log_evidence } = compute(state, data);
  const posterior = data.log_joint.map((value) => Math.exp(value - log_evidence));
  const [low, high] = [data.z[0], data.z[data.z.length - 1]];
  const x = scale([low, high], [70, 305]);
  const top = 2 * Math.max(...posterior);
  const y = scale([0, top], [200, 30]);

  const left = drawing(320, 250, "Posterior and q over z");
  const right = drawing(320, 110, "Bars of ELBO and KL divergence");
  const shown = data.z.filter((_, i) => i % EVERY === 0);
  const xs = shown.map(x);
  const curve = element("polyline", { fill: "none", stroke: "var(--second)", "stroke-width": 3 });
  const worst = model.get("worst");
  const bar = scale([worst, log_evidence], [15, 305]);
  const elbo = element("rect", { y: 40, height: 28, fill: "var(--second)" });
  const gap = element("rect", { y: 40, height: 28, fill: "var(--faint)" });
  const written = element("text", { x: 160, y: 95, "text-anchor": "middle" });
  left.append(
    axis(x, 200, model.get("ticks"), "latent variable z"),
    upright(70, y, [0, roundNumber(top)], "density"),
    element("polyline", {
      points: points(
        xs,
        posterior.filter((_, i) => i % EVERY === 0).map((density) => y(density)),
      ),
      fill: "var(--normal)",
      "fill-opacity": 0.25,
      stroke: "var(--normal)",
      "stroke-width": 2,
    }),
    curve,
    element("text", { x: 70, y: 14, class: "normal" }, "posterior p(z | x)"),
    element("text", { x: 215, y: 14, class: "second" }, "your q(z)"),
  );
  right.append(
    element("text", { x: 160, y: 25, "text-anchor": "middle" }, "log p(x) = ELBO + KL"),
    elbo,
    gap,
    written,
  );

  const status = statusLine();
  const repaint = painter(() => {
    const now = compute(state, data);
    curve.setAttribute(
      "points",
      points(
        xs,
        shown.map((z) => y(Math.min(normal(z, state.mu, state.sigma), 1.1 * top))),
      ),
    );
    const end = bar(Math.max(now.elbo, worst));
    set(elbo, { x: 15, width: Math.max(end - 15, 0) });
    set(gap, { x: end, width: Math.max(305 - end, 0) });
    write(written, `ELBO ${now.elbo.toFixed(2)}, KL ${now.kl.toFixed(2)}`);
    return (
      `log p(x) = ${now.log_evidence.toFixed(3)} nats stays as it is. The ELBO is ${now.elbo.toFixed(3)}, ` +
      `and KL(q, posterior) is the rest: ${now.kl.toFixed(3)} nats.`
    );
  }, status);
  const two = (value) => value.toFixed(2);
  const mean = slider(
    "mean of q",
    { min: low, max: high, step: 0.02, value: state.mu, show: two },
    (value) => {
      state.mu = value;
      repaint();
    },
  );
  const sd = slider(
    "standard deviation of q",
    { min: 0.1, max: 2, step: 0.02, value: state.sigma, show: two },
    (value) => {
      state.sigma = value;
      repaint();
    },
  );
  el.append(element("div", { class: "graphs" }, left, right), mean.node, sd.node, status);
}
