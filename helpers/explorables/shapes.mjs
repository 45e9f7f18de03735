import { drawing, element, painter, slider, statusLine } from "./kit.mjs";

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
  const holder = element("g");
  svg.append(holder);
  const status = statusLine();
  const repaint = painter(() => {
    const { shapes, flat, weights, compression } = compute(state);
    const halves = [
      ...shapes.map((shape) => [shape, "var(--normal)"]),
      [[state.latent], "var(--anomaly)"],
      ...[...shapes].reverse().map((shape) => [shape, "var(--second)"]),
    ];
    halves[shapes.length][1] = "var(--ink)";
    const pitch = 640 / halves.length;
    const parts = halves.flatMap(([shape, color], i) => {
      const height = shape.length > 1 ? 14 + 1.8 * shape[1] : 14;
      const width = Math.min(6 + Math.sqrt(shape[0]) * 2.2, pitch - 8);
      const middle = pitch * (i + 0.5);
      const [top, bottom] =
        shape.length > 1
          ? [String(shape[0]), `${shape[1]}×${shape[2]}`]
          : [String(shape[0]), "code"];
      return [
        element("rect", { x: middle - width / 2, y: 110 - height / 2, width, height, fill: color }),
        element("text", { x: middle, y: 205, "text-anchor": "middle" }, bottom),
        element(
          "text",
          { x: middle, y: 225, "text-anchor": "middle" },
          shape.length > 1 ? `${top} ch.` : top,
        ),
      ];
    });
    holder.replaceChildren(...parts);
    return (
      `${weights.toLocaleString("en")} weights. The feature maps hold ${flat.toLocaleString("en")} numbers before the code; ` +
      `the image has ${compression.toFixed(1)} times as many numbers as the code.`
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
