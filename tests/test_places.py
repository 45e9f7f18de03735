"""Where a notebook's files go, and commands that work where they are read."""

import errno
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from helpers import places


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """refused(*folders): these take no file from now on; holds for root, too."""
    places.output_folder.cache_clear()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    real = tempfile.TemporaryFile

    def refuse(*folders, code=errno.EROFS):
        def temporary(dir):
            if Path(dir) in folders:
                raise OSError(code, "refused")
            return real(dir=dir)

        monkeypatch.setattr(tempfile, "TemporaryFile", temporary)

    yield refuse
    places.output_folder.cache_clear()


def test_a_notebook_writes_beside_itself(refused, capsys):
    assert places.output_path("05_losses.csv") == Path("05_losses.csv")
    assert capsys.readouterr().out == "" and list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_where_it_cannot_the_place_in_the_home_is_named(refused, capsys, tmp_path, code):
    refused(Path.cwd(), code=code)
    path = places.output_path("05_losses.csv")
    assert path == tmp_path / "home/anomaly-course/outputs/05_losses.csv"
    path.write_text("a,b\n")
    assert f"05_losses.csv goes to {path.parent}" in capsys.readouterr().out
    assert places.output_path("05_losses.csv") == path  # the same at the next call


def test_without_a_home_it_is_a_temporary_folder(refused, capsys, tmp_path):
    (tmp_path / "home").write_text("")
    refused(Path.cwd())
    path = places.output_path("05_losses.csv")
    path.write_text("a,b\n")
    assert str(path.parent) in capsys.readouterr().out


def test_a_full_disk_that_takes_an_empty_file_is_noticed(refused, tmp_path, monkeypatch):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: full.open("wb"))
    assert places.output_folder(Path.cwd()) not in (Path.cwd(), tmp_path / "home")


def test_module_5_asks_where_its_files_may_go():
    text = (places.COURSE / "solutions/05_oct_transfer_cae.py").read_text(encoding="utf-8")
    for name in ("05_decoder.pt", "05_losses.csv", "05_model_card.md"):
        assert f'output_path("{name}")' in text and text.count(f'"{name}"') == 1


# --- commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize("installed", [True, False])
def test_a_command_runs_in_any_folder(installed, monkeypatch, tmp_path):
    monkeypatch.setattr(places, "is_installed", lambda: installed)
    line = places.command("data_scripts.prepare", "mnist", "--dry-run")
    assert sys.executable in line and (f'cd "{places.COURSE}"; ' in line) == (not installed)
    if not installed:  # else it depends on what this environment has installed
        done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and "mnist" in done.stdout, done.stderr


@pytest.mark.parametrize(("system", "start"), [("posix", '"'), ("nt", '& "')])
def test_a_program_with_a_space_in_its_path_is_quoted(system, start, monkeypatch):
    monkeypatch.setattr(places, "is_installed", lambda: True)
    monkeypatch.setattr(sys, "executable", "/Anna Maria/python")
    monkeypatch.setattr(places.os, "name", system)
    line = places.command("helpers.doctor")
    assert line == f'{start}/Anna Maria/python" -m helpers.doctor'


def test_in_a_notebook_it_is_a_line_for_a_cell(tmp_path):
    """Which names no folder of this machine, and needs no terminal, environment or make."""
    code = "from helpers import places; line = places.command('data_scripts.prepare', 'mnist', "
    code += "'--dry-run'); print(line); get_ipython().run_cell(line)"
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--quick", "--colors=NoColor", "-c", code],
        cwd=tmp_path,
        env={**places.os.environ, "PYTHONPATH": str(places.COURSE), "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    first, second, *_ = done.stdout.splitlines()
    assert first == "%run -m data_scripts.prepare mnist --dry-run"
    assert second.startswith("mnist: "), done.stderr
