import { choice, drawing, element, painter, set, slider, statusLine } from "./kit.mjs";

/** Lengths, and where the kernel lies at output `place`, for a convolution or a transposed one. */
export function compute({ kind, size, kernel, stride, padding, place }) {
  const output =
    kind === "convolution"
      ? Math.floor((size + 2 * padding - kernel) / stride) + 1
      : (size - 1) * stride - 2 * padding + kernel;
  const places = Math.max(kind === "convolution" ? output : size, 0);
  const at = Math.min(place, places - 1);
  // first pixel under the kernel: of the input for a convolution, of the output for a transposed one
  return { output: Math.max(output, 0), places, at, first: at * stride - padding };
}

// the places from two pixels of padding to the longest row, in a drawing of 320 units
const CELL = { convolution: 22, transposed: 10.2 };

// a row of pixels: inside, beyond the edge, and under the kernel; each kind is one path
function squares(row, below) {
  const kinds = [
    element("path", { fill: "var(--normal)" }),
    element("path", { fill: "none", stroke: "var(--faint)" }),
    element("path", { fill: "var(--second)" }),
  ];
  const name = element("text", { x: 2, y: below });
  return { group: element("g", {}, name, ...kinds), kinds, name, row };
}

export function render({ model, el }) {
  const state = { ...model.get("start") };
  const svg = drawing(
    320,
    150,
    "Pixels of one row before and after a convolution, and the kernel over them",
  );
  const before = squares(30, 22);
  const after = squares(105, 143);
  const lines = Array.from({ length: 7 }, () => element("line", { stroke: "var(--second)" }));
  svg.append(...lines, before.group, after.group);

  const status = statusLine();
  const left = (i) => 2 + (i + 2) * CELL[state.kind];
  const fill = ({ kinds, name, row }, length, pad, marked, label) => {
    name.textContent = label;
    const paths = ["", "", ""];
    const side = 0.86 * CELL[state.kind];
    for (let place = -pad; place < length + pad; place++) {
      const outside = place < 0 || place >= length;
      const box = `M${left(place)},${row} h${side} v${side} h${-side} z `;
      if (outside) paths[1] += box;
      if (marked(place)) paths[2] += box;
      else if (!outside) paths[0] += box;
    }
    kinds.forEach((kind, i) => kind.setAttribute("d", paths[i]));
  };
  const repaint = painter(() => {
    const { output, places, at, first } = compute(state);
    const { kind, size, kernel, stride, padding } = state;
    const half = 0.43 * CELL[kind];
    const down = kind === "convolution";
    const covered = (i) => places > 0 && i >= first && i < first + kernel;
    const single = (i) => places > 0 && i === at;
    fill(
      before,
      size,
      down ? padding : 0,
      down ? covered : single,
      down ? "input, with padding" : "input",
    );
    fill(
      after,
      output,
      down ? 0 : padding,
      down ? single : covered,
      down ? "output" : "output; padding cuts off the hollow ones",
    );
    lines.forEach((line, k) => {
      const [many, one] = [left(first + k) + half, left(at) + half];
      const shown = k < kernel && places > 0;
      set(line, {
        x1: down ? many : one,
        x2: down ? one : many,
        y1: 30 + 2 * half,
        y2: 104,
        visibility: shown ? "visible" : "hidden",
      });
    });
    if (places < 1 || output < 1)
      return "The kernel does not fit: it is longer than the input with its padding.";
    return down
      ? `(${size} + 2·${padding} − ${kernel}) / ${stride}, rounded down, + 1 = ${output} pixels after the convolution.`
      : `(${size} − 1)·${stride} − 2·${padding} + ${kernel} = ${output} pixels after the transposed convolution.`;
  }, status);

  const change = (name) => (value) => {
    state[name] = value;
    repaint();
  };
  const kinds = { convolution: "convolution", transposed: "transposed convolution" };
  const whole = (label, name, min, max) =>
    slider(label, { min, max, step: 1, value: state[name] }, change(name)).node;
  el.append(
    element("div", { class: "graphs" }, svg),
    choice("kind", kinds, state.kind, change("kind")),
    whole("size of the input", "size", 3, 9),
    whole("kernel size", "kernel", 1, 5),
    whole("stride", "stride", 1, 3),
    whole("padding", "padding", 0, 2),
    whole("place of the kernel", "place", 0, 8),
    status,
  );
}
