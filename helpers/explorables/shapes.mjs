import { drawing, element, painter, set, slider, statusLine } from "./kit.mjs";

/**
 * Shapes and numbers of weights of an autoencoder whose convolutions (kernel 3, stride 2, padding 1)
 * halve the side and double the channels, with a linear layer to the code and one back.
 */
export function compute({ side, convolutions, channels, latent }) {
  const shapes = [[1, side, side]];
  let weights = 0;
  for (let i = 0; i < convolutions; i++) {
    const [before, length] = shapes[i];
    const after = channels * 2 ** i;
    weights += 9 * before * after + after; // the convolution
    weights += 9 * before * after + before; // the transposed one on the way back
    shapes.push([after, Math.floor((length - 1) / 2) + 1, Math.floor((length - 1) / 2) + 1]);
  }
  const flat = shapes[convolutions].reduce((product, length) => product * length, 1);
  weights += flat * latent + latent + latent * flat + flat;
  return { shapes, flat, weights, compression: (side * side) / latent };
}

export function render({ model, el }) {
  const state = { ...model.get("start") };
  const svg = drawing(
    640,
    230,
    "The layers of an autoencoder as boxes, from the image to the code and back",
  );
  // made once and changed afterwards: at most five shapes on each side of the code
  const columns = Array.from({ length: 11 }, () => ({
    box: element("rect"),
    above: element("text", { y: 205, "text-anchor": "middle" }),
    below: element("text", { y: 225, "text-anchor": "middle" }),
  }));
  const groups = columns.map(({ box, above, below }) => element("g", {}, box, above, below));
  svg.append(...groups);
  const thousands = new Intl.NumberFormat("en");
  const status = statusLine();
  const repaint = painter(() => {
    const { shapes, flat, weights, compression } = compute(state);
    const all = [...shapes, [state.latent], ...[...shapes].reverse()];
    const pitch = 640 / all.length;
    columns.forEach(({ box, above, below }, i) => {
      groups[i].setAttribute("visibility", i < all.length ? "visible" : "hidden");
      if (i >= all.length) return;
      const [channels, side = 0] = all[i];
      const height = 14 + 1.8 * side;
      const width = Math.min(6 + Math.sqrt(channels) * 2.2, pitch - 8);
      const middle = pitch * (i + 0.5);
      const fill = ["var(--normal)", "var(--ink)", "var(--second)"][
        1 + Math.sign(i - shapes.length)
      ];
      set(box, { x: middle - width / 2, y: 110 - height / 2, width, height, fill });
      above.setAttribute("x", middle);
      below.setAttribute("x", middle);
      above.textContent = side ? `${side}×${side}` : "code";
      below.textContent = side ? `${channels} ch.` : `${channels}`;
    });
    return (
      `${thousands.format(weights)} weights. The feature maps hold ${thousands.format(flat)} numbers before the ` +
      `code; the image has ${compression.toFixed(1)} times as many numbers as the code.`
    );
  }, status);

  const change = (name) => (value) => {
    state[name] = value;
    repaint();
  };
  el.append(
    svg,
    slider(
      "side of the image",
      { min: 16, max: 64, step: 4, value: state.side, show: (v) => `${v} pixels` },
      change("side"),
    ).node,
    slider(
      "convolutions",
      { min: 1, max: 4, step: 1, value: state.convolutions },
      change("convolutions"),
    ).node,
    slider(
      "channels of the first",
      { min: 4, max: 32, step: 4, value: state.channels },
      change("channels"),
    ).node,
    slider(
      "dimensions of the code",
      { min: 2, max: 256, step: 2, value: state.latent },
      change("latent"),
    ).node,
    status,
  );
}
