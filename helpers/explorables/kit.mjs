// What the explorables share: elements, controls, axes, one draw a frame, and the two themes.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set([
  "svg",
  "g",
  "rect",
  "circle",
  "line",
  "path",
  "text",
  "polyline",
  "foreignObject",
  "ellipse",
]);

/** An element with attributes and children; functions become listeners. */
export function element(tag, attributes = {}, ...children) {
  const node = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Change attributes of an element, those that differ. */
export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    const text = String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

/** Change the text of an element that holds nothing else, if it differs. */
export function write(node, text) {
  if (!node.firstChild) node.append(text);
  else if (node.firstChild.data !== text) node.firstChild.data = text;
}

let controls = 0;

/** A labelled slider with its value beside it. `show` writes the value for readers. */
export function slider(label, { min, max, step, value, show = String }, changed) {
  const id = `control-${++controls}`;
  let text = String(show(value));
  const output = element("output", { for: id }, text);
  const moved = () => {
    const now = Number(input.value);
    const before = text;
    text = String(show(now));
    if (text !== before) {
      write(output, text);
      input.setAttribute("aria-valuetext", text);
    }
    changed(now);
  };
  const range = { type: "range", min, max, step, value, "aria-valuetext": text };
  const input = element("input", { id, ...range, input: moved });
  const move = (to) => {
    input.value = to;
    moved();
  };
  return {
    node: element("div", { class: "control" }, element("label", { for: id }, label), input, output),
    move,
  };
}

/** A labelled list of options: {value: text}. */
export function choice(label, options, value, changed) {
  const id = `control-${++controls}`;
  const list = element("select", { id, change: () => changed(list.value) });
  for (const [key, text] of Object.entries(options)) {
    list.append(element("option", { value: key }, text));
  }
  list.value = value;
  return element("div", { class: "control" }, element("label", { for: id }, label), list);
}

/** A button. */
export function button(text, pressed) {
  return element("button", { type: "button", click: pressed }, text);
}

/** A straight map from [a, b] to [c, d]. */
export function scale([a, b], [c, d]) {
  return (x) => c + ((x - a) / (b - a)) * (d - c);
}

/** A drawing that scales with the page; `label` is read by screen readers. */
export function drawing(width, height, label) {
  return element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
}

const DIGIT = 8.3; // the width of a digit in a drawing, in a wide font

/**
 * A horizontal axis at height y, from x scale(ticks[0]) on, with its name below. A number that would
 * run into the one before it is left out.
 */
export function axis(x, y, ticks, name, show = String) {
  const [first, last] = [x(ticks[0]), x(ticks[ticks.length - 1])];
  const group = element(
    "g",
    { class: "axis" },
    element("line", { x1: first, x2: last, y1: y, y2: y }),
  );
  let end = -Infinity; // of the number before
  for (const tick of ticks) {
    const [place, text] = [x(tick), show(tick)];
    const half = (DIGIT * text.length) / 2;
    group.append(element("line", { x1: place, x2: place, y1: y, y2: y + 5 }));
    if (place - half < end + DIGIT / 2) continue;
    group.append(element("text", { x: place, y: y + 20, "text-anchor": "middle" }, text));
    end = place + half;
  }
  group.append(
    element("text", { x: (first + last) / 2, y: y + 40, "text-anchor": "middle" }, name),
  );
  return group;
}

/** A vertical axis at x, from y scale(ticks[0]) up, with its name along it, if there is one. */
export function upright(x, y, ticks, name = "", show = String) {
  const [first, last] = [y(ticks[0]), y(ticks[ticks.length - 1])];
  const texts = ticks.map(show);
  const group = element(
    "g",
    { class: "axis" },
    element("line", { x1: x, x2: x, y1: first, y2: last }),
  );
  ticks.forEach((tick, k) => {
    const [left, place] = [x - 8, y(tick) + 4.5];
    group.append(element("line", { x1: x - 5, x2: x, y1: y(tick), y2: y(tick) }));
    group.append(element("text", { x: left, y: place, "text-anchor": "end" }, texts[k]));
  });
  const left = x - 14 - DIGIT * Math.max(...texts.map((text) => text.length));
  const turn = `translate(${left} ${(first + last) / 2}) rotate(-90)`;
  group.append(element("text", { "text-anchor": "middle", transform: turn }, name));
  return group;
}

/** The largest of 1, 2 and 5 times a power of ten that is not above a number. */
export function roundNumber(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  const digit = [5, 2, 1].find((each) => each * power <= most) ?? 1;
  return Number((digit * power).toPrecision(1));
}

/** An entry of a key: a sample of what is drawn, with its name. */
export function entry(tag, attributes, name) {
  const sample = element("svg", { viewBox: "0 0 36 12", "aria-hidden": "true" });
  const place = tag === "circle" ? { cx: 18, cy: 6, r: 6 } : { x1: 0, x2: 36, y1: 6, y2: 6 };
  sample.append(element(tag, { ...place, "stroke-width": 2.5, ...attributes }));
  return element("span", {}, sample, name);
}

/** Random numbers in [0, 1) from a seed (Mulberry32), the same everywhere. */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A share in percent. */
export function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

/** The bars of a histogram as one shape. */
export function bars(counts, edges, x, y, attributes) {
  const corners = [];
  counts.forEach((count, i) => corners.push([x(edges[i]), y(count)], [x(edges[i + 1]), y(count)]));
  const path = corners.map(([h, v]) => `${h.toFixed(1)},${v.toFixed(1)}`).join(" L");
  const [first, last] = [x(edges[0]).toFixed(1), x(edges[edges.length - 1]).toFixed(1)];
  return element("path", { d: `M${first},${y(0)} L${path} L${last},${y(0)} Z`, ...attributes });
}

/** The images of a sheet: draw(context, number) shows one of them, once `ready` is kept. */
export function gallery({ source, width, height, columns }) {
  const picture = new Image();
  picture.src = source;
  const draw = (context, number, opacity = 1) => {
    if (!picture.complete) return;
    const { canvas } = context;
    context.globalAlpha = opacity;
    const from = [width * (number % columns), height * Math.floor(number / columns)];
    context.drawImage(picture, ...from, width, height, 0, 0, canvas.width, canvas.height);
  };
  return { ready: picture.decode(), draw };
}

/** A canvas for an image of a sheet with its name below it, not wider than a few centimetres. */
export function framed({ width, height }, label, caption, zoom = 1) {
  const size = { width: zoom * width, height: zoom * height };
  const canvas = element("canvas", { ...size, role: "img", "aria-label": label });
  const style = `max-width: min(100%, ${(12 * width) / height}em)`;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  return { context, node: element("figure", { style }, canvas, caption) };
}

/** The points of a curve as the attribute of a polyline. */
export function points(xs, ys) {
  return xs.map((x, i) => `${x.toFixed(2)},${ys[i].toFixed(2)}`).join(" ");
}

const PAUSE = 400; // ms without a change before the text is spoken

/**
 * Call draw() at most once a frame, however often the state changes. The text that it returns
 * describes the state; screen readers hear it when the reader pauses.
 */
export function painter(draw, status) {
  let waiting = false;
  let [painted, timed, text] = [0, false, ""];
  // one timer that goes on waiting costs a move less than a new one for each
  const speak = () => {
    const rest = painted + PAUSE - performance.now();
    timed = rest > 0;
    if (timed) setTimeout(speak, rest);
    else status.lastChild.textContent = text;
  };
  const paint = () => {
    waiting = false;
    text = draw();
    write(status.firstChild, text);
    painted = performance.now();
    if (!timed) setTimeout(speak, PAUSE);
    timed = true;
  };
  paint();
  return () => {
    if (!waiting) requestAnimationFrame(paint);
    waiting = true;
  };
}

/** The line that describes the state: at once for the eye, after a pause for screen readers. */
export function statusLine() {
  return element(
    "div",
    { class: "status" },
    element("p", { "aria-hidden": "true" }),
    element("p", { class: "spoken", role: "status" }),
  );
}
