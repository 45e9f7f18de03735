"""What INSTRUCTORS.md and docs/exercises.md say of the modules, from the modules' own data.

Minutes come from the parts (`helpers/authoring/parts.py`), misconceptions and answers from
helpers/checks/module_NN.toml, and the questions for the room from helpers/checks/questions.toml.
"""

import re
import tomllib
from dataclasses import dataclass, field
from itertools import accumulate, combinations, pairwise

from helpers.authoring.parts import (
    NOT_IN_EXERCISES,
    SourceError,
    anchor,
    names,
    plain,
    tags_of,
)
from helpers.authoring.time import QUIZ, exercise_of, rounded
from helpers.checks import exercises
from helpers.checks.exercise import FOLDER, texts
from helpers.checks.values import by_part, expected
from helpers.grading.run import POINTS

# Minutes that a room needs beyond those of a lone learner. They were set on 29 November 2026, when
# an instructor walked through the half-day plan of that day with a stopwatch, and estimated each
# line for twenty people of whom five are slow. Its three blocks, of 63, 69 and 69 minutes for a
# lone learner, were put at 78, 90 and 92; this rule gives 83, 89 and 89. The plan of the next day,
# gone through on paper, was put at 55, 78 and 68 (rule: 60, 75 and 70); since then BEGUN and CLOSE
# are counted.
QUESTION, ANSWER = 1, 3  # for each exercise: a question before it; its answer shown, stragglers
TALK = 2  # for each section: a figure, a vote, those who still read
CHANGE = 3  # to open the next notebook, and to shut down the kernel of the last one
SHOWN = 6  # for an exercise that the instructor writes or shows, in place of all its minutes

START = 9 * 60  # minutes since midnight
WELCOME = 20  # seats, Wi-Fi, one machine that does not start; the first cells, up to BEGUN
BEGUN = "data"  # the cell up to which everybody runs module 1 meanwhile
AGAIN = 10  # the welcome of a later day
CLOSE = 5  # what is for home, shutting down, what people say of the day
BREAK = 15
LUNCH, LUNCH_AT = 60, 12.5 * 60
BLOCK = 90  # nobody works longer than about this without a break
LUNCHLESS = 4 * 60  # minutes of work that need no lunch
PARAGRAPH = re.compile(r"^\*\*(?:You need|What is presumed\.)\*\* .+?(?=\n\n|\Z)", re.S | re.M)
TAUGHT = re.compile(r"^\*\*Afterwards you can\*\*\n(?:- .*(?:\n  .*)*\n?)+", re.M)


@dataclass(frozen=True)
class Timetable:
    """A workshop: its modules, its days, and the clock at which a day ends (minutes).

    gives : what gives way, from the first on, as far as the core does not fit into the days:
        "04/7" leaves section 7 of module 4 for home, "4.4" lets the instructor show this exercise
    """

    modules: tuple[int, ...]
    days: int
    until: int
    gives: tuple[str, ...] = ()


TIMETABLES = {
    "half a day": Timetable((1, 4), 1, 13 * 60 + 15, ("04/7", "04/6", "4.4", "04/5", "1.3")),
    "a day": Timetable(
        (1, 2, 3),
        1,
        17 * 60,
        ("03/6", "03/5", "02/7", "2.7", "1.3", "01/7", "3.2", "2.6", "3.14"),
    ),
    "two days": Timetable((1, 2, 3, 4, 5), 2, 17 * 60, ("03/6", "03/5", "4.4", "2.7", "1.3")),
}

# What later sections say of one that is left for home: quoted pieces, to be left out in the room.
WITHOUT = {
    "01/7": 'leave out "that the detector is better than a simple score" in section 11',
    "02/7": 'leave out "that KL, active latents and the mean image\'s error" in section 11',
    "03/5": 'leave out "that a detector which finds chests" in section 8',
    "03/6": 'leave out "a map that nobody compared with a mask" in section 8',
    "04/5": 'leave out "among cats and dogs the CAE\'s error follows mostly detail and colours" in '
    "section 9",
    "04/6": 'leave out in section 9 "the lead of a score that was chosen before", "the best of '
    'many scores", and the question "A table holds many scores" of the quiz. Only this section '
    "needs the Mahalanobis distance of module 3",
}


@dataclass
class Task:
    """An exercise of a section's core; minutes.

    end : of its own minutes, counted from the section's start, for a lone learner
    shown : whether the instructor shows it
    """

    id: str
    minutes: float
    end: float
    shown: bool = False

    @property
    def before(self):
        """What a room needs up to the time at which it stops, beyond `end`."""
        return SHOWN - self.minutes if self.shown else QUESTION

    @property
    def more(self):
        """What a room needs beyond a lone learner's minutes."""
        return SHOWN - self.minutes if self.shown else QUESTION + ANSWER

    @property
    def link(self):
        return f"[{self.id}](docs/exercises.md#{name_of(self.id)})"


@dataclass
class Section:
    """A section of a module with everything below its heading; seconds.

    cells, spent, tasks : of the core; spent on each cell
    change : whether a room opens this notebook for it and closes another one
    """

    module: str
    title: str
    core: float = 0
    optional: float = 0
    computing: float = 0
    cells: list = field(default_factory=list)
    spent: list = field(default_factory=list)
    tasks: list = field(default_factory=list)
    change: bool = False

    @property
    def number(self):
        return self.title.partition(" · ")[0]

    @property
    def key(self):
        """ "04/6" for section 6 of module 4, as `Timetable.gives` names it."""
        return f"{self.module}/{self.number}"

    @property
    def minutes(self):
        return self.core / 60

    @property
    def room(self):
        """Minutes that a room needs."""
        return self.minutes + TALK + CHANGE * self.change + sum(task.more for task in self.tasks)

    def stops(self):
        """[(task, minutes of a room from the section's start at which it stops)]"""
        earlier = accumulate((task.more for task in self.tasks), initial=CHANGE * self.change)
        return [(t, t.end + t.before + e) for t, e in zip(self.tasks, earlier, strict=False)]


def sections(module, parts):
    """The sections of a module ("01_topic"); its title goes with the first of them."""
    by_id, found = {e.id: e for e in exercises()}, []
    for part in parts:
        if part.level <= 2 and not (len(found) == 1 and not found[0].title):
            found.append(Section(module[:2], ""))
        section = found[-1]
        if part.level == 2:
            section.title = plain(part.title)
        section.computing += part.computing
        if part.optional:
            section.optional += part.seconds
            continue
        for cell, seconds in zip(part.cells, part.spent, strict=True):
            section.cells.append(cell)
            section.spent.append(seconds)
            section.core += seconds
            if "exercise" in tags_of(cell):
                minutes = by_id[exercise_of(cell)].minutes
                section.tasks.append(Task(exercise_of(cell), minutes, section.minutes))
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
        rows, end = clock(day, number)
        head = ["| clock | what | exercises, and when to stop | minutes |", "|---|---|---|---|"]
        lines += [f"{hours(end - START)}, breaks included.", "", *head, *rows, ""]
        if (spare := plan.until - end) >= 10:
            lines += [
                f"{spare} minutes are left until {at(plan.until)}, for optional parts.",
                "",
            ]
    if home:
        minutes = rounded(sum(s.core for s in home))
        lines += [f"**For home** ({minutes} minutes for one learner):", ""]
        needed = readers(work, home)
        lines += [f"- {at_home(section, needed[section.key])}" for section in home]
    return "\n".join(lines).strip()


def at_home(section, needed):
    """What is said of a section that is left for home.

    needed : the numbers of the sections for which its cells have to be run all the same
    """
    own = f" ({', '.join(task.link for task in section.tasks)})" if section.tasks else ""
    text = f"*Module {int(section.module)}, {section.title}*{own}."
    if needed:
        users = f"section{'s' * (len(needed) > 1)} {' and '.join(needed)}"
        text += f" Run its cells all the same, for {users}."
    if note := WITHOUT.get(section.key):
        text += f" In the room {note}."
    return text


def readers(work, home):
    """{key of a section at home: numbers of the sections that need its cells to have been run}.

    Those are sections of `work`, and such sections at home as have to be run themselves.
    """
    every = sorted(work + home, key=lambda s: (s.module, int(s.number)))
    pairs, last = [], {}  # (section that binds, section that reads); name -> the last that bound it
    for section in every:
        for cell in section.cells:
            if cell.cell_type == "code" and not tags_of(cell) & NOT_IN_EXERCISES:
                bound, used = names(cell.source)
                binders = (last.get((section.module, name)) for name in sorted(used))
                pairs += [(binder, section) for binder in binders if binder not in (None, section)]
                last |= dict.fromkeys(((section.module, name) for name in bound), section)
    run = list(work)
    for section in reversed(every):  # a reader stands below what it reads
        if section not in run and any(a is section and b in run for a, b in pairs):
            run.append(section)
    return {
        s.key: list(dict.fromkeys(b.number for a, b in pairs if a is s and b in run)) for s in home
    }


def chosen(plan, modules):
    """(sections that are worked on, sections left for home) of a plan, both in order.

    A section without a core is left out. SourceError where the rest does not fit although all has
    given way that may.
    """
    numbered = {int(module[:2]): (module, parts) for module, parts in modules.items()}
    work = [s for n in plan.modules for s in sections(*numbered[n]) if s.core]
    begin(work[0])
    for before, section in pairwise(work):
        section.change = before.module != section.module
    tasks = {task.id: task for section in work for task in section.tasks}
    if unknown := set(plan.gives) - {s.key for s in work} - tasks.keys():
        raise SourceError(f"a timetable gives up {', '.join(sorted(unknown))}, which is not there")
    home, waiting = set(), list(plan.gives)
    while late(keep(work, home), plan):
        if not waiting:
            raise SourceError(f"modules {plan.modules} do not fit; let more give way")
        if (name := waiting.pop(0)) in tasks:
            tasks[name].shown = True
        else:
            home.add(name)
    return keep(work, home), [s for s in work if s.key in home]


def begin(section):
    """Take off a plan's first section what the welcome does of it."""
    ids = [cell.id for cell in section.cells]
    done = sum(section.spent[: ids.index(BEGUN) + 1]) if BEGUN in ids else 0
    section.core -= done
    for task in section.tasks:
        task.end -= done / 60


def late(work, plan):
    """Whether a day of the plan ends too late."""
    return any(clock(day, n)[1] > plan.until for n, day in enumerate(cut(work, plan.days), 1))


def keep(work, home):
    return [s for s in work if s.key not in home]


def cut(work, parts):
    """The sections, in order, cut into `parts` runs of which the longest is as short as can be."""
    minutes = [s.room for s in work]
    best = min(
        combinations(range(1, len(work)), min(parts, len(work)) - 1),
        key=lambda edges: max(sum(minutes[a:b]) for a, b in runs(edges, len(work))),
    )
    return [work[a:b] for a, b in runs(best, len(work))]


def runs(edges, length):
    return pairwise((0, *edges, length))


def clock(work, day=1):
    """(rows of the table, minute at which it ends) of one day's sections."""
    blocks = blocks_of(work)
    lengths = [5 * round(sum(s.room for s in block) / 5) for block in blocks]
    pauses = [BREAK] * (len(blocks) - 1) + [0]
    welcome = WELCOME if day == 1 else AGAIN
    if sum(lengths) > LUNCHLESS:
        ends = [
            START + welcome + n + b
            for n, b in zip(accumulate(lengths), accumulate(pauses), strict=True)
        ]
        lunch = min(range(len(blocks) - 1), key=lambda i: abs(ends[i] - LUNCH_AT))
        pauses[lunch] = LUNCH
    rows = [row(START, welcome, opening(work[0], day))]
    now = START + welcome
    for block, length, pause in zip(blocks, lengths, pauses, strict=True):
        rows.append(row(now, length, described(block), stops(block, now)))
        now += length
        if pause:
            rows.append(row(now, pause, "*lunch*" if pause == LUNCH else "*break*"))
            now += pause
    rows.append(row(now, CLOSE, "closing: what is for home; shut the notebooks down"))
    return rows, now + CLOSE


def blocks_of(work):
    """As few blocks as can be of which none is longer than `BLOCK`, where the sections let them."""
    for count in range(1, len(work) + 1):
        blocks = cut(work, count)
        if all(len(block) == 1 or sum(s.room for s in block) <= BLOCK for block in blocks):
            return blocks


def opening(section, day):
    """What everybody does first, on the day that begins with this section.

    Every plan begins with module 1.
    """
    if day == 1:
        return (
            "welcome: everybody opens module 1 and runs it up to the line `train …, calibration …`"
        )
    again = "runs its first cells" if section.change else "chooses Run, Run All Cells"
    return f"welcome: everybody opens module {int(section.module)} and {again}"


def row(start, minutes, what, exercises=""):
    return f"| {at(start)} to {at(start + minutes)} | {what} | {exercises} | {minutes} |"


def at(minute):
    """ "13:05" of minutes since midnight."""
    return f"{int(minute) // 60}:{int(minute) % 60:02}"


def hours(minutes):
    """ "4 h 10 min", "8 h"."""
    whole, rest = divmod(minutes, 60)
    return f"{whole} h {rest} min" if rest else f"{whole} h"


def described(block):
    """ "**Module 1:** 1 · Compress and rebuild; 2 · ..." for the sections of a block."""
    modules = dict.fromkeys(s.module for s in block)
    return "<br>".join(
        f"**Module {int(m)}:** {'; '.join(s.title for s in block if s.module == m)}"
        for m in modules
    )


def stops(block, start):
    """ "1.2 until 9:53" for each exercise of a block that begins at the minute `start`."""
    said = []
    for section in block:
        for task, after in section.stops():
            verb = "you show " if task.shown else ""
            said.append(f"{verb}{task.link} until {at(start + after)}")
        start += section.room
    return "<br>".join(said)


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


def points(modules):
    """What the exercises of each module's core count, of all of the module, as Markdown."""
    rows = ["| module | exercises of its core | their points | points of all |"]
    rows += ["|---|---|---|---|"]
    of = {e.id: POINTS[e.difficulty] for e in exercises()}
    sums = [0, 0]
    for module, parts in modules.items():
        number = f"{int(module[:2])}"
        core = [task.id for section in sections(module, parts) for task in section.tasks]
        own = [n for id, n in of.items() if id.partition(".")[0] == number]
        counts = sum(of[id] for id in core), sum(own)
        sums = [a + b for a, b in zip(sums, counts, strict=True)]
        rows.append(f"| {number} | {', '.join(core)} | {counts[0]} | {counts[1]} |")
    rows.append(f"| **all** | | {sums[0]} | {sums[1]} |")
    return "\n".join(rows)


# --- the exercises --------------------------------------------------------------------------------


def questions():
    """{exercise: {"ask", "answer"}}, a question for the room for each exercise.

    "afterwards", where there is one, is for the time when the exercise is done.
    """
    with open(FOLDER / "questions.toml", "rb") as file:
        return tomllib.load(file)


def exercise_pages(modules):
    """All exercises of all modules and their quizzes' answers, as Markdown."""
    pages = (
        (f"## {plain(parts[0].title)}", exercises_of(module, parts), quiz_answers(module, parts))
        for module, parts in modules.items()
    )
    return "\n\n".join("\n\n".join(page) for page in pages)


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
        anchor(name_of(exercise.id)),
        "",
        f"### {exercise.id} · {exercise.title}",
        "",
        facts,
        "",
        f"**Ask the room:** {question['ask']}\\",
        f"**Listen for:** {question['answer']}",
    ]
    if "afterwards" in question:
        lines += ["", f"**Afterwards:** {question['afterwards']}"]
    lines += ["", f"**First help:** {exercise.hints[0]}"]
    if exercise.kind == "predict":
        lines += ["", f"**The answer:** {predicted(exercise)}"]
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


def predicted(exercise):
    """ "`spread` 0.125, `flagged` 0.4503. *Why.*": what is right for the kind *predict*."""
    about = exercise.about
    if "answer" in about:
        right = by_part(about["answer"])
    else:
        right = {part: f"from {low} to {high}" for part, (low, high) in expected(exercise).items()}
    parts = [f"{x}" if part is None else f"`{part}` {x}" for part, x in right.items()]
    return f"{', '.join(parts)}. *{about['why']}*"


def name_of(id):
    """What a link to an exercise of the guide names: "ex-1-4" for "1.4"."""
    return f"ex-{id.replace('.', '-')}"


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


def quiz_answers(module, parts):
    """The answers of a module's quiz, with the reason for each, and where it is asked."""
    lines, places = ["### Quiz answers", ""], asked_in(parts)
    for q in texts(module[:2]).get("quiz", []):
        place = places.get(q.get("id"), "at the end")
        lines.append(f"- **{q['question']}** ({place})\\\n  {answer(q)}")
    return "\n".join(lines)


def asked_in(parts):
    """{id of a quiz question that has its place: "section 5, optional"}"""
    found, section = {}, ""
    for part in parts:
        if part.level == 2:
            section = plain(part.title).partition(" · ")[0]
        for cell in part.cells:
            for id in filter(None, QUIZ.findall(cell.source)):
                found[id] = f"section {section}{', optional' * part.optional}"
    return found


def answer(question):
    """The right answer of a quiz question and its reason."""
    for option in question.get("options", []):
        if option.get("right"):
            return f"{option['text']} *{option['reason']}*"
    if question.get("run"):
        return "It depends on the learner's own run; the notebook compares with that run's value."
    return f"{question['answer']}. *{question['reason']}*"
