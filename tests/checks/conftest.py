import pytest


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Each test keeps its progress file to itself."""
    monkeypatch.chdir(tmp_path)
