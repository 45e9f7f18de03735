import { element } from "./kit.mjs";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The number that a text means: 0.25, 0,25, 25 % or 1/4; null where it means none. */
function number(typed) {
  const text = typed.trim().replaceAll(",", ".").replaceAll("−", "-");
  const parts = text.replace(/[\s%]+$/, "").split("/");
  const numbers = parts.map((part) => part.trim());
  if (numbers.length > 2 || !numbers.every((part) => NUMBER.test(part))) return null;
  const [over, under = 1] = numbers.map(Number);
  const value = over / under / (text.endsWith("%") ? 100 : 1);
  return Number.isFinite(value) ? value : null;
}

function judge({ options, answer, tolerance, reason, near }, given) {
  if (options.length) return { right: options[given].right, says: options[given].reason };
  const x = number(given);
  if (x === null) {
    return {
      right: null,
      says: `This is no number: ${given}. Type one, such as 0.25, 25 % or 1/4.`,
    };
  }
  if (Math.abs(x - answer) <= tolerance + 1e-9 * Math.abs(answer)) {
    return { right: true, says: reason };
  }
  const known = near.find((wrong) => Math.abs(x - wrong.value) <= wrong.tolerance + 1e-9);
  if (known) return { right: false, says: known.says };
  const percentage = Math.abs(x / 100 - answer) <= tolerance && tolerance < 1;
  if (percentage && answer > 0 && answer <= 1) {
    return { right: false, says: "This is the percentage. Type 25 % or 0.25, not 25." };
  }
  return { right: false, says: x < answer ? "Too low." : "Too high." };
}

/**
 * Of each question whether what was answered is right, and what to say; null where nothing was.
 * An answer is the position of an option, or what was typed.
 */
export function compute({ answers }, { questions }) {
  return questions.map((question, k) => {
    const blank = answers[k] === null || `${answers[k]}`.trim() === "";
    return blank ? null : judge(question, answers[k]);
  });
}

const VERDICTS = new Map([
  [true, ["Right.", "good"]],
  [false, ["Not this one.", "bad"]],
  [null, ["Not read.", "open"]],
]);

/** A text in which `this` is code and *this* is stressed. */
function rich(text) {
  return text.split(/(`[^`]+`|\*[^*\s][^*]*\*)/).map((part, k) => {
    if (k % 2 === 0) return part;
    return element(part[0] === "`" ? "code" : "em", {}, part.slice(1, -1));
  });
}

/** The fields of a question; answered(value) is called with a position or with what was typed. */
function fields({ options }, name, answered) {
  if (!options.length) {
    const input = element("input", {
      id: name,
      type: "text",
      autocomplete: "off",
      change: () => answered(input.value),
    });
    const hand = element("button", { type: "button" }, "Answer");
    hand.addEventListener("click", () => answered(input.value));
    return [
      element(
        "div",
        { class: "control" },
        element("label", { for: name }, "Your answer"),
        input,
        hand,
      ),
    ];
  }
  return options.map(({ text }, k) => {
    const id = `${name}-${k}`;
    const input = element("input", { id, name, type: "radio", change: () => answered(k) });
    return element("div", { class: "option" }, input, element("label", { for: id }, ...rich(text)));
  });
}

export function render({ model, el }) {
  const questions = model.get("questions");
  const answers = questions.map(() => null);
  questions.forEach((question, k) => {
    const verdict = element("p", { role: "status" });
    const answered = (given) => {
      answers[k] = given;
      const judged = compute({ answers }, { questions })[k];
      const [lead, tone] = VERDICTS.get(judged ? judged.right : null);
      verdict.className = judged ? tone : "";
      verdict.replaceChildren(
        ...(judged ? [element("b", {}, lead), " ", ...rich(judged.says)] : []),
      );
    };
    const lead = questions.length > 1 ? `${k + 1}. ` : "Question. ";
    el.append(
      element(
        "fieldset",
        {},
        element("legend", {}, element("b", {}, lead), ...rich(question.text)),
        ...fields(question, `question-${k}`, answered),
        verdict,
      ),
    );
  });
}
