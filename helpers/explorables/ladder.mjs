import { choice, element, painter, set, statusLine, write } from "./kit.mjs";

/** What each part of the rung's detector has seen of the disease, and with which labels. */
export function compute({ rung, disease }, { classes, rungs }) {
  const { labels, counts } = rungs[rung];
  const [scans, patients] = counts.encoder[disease];
  const others = classes.filter(
    (_, k) => k > 0 && k !== disease && labels && counts.encoder[k][0] > 0,
  );
  return {
    scans,
    patients,
    labels: labels && scans > 0,
    decoder: counts.decoder[disease][0],
    threshold: counts.threshold[disease][0],
    other_labels: others,
    test: counts.test[disease],
  };
}

/** A circle: filled with labels, open without, a dash for nothing. */
function mark() {
  const circle = element("circle", { cx: 8, cy: 8, r: 6, "stroke-width": 2 });
  const dash = element("line", { x1: 3, x2: 13, y1: 8, y2: 8, stroke: "currentColor" });
  const svg = element("svg", { viewBox: "0 0 16 16", role: "img" });
  svg.append(circle, dash);
  const show = (seen, labels, color) => {
    const visibility = seen ? "visible" : "hidden";
    set(circle, { visibility, stroke: color, fill: labels ? color : "none" });
    set(dash, { visibility: seen ? "hidden" : "visible" });
    set(svg, { "aria-label": seen ? (labels ? "with labels" : "without labels") : "nothing" });
  };
  return { svg, show };
}

export function render({ model, el }) {
  const [classes, parts, rungs] = ["classes", "parts", "rungs"].map((key) => model.get(key));
  const state = { ...model.get("start") };

  const heading = element("tr", {}, element("th", { scope: "col" }, "class"));
  parts.forEach((part, k) =>
    heading.append(element("th", { scope: "col" }, k < parts.length - 1 ? `${part} →` : part)),
  );
  const cells = classes.map((name) => ({
    row: element("tr", {}, element("th", { scope: "row" }, name)),
    parts: parts.map(() => ({ ...mark(), text: element("span") })),
  }));
  for (const cell of cells)
    for (const { svg, text } of cell.parts) cell.row.append(element("td", {}, svg, text));
  const table = element(
    "table",
    { class: "seen" },
    element("thead", {}, heading),
    element("tbody", {}, ...cells.map(({ row }) => row)),
  );

  const status = statusLine();
  const repaint = painter(() => {
    const { name, labels, counts } = rungs[state.rung];
    cells.forEach(({ row, parts: shown }, c) => {
      const color = c ? "var(--anomaly)" : "var(--normal)";
      shown.forEach(({ show, text }, p) => {
        const [scans, patients] = counts[parts[p]][c];
        // "healthy" is a label, too: decoder and threshold are given the healthy scans
        const judged = parts[p] === "test";
        show(scans > 0, judged ? false : parts[p] === "encoder" ? labels : true, color);
        write(text, scans ? `${scans} scans\n${patients} patients` : "");
      });
      set(row, { class: c === state.disease ? "chosen" : "" });
    });
    const now = compute(state, { classes, rungs });
    const disease = classes[state.disease];
    const healthy = counts.encoder[0][0];
    const saw = now.scans
      ? `${now.scans} scans of ${now.patients} patients with ${disease}, ${now.labels ? "with" : "without"} their labels`
      : `no scan of ${disease}`;
    let verdict = `No part of this detector has seen ${disease}: no leakage.`;
    if (now.labels)
      verdict = `The encoder has learned to tell ${disease} from healthy scans: leakage.`;
    else if (now.scans)
      verdict = `${disease} is not new to the encoder, but nobody told it which scans show it.`;
    else if (now.other_labels.length)
      verdict =
        `${disease} is new to this detector. Labels of ${now.other_labels.join(" and ")} can help ` +
        "by transfer, not by leakage.";
    return (
      `Rung ${name}: the encoder saw ${saw}${healthy ? `, and ${healthy} healthy scans` : ""}. ` +
      `The decoder saw ${counts.decoder[0][0]} healthy scans, the threshold ` +
      `${counts.threshold[0][0]}, and ${now.decoder + now.threshold || "none"} of ${disease}. ` +
      `${verdict} Judged on ${now.test[0]} scans of ${now.test[1]} other patients with ${disease}.`
    );
  }, status);
  const change = (name) => (value) => {
    state[name] = Number(value);
    repaint();
  };
  const names = Object.fromEntries(rungs.map(({ name }, k) => [k, name]));
  const diseases = Object.fromEntries(classes.map((name, k) => [k, name]).slice(1));
  el.append(
    choice("rung", names, state.rung, change("rung")),
    choice("disease", diseases, state.disease, change("disease")),
    table,
    element("p", {}, "● with labels, ○ without labels, – nothing; no patient has two roles."),
    status,
  );
}
