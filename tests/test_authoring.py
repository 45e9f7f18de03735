"""The builder: nothing leaks, nothing drifts, everything is there."""

import ast
import json
import re
import subprocess
import sys
import time

import nbformat
import pytest

from helpers.authoring import build as builder
from helpers.authoring import launch
from helpers.authoring.build import (
    SourceError,
    answers,
    executed_on,
    make_notebook,
    read_source,
    reference_source,
)
from helpers.authoring.parts import BAR, names
from helpers.checks import exercises

SOURCES = builder.sources()


@pytest.fixture(params=SOURCES, ids=lambda p: p.stem)
def module(request):
    return request.param


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one small module."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "solutions").mkdir()
    monkeypatch.setattr(builder, "COURSE", tmp_path)
    monkeypatch.setattr(builder, "TIMINGS", tmp_path / "timings.json")
    monkeypatch.setattr(builder, "timings", dict)

    def write(text):
        path = tmp_path / "solutions" / "01_small.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write


TITLE = """\
# %% [markdown] id="title"
# # A small module

"""
SMALL = f"""\
{TITLE}# %% [markdown] id="intro"
# ### Exercise 1.4

# %% id="ex-1-4" tags=["exercise"] reference="helpers.scores.reconstruction_error"
def reconstruction_error(x, x_hat):
    ...


# %% id="two"
print(1 + 1)
"""


def notebooks(path):
    folder = path.parent.parent
    return [folder / part / f"{path.stem}.ipynb" for part in ("notebooks", "solutions")]


def cells_of(path):
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


# --- the committed notebooks --------------------------------------------------------------------


def test_committed_notebooks_are_what_the_source_builds(module):
    cells = read_source(module)
    shown = answers(nbformat.read(notebooks(module)[1], as_version=4))
    for path, solved in zip(notebooks(module), (False, True), strict=True):
        built = make_notebook(cells, solved=solved, shown=shown)
        stored = nbformat.read(path, as_version=4)
        shape = [(c.id, c.cell_type, c.source, c.metadata) for c in built.cells]
        assert shape == [(c.id, c.cell_type, c.source, c.metadata) for c in stored.cells], (
            f"{path.name} is not up to date: make build"
        )


def test_what_a_hint_takes_from_a_library_is_imported_or_said_where(module):
    """A reference may import in its body; the learner's cell does not see that."""
    own, bound = {f"ex-{e.id.replace('.', '-')}": e for e in exercises()}, set()
    for cell in cells_of(notebooks(module)[0]).values():
        if cell.cell_type != "code":
            continue
        bound |= names(cell.source)[0]
        if exercise := own.get(cell.id):
            text = " ".join([cell.source, *exercise.hints])
            for node in ast.walk(ast.parse(exercise.source())):
                if isinstance(node, ast.ImportFrom):
                    for name in {alias.name for alias in node.names} - bound:
                        silent = not re.search(rf"\b{name}\b", text) or node.module in text
                        assert silent, f"{exercise.id}: where does `{name}` come from?"


def test_solution_notebook_was_executed_to_the_end(module):
    solution = cells_of(notebooks(module)[1])
    code = [cell for cell in solution.values() if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]


def test_exercise_notebook_is_bare(module):
    for cell in cells_of(notebooks(module)[0]).values():
        assert set(cell.metadata) <= {"tags"} | ({"jupyter"} if cell.id == "bootstrap" else set())
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None


def test_no_solution_line_leaks(module):
    """No statement of a reference's body stands in the exercise notebook's code."""
    exercise, _ = (cells_of(path) for path in notebooks(module))
    for cell in read_source(module):
        if "reference" not in cell.metadata:
            continue
        given = statements(exercise[cell.id].source)
        reference = cell.metadata["reference"]
        asked = statements(reference_source(reference)) - given
        if "." not in reference:  # a number, a choice, a method that is open
            assert reference_source(reference) != exercise[cell.id].source
            continue
        bug = builder.start_of(cell) != cell.source  # one line is to be found, and may be short
        assert asked or bug, f"{cell.id} gives everything away"
        for other in exercise.values():
            if other.cell_type == "code" and other.id != cell.id:
                assert not (asked & statements(other.source)), (
                    f"{other.id} holds a line of {cell.id}"
                )


def statements(source):
    """The single lines of functions' and methods' bodies, without docstrings, as plain text."""
    found = set()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            found |= {ast.unparse(line) for line in function.body}
    return {line for line in found if len(line) > 25 and not line.startswith(("'", '"'))}


def test_solution_is_the_exercise_notebook_with_the_references_put_in(module):
    """So nbval, with COURSE_STRICT=1, runs what a learner who solves everything runs."""
    exercise, solution = (cells_of(path) for path in notebooks(module))
    marked = {
        c.id: c.metadata["reference"] for c in read_source(module) if "reference" in c.metadata
    }
    claims, shown = (
        {id for id, cell in solution.items() if tag in cell.metadata["tags"]}
        for tag in ("claim", "seen")
    )
    solution = {id: cell for id, cell in solution.items() if id not in claims}
    assert list(exercise) == list(solution)
    for id, cell in solution.items():
        differs = cell.source != exercise[id].source
        if id in shown:
            assert cell.cell_type == "code" and exercise[id].cell_type == "markdown"
            continue
        assert differs == (id in marked)
        assert not differs or cell.source == reference_source(marked[id])
        assert not {"nbval-skip", "nbval-raises-exception", "raises-exception"} & set(
            cell.metadata.get("tags", [])
        )


def test_every_exercise_has_its_cells(module):
    cells = {cell.id: cell for cell in read_source(module)}
    text = "\n".join(c.source for c in cells.values() if c.cell_type == "markdown")
    order = list(cells)
    for exercise in exercises():
        major, minor = exercise.id.split(".")
        if int(major) != int(module.stem[:2]):
            continue
        name = f"{major}-{minor}"
        assert cells[f"ex-{name}"].metadata["reference"] == exercise.reference
        assert "exercise" in cells[f"ex-{name}"].metadata["tags"]
        assert "check" in cells[f"check-{name}"].metadata["tags"]
        assert order.index(f"check-{name}") == order.index(f"ex-{name}") + 1
        own = exercise.name
        assert cells[f"check-{name}"].source == f'{own} = check("{exercise.id}", {own})'
        assert f"Exercise {exercise.id} · {exercise.title}" in text


def test_no_marker_of_a_cell_stands_in_a_text(module):
    """`# % [markdown]` for `# %% [markdown]` would show as prose, and its cell would be lost."""
    texts = [cell.source for cell in read_source(module) if cell.cell_type == "markdown"]
    assert not [text for text in texts if re.search(r"^#? ?%+ ?\[markdown\]", text, re.MULTILINE)]


def test_cells_are_short(module):
    lengths = [
        len(cell.source.splitlines())
        for cell in read_source(module)
        if cell.cell_type == "code" and "reference" not in cell.metadata
    ]
    assert max(lengths) <= 25
    assert sorted(lengths)[len(lengths) // 2] < 8


def test_solution_notebook_is_small_enough_for_a_code_host(module):
    assert notebooks(module)[1].stat().st_size < 3_000_000


# --- one click, and the first cell ---------------------------------------------------------------


def test_every_notebook_opens_with_its_badges_and_the_bootstrap(module):
    for path in notebooks(module):
        title, *others = nbformat.read(path, as_version=4).cells
        assert title.source.startswith("# ") and launch.badges(module.stem) in title.source
        first = next(cell for cell in others if cell.cell_type == "code")
        assert first.id == "bootstrap" and first.source == launch.BOOTSTRAP


def test_launch_points_at_the_release_and_the_readme_at_the_repository(module):
    owner, name = launch.REPOSITORY.split("/")
    links = re.findall(r"https://[^\s)]+", launch.badges(module.stem))
    targets = [link for link in links if name in link]
    assert len(targets) == 2 and all(f"/{owner}/{name}/" in t for t in targets)
    assert all(f"/{launch.TAG}" in t and f"notebooks/{module.stem}.ipynb" in t for t in targets)
    assert f'--branch {launch.TAG}"' in launch.BOOTSTRAP and f' {launch.URL}"' in launch.BOOTSTRAP
    readme = (builder.COURSE / "README.md").read_text(encoding="utf-8")
    assert f"git clone {launch.URL} && cd {name}\n" in readme
    number = int(module.stem[:2])
    assert f"[![Open in Colab][colab]][colab-{number}]" in readme
    assert f"[![Open on Binder][binder]][binder-{number}]" in readme
    assert launch.definitions([path.stem for path in SOURCES]) in readme
    theirs = re.findall(r"(?:github\.com|gh|github)/([\w-]+/[\w-]+)", readme)
    assert set(theirs) == {launch.REPOSITORY}


def test_bootstrap_is_silent_and_instant_elsewhere(capfd):
    assert len(launch.BOOTSTRAP.splitlines()) <= 25
    start = time.process_time()
    exec(launch.BOOTSTRAP, {})
    assert time.process_time() - start < 0.1 and capfd.readouterr() == ("", "")


def opened(folder, *path):
    """The bootstrap in a Python that has no course installed: the course it finds, or its error."""
    code = f"import sys; sys.path += {list(path)!r}\n{launch.BOOTSTRAP}\nprint(helpers.__file__)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=folder, capture_output=True, text=True
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("folder", ["", "notebooks", "solutions/figures"])
def test_a_notebook_finds_the_course_above_it(folder):
    assert opened(builder.COURSE / folder) == str(builder.COURSE / "helpers" / "__init__.py")


def test_a_notebook_elsewhere_finds_the_course_beside_it_or_installed(tmp_path):
    """As in the home of a hub, where nbgitpuller puts the course; and anywhere, once installed."""
    own = tmp_path / "own" / "copies"
    own.mkdir(parents=True)
    (tmp_path / "helpers.py").touch()  # somebody's own, which is no course
    assert opened(own, str(builder.COURSE)) == str(builder.COURSE / "helpers" / "__init__.py")
    beside = tmp_path / launch.FOLDER
    beside.symlink_to(builder.COURSE)
    assert opened(own) == str(beside / "helpers" / "__init__.py")


def test_on_colab_the_course_is_fetched_and_found(tmp_path):
    """The whole of it is run in tests/colab, where there is a Python with Colab's packages."""
    code = f"""
import os, sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
class Shell:
    def system(self, line):
        print(line)
        if "clone" in line:
            os.symlink({str(builder.COURSE)!r}, {launch.FOLDER!r})
get_ipython = Shell
{launch.BOOTSTRAP}
print(os.getcwd(), helpers.__file__)
{launch.BOOTSTRAP}
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    clone, install, found = done.stdout.splitlines()
    assert launch.URL in clone and "-m helpers.packages" in install
    assert found.split() == [
        str(builder.COURSE / "notebooks"),
        str(builder.COURSE / "helpers" / "__init__.py"),
    ]


def test_a_notebook_without_a_course_says_what_to_do_in_one_line(tmp_path):
    error = opened(tmp_path)
    assert error.startswith(f"ModuleNotFoundError: No course above {tmp_path}")
    assert "open it inside the course folder" in error and "sys.path.insert(0, " in error


# --- the builder on a small course --------------------------------------------------------------

OPTIONAL = """\
# %% [markdown] id="title"
# # A small module
#
# <!-- time -->

# %% [markdown] id="one"
# ## 1 · First

# %% id="one-code"
x = 1

# %% [markdown] id="two" tags=["optional"]
# ## 2 · Second
#
# Text.

# %% [markdown] id="two-more"
# ### More

# %% id="two-code"
y = [x for x in range(3)]

# %% [markdown] id="three" tags=["optional"]
# ### Exercise 1.4

# %% [markdown] id="four"
# ## 3 · Third

# %% id="four-code" tags=["check"]
print(x)
"""


def test_optional_parts_are_marked_and_skipped_by_a_link(course):
    path = course(OPTIONAL)
    builder.build(path, run=False)
    cells = cells_of(notebooks(path)[0])
    kinds = {
        id: "optional" if "optional" in c.metadata["tags"] else "core" for id, c in cells.items()
    }
    assert {id for id, kind in kinds.items() if kind == "optional"} == {
        "two", "two-more", "two-code", "three"
    }  # fmt: skip
    assert all(kind in cells[id].metadata["tags"] for id, kind in kinds.items())
    heading, line, text = cells["two"].source.split("\n\n")
    assert heading == f"## {BAR} 2 · Second (optional)" and text == "Text."
    assert line.startswith("*Optional, about 1 minute") and "Skip to: 3 · Third</a>" in line
    assert cells["two-more"].source == f"### {BAR} More"
    assert cells["four"].source.startswith('<a id="to-four" name="to-four"></a>\n\n## 3 · Third')
    assert '<a href="#to-four">' in line and 'href="#to-four"' in cells["three"].source
    assert f"### {BAR} Exercise 1.4 · " in cells["three"].source
    assert "**Time** about 1 minute for the core" in cells["title"].source


def with_later_part(code):
    """OPTIONAL with another optional section, of one cell."""
    part = f'# %% [markdown] id="later" tags=["optional"]\n# ## Later\n\n# %% id="w"\n{code}\n\n'
    four = '# %% [markdown] id="four"'
    return OPTIONAL.replace(four, part + four)


def test_an_optional_part_says_which_other_ones_it_needs(course):
    """Of a claim nothing is needed, and what the core binds is there in any case."""
    claim = '\n\n# %% id="said" tags=["claim"]\nw = 1'
    path = course(with_later_part("w = [x, y]").replace("range(3)]", f"range(3)]{claim}"))
    builder.build(path, run=False)
    cells = cells_of(notebooks(path)[0])
    assert (
        ' It needs “<a href="#to-two">2 · Second</a>”. <a href="#to-four">' in cells["later"].source
    )
    anchor, heading, line, _ = cells["two"].source.split("\n\n")
    assert anchor == '<a id="to-two" name="to-two"></a>' and heading.startswith("## ")
    assert "needs" not in line


def test_an_optional_part_imports_what_it_uses_itself(course):
    path = course(with_later_part("math.pi").replace("y = [x", "import math\n\ny = [x"))
    with pytest.raises(SourceError, match="w is optional and has `math` of two-code: import it"):
        builder.build(path, run=False)


# run after the core, the optional cell would find the later `x`
BOUND_ANEW = """y = x

# %% [markdown] id="core"
# ## 3 · Core

# %% id="core-code"
x = 2"""
WITH_SEEN = """# Text.

# %% id="z" tags=["seen"]
z = 2

# %% id="w"
print(z)
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("print(x)", "print(y)", "four-code is core and uses `y` of the optional two-code"),
        ("y = [x for x in range(3)]", "for x in range(3):\n    x", "core and uses `x` of the opt"),
        ("# Text.\n", WITH_SEEN, "w uses `z` of z"),
        ('id="one-code"', 'id="one-code" tags=["claim"]', "four-code uses `x` of one-code"),
        ('"one"\n# ## 1 · First', '"one" tags=["optional"]\n# First', "one is tagged optional and"),
        ("y = [x for x in range(3)]", BOUND_ANEW, "two-code is optional and uses `x` of one-code"),
    ],
)
def test_core_cells_run_without_the_optional_ones(course, old, new, message):
    assert OPTIONAL.count(old) == 1
    with pytest.raises(SourceError, match=message):
        builder.build(course(OPTIONAL.replace(old, new)), run=False)


SEEN = f"""\
{TITLE}# %% id="two"
n = 1 + 1

# %% id="seen-two" tags=["seen"]
from helpers.claims import seen

seen(f"It is {{n}}.")
"""


def test_the_answer_of_the_executed_solution_is_folded_into_the_exercise_notebook(course):
    path = course(SEEN)
    builder.build(path, run=False)
    assert "not been executed" in cells_of(notebooks(path)[0])["seen-two"].source
    builder.build(path, run=True)
    exercise, solution = map(cells_of, notebooks(path))
    assert "execution" not in solution["two"].metadata
    assert solution["seen-two"].cell_type == "code"
    assert exercise["seen-two"].cell_type == "markdown"
    assert exercise["seen-two"].source == (
        "<details><summary>What you should see</summary>\n\nIt is 2.\n\n</details>"
    )
    before = [p.read_bytes() for p in notebooks(path)]
    builder.build(path, run=False)
    assert [p.read_bytes() for p in notebooks(path)] == before


def test_the_computing_is_measured_cell_by_cell_and_said_in_the_title(course, monkeypatch):
    measured = builder.COURSE / "timings.json"
    read = lambda: json.loads(measured.read_text()) if measured.exists() else {}  # noqa: E731
    monkeypatch.setattr(builder, "timings", read)
    path = course(OPTIONAL.replace("x = 1", "import time\ntime.sleep(0.3)\nx = 1"))
    builder.build(path)
    cells = read()["01"]["quick"]["cells"]
    assert 0.3 <= cells["one-code"] < 2 and "four-code" not in cells
    assert all(
        "The computer needs about 1 minute" in cells_of(p)["title"].source for p in notebooks(path)
    )
    before = [p.read_bytes() for p in notebooks(path)]
    builder.build(path)
    assert [p.read_bytes() for p in notebooks(path)] == before


def test_an_exercise_with_a_bug_begins_with_it(course):
    wrong = next(e for e in exercises() if e.bug is not None)
    name = wrong.id.replace(".", "-")
    stub = f'# %% id="ex-{name}" tags=["exercise"] reference="{wrong.reference}"\n...\n'
    path = course(TITLE + stub)
    builder.build(path, run=False)
    given, solved = (cells_of(p)[f"ex-{name}"].source for p in notebooks(path))
    assert given == wrong.edited_source(wrong.bug.edit, "").rstrip() != solved
    assert solved == reference_source(wrong.reference)


# --- a build ------------------------------------------------------------------------------------


def test_a_rebuild_changes_no_byte(course):
    path = course(SMALL)
    builder.build(path, run=True)
    before = [p.read_bytes() for p in notebooks(path)]
    builder.build(path, run=False)
    assert [p.read_bytes() for p in notebooks(path)] == before
    assert cells_of(notebooks(path)[1])["two"].outputs[0].text == "2\n"


def test_ids_stay_with_their_cells_when_cells_are_moved(course):
    path = course(SMALL)
    builder.build(path, run=False)
    before = {id: cell.source for id, cell in cells_of(notebooks(path)[0]).items()}
    first, rest = SMALL.removeprefix(TITLE).split("# %% id=", 1)
    exercise, two = rest.split("# %% id=", 1)
    course(f"{TITLE}# %% id={two}\n{first}# %% id={exercise}")
    builder.build(path, run=False)
    after = cells_of(notebooks(path)[0])
    assert {id: cell.source for id, cell in after.items()} == before
    assert list(after) == ["title", "bootstrap", "two", "intro", "ex-1-4"]


def test_changed_cells_lose_their_outputs(course, capsys):
    path = course(SMALL)
    builder.build(path, run=True)
    course(SMALL.replace("1 + 1", "1 + 2"))
    builder.build(path, run=False)
    assert cells_of(notebooks(path)[1])["two"].outputs == []
    assert "until it is executed" in capsys.readouterr().out


def test_only_changed_code_is_executed_again(course, capsys, monkeypatch):
    path = course(SMALL)
    builder.build(path, run=True)
    capsys.readouterr()
    course(SMALL.replace("# # ", "# # Another "))
    monkeypatch.setattr(builder, "BOOTSTRAP", launch.BOOTSTRAP.replace(launch.TAG, "v9.9.9"))
    builder.build(path, run=True)
    assert "executing" not in capsys.readouterr().out
    cells = cells_of(notebooks(path)[1])
    assert "Another" in cells["title"].source and "v9.9.9" in cells["bootstrap"].source
    assert cells["two"].outputs[0].text == "2\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# %%\n1\n", "has no id"),
        ('# %% id="a"\n1\n# %% id="a"\n2\n', "used twice"),
        ('# %% id="a" tags=["exercise"]\n1\n', "without a reference"),
        ('# %% id="a"\n1\n', "no title"),
    ],
)
def test_broken_sources_are_refused(course, text, message):
    with pytest.raises(SourceError, match=message):
        builder.build(course(text), run=False)


def test_notebooks_are_plain_json_with_little_metadata(course):
    path = course(SMALL)
    builder.build(path, run=False)
    for notebook in notebooks(path):
        stored = json.loads(notebook.read_text(encoding="utf-8"))
        assert set(stored["metadata"]) == {"kernelspec", "language_info"}


def test_patients_scans_are_never_shown(course, monkeypatch):
    """A module that asks for it is executed on the sample, whatever the environment says."""
    monkeypatch.setenv("COURSE_SOURCE", "real")
    monkeypatch.setattr(builder, "record_timing", lambda *args: None)
    seen = {}
    monkeypatch.setattr(
        builder,
        "execute",
        lambda notebook, folder, **environment: seen.update({folder.name: environment}) or 1.0,
    )
    path = course(f'{TITLE}# %% id="one"\nprint(1)\n')
    builder.build(path)
    assert seen.pop("solutions") == {"COURSE_STRICT": "1"}
    builder.build(course(path.read_text().replace('id="title"', 'id="title" executed_on="sample"')))
    assert seen.pop("solutions") == {"COURSE_STRICT": "1", "COURSE_SOURCE": "sample"}
    assert [executed_on(read_source(path)) for path in SOURCES] == [None] * 5 + ["sample"]


def test_nothing_is_executed_in_the_smoke_profile(course, monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    path = course(SMALL)
    with pytest.raises(SourceError, match="COURSE_PROFILE is smoke"):
        builder.build(path)
    assert not notebooks(path)[1].exists()


def test_the_environment_reaches_the_kernel(course):
    path = course(f'{TITLE}# %% id="one"\nimport os\nprint(os.environ["COURSE_SOURCE"])\n')
    notebook = make_notebook(read_source(path), solved=True)
    builder.execute(notebook, path.parent, COURSE_SOURCE="sample")
    assert notebook.cells[-1].outputs[0].text == "sample\n"
