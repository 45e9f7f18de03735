import { drawing, element, painter, slider, statusLine, write } from "./kit.mjs";

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

const [MIDDLE, WORDS] = [90, 175]; // heights of the boxes and of the texts below them

export function render({ model, el }) {
  const state = { ...model.get("start") };
  const halves = [
    drawing(320, WORDS + 30, "The layers of an encoder as boxes, from the image to the code"),
    drawing(320, WORDS + 30, "The layers of a decoder as boxes, from the code to the image"),
  ];
  // One path for each colour and texts that are written only where they change: attributes are dear.
  const boxes = ["var(--normal)", "var(--ink)", "var(--second)"].map((fill) =>
    element("path", { fill }),
  );
  // the code is the last column of the encoder's drawing
  const columns = [6, 5].map((length) =>
    Array.from({ length }, () =>
      [WORDS, WORDS + 20].map((y) => element("text", { y, "text-anchor": "middle" }, "")),
    ),
  );
  halves[0].append(
    element("text", { x: 5, y: 14, class: "normal" }, "encoder"),
    boxes[0],
    boxes[1],
    ...columns[0].flat(),
  );
  halves[1].append(
    element("text", { x: 5, y: 14, class: "second" }, "decoder"),
    boxes[2],
    ...columns[1].flat(),
  );
  let before = 0;
  const thousands = new Intl.NumberFormat("en");
  const status = statusLine();
  const repaint = painter(() => {
    const { shapes, flat, weights, compression } = compute(state);
    const pitch = 320 / (shapes.length + 1);
    const paths = ["", "", ""];
    [[...shapes, [state.latent]], [...shapes].reverse()].forEach((layers, half) => {
      columns[half].forEach(([above, below], i) => {
        const [channels, side = 0] = layers[i] ?? [];
        const middle = pitch * (i + 0.5);
        write(above, i >= layers.length ? "" : side ? `${side}×${side}` : "code");
        write(below, i >= layers.length ? "" : side ? `${channels} ch.` : `${channels}`);
        if (pitch !== before) for (const node of [above, below]) node.setAttribute("x", middle);
        if (i >= layers.length) return;
        const height = 14 + 1.8 * side;
        const width = Math.min(6 + Math.sqrt(channels) * 2.2, pitch - 8);
        paths[side ? 2 * half : 1] +=
          `M${middle - width / 2},${MIDDLE - height / 2}h${width}v${height}h${-width}z`;
      });
    });
    before = pitch;
    boxes.forEach((box, k) => box.setAttribute("d", paths[k]));
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
    element("div", { class: "graphs" }, ...halves),
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
