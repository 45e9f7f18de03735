"""What INSTRUCTORS.md and docs/exercises.md say of the modules, from the modules' own data.

Minutes come from the parts (`helpers/authoring/parts.py`), misconceptions and quiz answers from
helpers/checks/module_NN.toml, and the questions for the room from helpers/checks/questions.toml.
"""

import math
import re
import tomllib
from dataclasses import dataclass
from itertools import accumulate, combinations, pairwise

from helpers.authoring.parts import SourceError, plain
from helpers.authoring.time import exercise_of, rounded
from helpers.checks import exercises
from helpers.checks.exercise import FOLDER, texts

START = 9 * 60  # minutes since midnight
WELCOME = 15  # seats, Wi-Fi, and preflight runs on every machine
BREAK = 15
LUNCH, LUNCH_AT = 60, 12.5 * 60
BLOCK = 90  # nobody works longer than about this without a break
LUNCHLESS = 4 * 60  # minutes of work that need no lunch
PARAGRAPH = re.compile(r"^\*\*(?:You need|What is presumed\.)\*\* .+?(?=\n\n|\Z)", re.S | re.M)
TAUGHT = re.compile(r"^\*\*Afterwards you can\*\*\n(?:- .*(?:\n  .*)*\n?)+", re.M)


@dataclass(frozen=True)
class Timetable:
    """A workshop: its modules, its days, and the clock at which a day ends (minutes).

    home : cell ids of sections that are left for home, from the first on, as far as the core does
        not fit into the days
    """

    modules: tuple[int, ...]
    days: int
    until: int
    home: tuple[str, ...] = ()


TIMETABLES = {
    "half a day": Timetable((1, 4), 1, 13 * 60 + 15, ("04/7", "04/6")),
    "a day": Timetable((1, 2, 3), 1, 17 * 60, ("03/6", "03/5", "02/8")),
    "two days": Timetable((1, 2, 3, 4, 5), 2, 17 * 60),
}


@dataclass
class Section:
    """A section of a module with everything below its heading; seconds."""

    module: str
    title: str
    core: float = 0
    optional: float = 0
    computing: float = 0

    @property
    def key(self):
        """ "04/6" for section 6 of module 4, as `Timetable.home` names it."""
        return f"{self.module}/{self.title.partition(' · ')[0]}"

    @property
    def minutes(self):
        return self.core / 60


def sections(module, parts):
    """The sections of a module ("01_topic"); its title goes with the first of them."""
    found = []
    for part in parts:
        if part.level <= 2 and not (len(found) == 1 and not found[0].title):
            found.append(Section(module[:2], ""))
        section = found[-1]
        if part.level == 2:
            section.title = plain(part.title)
        section.core += 0 if part.optional else part.seconds
        section.optional += part.seconds if part.optional else 0
        section.computing += part.computing
    return found


# --- timetables -----------------------------------------------------------------------------------


def timetables(modules):
    """The timetables of all plans as Markdown. modules : {"01_topic": parts}"""
    return "\n\n".join(
        f"### {name[0].upper()}{name[1:]}\n\n{timetable(plan, modules)}"
        for name, plan in TIMETABLES.items()
    )


def timetable(plan, modules):
    """One plan as Markdown: a table for each day, and what is left for home."""
    work, home = chosen(plan, modules)
    lines = []
    for number, day in enumerate(cut(work, plan.days), 1):
        if plan.days > 1:
            lines += [f"**Day {number}**", ""]
        rows, end = clock(day)
        lines += ["| clock | what | minutes |", "|---|---|---|", *rows, ""]
        if (spare := plan.until - end) >= 10:
            lines += [
                f"{spare} minutes are left until {at(plan.until)}, for optional parts.",
                "",
            ]
    if home:
        listed = "; ".join(f"module {int(s.module)}, {s.title}" for s in home)
        minutes = rounded(sum(s.core for s in home))
        lines.append(
            f"For home, or shown by you from the solved notebooks ({minutes} minutes): {listed}."
        )
    return "\n".join(lines).strip()


def chosen(plan, modules):
    """(sections that are worked on, sections left for home) of a plan, both in order.

    A section without a core is left out. SourceError where all that may be left for home does not
    make the rest fit.
    """
    numbered = {int(module[:2]): (module, parts) for module, parts in modules.items()}
    work = [s for n in plan.modules for s in sections(*numbered[n]) if s.core]
    if unknown := set(plan.home) - {s.key for s in work}:
        raise SourceError(f"a timetable leaves {', '.join(sorted(unknown))} for home: no section")
    home, waiting = set(), list(plan.home)
    while any(clock(day)[1] > plan.until for day in cut(keep(work, home), plan.days)):
        if not waiting:
            raise SourceError(f"modules {plan.modules} do not fit; leave more sections for home")
        home.add(waiting.pop(0))
    return keep(work, home), [s for s in work if s.key in home]


def keep(work, home):
    return [s for s in work if s.key not in home]


def cut(work, parts):
    """The sections, in order, cut into `parts` runs of which the longest is as short as can be."""
    minutes = [s.minutes for s in work]
    best = min(
        combinations(range(1, len(work)), min(parts, len(work)) - 1),
        key=lambda edges: max(sum(minutes[a:b]) for a, b in runs(edges, len(work))),
    )
    return [work[a:b] for a, b in runs(best, len(work))]


def runs(edges, length):
    return pairwise((0, *edges, length))


def clock(work):
    """(rows of the table, minute at which it ends) of one day's sections."""
    blocks = cut(work, math.ceil(sum(s.minutes for s in work) / BLOCK))
    lengths = [5 * math.ceil(sum(s.minutes for s in block) / 5) for block in blocks]
    pauses = [BREAK] * (len(blocks) - 1) + [0]
    if sum(lengths) > LUNCHLESS:
        ends = [
            START + WELCOME + n + b
            for n, b in zip(accumulate(lengths), accumulate(pauses), strict=True)
        ]
        lunch = min(range(len(blocks) - 1), key=lambda i: abs(ends[i] - LUNCH_AT))
        pauses[lunch] = LUNCH
    rows = [row(START, WELCOME, "welcome: everybody opens a notebook and runs its first cells")]
    now = START + WELCOME
    for block, length, pause in zip(blocks, lengths, pauses, strict=True):
        rows.append(row(now, length, described(block)))
        now += length
        if pause:
            rows.append(row(now, pause, "*lunch*" if pause == LUNCH else "*break*"))
            now += pause
    return rows, now


def row(start, minutes, what):
    return f"| {at(start)} to {at(start + minutes)} | {what} | {minutes} |"


def at(minute):
    """ "13:05" of minutes since midnight."""
    return f"{int(minute) // 60}:{int(minute) % 60:02}"


def described(block):
    """ "**Module 1:** 1 · Compress and rebuild; 2 · ..." for the sections of a block."""
    modules = dict.fromkeys(s.module for s in block)
    return "<br>".join(
        f"**Module {int(m)}:** {'; '.join(s.title for s in block if s.module == m)}"
        for m in modules
    )


# --- the modules ----------------------------------------------------------------------------------


def overview(modules):
    """What each module presumes and teaches, and its minutes by section, as Markdown."""
    return "\n\n".join(module_page(module, parts) for module, parts in modules.items())


def module_page(module, parts):
    source = parts[0].cells[0].source
    needs, taught = PARAGRAPH.search(source), TAUGHT.search(source)
    if not needs or not taught:
        raise SourceError(f"{module}: its title does not say what it presumes and what it teaches")
    lines = [
        f"### {plain(parts[0].title)}",
        "",
        needs[0].replace("](0", "](notebooks/0"),
        "",
        taught[0].strip(),
        "",
        "| section | core | optional | computing |",
        "|---|---|---|---|",
    ]
    found = sections(module, parts)
    lines += [
        f"| {s.title} | {said(s.core)} | {said(s.optional)} | {seconds(s.computing)} |"
        for s in found
    ]
    sums = (sum(getattr(s, kind) for s in found) for kind in ("core", "optional", "computing"))
    core, optional, computing = sums
    lines.append(f"| **all** | {said(core)} | {said(optional)} | {seconds(computing)} |")
    return "\n".join(lines)


def said(seconds):
    """ "14 min", or a dash for nothing."""
    return f"{round(seconds / 60)} min" if seconds >= 30 else "–"


def seconds(computing):
    return f"{round(computing)} s" if computing >= 1 else "–"


# --- the exercises --------------------------------------------------------------------------------


def questions():
    """{exercise: {"ask", "answer"}}, a question for the room for each exercise."""
    with open(FOLDER / "questions.toml", "rb") as file:
        return tomllib.load(file)


def exercise_pages(modules):
    """All exercises of all modules and their quizzes' answers, as Markdown."""
    return "\n\n".join(
        f"## {plain(parts[0].title)}\n\n{exercises_of(module, parts)}\n\n{quiz_answers(module)}"
        for module, parts in modules.items()
    )


def exercises_of(module, parts):
    """The exercises of a module in the order of the notebook."""
    by_id, asked = {e.id: e for e in exercises()}, questions()
    entries = []
    for part in parts:
        for cell in part.cells:
            if exercise_of(cell) in by_id and "exercise" in cell.metadata.get("tags", []):
                exercise = by_id[exercise_of(cell)]
                place = "optional" if part.optional else "core"
                entries.append(entry(exercise, place, asked[exercise.id]))
    return "\n\n".join(entries)


def entry(exercise, place, question):
    """What an instructor wants to know of one exercise."""
    facts = f"*{exercise.kind}, {place}, difficulty {exercise.difficulty} of 3, about "
    facts += f"{exercise.minutes} minutes*"
    lines = [
        f"### {exercise.id} · {exercise.title}",
        "",
        facts,
        "",
        f"**Ask the room:** {question['ask']}\\",
        f"**Listen for:** {question['answer']}",
        "",
        f"**First help:** {exercise.hints[0]}",
    ]
    if exercise.bug:
        lines += ["", f"**The bug in the learner's cell:** {words(exercise.broken)}"]
    if known := misconceptions(exercise):
        lines += ["", "**If the answer is wrong:**", ""]
        lines += [f"- *{name}:* {says}" for name, says in known]
    if exercise.kind == "wrap-up":
        lines += [
            "",
            "No single answer is wrong here: the checker shows a ladder of scores to overtake.",
        ]
    return "\n".join(lines)


def misconceptions(exercise):
    """[(what the checker calls it, what it says)] of an exercise of any kind."""
    found = [(words(m.name), m.says) for m in exercise.mistakes]
    about = getattr(exercise, "about", {})
    found += [(words(name), m["says"]) for name, m in about.get("mistakes", {}).items()]
    reasons = about.get("reasons", {})
    right = {letter for letter, r in reasons.items() if r.get("right")}
    found += [(f"choice: {choice}", says) for choice, says in about.get("choices", {}).items()]
    found += [
        (f"reason {letter}{' (the right one)' * (letter in right)}", r["says"])
        for letter, r in reasons.items()
    ]
    return found


def words(name):
    return name.replace("_", " ")


def quiz_answers(module):
    """The answers of a module's quiz, with the reason for each."""
    lines = ["### Quiz answers", ""]
    for q in texts(module[:2]).get("quiz", []):
        lines.append(f"- **{q['question']}**\\\n  {answer(q)}")
    return "\n".join(lines)


def answer(question):
    """The right answer of a quiz question and its reason."""
    for option in question.get("options", []):
        if option.get("right"):
            return f"{option['text']} *{option['reason']}*"
    if question.get("run"):
        return "It depends on the learner's own run; the notebook compares with that run's value."
    return f"{question['answer']}. *{question['reason']}*"
