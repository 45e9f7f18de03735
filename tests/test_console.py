"""What the course prints goes through any console, file or pipe."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COURSE = Path(__file__).parents[1]
# all that a learner sees as text, with a sign that hardly any code page has
ALL = """
from helpers.banner import Banner, show
from helpers.checks import check, hint, progress, solution
from helpers.quiz import quiz
check("1.4", lambda x, x_hat: (x - x_hat).square().mean(dim=(1, 2, 3)))
check("1.5", None)
hint("2.2")
solution("2.4")
progress()
print(quiz("02"))
show(quiz("02"))
name = b"\\xe9.png".decode("utf-8", "surrogateescape")
Banner("正常 ✓", "σ", rows={"файл": name}, code="→").show()
"""


def run(code, folder, **environment):
    (folder / "code.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "code.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(COURSE), "PYTHONUTF8": "0"} | environment,
        capture_output=True,
    )
    return done.returncode, done.stdout.decode("ascii", "replace"), done.stderr.decode()


@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "cp437", "ascii", "utf-8"])
def test_nothing_that_is_shown_stops_at_a_code_page(encoding, tmp_path):
    status, out, error = run(ALL, tmp_path, PYTHONIOENCODING=encoding)
    assert status == 0, error
    assert "Exercise 1.4" in out and "passed" in out and "\\udce9.png" in out


def test_nor_without_any_locale(tmp_path):
    status, _, error = run(ALL, tmp_path, LC_ALL="POSIX", PYTHONCOERCECLOCALE="0")
    assert status == 0, error


def test_nor_where_the_output_is_redirected_later(tmp_path):
    code = "import contextlib\nimport helpers\n"
    code += 'with contextlib.redirect_stdout(open("log.txt", "w", encoding="cp1252")):\n'
    code += '    from helpers.checks import check\n    check("1.4", None)\n'
    status, _, error = run(code, tmp_path)
    assert status == 0, error
    assert "Exercise 1.4" in (tmp_path / "log.txt").read_text(encoding="cp1252")


def test_nor_without_a_console_at_all(tmp_path):
    """As under pythonw: there is no stream to set."""
    status, _, error = run("import sys; sys.stdout = None; import helpers", tmp_path)
    assert status == 0, error
