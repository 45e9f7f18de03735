"""load(): sources, environment, banners, prepared files, mirrors; and the command lines."""

import json
import threading
import zlib
from functools import partial
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from faults import assert_nothing_half_written, refused, targz, tiny_mednist

from data_scripts import check, mirror, prepare
from helpers import datasets, doctor
from helpers.datasets import DATA_SETS, DataError, ImageSet, find, load, offline, store

KEYS = {
    "mnist": ("train", "test"),
    "fashion_mnist": ("train", "test"),
    "mednist": ("all",),
    "cifar10": ("train", "test"),
    "oct": ("train", "test"),
}


@pytest.fixture
def archive(tmp_path):
    """An archive of the tiny MedNIST."""
    path = tmp_path / "archives" / "mednist" / "MedNIST.tar.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(targz(tiny_mednist()))
    return path


@pytest.fixture
def root(tmp_path, archive):
    """A folder with the tiny MedNIST, prepared."""
    root = tmp_path / "data"
    assert prepare.main(["mednist", "--archive", str(archive), "--root", str(root)]) == 0
    return root


# --- sources -------------------------------------------------------------------------------------


def test_prepared_files_are_real_memory_mapped_and_read_only(root, capsys):
    pictures = load("mednist", root=root)["all"]
    assert pictures.source == "real" and len(pictures) == 30
    assert isinstance(pictures.images, np.memmap) and not pictures.images.flags.writeable
    out = capsys.readouterr().out
    assert "mednist: real data, all 30 of 1×64×64" in out and "Mayo Clinic" in out


def test_smoke_loads_few_images_of_large_splits(root, monkeypatch, capsys):
    whole = load("mednist", root=root)["all"]
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    assert len(load("mednist", root=root)["all"]) == 30
    monkeypatch.setitem(datasets.FEW, "mednist", 20)
    few = load("mednist", root=root)["all"]
    assert "real data, all 20 of" in capsys.readouterr().out and len(few) == 20
    places = [np.flatnonzero((whole.images == image).all((1, 2, 3)))[0] for image in few.images]
    assert places == sorted(places) and (few.labels == whole.labels[places]).all()


def test_sample_says_that_it_is_one_and_how_to_get_the_real(capsys):
    digits = load("mnist", source="sample")
    assert digits["train"].source == "sample"
    out = capsys.readouterr().out
    assert "mnist: offline sample" in out and "python -m data_scripts.prepare mnist" in out


def test_sample_of_another_size_names_that_size(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(datasets, "sample", lambda *_: offline.sample(find("mnist"), 28, tmp_path))
    load("oct", source="sample", size=128, root=tmp_path)
    assert "python -m data_scripts.prepare oct --size 128" in capsys.readouterr().out


def test_banner_of_every_call(root, monkeypatch):
    shown = []
    monkeypatch.setattr(datasets.Banner, "show", lambda self: shown.append(self))
    for _ in range(2):
        load("mednist", root=root)
        load("mnist", source="sample")
    assert len(shown) == 4
    assert all("<b>" in banner._repr_html_() and str(banner) for banner in shown)


def test_environment_decides_in_place_of_auto_only(root, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(root))
    assert load("mednist")["all"].source == "real"
    monkeypatch.setenv("COURSE_SOURCE", "sample")
    assert load("mnist")["train"].source == "sample"
    assert load("mednist", source="real")["all"].source == "real"
    monkeypatch.setenv("COURSE_SOURCE", "nonsense")
    with pytest.raises(ValueError, match="auto, real, sample"):
        load("mnist")


def test_real_is_never_replaced_by_the_sample(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "bring", lambda *_: pytest.fail("unexpected download"))
    with pytest.raises(pytest.fail.Exception):
        load("mnist", source="real", root=tmp_path)


def test_errors_of_use():
    with pytest.raises(ValueError, match="no data set 'minst'; there are mnist, "):
        load("minst")
    with pytest.raises(ValueError, match="mnist comes in size 28, not 64"):
        load("mnist", size=64)
    with pytest.raises(ValueError, match="sample of oct comes in size 64 or 128, not 96"):
        load("oct", source="sample", size=96)


def test_root_in_the_home_folder(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root.parent))
    monkeypatch.setenv("USERPROFILE", str(root.parent))
    monkeypatch.setenv("PLACE", root.name)
    for given in (f"~/{root.name}", "~/$PLACE", Path("~") / root.name):
        assert len(load("mednist", source="real", root=given)["all"]) == 30


def test_images_that_cannot_be_drawn_or_shrunk():
    some = ImageSet(np.zeros((6, 1, 9, 12), np.uint8), np.zeros(6, np.int64), ("a",), name="mine")
    assert some.shrink(3).images.shape == (6, 1, 3, 4)
    for factor in (2, 0, -3, 1.5, "3"):
        with pytest.raises(ValueError, match=f"mine: images of 9×12 .* by {factor!r}; .*: 1, 3$"):
            some.shrink(factor)
    for sizes in ([-1], [3, -1]):
        with pytest.raises(ValueError, match="mine: sizes are numbers of images, 0 or more; got"):
            some.draw(*sizes, seed=0)
    assert [len(part) for part in some.draw(0, 6, seed=0)] == [0, 6]


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_sample_has_the_keys_of_the_real_set(name, drawn):
    sets = load(name, source="sample", root=drawn(name))
    assert tuple(sets) == KEYS[name]
    for part in sets.values():
        assert isinstance(part, ImageSet) and part.source == "sample" and part.name == name
        assert part.images.shape[2:] == (find(name).sizes[0],) * 2
        assert set(np.unique(part.labels)) == set(range(len(part.classes)))
        assert not part.images.flags.writeable


def test_a_slow_sample_is_kept_on_disk_and_made_anew_when_its_source_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(offline, "ENOUGH", 0)
    digits = find("mnist")
    offline.sample.cache_clear()
    made = offline.sample(digits, 28, tmp_path)
    assert not made["train"].images.flags.writeable
    offline.sample.cache_clear()
    kept = offline.sample(digits, 28, tmp_path)
    assert isinstance(kept["train"].images, np.memmap)
    np.testing.assert_array_equal(kept["train"].images, made["train"].images)
    assert kept["test"].origin == made["test"].origin
    assert_nothing_half_written(tmp_path / "samples")
    monkeypatch.setattr(offline, "_recipe", lambda: "other sources")
    offline.sample.cache_clear()
    assert not isinstance(offline.sample(digits, 28, tmp_path)["train"].images, np.memmap)


def test_sample_where_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(offline, "ENOUGH", 0)
    file = tmp_path / "file"
    file.write_text("")
    offline.sample.cache_clear()
    assert len(offline.sample(find("mnist"), 28, file / "below")["train"]) == 1297


def test_digits_are_real_in_fixed_parts():
    from sklearn.datasets import load_digits
    from sklearn.neighbors import KNeighborsClassifier

    digits = load("mnist", source="sample")
    labels = np.concatenate([digits["train"].labels, digits["test"].labels])
    np.testing.assert_array_equal(labels, load_digits().target)
    # turned and stretched, each is still nearest to digits of its own class
    train, test = (part.images.reshape(len(part), -1) / 255 for part in digits.values())
    nearest = KNeighborsClassifier(3).fit(train, digits["train"].labels)
    assert nearest.score(test, digits["test"].labels) > 0.85


def test_garments_are_one_for_each_seed_and_vary(drawn):
    from helpers.datasets.samples.garments import make

    root = drawn("fashion_mnist")
    first = make()["train"].images
    again = load("fashion_mnist", source="sample", root=root)["train"].images
    assert zlib.crc32(first.tobytes()) == 3685071865
    np.testing.assert_array_equal(first, again)
    assert (first != make(seed=1)["train"].images).any(axis=(1, 2, 3)).all()
    assert len(np.unique(first.reshape(2000, -1), axis=0)) == 2000


def test_garments_can_be_told_apart_but_not_by_brightness(drawn):
    from sklearn.neighbors import KNeighborsClassifier

    parts = load("fashion_mnist", source="sample", root=drawn("fashion_mnist"))
    x = {split: part.images.reshape(len(part), -1) / 255 for split, part in parts.items()}
    y = {split: part.labels for split, part in parts.items()}

    def accuracy(features):
        model = KNeighborsClassifier().fit(features(x["train"]), y["train"])
        return model.score(features(x["test"]), y["test"])

    assert accuracy(lambda x: x) > 0.8
    assert accuracy(lambda x: x.mean(1, keepdims=True)) < 0.4


# --- prepared files that went bad ----------------------------------------------------------------


def test_shortened_file_is_refused_and_auto_takes_the_sample(root, monkeypatch, capsys):
    images = root / "mednist-64" / "all_images.npy"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(DataError, match="instead of 1") as caught:
        load("mednist", source="real", root=root)
    assert len(str(caught.value).splitlines()) == 4
    monkeypatch.setattr(datasets, "sample", lambda *_: offline.sample(find("mnist"), 28, root))
    load("mednist", root=root)
    assert "files are damaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"format": 99}', "[]", '{"format": 1, "files": 3}', '{"format": 1, "files": {}}'],
)
def test_damaged_manifest(root, text):
    (root / "mednist-64" / "manifest.json").write_text(text)
    with pytest.raises(DataError, match="damaged"):
        load("mednist", source="real", root=root)


def test_pickle_in_place_of_an_array_is_not_opened(root):
    folder = root / "mednist-64"
    labels = np.empty(2, object)
    labels[:] = [print, len]
    np.save(folder / "all_labels.npy", labels, allow_pickle=True)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["all_labels.npy"]["bytes"] = (folder / "all_labels.npy").stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(DataError, match="allow_pickle=False"):
        load("mednist", source="real", root=root)


def test_preparing_again_replaces_what_was_there(root, archive):
    files = tiny_mednist()
    files.pop("MedNIST/Hand/000000.jpeg")
    archive.write_bytes(targz(files))
    assert prepare.main(["mednist", "--archive", str(archive), "--root", str(root)]) == 0
    assert len(load("mednist", root=root)["all"]) == 29
    assert sorted(path.name for path in root.iterdir()) == [".mednist-64.lock", "mednist-64"]


# --- mirrors -------------------------------------------------------------------------------------


@pytest.fixture
def served(root, tmp_path):
    """A mirror of `root` made by the command and served on the loopback: (folder, address)."""
    folder = tmp_path / "mirror"
    assert mirror.main([str(folder), "--root", str(root)]) == 0
    handler = partial(mirror.Handler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def same(first, second):
    np.testing.assert_array_equal(first["all"].images, second["all"].images)
    np.testing.assert_array_equal(first["all"].labels, second["all"].labels)


def test_mirror_over_http(root, served, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", served[1])
    fresh = tmp_path / "fresh"
    same(load("mednist", root=fresh), load("mednist", root=root))
    store.check(fresh / "mednist-64")
    assert_nothing_half_written(fresh)


def test_mirror_goes_on_where_a_download_was_cut(root, served, tmp_path, monkeypatch):
    fresh = tmp_path / "fresh"
    part = fresh / "downloads" / "mednist-64" / "all_images.npy.part"
    part.parent.mkdir(parents=True)
    images = (root / "mednist-64" / "all_images.npy").read_bytes()
    part.write_bytes(images[:1000])
    asked = []
    answer = mirror.Handler.do_GET
    monkeypatch.setattr(
        mirror.Handler, "do_GET", lambda self: (asked.append(self.headers["Range"]), answer(self))
    )
    monkeypatch.setenv("COURSE_MIRROR", served[1])
    same(load("mednist", source="real", root=fresh), load("mednist", root=root))
    assert "bytes=1000-" in asked


def test_mirror_on_a_stick(root, served, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", str(served[0]))
    same(load("mednist", root=tmp_path / "fresh"), load("mednist", root=root))
    assert not (tmp_path / "fresh").exists()  # read where it is


def test_damaged_mirror(served, tmp_path, monkeypatch):
    folder, address = served
    images = folder / "mednist-64" / "all_images.npy"
    images.write_bytes(images.read_bytes()[:-1] + b"x")
    monkeypatch.setenv("COURSE_MIRROR", address)
    with refused(tmp_path / "fresh", "all_images.npy could not be downloaded .*wrong sha256 sum"):
        load("mednist", source="real", root=tmp_path / "fresh")


@pytest.mark.parametrize("odd", ["../../evil.npy", "/evil.npy", "evil.py", "..\\evil.npy"])
def test_mirror_with_odd_names(served, tmp_path, monkeypatch, odd):
    manifest = served[0] / "mednist-64" / "manifest.json"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace("all_labels.npy", json.dumps(odd)[1:-1])
    )
    monkeypatch.setenv("COURSE_MIRROR", served[1])
    with refused(tmp_path / "fresh", "odd files"):
        load("mednist", source="real", root=tmp_path / "fresh")


@pytest.mark.parametrize("text", ["not json", "[]", "{}", '{"files": {"a.npy": {}}}'])
def test_mirror_with_a_bad_manifest(served, tmp_path, monkeypatch, text):
    (served[0] / "mednist-64" / "manifest.json").write_text(text)
    monkeypatch.setenv("COURSE_MIRROR", served[1])
    with refused(tmp_path / "fresh", "mirror does not give it"):
        load("mednist", source="real", root=tmp_path / "fresh")


def test_mirror_that_lacks_the_set_or_is_gone(served, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_MIRROR", served[1])
    with refused(tmp_path / "fresh", "HTTP 404"):
        load("mnist", source="real", root=tmp_path / "fresh")
    monkeypatch.setenv("COURSE_MIRROR", "http://127.0.0.1:9")
    load("mnist", root=tmp_path / "fresh")
    assert "mirror does not give it (cannot be reached)" in capsys.readouterr().out


def test_mirror_serves_nothing_outside_its_folder(served):
    # http.client sends a path as it is; requests resolves the dots of the first before it asks
    outside = "data/mednist-64/manifest.json"
    for path in (f"/../{outside}", f"/%2e%2e/{outside}", "/../", "/mednist-64", "/mednist-64/"):
        assert answer_of(served[1], path)[0] == 404


def answer_of(address, path):
    """(status, type, text) of what a mirror answers."""
    connection = HTTPConnection(address.removeprefix("http://"), timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.headers["Content-Type"], answer.read().decode()
    connection.close()
    return found


def test_address_of_the_mirror_names_what_it_holds_and_nothing_else(served, monkeypatch):
    folder, address = served
    (folder / "grades.csv").touch()
    (folder / "private").mkdir()
    status, kind, text = answer_of(address, "/")
    assert status == 200 and kind == "text/plain; charset=utf-8"
    assert text.splitlines() == ["The classroom mirror answers. It holds:", "mednist-64"]
    monkeypatch.setenv("COURSE_MIRROR", address)
    assert doctor.mirror() == ("ok", address)


# --- command lines -------------------------------------------------------------------------------


def test_prepare_says_what_it_did(archive, tmp_path, capsys):
    folder = archive.parents[1]  # it holds mednist/, as a folder of archives would
    assert prepare.main(["mednist", "--archive", str(folder), "--root", str(tmp_path / "d")]) == 0
    assert "mednist: all 30 at 64 px" in capsys.readouterr().out


def test_prepare_goes_on_after_a_failure_and_reports_it(archive, tmp_path, capsys):
    folder = archive.parents[1]
    (folder / "oct").mkdir()
    arguments = ["oct", "mednist", "--archive", str(folder), "--root", str(tmp_path / "d")]
    assert prepare.main(arguments) == 1
    captured = capsys.readouterr()
    assert (
        "class folders must stand side by side" in captured.err
        and "mednist: all 30" in captured.out
    )


def test_prepare_does_nothing_twice(root, capsys, monkeypatch):
    monkeypatch.setattr("helpers.datasets.prepare._official", lambda *_: pytest.fail("downloads"))
    assert prepare.main(["mednist", "--root", str(root)]) == 0
    assert "all 30" in capsys.readouterr().out


def test_dry_run_shows_addresses_and_sizes_and_does_nothing(root, tmp_path, capsys):
    assert prepare.main(["--dry-run", "--root", str(tmp_path / "none")]) == 0
    out = capsys.readouterr().out
    for name, data_set in DATA_SETS.items():
        assert f"{name}: download to" in out
        for file in data_set.files(data_set.sizes[0]):
            assert file.urls[0] in out and file.checksum in out
    assert "up to 170 MB" in out and not (tmp_path / "none").exists()
    prepare.main(["mednist", "--dry-run", "--root", str(root)])
    assert "is there already" in capsys.readouterr().out


def test_unknown_name_on_the_command_line(capsys):
    with pytest.raises(SystemExit):
        prepare.main(["minst"])
    assert "no data set minst" in capsys.readouterr().err


def test_check_finds_one_altered_byte(root, capsys):
    assert check.main(["--root", str(root)]) == 0
    assert "mednist-64: good, all 30" in capsys.readouterr().out
    images = root / "mednist-64" / "all_images.npy"
    images.write_bytes(images.read_bytes()[:-1] + b"x")
    assert check.main(["--root", str(root)]) == 1
    assert "all_images.npy is damaged (wrong sha256 sum)" in capsys.readouterr().err


def test_check_and_mirror_of_nothing(tmp_path, capsys):
    assert check.main(["--root", str(tmp_path)]) == 0
    assert mirror.main([str(tmp_path / "m"), "--root", str(tmp_path)]) == 1
    assert "No prepared data" in capsys.readouterr().out


# --- what is written down ------------------------------------------------------------------------


def test_addresses_and_checksums_are_torchvisions():
    from torchvision import datasets as torchvision

    for name in ("MNIST", "FashionMNIST"):
        loader = getattr(torchvision, name)
        files = find({"MNIST": "mnist", "FashionMNIST": "fashion_mnist"}[name]).files(28)
        assert [(f.name, f.checksum) for f in files] == [
            (n, f"md5:{m}") for n, m in loader.resources
        ]
        for file in files:
            assert {mirror + file.name for mirror in loader.mirrors} <= set(file.urls)
    (file,) = find("cifar10").files(32)
    assert (file.urls[0], file.checksum) == (
        torchvision.CIFAR10.url,
        f"md5:{torchvision.CIFAR10.tgz_md5}",
    )


def test_manifest_says_what_a_reader_needs(root):
    text = (root / "mednist-64" / "manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    for key in ("source", "licence", "citation", "counts", "left_out", "files", "origin"):
        assert key in manifest
    assert all(len(facts["sha256"]) == 64 for facts in manifest["files"].values())
    assert str(root) not in text


def test_import_is_light():
    import subprocess
    import sys

    code = "import helpers.datasets, sys; print({'torch', 'sklearn', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
