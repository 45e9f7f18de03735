"""The long tables: resumable, never half-written, and read for the data in use."""

import json

import pytest

from helpers import results as reader
from helpers.results import compute as writer
from helpers.results.tables import TABLES, Table


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "FOLDER", tmp_path)
    monkeypatch.setattr(writer, "FOLDER", tmp_path)
    monkeypatch.setenv("COURSE_SOURCE", "sample")
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    entries = [{"n": n} for n in (1, 2, 3)]
    monkeypatch.setitem(TABLES, "small", Table("mnist", square, entries))
    return tmp_path


def square(n):
    return {"square": n * n, "source": "sample"}


def test_an_entry_carries_what_is_needed_to_judge_it(folder):
    name, entry = writer.compute("small", {"n": 3})
    assert name == "small" and entry["values"]["square"] == 9
    assert set(entry) == {"parameters", "values", "profile", "seconds", "machine", "commit"}


def test_only_missing_entries_are_computed(folder):
    assert len(writer.missing("small")) == 3
    writer.keep(*writer.compute("small", {"n": 2}))
    assert writer.missing("small") == [{"n": 1}, {"n": 3}]
    assert len(writer.missing("small", again=True)) == 3


def test_another_profile_is_another_entry(folder, monkeypatch):
    writer.keep(*writer.compute("small", {"n": 2}))
    monkeypatch.setenv("COURSE_PROFILE", "full")
    assert len(writer.missing("small")) == 3


def test_entries_stand_in_the_table_s_order_and_replace_older_ones(folder):
    for n in (3, 1, 3):
        writer.keep(*writer.compute("small", {"n": n}))
    stored = json.loads((folder / "small.json").read_text())
    assert [e["parameters"]["n"] for e in stored] == [1, 3]
    assert not list(folder.glob("*.part"))


def test_a_write_that_is_cut_off_leaves_the_table_whole(folder, monkeypatch):
    writer.keep(*writer.compute("small", {"n": 1}))
    monkeypatch.setattr("pathlib.Path.replace", lambda *a: (_ for _ in ()).throw(OSError("cut")))
    with pytest.raises(OSError, match="cut"):
        writer.keep(*writer.compute("small", {"n": 2}))
    assert [e["parameters"]["n"] for e in reader.read_entries("small")] == [1]


def test_reader_prefers_the_data_in_use_and_says_what_it_gives(folder):
    name, entry = writer.compute("small", {"n": 1})
    writer.keep(name, entry)
    real = entry | {"values": {"square": 100, "source": "real"}}
    writer.keep(name, real)
    assert reader.read_table("small", source="sample", profile="full").square.tolist() == [1]
    assert reader.read_table("small", source="real", profile="full").source.tolist() == ["real"]
    with pytest.raises(FileNotFoundError, match="make results"):
        reader.read_table("none", source="real", profile="quick")


@pytest.mark.parametrize("name", [name for name in TABLES if name != "small"])
def test_committed_tables_are_complete(name):
    """Every entry was computed in the quick profile, on the real data or on the table's own."""
    source = TABLES[name].source or "real"
    entries = [e for e in reader.read_entries(name) if e["values"]["source"] == source]
    quick = [e for e in entries if e["profile"] == "quick"]
    assert [e["parameters"] for e in quick] == TABLES[name].entries
    assert all(e["commit"] != "unknown" and e["seconds"] > 0 for e in quick)


def test_a_table_about_one_source_ignores_the_environment(folder, monkeypatch):
    def named(n, source):
        return {"n": n, "source": source}

    monkeypatch.setenv("COURSE_SOURCE", "real")
    monkeypatch.setitem(TABLES, "fixed", Table("mnist", named, [{"n": 1}], source="sample"))
    assert writer.missing("fixed") == [{"n": 1}]
    writer.keep(*writer.compute("fixed", {"n": 1}))
    assert writer.missing("fixed") == []
    table = reader.read_table("fixed", source="real", profile="full")
    assert table.source.tolist() == ["sample"]
