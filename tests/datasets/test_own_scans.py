"""Folders of one's own scans: what `prepare` makes of them, and whether module 5 can use it."""

import errno
import os
import unicodedata
from collections import Counter
from dataclasses import replace

import nbformat
import numpy as np
import pytest
import torch
from faults import jpeg, refused
from test_archives import left_out, prepared, unpack, zipped

from helpers import plotting
from helpers.authoring.build import COURSE, execute
from helpers.datasets import DataError, find, oct, store, tree
from helpers.datasets.image_set import ImageSet
from helpers.datasets.prepare import prepare
from helpers.datasets.splits import hold_back, patients
from helpers.experiments import module_05
from helpers.models import make_encoder
from helpers.training import epochs_for

OCT = find("oct")


def scans(names):
    return {name: jpeg(i, (50, 30)) for i, name in enumerate(names)}


def folder(tmp_path, names):
    return unpack(scans(names), tmp_path / "given")


def classes(names=("CNV", "Normal"), count=6, start=0):
    return [f"{name}/{i}.jpeg" for name in names for i in range(start, start + count)]


def numbers(manifest):
    return {split: tuple(counts.values()) for split, counts in manifest["counts"].items()}


def made(tmp_path, names):
    """The sets and the manifest of a folder with these files."""
    prepare(OCT, 16, tmp_path / "data", folder(tmp_path, names))
    return prepared(tmp_path / "data", OCT, 16)


# --- parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("train", ["train", "Training"])
@pytest.mark.parametrize("other", ["val", "valid", "Validation"])
def test_validation_is_taken_for_a_test_part_that_is_not_there(tmp_path, capsys, train, other):
    names = [f"{train}/{name}" for name in classes()] + [f"{other}/{n}" for n in classes(count=3)]
    _, manifest = made(tmp_path, names)
    assert numbers(manifest) == {"train": (6, 6), "test": (3, 3)}
    assert "validation part taken for the test part" in manifest["origin"]
    assert "validation part taken for the test part" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["train", "test", "val"])
def test_one_part_only_is_cut_as_a_folder_without_parts(tmp_path, part):
    _, manifest = made(tmp_path, [f"{part}/{name}" for name in classes()])
    assert numbers(manifest) == {"train": (4, 4), "test": (2, 2)}


def test_scans_beside_the_parts_do_not_end_the_authors_split(tmp_path):
    names = [f"train/{n}" for n in classes()] + [f"test/{n}" for n in classes(start=6, count=3)]
    _, manifest = made(tmp_path, [*names, *classes(start=20)])
    assert numbers(manifest) == {"train": (6, 6), "test": (3, 3)}
    assert left_out(manifest) == {"not in train/ or test/, where others are": 12}


# --- names of classes ----------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [None, zipped])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Normal", "NORMAL"),
        ("normal", "Normal "),
        ("Dru\u0308sen", unicodedata.normalize("NFC", "Dru\u0308sen")),
        ("cnv", "CNV"),
    ],
)
def test_spellings_of_a_class_are_one(tmp_path, one, other, pack):
    rest = "AMD" if tree.key(one) == "normal" else "normal"
    files = scans(
        [f"train/{name}" for name in classes((one, rest))]
        + [f"test/{name}" for name in classes((other, rest), start=6)]
    )
    given = unpack(files, tmp_path / "given")
    if pack:
        given = tmp_path / "given.zip"
        given.write_bytes(pack(files))
    prepare(OCT, 16, tmp_path / "data", given)
    sets, manifest = prepared(tmp_path / "data", OCT, 16)
    assert len(sets["train"].classes) == 2 and "NORMAL" in sets["train"].classes
    assert numbers(manifest) == {"train": (6, 6), "test": (6, 6)}


# --- links and rights ----------------------------------------------------------------------------


@pytest.mark.parametrize("linked", [["CNV"], ["CNV", "NORMAL"]])
def test_linked_class_folders_are_followed_and_loops_are_not(tmp_path, linked):
    real = unpack(scans(classes(("CNV", "NORMAL"))), tmp_path / "store")
    (tmp_path / "given").mkdir()
    for name in ("CNV", "NORMAL"):
        where = tmp_path / "given" / name
        if name in linked:
            where.symlink_to(real / name)
        else:
            (real / name).rename(where)
    (tmp_path / "given" / "CNV" / "back").symlink_to(tmp_path / "given")
    prepare(OCT, 16, tmp_path / "data", tmp_path / "given")
    assert numbers(prepared(tmp_path / "data", OCT, 16)[1]) == {"train": (4, 4), "test": (2, 2)}


def test_link_that_leads_nowhere_is_named(tmp_path):
    given = folder(tmp_path, classes())
    (given / "CNV" / "9.jpeg").symlink_to(tmp_path / "unmounted")
    with refused(tmp_path / "data", "9.jpeg cannot be read .No such file"):
        prepare(OCT, 16, tmp_path / "data", given)


@pytest.mark.parametrize("what", ["file", "folder", "given"])
def test_missing_rights_are_named(tmp_path, monkeypatch, what):
    """Simulated, since nothing is forbidden to root, who may run the tests."""
    given = folder(tmp_path, classes())
    denied = {"file": given / "CNV" / "3.jpeg", "folder": given / "CNV", "given": given}[what]

    def guard(function):
        def guarded(path, *args, **options):
            if str(path) == str(denied):  # a number: an open folder
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return function(path, *args, **options)

        return guarded

    if what == "file":
        monkeypatch.setattr(tree, "open", guard(open), raising=False)
    else:
        monkeypatch.setattr(os, "scandir", guard(os.scandir))
    with refused(tmp_path / "data", f"{denied.name} cannot be read .Permission denied"):
        prepare(OCT, 16, tmp_path / "data", given)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_name_that_is_not_utf_8(tmp_path):
    given = folder(tmp_path, classes())
    os.rename(given / "CNV", os.fsencode(given) + b"/Dr\xfcsen")  # Latin-1, from an old disk
    prepare(OCT, 16, tmp_path / "data", given)
    assert prepared(tmp_path / "data", OCT, 16)[0]["train"].classes == ("Dr\ufffdsen", "NORMAL")


# --- patients ------------------------------------------------------------------------------------


def kermany():
    """Four patients of three scans a class; two patients of each class are tested, too."""
    train = [
        f"train/{c}/{c}-{first + p}-{i}.jpeg"
        for c, first in (("CNV", 10), ("NORMAL", 20))
        for p in range(4)
        for i in range(3)
    ]
    test = [f"test/{c}/{c}-{p}-9.jpeg" for c, p in (("CNV", 10), ("CNV", 11), ("NORMAL", 20))]
    return train + test


@pytest.mark.parametrize(
    "odd", ["train/CNV/odd.jpeg", "train/NORMAL/a scan (1).jpeg", "test/CNV/IMG_7.jpeg"]
)
def test_an_odd_name_does_not_end_the_separation_of_the_others(tmp_path, capsys, odd):
    sets, manifest = made(tmp_path, [*kermany(), odd])
    train, test = (set(sets[split].groups.tolist()) for split in ("train", "test"))
    assert not train & test and {10, 11, 20} <= test and {12, 13, 21, 22, 23} <= train
    assert len(train | test) == 9  # the odd one counts as a patient of its own
    assert f"1 scans without a patient, such as {odd}" in capsys.readouterr().out
    assert "patients known from the file names" in manifest["origin"]


@pytest.mark.parametrize("copy", ["CNV-13-0 - Copy", "CNV-13-0 (1)", "CNV-13-0_copy"])
def test_a_copy_has_the_original_s_patient(tmp_path, copy):
    """Exact, it leaves and the original stays; saved anew, it is still a scan of that patient."""
    files = scans(kermany())
    given = unpack(files, tmp_path / "given")
    (given / f"train/CNV/{copy}.jpeg").write_bytes(files["train/CNV/CNV-13-0.jpeg"])
    prepare(OCT, 16, tmp_path / "data", given)
    (entry,) = [
        e
        for e in prepared(tmp_path / "data", OCT, 16)[1]["left_out"]
        if e["reason"].startswith("exact copy")
    ]
    assert entry["examples"] == [f"train/CNV/{copy}.jpeg"]
    assert oct.patient(f"train/CNV/{copy}.jpeg") == 13


@pytest.mark.parametrize("first", [20230115101500123456, 2**63, 2**62 - 1])
def test_numbers_too_long_for_the_files_are_told_apart(tmp_path, first):
    """As text: of int64 and beyond, numpy makes objects or float64, in which they merge."""
    who = [1, 2, 3, first, first + 1, first + 2]
    sets, manifest = made(
        tmp_path, [f"{c}/{c}-{p}-{i}.png" for c in ("CNV", "Normal") for p in who for i in range(2)]
    )
    assert "patients known from the file names" in manifest["origin"]
    per_patient = Counter(np.concatenate([part.groups for part in sets.values()]).tolist())
    assert len(per_patient) == 6 and set(per_patient.values()) == {4}
    assert per_patient.keys() > {1, 2, 3}
    assert all(part.groups.dtype == np.int64 for part in sets.values())


@pytest.mark.parametrize("groups", [[2**63], [1, 2**64], [0.5], ["a"], [None]])
def test_patients_that_are_no_int64_are_not_written(tmp_path, groups):
    images, labels = np.zeros((len(groups), 1, 8, 8), np.uint8), [0] * len(groups)
    with (
        pytest.raises(ValueError, match="whole numbers that fit int64"),
        store.writing(tmp_path / "oct-8") as out,
    ):
        out.add("train", images, labels, groups)
    with store.writing(tmp_path / "oct-8") as out:
        out.add("train", images, labels, np.arange(len(groups), dtype=np.int32))
        assert out.groups["train"][0].dtype == np.int64
        out.finish(["CNV"], {})


@pytest.mark.parametrize("prefix", ["", "scan_", "OCT "])
def test_a_date_is_no_patient(tmp_path, prefix):
    names = [
        f"{c}/{prefix}2023-{month:02}-15_00{i}.png"
        for c in ("CNV", "Normal")
        for month in (1, 2, 3)
        for i in range(2)
    ]
    sets, manifest = made(tmp_path, names)
    assert sets["train"].groups is None and "patients unknown" in manifest["origin"]


def test_few_names_that_fit_by_chance_make_no_patients(tmp_path):
    sets, manifest = made(tmp_path, [*classes(), "CNV/scan-2023-11.jpeg"])
    assert sets["train"].groups is None and "patients unknown" in manifest["origin"]


def test_one_number_in_all_names_is_no_patient(tmp_path):
    names = [f"{c}/OCT-2023-{i}.jpeg" for c in ("CNV", "Normal") for i in range(6)]
    sets, manifest = made(tmp_path, names)
    assert sets["train"].groups is None and "one and the same number" in manifest["origin"]


@pytest.mark.parametrize("split", [["train/", "test/"], [""]])
def test_patients_are_known_from_folders_in_class_folders(tmp_path, split):
    names = [
        f"{part}{c}/{c[0]}{p + 10 * i}/{day}/{k}.jpeg"
        for i, part in enumerate(split)
        for c in ("CNV", "Normal")
        for p in range(3)
        for day in ("left", "right")
        for k in range(2)
    ]
    sets, manifest = made(tmp_path, names)
    assert "patients known from the folders" in manifest["origin"]
    per_patient = Counter(np.concatenate([part.groups for part in sets.values()]).tolist())
    assert len(per_patient) == 6 * len(split) and set(per_patient.values()) == {4}
    assert not set(sets["train"].groups) & set(sets["test"].groups)
    if len(split) == 1:  # whole patients
        assert numbers(manifest) == {"train": (8, 8), "test": (4, 4)}


def test_one_folder_in_each_class_folder_is_no_patient(tmp_path):
    sets, _ = made(tmp_path, [name.replace("/", "/images/") for name in classes()])
    assert sets["train"].groups is None and len(sets["train"]) == 8


def test_a_patient_of_two_classes_is_tested_or_not(tmp_path):
    """The left eye is healthy, the right one is not."""
    names = [f"{c}/P{p}/{i}.jpeg" for c in ("AMD", "normal") for p in range(6) for i in range(2)]
    names += ["AMD/P9/1.jpeg", "normal/P0a/1.jpeg"]
    sets, manifest = made(tmp_path, names)
    assert not set(sets["train"].groups) & set(sets["test"].groups)
    assert manifest["left_out"] == []


def test_the_header_s_patient_goes_before_the_name(tmp_path, monkeypatch):
    """Of DICOM files: `survey` reads it."""
    one = tree.survey

    def survey(*args):
        return [
            replace(p, patient="a hash") if p.file.startswith("train/CNV") else p
            for p in one(*args)
        ]

    monkeypatch.setattr(tree, "survey", survey)
    sets, manifest = made(tmp_path, kermany())
    assert len(set(sets["train"].of_class("CNV").groups)) == 1
    assert "patients known from the headers" in manifest["origin"]


# --- enough for module 5 -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (classes(count=1), "CNV scans in train|NORMAL scans in t"),
        (classes(count=2), "NORMAL scans in t"),
        (
            [f"train/{n}" for n in classes(("CNV", "DME", "NORMAL"))]
            + [f"test/{n}" for n in classes(start=6)],
            r"DME scans in test are too few \(0\)",
        ),
        (
            [f"train/{n}" for n in classes()] + [f"test/{n}" for n in classes(["CNV"], start=6)],
            r"NORMAL scans in test are too few \(0\)",
        ),
        (
            [f"train/{n}" for n in classes(["CNV"])] + [f"test/{n}" for n in classes(start=6)],
            r"NORMAL scans in train are too few \(0\)",
        ),
        (
            [n for n in kermany() if "NORMAL" not in n]
            + [f"train/NORMAL/NORMAL-50-{i}.jpeg" for i in range(9)]
            + ["test/NORMAL/NORMAL-51-1.jpeg"],
            r"NORMAL scans in train are of one patient only \(9\)",
        ),
    ],
)
def test_too_little_is_said_before_it_is_done(tmp_path, names, match):
    given = folder(tmp_path, names)
    with refused(tmp_path / "data", match):
        prepare(OCT, 16, tmp_path / "data", given)
    assert not (tmp_path / "data" / "oct-16").exists()


@pytest.mark.parametrize("by", ["{c}/{p:03}/{i}.png", "{c}/{c}-{p}-{i}.png"])
def test_patients_numbered_anew_in_each_part_are_said(tmp_path, by):
    names = [
        f"{part}/{by.format(c=c, p=p, i=10 * (part == 'test') + i)}"
        for part in ("train", "test")
        for c in ("CNV", "NORMAL")
        for p in range(1, 6)
        for i in range(2)
    ]
    listed = "001, 002, 003" if ":03" in by else "1, 2, 3"
    said = rf"\(0\); 20 scans of train were left out, since their patients \({listed} and 2 more\) "
    todo = "are in test as well.(?s:.*)To do: if the patients of train are others, give them other"
    with refused(tmp_path / "data", said + todo):
        prepare(OCT, 16, tmp_path / "data", folder(tmp_path, names))


def test_few_scans_are_said_with_the_number_needed(tmp_path, capsys):
    _, manifest = made(tmp_path, classes(count=30))
    for text in (capsys.readouterr().out, manifest["origin"]):
        assert "ew NORMAL scans: 15 to train on, 5 to calibrate on, 10 to test on" in text
        assert "needs 19" in text


def test_enough_scans_need_no_word(tmp_path, capsys):
    _, manifest = made(tmp_path, classes(count=120))
    assert "ew NORMAL" not in capsys.readouterr().out + manifest["origin"]


@pytest.fixture(scope="module")
def smallest(tmp_path_factory):
    """The root with the smallest folder that is accepted, prepared."""
    here = tmp_path_factory.mktemp("smallest")
    prepare(OCT, 64, here / "data", folder(here, classes(count=3)))
    return here / "data"


def test_the_smallest_folder_goes_through_the_experiment(smallest, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(smallest))
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    roles = module_05.task("real")
    assert all(len(part.of_class(name)) for part in roles for name in ("CNV", "NORMAL"))
    values = module_05.ladder("CNV", source="real")
    assert np.isfinite([values["L1, all"], values["kNN, all"]]).all()
    assert "PCA, 32, all" in module_05.ladder("no network", source="real")


def test_the_smallest_folder_goes_through_the_notebook(smallest, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(smallest))
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    monkeypatch.setenv("COURSE_SOURCE", "real")
    notebook = nbformat.read(COURSE / "solutions" / "05_oct_transfer_cae.ipynb", as_version=4)
    (tmp_path / "helpers").symlink_to(COURSE / "helpers")
    (tmp_path / "solutions").mkdir()
    execute(notebook, tmp_path / "solutions")
    (cell,) = [cell for cell in notebook.cells if cell.id == "live-agrees"]
    text = "".join(output.text for output in cell.outputs)
    assert text.count("computed on other scans or in another profile") == 1


def test_a_set_that_an_older_course_prepared_is_judged_by_the_module(monkeypatch):
    whole = {"train": set_of([0, 0, 1, 1]), "test": set_of([0, 1])}
    for name, part in (("test", None), ("train", set_of([0, 0, 0])), ("test", set_of([1, 1]))):
        sets = {split: one for split, one in {**whole, name: part}.items() if one}
        monkeypatch.setattr(module_05, "load", lambda *_, sets=sets, **__: sets)
        with pytest.raises(DataError, match="too little for module 5"):
            module_05.task("real")


def set_of(labels, groups=None):
    images = np.zeros((len(labels), 1, 4, 4), np.uint8)
    return ImageSet(images, np.array(labels), ("CNV", "NORMAL"), groups=groups)


def test_what_is_held_back_leaves_something(tmp_path):
    for n in range(2, 60):
        some = set_of([0] * n + [1] * n)
        pool, held = hold_back(some)
        assert sorted([*pool, *held]) == list(range(2 * n))
        assert not set(patients(some)[pool]) & set(patients(some)[held])
        assert all(set(some.labels[part]) == {0, 1} for part in (pool, held))


def test_a_large_set_with_few_healthy_patients_keeps_two_of_them():
    groups = np.repeat(np.arange(100), 10)
    some = module_05.at_most(set_of((groups < 3).astype(int), groups), 100)
    assert len(set(some.of_class("NORMAL").groups)) == 2 and len(some) < 150


def test_a_bank_of_few_scans_holds_all_their_places():
    encoder = make_encoder((2, 4, 6)).eval()
    scans = np.random.default_rng(0).integers(0, 256, (2, 1, 64, 64), dtype=np.uint8)
    assert module_05.patch_bank(encoder, scans).shape == (512, 10)
    assert module_05.patch_bank(encoder, scans, size=20).shape == (20, 10)
    assert torch.isfinite(module_05.patch_bank(encoder, scans)).all()


@pytest.mark.parametrize("n", [1, 4, 31, 32, 64, 403])
def test_a_small_set_takes_as_many_steps_as_a_large_one(n):
    steps = epochs_for(160, 32, range(n)) * -(-n // 32)
    assert 150 <= steps <= 170


def test_a_black_scan_has_a_profile():
    assert plotting.scan_profile(np.zeros((8, 8), np.uint8))


def test_sizes_that_are_taken_are_all_named():
    with pytest.raises(ValueError, match=r"64 or 128, and .* any from 8 to 512, not 600"):
        OCT.checked_size(600)
    assert OCT.checked_size(96) == OCT.checked_size(np.int64(96)) == 96
    for size in ("64", [64], 96.5):
        with pytest.raises(ValueError, match=r"64 or 128, and .* any from 8 to 512, not "):
            OCT.checked_size(size)
    with pytest.raises(ValueError, match="comes in size 28, not 64"):
        find("mnist").checked_size(64)
    with pytest.raises(ValueError, match="size 28, not '28', which is text: leave out the quotes"):
        find("mnist").checked_size("28")
