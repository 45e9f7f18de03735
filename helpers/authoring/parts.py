"""The parts of a module: what is core, what is optional, and how long each takes.

A markdown cell whose first line is a heading begins a part, which ends before the next such cell.
The tag `optional` on it makes everything optional up to the next heading of the same or a higher
level.
"""

import ast
import re
import symtable
from dataclasses import dataclass, field

from helpers.authoring import time
from helpers.checks import exercises

HEADING = re.compile(r"(#{1,3}) (.+)")
HEADINGS = re.compile(r"^(#{2,3}) ", re.MULTILINE)
BAR = '<span style="color:#009E73">▌</span>'  # GitHub drops the colour and keeps the bar
NOT_IN_EXERCISES = {"claim", "seen"}  # cells that are in the solution notebook alone


class SourceError(ValueError):
    """A module's source breaks a rule of the course."""


@dataclass
class Part:
    """A heading and the cells below it.

    level : 1 for the title, 2 for a section, 3 for a subsection or an exercise
    tagged : whether its own cell says `optional`
    optional : whether it is, by its own tag or by that of a heading above it
    work, computing : seconds, `work` without the computing
    spent : seconds of each of the cells, with the computing
    """

    level: int
    title: str
    tagged: bool
    optional: bool
    cells: list = field(default_factory=list)
    work: float = 0
    computing: float = 0
    spent: list = field(default_factory=list)

    @property
    def id(self):
        """The id of the heading's cell."""
        return self.cells[0].id

    @property
    def seconds(self):
        return self.work + self.computing


def tags_of(cell):
    return set(cell.metadata.get("tags", []))


def split(cells, module, computing):
    """The parts of a module's cells. `module` is "01"; `computing` gives seconds by cell id."""
    own = {e.id: e for e in exercises() if int(e.id.split(".")[0]) == int(module)}
    questions = time.quiz_of(module, cells)
    parts, until = [], None  # the level of the heading that made everything optional
    for cell in cells:
        heading = cell.cell_type == "markdown" and HEADING.match(cell.source)
        tagged = "optional" in tags_of(cell)
        if tagged and not heading:
            raise SourceError(f"{cell.id} is tagged optional and does not begin with a heading")
        if heading:
            level = len(heading[1])
            if until and level <= until:
                until = None
            if tagged:
                until = min(level, until or level)
            parts.append(Part(level, heading[2].strip(), tagged, until is not None))
        if not parts:
            raise SourceError(f"module {module}: the first cell is no title")
        part = parts[-1]
        if part.optional and sections_inside(cell):
            raise SourceError(f"{cell.id}: a section begins inside of an optional cell; split it")
        part.cells.append(cell)
        work, waiting = time.work(cell, own, questions), computing.get(cell.id, 0)
        part.work += work
        part.computing += waiting
        part.spent.append(work + waiting)
    return parts


def sections_inside(cell):
    """The titles of sections that begin inside of a markdown cell, where no part can begin."""
    inside = cell.cell_type == "markdown" and cell.source.partition("\n")[2]
    return re.findall(r"^## (.+)", inside or "", re.MULTILINE)


def totals(parts):
    """{"core", "optional", "computing"} of a module, in seconds."""
    return {
        "core": sum(part.seconds for part in parts if not part.optional),
        "optional": sum(part.seconds for part in parts if part.optional),
        "computing": sum(part.computing for part in parts),
    }


def said(parts):
    """The sentence for the title of a module about its minutes."""
    seconds = totals(parts)
    text = f"**Time** about {time.said(seconds['core'])}"
    if seconds["optional"]:
        text += (
            f" for the core, and {time.rounded(seconds['optional'])} more for the optional parts, "
            f"which the bar {BAR} marks"
        )
    if seconds["computing"]:
        text += f". The computer needs about {time.said(seconds['computing'])} of them"
    return text + "."


def anchor(name):
    """Something to link to; `name` for Colab, `id` for all others."""
    return f'<a id="{name}" name="{name}"></a>'


def mark(parts, needs):
    """{cell id: source} of the cells with headings that the builder changes.

    needs : as `needed` gives them
    Headings in an optional part get a bar; the one that begins it also gets its minutes, links to
    the optional parts that it needs, and one to the next core heading. What is linked to gets an
    anchor.
    """
    marked, targets = {}, []
    for i, part in enumerate(parts):
        if not part.optional:
            continue
        for cell in part.cells:
            if cell.cell_type == "markdown":
                marked[cell.id] = HEADINGS.sub(rf"\1 {BAR} ", cell.source)
        if not part.tagged:
            continue
        following = next((p for p in parts[i:] if not p.optional), None)
        line = f"*Optional, about {time.said(span(parts, i))}.*"
        if earlier := [parts[number] for number in needs.get(i, ())]:
            targets += earlier
            links = [f"“{link(part, plain(part.title))}”" for part in earlier]
            line += f" It needs {' and '.join(filter(None, (', '.join(links[:-1]), links[-1])))}."
        if following:
            targets.append(following)
            line += f" {link(following, f'Skip to: {plain(following.title)}')}"
        first, _, rest = marked[part.id].partition("\n")
        marked[part.id] = f"{first} (optional)\n\n{line}\n{rest}"
    for part in {part.id: part for part in targets}.values():
        source = marked.get(part.id, part.cells[0].source)
        marked[part.id] = f"{anchor(f'to-{part.id}')}\n\n{source}"
    return marked


def link(part, text):
    return f'<a href="#to-{part.id}">{text}</a>'


def span(parts, i):
    """Seconds of the optional part that the heading of number `i` begins, subsections included."""
    return sum(part.seconds for part in parts[i : end_of(parts, i)])


def end_of(parts, i):
    """The number of the part that follows part i and all its subsections."""
    end = i + 1
    while end < len(parts) and parts[end].level > parts[i].level:
        end += 1
    return end


def plain(title):
    """A title as it may stand inside HTML, where Markdown is not read."""
    return re.sub(r"[*`$]", "", title)


# --- what a core cell may use ---------------------------------------------------------------------


def names(source):
    """(bound, used): the global names that a cell's code binds, and those that it reads."""
    top = symtable.symtable(source, "<cell>", "exec")
    bound, used = set(), set()
    for symbol in top.get_symbols():
        if symbol.is_assigned() or symbol.is_imported():
            bound.add(symbol.get_name())
        if symbol.is_referenced():
            used.add(symbol.get_name())
    inner = list(top.get_children())
    while inner:
        scope = inner.pop()
        inner += scope.get_children()
        used |= {s.get_name() for s in scope.get_symbols() if s.is_global() and s.is_referenced()}
    return bound, used - bound_before_use(source, bound & used)


def bound_before_use(source, candidates):
    """Those of the names that running the cell binds before it reads them."""
    first = {}
    for name, bound in events(ast.parse(source)):
        first.setdefault(name, bound)
    return {name for name in candidates if first.get(name, True)}


def events(node):
    """(name, bound or read) in the order of execution, without the bodies of functions."""
    match node:
        case ast.Name():
            yield node.id, isinstance(node.ctx, ast.Store)
        case ast.Import() | ast.ImportFrom():
            yield from ((a.asname or a.name.partition(".")[0], True) for a in node.names)
        case ast.FunctionDef():
            yield from inside([*node.decorator_list, node.args])
            yield node.name, True
        case ast.ClassDef():
            yield from inside([*node.decorator_list, *node.bases, *node.body])
            yield node.name, True
        case ast.Lambda():
            yield from events(node.args)
        case ast.Assign() | ast.NamedExpr():
            yield from events(node.value)
            yield from inside(getattr(node, "targets", None) or [node.target])
        case ast.AugAssign():
            yield from ((name, False) for name, _ in events(node.target))
            yield from events(node.value)
        case ast.For():
            yield from inside([node.iter, node.target, *node.body, *node.orelse])
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            own = {name for g in node.generators for name, bound in events(g.target) if bound}
            yield from ((n, b) for n, b in inside(ast.iter_child_nodes(node)) if n not in own)
        case _:
            yield from inside(ast.iter_child_nodes(node))


def inside(nodes):
    for node in nodes:
        yield from events(node)


def borrowed(parts, source_of):
    """What stops a learner who leaves out the optional parts, or has no solution, as sentences.

    source_of(cell) : the code of a cell as the solution notebook has it
    A core cell may not read a name that an optional cell bound last, and a cell of the exercise
    notebook none that a claim or a folded answer bound last.
    """
    last, wrong = {}, []  # name -> (cell, optional, missing in exercises)
    for part in parts:
        for cell in part.cells:
            if cell.cell_type != "code":
                continue
            missing = bool(tags_of(cell) & NOT_IN_EXERCISES)
            bound, used = names(source_of(cell))
            for name in sorted(used):
                binder, optional, absent = last.get(name, (None, False, False))
                if optional and not part.optional:
                    wrong.append(f"{cell.id} is core and uses `{name}` of the optional {binder}")
                if absent and not missing:
                    wrong.append(f"{cell.id} uses `{name}` of {binder}, not in exercise notebooks")
            last |= dict.fromkeys(bound, (cell.id, part.optional, missing))
    return wrong + changed_meanwhile(parts, source_of) + needed(parts, source_of)[1]


def needed(parts, source_of):
    """Which optional parts an optional part builds on, and what it should import itself.

    -> ({number of a part: numbers of earlier parts}, sentences). Parts are those whose headings say
    `optional`, with all below them. A name that core cells bind is there in any case; claims and
    folded answers are not asked, since the exercise notebook has none.
    """
    needs, wrong, binders, first, end = {}, [], {}, None, 0  # binders: name -> (part, imported by)
    for i, part in enumerate(parts):
        if i >= end:
            first, end = (i, end_of(parts, i)) if part.optional else (None, 0)
        for cell in part.cells:
            if cell.cell_type != "code" or tags_of(cell) & NOT_IN_EXERCISES:
                continue
            source = source_of(cell)
            bound, used = names(source)
            for name in sorted(used & binders.keys()) if part.optional else ():
                binder, importer = binders[name]
                if binder in (None, first):
                    continue
                if importer:
                    wrong.append(f"{cell.id} is optional and has `{name}` of {importer}: import it")
                else:
                    needs.setdefault(first, set()).add(binder)
            imported = imports(source)
            for name in bound:
                if binders.get(name, (0,))[0] is not None:  # what core cells bind stays theirs
                    binders[name] = (first, cell.id if name in imported else None)
    return {part: sorted(earlier) for part, earlier in needs.items()}, wrong


def changed_meanwhile(parts, source_of):
    """What goes wrong for a learner who runs the core first and an optional part later.

    An optional cell then has to find each name as the cell bound it that stands before it: neither
    a core cell further down nor an earlier optional part may have bound it anew. (What is imported
    is the same, however often.)
    """
    binders, wrong = {}, []  # name -> [(place, cell, optional)]
    cells = [(part.optional, c) for part in parts for c in part.cells if c.cell_type == "code"]
    codes = [names(source_of(cell)) for _, cell in cells]
    for place, ((optional, cell), (bound, _)) in enumerate(zip(cells, codes, strict=True)):
        for name in bound - imports(source_of(cell)):
            binders.setdefault(name, []).append((place, cell.id, optional))
    for place, ((optional, cell), (_, used)) in enumerate(zip(cells, codes, strict=True)):
        for name in sorted(used) if optional else ():
            every = binders.get(name, ())
            before = [b for b in every if b[0] < place]
            later_run = [b for b in before if b[2]] or [b for b in every if not b[2]]
            if before and later_run[-1] != before[-1]:
                wrong.append(
                    f"{cell.id} is optional and uses `{name}` of {before[-1][1]}; run after the "
                    f"core, it gets that of {later_run[-1][1]}"
                )
    return wrong


def imports(source):
    """The global names that a cell's import statements bind."""
    found = [n for n in ast.walk(ast.parse(source)) if isinstance(n, (ast.Import, ast.ImportFrom))]
    return {a.asname or a.name.partition(".")[0] for node in found for a in node.names}
