import { button, element, framed, gallery, painter, statusLine } from "./kit.mjs";

/** The images of the round, what was guessed, and the score over all rounds; 0: no guess yet. */
export function compute({ round, guesses }, { places, shown }) {
  const asked = guesses.filter((guess) => guess > 0).length;
  return {
    images: Array.from({ length: shown }, (_, k) => shown * round + k),
    guess: guesses[round],
    place: places[round],
    right: guesses.filter((guess, k) => guess === places[k]).length,
    asked,
  };
}

export function render({ model, el }) {
  const [places, shown, sheet] = ["places", "shown", "sheet"].map((key) => model.get(key));
  const rounds = places.length;
  const state = { round: 0, guesses: new Array(rounds).fill(0) };
  let repaint = () => {};
  const images = gallery(sheet);
  const frames = Array.from({ length: shown }, (_, k) => {
    const choose = button(`image ${k + 1} is real`, () => {
      state.guesses[state.round] ||= k + 1; // the first guess counts
      repaint();
    });
    return { choose, ...framed(sheet, `image ${k + 1}`, choose) };
  });
  const turn = (step) => () => {
    state.round = (state.round + step + rounds) % rounds;
    repaint();
  };
  const status = statusLine();
  repaint = painter(() => {
    const now = compute(state, { places, shown });
    frames.forEach(({ context, node, choose }, k) => {
      images.draw(context, now.images[k]);
      const chosen = now.guess === k + 1;
      const real = now.guess && k + 1 === now.place;
      node.setAttribute("class", real ? "normal" : chosen ? "anomaly" : "");
      choose.setAttribute("aria-pressed", chosen);
    });
    const score = `Score: ${now.right} right of ${now.asked} asked.`;
    if (!now.guess) {
      return (
        `Round ${state.round + 1} of ${rounds}: one of the ${shown} images is a real digit, the ` +
        `others are samples. A guess is right in 1 of ${shown}. ${score}`
      );
    }
    const verdict = now.guess === now.place ? "right" : "wrong";
    return (
      `Round ${state.round + 1} of ${rounds}, ${verdict}: image ${now.place} is the real digit; ` +
      `you chose ${now.guess}. ${score}`
    );
  }, status);
  images.ready.then(repaint);
  el.append(
    element("div", { class: "pictures" }, ...frames.map(({ node }) => node)),
    element(
      "div",
      { class: "buttons" },
      button("previous round", turn(-1)),
      button("next round", turn(1)),
      button("start again", () => {
        state.guesses.fill(0);
        state.round = 0;
        repaint();
      }),
    ),
    status,
  );
}
