"""The ladder of module 5 on a few drawn scans: roles, rungs, entries, and the full profile."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.datasets.image_set import ImageSet
from helpers.datasets.splits import patients
from helpers.experiments import module_05
from helpers.metrics import auroc
from helpers.models import freeze
from helpers.runtime import set_seed
from helpers.thresholds import conformal_p_values, patient_p_values

CLASSES = ("AMD", "DME", "NORMAL")


def made(patients, size, masks, start=0):
    """`patients` of each class with four scans of two bands; a square where the class has one."""
    rng = np.random.default_rng(start)
    labels, groups = np.repeat([0, 1, 2], 4 * patients), start + np.repeat(range(3 * patients), 4)
    images = rng.integers(0, 40, (len(labels), 1, size, size), dtype=np.uint8)
    images[:, :, size // 2 :] += 100
    lesions = np.zeros((len(labels), size, size), dtype=bool)
    for label in (0, 1):
        at = size // 4 * (1 + 2 * label)
        lesions[labels == label, at - 4 : at + 4, 8:16] = True
    images[:, 0][lesions] += 90
    order = rng.permutation(len(labels))
    return ImageSet(
        images[order],
        labels[order],
        CLASSES,
        groups=groups[order] if masks else None,
        masks=lesions[order] if masks else None,
        name="oct",
        source="sample" if masks else "real",
    )


@pytest.fixture(params=[True, False], ids=["with masks and patients", "without"])
def scans(request, monkeypatch):
    def load(name, source, size):
        return {"train": made(8, size, request.param), "test": made(5, size, request.param, 900)}

    monkeypatch.setattr(module_05, "load", load)
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    monkeypatch.setattr(module_05, "training_length", lambda quick, full: 2)
    return load("oct", "auto", 64)


def test_roles_share_no_patient_and_hold_every_class(scans):
    roles = module_05.task()
    assert sum(map(len, roles[:2])) == len(scans["train"])
    assert all(set(part.labels) == {0, 1, 2} for part in roles)
    if scans["train"].groups is not None:
        seen = [set(part.groups) for part in roles]
        assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert module_05.diseases(roles.test) == ["AMD", "DME"]


def test_a_large_set_is_cut_by_patients(scans):
    some = module_05.at_most(scans["train"], 48)
    assert 40 <= len(some) <= 60 and set(some.labels) == {0, 1, 2}
    who, all_of = patients(some), patients(scans["train"])
    if scans["train"].groups is not None:
        assert all((who == p).sum() == (all_of == p).sum() for p in set(who))


def test_rungs_see_as_many_scans_and_no_class_that_they_may_not(scans):
    pool = scans["train"]
    who, names = patients(pool), np.array(pool.classes)[pool.labels]
    source, normals, one = (
        module_05.seen_by(rung, pool, 25) for rung in ("all labels", "denoising, normals", "DME")
    )
    np.testing.assert_array_equal(source, module_05.seen_by("random", pool, 25))
    np.testing.assert_array_equal(source, module_05.seen_by("denoising", pool, 25))
    assert len(normals) == len(one) == len(source)
    assert set(names[normals]) == {"NORMAL"} and set(names[one]) == {"DME", "NORMAL"}
    assert set(source[names[source] == "NORMAL"]) <= set(normals)
    assert set(source[names[source] != "AMD"]) <= set(one)
    added = set(one) - set(source)
    halved = [p for p in set(who[list(added)]) if not set(np.flatnonzero(who == p)) <= set(one)]
    if pool.groups is not None:
        assert len(halved) <= 1, "more than the last patient is split"
    everything = module_05.seen_by("denoising, normals", pool, 100)
    np.testing.assert_array_equal(everything, np.flatnonzero(names == "NORMAL"))


def test_a_rate_varies_with_patients_not_scans():
    flags = np.repeat(np.arange(30) < 6, 10)  # all ten scans of 6 of 30 patients
    low, high = module_05.rate_interval(flags, np.repeat(np.arange(30), 10))
    assert 0.03 < low < 0.12 and 0.28 < high < 0.4  # a share of 30, not of 300, trials
    assert module_05.rate_interval(flags & False, np.repeat(np.arange(30), 10)) == (0, 0)


@pytest.mark.parametrize("rung", ["random", "denoising", "DME", "all labels"])
def test_each_rung_gives_a_usable_encoder(scans, rung):
    shown = scans["train"].take(module_05.seen_by(rung, scans["train"]))
    encoder = module_05.pretrained(rung, shown, seed=1)
    assert not encoder.training
    again = module_05.pretrained(rung, shown, seed=1)
    for a, b in zip(encoder.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    features = encoder(torch.rand(4, 1, 64, 64))
    assert features.shape == (4, 64, 8, 8) and torch.isfinite(features).all()


def test_the_lowest_rungs_see_no_label(scans):
    shuffled = scans["train"].take(slice(None))
    shuffled.labels[:] = np.random.default_rng(0).permutation(shuffled.labels)
    for rung in ("random", "denoising"):
        a, b = (module_05.pretrained(rung, part) for part in (scans["train"], shuffled))
        assert all(map(torch.equal, a.state_dict().values(), b.state_dict().values()))


def test_an_entry_has_each_score_by_disease_and_pixels_where_there_are_masks(scans):
    values = module_05.ladder("DME", share=50, code_channels=3)
    for score in ("L1", "Huber", "kNN"):
        for group in ("AMD", "DME", "all", "others"):
            low, high = values[f"{score}, {group}, low"], values[f"{score}, {group}, high"]
            assert 0 <= low <= high <= 1
        assert values[f"{score}, others"] == values[f"{score}, AMD"]
    pool = module_05.task().pool
    shown = pool.take(module_05.seen_by("DME", pool, 50))
    assert values["pretraining images"] == len(shown)
    assert values["diseased in pretraining"] == len(shown.of_class("DME"))
    masked = scans["test"].masks is not None
    assert ("L1, pixel AUROC" in values) == ("kNN, PRO" in values) == masked
    assert values["source"] == scans["test"].source
    assert "L1, others" not in module_05.ladder("random")
    assert "PCA, 32, all" in module_05.ladder("no network")


def test_baselines_know_training_scans_again(scans):
    images = scans["train"].images
    scores = module_05.baseline_scores(images, images)
    assert (scores["nearest image"] < 0.05).all()  # rounding, under a square root
    assert all(values.shape == (len(images),) for values in scores.values())


def test_the_full_profile_takes_a_few_steps(monkeypatch, tmp_path):
    """The source's sizes and widths, from pretraining to a checkpoint and the scores."""
    monkeypatch.setenv("COURSE_PROFILE", "full")
    scans = made(1, 128, True).take(slice(0, 4))
    assert module_05.widths() == (64, 128, 256, 256)
    set_seed(0)
    encoder = module_05.make_encoder(module_05.widths())
    _, history = module_05.classify(encoder, scans, steps=0)  # one epoch
    assert len(history) == 1 and np.isfinite(history[0]["train"])
    cae = module_05.OctAutoencoder(freeze(encoder), module_05.make_decoder(module_05.widths()))
    losses = module_05.train_decoder(
        cae, scans.images[:4], steps=2, batch_size=2, path=tmp_path / "full.pt", progress=False
    )
    assert len(losses) == 2 and np.isfinite(losses).all()
    scores = module_05.cae_scores(cae, scans.images[:3])
    assert all(s.shape == (3,) and np.isfinite(s).all() for s in scores.values())
    bank = module_05.patch_bank(encoder, scans.images[:2], size=20)
    maps = module_05.patch_maps(encoder, bank, scans.images[:2])
    assert bank.shape == (20, 384) and maps.shape == (2, 32, 32)


def test_what_the_encoders_have_seen_is_what_the_rungs_are_given(scans):
    pool = module_05.task().pool
    seen = module_05.seen_scans(pool)
    assert seen.index[0] == "random"
    for rung in seen.index:
        names = np.array(pool.classes)[pool.labels[module_05.seen_by(rung, pool)]]
        assert {c: int((names == c).sum()) for c in CLASSES} == dict(seen.loc[rung, [*CLASSES]])
    assert list(seen.index[seen.labels]) == ["AMD", "DME", "all labels"]


def test_the_random_encoder_has_seen_its_scans_for_its_statistics_alone(scans):
    """So it is not shown as one that has seen nothing."""
    pool = module_05.task().pool
    of_all, of_healthy = (
        module_05.pretrained("random", part).state_dict()
        for part in (pool, pool.of_class("NORMAL"))
    )
    differ = {name for name in of_all if not torch.equal(of_all[name], of_healthy[name])}
    assert differ and all("running" in name or "batches" in name for name in differ)


def test_the_other_scanner_is_darker_and_its_patients_are_new(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    scanner = module_05.another_scanner.__wrapped__
    healthy, hidden = scanner((0, 0, 0, 3)), scanner((1, 1, 1, 1), seed=502)
    assert set(np.array(healthy.classes)[healthy.labels]) == {"NORMAL"}
    assert set(hidden.labels) == {0, 1, 2, 3}
    assert healthy.images.dtype == np.uint8 and healthy.images.shape[1:] == (1, 64, 64)
    again = scanner((0, 0, 0, 3))
    assert np.array_equal(healthy.images, again.images)
    plain = module_05.draw_split(501, 64, module_05.count(), (0, 0, 0, 3)).images
    assert healthy.images[plain > 120].mean() < plain[plain > 120].mean()


def test_changed_names_the_tensors_that_moved():
    encoder = module_05.make_encoder((2, 3))
    before = copy.deepcopy(encoder.state_dict())
    assert module_05.changed(encoder, before) == []
    encoder.train()(torch.rand(2, 1, 8, 8))
    moved = module_05.changed(encoder, before)
    assert len(moved) == 24 and not [name for name in moved if name.endswith(("weight", "bias"))]


def test_the_table_of_scores_has_a_row_for_each_scan_of_each_part(scans):
    cae = module_05.OctAutoencoder(
        module_05.make_encoder((2, 3)), module_05.make_decoder((2, 3))
    ).eval()
    table = module_05.score_table(cae, {"validation": scans["train"], "test": scans["test"]})
    test = table[table.part == "test"].reset_index()
    np.testing.assert_array_equal(test["class"], np.array(CLASSES)[scans["test"].labels])
    np.testing.assert_array_equal(test.patient, patients(scans["test"]))
    np.testing.assert_allclose(test.L1, module_05.cae_scores(cae, scans["test"].images)["L1"])
    assert len(table) == len(scans["train"]) + len(scans["test"])


# Two seeds of three rungs and of one that knows DME; CNV and AMD are the others.
AREAS = {
    ("denoising", 0): (0.5, 0.6, 0.7),
    ("denoising", 1): (0.5, 0.6, 0.9),
    ("DME", 0): (0.9, 0.7, 0.8),
    ("DME", 1): (0.7, 0.7, 0.8),
    ("all labels", 0): (0.9, 0.8, 0.9),
    ("all labels", 1): (0.9, 0.8, 1.0),
}


@pytest.fixture
def table():
    rows = [{"rung": "no network", "seed": np.nan, "PCA, 32, all": 0.5}]
    for (rung, seed), areas in AREAS.items():
        values = dict(zip(("DME", "CNV", "AMD"), areas, strict=True)) | {"all": sum(areas) / 3}
        if rung == "DME":
            values["others"] = 0.75
        row = {"rung": rung, "seed": seed}
        for name, area in values.items():
            row |= {f"L1, {name}": area, f"L1, {name}, low": area - 0.1}
            row |= {f"L1, {name}, high": area + 0.1, f"kNN, {name}": 0.0}
        rows.append(row | {"L1, PRO": 0.3})
    return pd.DataFrame(rows)


def test_a_ladder_is_read_by_rung_seed_and_disease(table):
    rows = module_05.ladder_rows(table, "L1")
    assert set(rows.diseases) == {"DME", "CNV", "AMD", "all", "others"}
    assert len(rows) == 6 * 4 + 2 and "no network" not in set(rows.rung)
    row = rows[(rows.rung == "DME") & (rows.seed == 1) & (rows.diseases == "CNV")].iloc[0]
    assert (row.auroc, row.low, row.high) == pytest.approx((0.7, 0.6, 0.8))
    means = module_05.ladder_means(table, "L1")
    assert list(means.index) == ["denoising", "DME", "all labels"]
    assert means.loc["denoising", "AMD"] == pytest.approx(0.8)
    gains = module_05.label_gains(table, "L1", "denoising")
    assert dict(gains) == pytest.approx({0: 0.8 / 3, 1: 0.7 / 3})
    assert module_05.seeds_of(table) == "seeds of each rung: 2"
    assert module_05.seeds_of(table.drop(index=1)) == "seeds of each rung: 1 to 2"
    assert "lowest rung is denoising, the highest all labels" in module_05.ladder_alt(means)


def test_the_trivial_scores_of_a_ladder_are_read_under_their_present_names(table):
    areas = module_05.without_network(table.assign(**{"nearest picture, all": 0.6}))
    assert (areas["nearest image, all"], areas["PCA, 32, all"]) == (0.6, 0.5)


def test_the_others_are_the_diseases_that_a_rung_has_not_seen(table):
    found = module_05.held_in(table, "L1", below="denoising")
    assert list(found) == ["its own", "the others"]
    assert list(found.index) == [("DME", 0), ("DME", 1)]
    areas = {key: area for key, area in AREAS.items() if key[0] != "all labels"}
    for seed in (0, 1):
        dme, *others = np.subtract(areas["DME", seed], areas["denoising", seed])
        assert list(found.loc[("DME", seed)]) == pytest.approx([dme, np.mean(others)])


def test_a_gain_is_told_with_the_seeds_that_agree():
    assert module_05.with_seeds([0.1, 0.2, -0.03]) == "+0.090 (2 of 3 seeds above 0)"
    assert module_05.with_seeds([-0.1, -0.2]) == "-0.150 (2 of 2 seeds below 0)"


def test_a_lead_is_paired_and_redraws_patients():
    test = made(5, 32, masks=True)
    rng = np.random.default_rng(0)
    sick = test.labels != test.classes.index("NORMAL")
    shared = 5 * rng.normal(size=test.labels.max() + 1)[test.labels] + rng.normal(size=len(test))
    found = module_05.leads(shared + 2 * sick, shared, test)
    assert list(found) == [*module_05.diseases(test), "all"]
    expected = auroc((shared + 2 * sick)[~sick], (shared + 2 * sick)[sick])
    expected -= auroc(shared[~sick], shared[sick])
    assert found.loc["difference", "all"] == pytest.approx(expected)
    assert (found.loc["low"] <= found.loc["difference"]).all()
    assert (found.loc["difference"] <= found.loc["high"]).all()
    assert (module_05.leads(shared, shared, test) == 0).all(axis=None)


def test_an_example_has_the_largest_lesion_of_its_class_and_its_grey_is_told():
    scans = made(3, 32, masks=True)
    scans.masks[np.flatnonzero(scans.labels == 1)[2], :2] = True
    found = module_05.examples(scans)
    assert list(found.labels) == [2, 0, 1] and found.masks[2, :2].all()
    x = torch.zeros(3, 1, 32, 32)
    x[1, 0][torch.from_numpy(found.masks[1])] = 0.25
    assert "AMD 0." in module_05.lesion_greys(found, x) and " and 0.25;" in module_05.lesion_greys(
        found, x
    )
    unknown = module_05.examples(made(3, 32, masks=False))
    assert list(unknown.labels) == [2, 0, 1] and module_05.lesion_greys(unknown, x) == ""


def test_by_patient_a_rate_is_kept_and_by_scan_it_is_not():
    flat = module_05.rates_for_new_patients(
        lambda scores, who, new: conformal_p_values(scores, new), (5, 20), repeats=200
    )
    grouped = module_05.rates_for_new_patients(patient_p_values, (5, 20), repeats=200)
    assert flat[5] > 0.08 and grouped[5] == 0 and 0.01 < grouped[20] <= 0.05
    # scans of a patient that have nothing in common are as good as patients
    alike = module_05.rates_for_new_patients(
        lambda scores, who, new: conformal_p_values(scores, new), (5,), between=0, repeats=200
    )
    assert 0.03 < alike[5] <= 0.055
