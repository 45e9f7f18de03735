"""Binder: its files are seen, and its scripts do what they say. The image itself is not built."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COURSE = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
REPO2DOCKER = shutil.which("repo2docker", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
PATH = f"{BIN}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.skipif(REPO2DOCKER is None, reason="no repo2docker: pip install jupyter-repo2docker")
def test_repo2docker_sees_every_file(tmp_path):
    done = subprocess.run(
        [REPO2DOCKER, "--no-build", "--debug", "."], cwd=COURSE, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    dockerfile = done.stdout + done.stderr
    assert '--file "binder/environment.yml"' in dockerfile
    assert "RUN ./binder/postBuild" in dockerfile
    assert 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in dockerfile
    assert "Building conda environment for python=3.12" in dockerfile


@pytest.mark.skipif(sys.platform == "win32", reason="Binder's scripts are for Linux")
class TestScripts:
    def test_post_build_makes_the_samples(self, tmp_path, drawn):
        samples = tmp_path / "data" / "samples"
        samples.mkdir(parents=True)
        for folder in ("cifar10-32", "mednist-64"):  # slow to draw, and there already
            (samples / folder).symlink_to(drawn(folder.split("-")[0]) / "samples" / folder)
        environment = {
            **os.environ,
            "PATH": PATH,
            "COURSE_DATA": str(tmp_path / "data"),
            "PIP_PREFIX": str(tmp_path / "installed"),  # not into this environment
            "PIP_IGNORE_INSTALLED": "1",
        }
        done = subprocess.run(
            ["binder/postBuild"], cwd=COURSE, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        for name in ("mnist", "fashion_mnist", "mednist", "cifar10", "oct"):
            assert f"{name}: offline sample" in done.stdout
        assert (samples / "oct-64" / "manifest.json").exists()
        (path,) = (tmp_path / "installed").rglob("*anomaly_course.pth")
        assert path.read_text().strip() == str(COURSE)

    @pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux' core affinity")
    def test_start_takes_the_threads_from_the_quota(self):
        show = "import os; print(os.environ['OMP_NUM_THREADS'], os.sched_getaffinity(0))"
        core = min(os.sched_getaffinity(0))
        done = subprocess.run(
            ["binder/start", "python", "-c", show],
            cwd=COURSE,
            env={**os.environ, "PATH": PATH, "OMP_NUM_THREADS": "64"},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == f"1 {{{core}}}", done.stderr

    def test_start_gives_the_server_the_courses_settings(self, tmp_path):
        """From any folder, and before those that are there already."""
        show = "from jupyter_core.paths import jupyter_config_path as p; print(*p()[:2], sep='\\n')"
        done = subprocess.run(
            [COURSE / "binder/start", "python", "-c", show],
            cwd=tmp_path,
            env={**os.environ, "PATH": PATH, "JUPYTER_CONFIG_PATH": "/theirs"},
            capture_output=True,
            text=True,
        )
        assert done.stdout.splitlines() == [str(COURSE / ".jupyter"), "/theirs"], done.stderr
