"""What may be wrong with an archive or a folder of pictures, and what is done about it."""

import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from faults import assert_nothing_half_written, jpeg, refused, targz, tiny_mednist
from PIL import Image

from helpers.datasets import find, oct, store, tree
from helpers.datasets.prepare import prepare

MEDNIST, OCT = find("mednist"), find("oct")


def unpack(files, folder):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return buffer.getvalue()


def archive(tmp_path, data, name="MedNIST.tar.gz"):
    path = tmp_path / "given" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def prepared(root, data_set=MEDNIST, size=64):
    folder = root / f"{data_set.name}-{size}"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return store.read(folder, data_set.name), manifest


def left_out(manifest):
    return {entry["reason"]: entry["count"] for entry in manifest["left_out"]}


# --- one content, every form ---------------------------------------------------------------------


@pytest.mark.parametrize("form", ["tar.gz", "tar", "zip", "folder", "folder with the archive"])
def test_every_form_gives_the_same_arrays(tmp_path, form):
    files = dict(reversed(tiny_mednist().items()))  # order in the archive does not matter
    packed = targz(files)
    given = {
        "tar.gz": lambda: archive(tmp_path, packed),
        "tar": lambda: archive(tmp_path, gzip.decompress(packed), "MedNIST.tar"),
        "zip": lambda: archive(tmp_path, zipped(files), "MedNIST.zip"),
        "folder": lambda: unpack(files, tmp_path / "given"),
        "folder with the archive": lambda: archive(tmp_path, packed).parent,
    }[form]()
    prepare(MEDNIST, 64, tmp_path / "data", given)
    sets, manifest = prepared(tmp_path / "data")
    images = [tree.decode(data, 64) for _, data in sorted(files.items())]
    np.testing.assert_array_equal(sets["all"].images[:, 0], images)
    assert manifest["counts"]["all"] == dict.fromkeys(sets["all"].classes, 5)
    assert manifest["left_out"] == []


# --- hostile archives ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["../evil.jpeg", "/evil.jpeg", "MedNIST/../../evil", "C:/evil", "a\\b"]
)
@pytest.mark.parametrize("pack", [targz, zipped])
def test_path_that_leads_outside(tmp_path, path, pack):
    given = archive(tmp_path, pack({**tiny_mednist(), path: b"x"}), "given")
    given = given.rename(given.with_suffix(".tar.gz" if pack is targz else ".zip"))
    with refused(tmp_path / "data", "leads outside"):
        prepare(MEDNIST, 64, tmp_path / "data", given)
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_link_or_device(tmp_path, kind):
    given = archive(tmp_path, b"", "links.tar")
    with tarfile.open(given, "w") as tar:
        member = tarfile.TarInfo("MedNIST/Hand/000001.jpeg")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with refused(tmp_path / "data", "link or device"):
        prepare(MEDNIST, 64, tmp_path / "data", given)


@pytest.mark.parametrize("pack", [targz, zipped])
def test_bomb(tmp_path, pack):
    bomb = pack({**tiny_mednist(), "MedNIST/Hand/bomb.jpeg": bytes(60 << 20)})
    given = archive(tmp_path, bomb, "bomb.tar.gz" if pack is targz else "bomb.zip")
    with refused(tmp_path / "data", "absurd size"):
        prepare(MEDNIST, 64, tmp_path / "data", given)


def test_tar_that_declares_more_than_it_holds(tmp_path):
    given = archive(tmp_path, b"", "bomb.tar")
    with tarfile.open(given, "w") as tar:
        member = tarfile.TarInfo("MedNIST/Hand/000001.jpeg")
        member.size = 1 << 50
        tar.fileobj.write(member.tobuf())
    with refused(tmp_path / "data", "absurd size"):
        prepare(MEDNIST, 64, tmp_path / "data", given)


def test_picture_that_declares_an_absurd_size(tmp_path):
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    files = {**many_hands(), "MedNIST/Hand/bomb.png": file.getvalue()}
    prepare(MEDNIST, 64, tmp_path, unpack(files, tmp_path / "given"))
    assert left_out(prepared(tmp_path)[1]) == {"cannot be decoded": 1}


# --- damaged archives ----------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize(("pack", "name"), [(targz, "M.tar.gz"), (zipped, "M.zip")])
def test_truncated_archive(tmp_path, pack, name, share):
    data = pack(tiny_mednist())
    given = archive(tmp_path, data[: int(share * len(data))], name)
    with refused(tmp_path / "data", "incomplete or damaged|neither a folder nor"):
        prepare(MEDNIST, 64, tmp_path / "data", given)


def test_truncated_tar(tmp_path):
    data = gzip.decompress(targz(tiny_mednist()))
    with refused(tmp_path / "data", "incomplete or damaged|ends too early"):
        prepare(MEDNIST, 64, tmp_path / "data", archive(tmp_path, data[: len(data) // 2], "M.tar"))


def test_altered_zip(tmp_path):
    data = bytearray(zipped(tiny_mednist()))
    data[len(data) // 2] ^= 255
    with refused(tmp_path / "data", "incomplete or damaged"):
        prepare(MEDNIST, 64, tmp_path / "data", archive(tmp_path, bytes(data), "M.zip"))


def test_no_archive_at_all(tmp_path):
    with refused(tmp_path / "data", "no such file"):
        prepare(MEDNIST, 64, tmp_path / "data", tmp_path / "nothing.tar.gz")


def many_hands():
    """Enough pictures for one bad one to be under a hundredth."""
    return tiny_mednist() | {f"MedNIST/Hand/{i}.jpeg": jpeg(1000 + i) for i in range(100)}


@pytest.mark.parametrize("bad", [b"", b"no picture", jpeg(7)[:-300]])
def test_picture_that_is_none_is_skipped_and_named(tmp_path, bad):
    files = {**many_hands(), "MedNIST/Hand/bad.jpeg": bad}
    prepare(MEDNIST, 64, tmp_path, unpack(files, tmp_path / "given"))
    sets, manifest = prepared(tmp_path)
    assert len(sets["all"]) == 130
    assert left_out(manifest) == {"cannot be decoded": 1}
    assert manifest["left_out"][0]["examples"][0].startswith("MedNIST/Hand/bad.jpeg: ")


def test_many_bad_pictures_are_refused(tmp_path):
    bad = {f"MedNIST/Hand/bad{i}.jpeg": b"no picture %d" % i for i in range(4)}
    given = unpack({**many_hands(), **bad}, tmp_path / "given")
    with refused(tmp_path / "data", "4 of 134 pictures cannot be decoded"):
        prepare(MEDNIST, 64, tmp_path / "data", given)


def test_strange_files_and_folders_are_counted(tmp_path):
    files = {
        **tiny_mednist(),
        "MedNIST/README.md": b"text",
        "MedNIST/Cats/1.jpeg": jpeg(999),
        "MedNIST/.DS_Store": b"x",
        "__MACOSX/MedNIST/Hand/._1.jpeg": b"x",
    }
    prepare(MEDNIST, 64, tmp_path / "data", archive(tmp_path, targz(files)))
    sets, manifest = prepared(tmp_path / "data")
    assert len(sets["all"]) == 30
    assert left_out(manifest) == {
        "not a picture in a class folder": 1,
        "class folder that MedNIST does not have": 1,
    }


def test_empty_class(tmp_path):
    files = {path: data for path, data in tiny_mednist().items() if "Hand" not in path}
    given = unpack(files, tmp_path / "given")
    (given / "MedNIST" / "Hand").mkdir()
    with refused(tmp_path / "data", "no pictures of Hand"):
        prepare(MEDNIST, 64, tmp_path / "data", given)


def test_empty_folder(tmp_path):
    (tmp_path / "given").mkdir()
    with refused(tmp_path / "data", "found: none"):
        prepare(MEDNIST, 64, tmp_path / "data", tmp_path / "given")


def test_class_folders_in_two_places(tmp_path):
    files = {f"{place}/{path}": data for place in "ab" for path, data in tiny_mednist().items()}
    with refused(tmp_path / "data", "side by side"):
        prepare(MEDNIST, 64, tmp_path / "data", unpack(files, tmp_path / "given"))


def test_exact_copies_are_left_out_and_counted(tmp_path):
    files = tiny_mednist()
    files["MedNIST/Hand/copy.jpeg"] = files["MedNIST/Hand/000000.jpeg"]
    files["MedNIST/HeadCT/copy.jpeg"] = files["MedNIST/Hand/000000.jpeg"]
    prepare(MEDNIST, 64, tmp_path, unpack(files, tmp_path / "given"))
    sets, manifest = prepared(tmp_path)
    assert len(np.unique(sets["all"].images.reshape(30, -1), axis=0)) == 30
    assert left_out(manifest) == {
        "exact copy of another picture (Hand)": 1,
        "exact copy of another picture (HeadCT)": 1,
    }


# --- MNIST and CIFAR-10 --------------------------------------------------------------------------


def test_altered_idx_file(tmp_path):
    for part in ("images-idx3", "labels-idx1"):
        archive(tmp_path, gzip.compress(b"no digits"), f"t10k-{part}-ubyte.gz")
    with refused(tmp_path / "data", "t10k-images-idx3-ubyte.gz is incomplete or altered"):
        prepare(find("mnist"), 28, tmp_path / "data", tmp_path / "given")


def test_images_without_their_labels(tmp_path):
    archive(tmp_path, b"", "t10k-images-idx3-ubyte.gz")
    with refused(tmp_path / "data", "no complete pair"):
        prepare(find("mnist"), 28, tmp_path / "data", tmp_path / "given")


def test_altered_cifar_batches_are_never_unpickled(tmp_path):
    from torchvision.datasets import CIFAR10

    bomb = b"cos\nmkdir\n(S'%s'\ntR." % str(tmp_path / "unpickled").encode()
    names = [*(name for name, _ in CIFAR10.train_list), "test_batch", "batches.meta"]
    given = archive(tmp_path, targz({f"cifar-10-batches-py/{name}": bomb for name in names}))
    with refused(tmp_path / "data", "incomplete or altered"):
        prepare(find("cifar10"), 32, tmp_path / "data", given)
    assert not (tmp_path / "unpickled").exists()


# --- OCT, three doors ----------------------------------------------------------------------------


def octmnist(path, size=64, **changes):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 20), ("val", 6), ("test", 8)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, size, size), np.uint8)
        arrays[f"{split}_labels"] = rng.integers(0, 4, (count, 1))
    np.savez_compressed(path, **(arrays | changes))
    return arrays


def test_octmnist(tmp_path):
    path = tmp_path / "octmnist_64.npz"
    arrays = octmnist(path)
    prepare(OCT, 64, tmp_path, path)
    sets, _ = prepared(tmp_path, OCT)
    train = np.concatenate([arrays["train_images"], arrays["val_images"]])
    np.testing.assert_array_equal(sets["train"].images[:, 0], train)
    np.testing.assert_array_equal(sets["test"].images[:, 0], arrays["test_images"])
    np.testing.assert_array_equal(sets["test"].labels, arrays["test_labels"][:, 0])
    assert sets["train"].classes == ("CNV", "DME", "DRUSEN", "NORMAL")


def test_octmnist_training_scan_that_is_in_the_test_part(tmp_path):
    path = tmp_path / "octmnist_64.npz"
    arrays = octmnist(path)
    arrays["train_images"][3] = arrays["test_images"][0]
    np.savez_compressed(path, **arrays)
    prepare(OCT, 64, tmp_path, path)
    sets, manifest = prepared(tmp_path, OCT)
    assert (len(sets["train"]), len(sets["test"])) == (25, 8)
    assert left_out(manifest) == {"exact copy of another scan": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"train_images": np.zeros((20, 28, 28), np.uint8)},
        {"train_images": np.zeros((20, 64, 64))},
        {"val_labels": np.array([[object()]] * 6)},
        {"test_labels": np.zeros((3, 1), int)},
    ],
)
def test_octmnist_with_wrong_arrays(tmp_path, changes):
    octmnist(tmp_path / "octmnist_64.npz", **changes)
    with refused(tmp_path / "data", "no whole OCTMNIST"):
        prepare(OCT, 64, tmp_path / "data", tmp_path / "octmnist_64.npz")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_truncated_npz(tmp_path, share):
    path = tmp_path / "octmnist_64.npz"
    octmnist(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with refused(tmp_path / "data", "no whole OCTMNIST"):
        prepare(OCT, 64, tmp_path / "data", path)


def scans(names, start=0):
    return {name: jpeg(start + i, (100, 60)) for i, name in enumerate(names)}


def test_kermany_patients_of_the_test_part_leave_the_training_part(tmp_path):
    files = scans(
        [f"OCT2017 /train/CNV/CNV-{p}-{i}.jpeg" for p in (11, 12) for i in (1, 2)]
        + [f"OCT2017 /train/NORMAL/NORMAL-{p}-{i}.jpeg" for p in (12, 13) for i in (1, 2)]
        + ["OCT2017 /test/CNV/CNV-12-9.jpeg", "OCT2017 /test/NORMAL/NORMAL-14-1.jpeg"]
        + ["OCT2017 /val/NORMAL/NORMAL-15-1.jpeg"]
    )
    prepare(OCT, 64, tmp_path / "data", archive(tmp_path, targz(files), "OCT2017.tar.gz"))
    sets, manifest = prepared(tmp_path / "data", OCT)
    assert sorted(sets["train"].groups) == [11, 11, 13, 13, 15]
    assert sorted(sets["test"].groups) == [12, 14]
    assert left_out(manifest) == {"training scan of a patient who is in the test part": 4}
    assert sets["train"].images.shape == (5, 1, 64, 64)


def test_folder_without_a_split_is_cut_by_ranges_of_numbers(tmp_path):
    names = [f"{name}/{name}_{i}.jpeg" for name in ("AMD", "Normal") for i in range(1, 13)]
    given = unpack(scans(names), tmp_path / "given")
    prepare(OCT, 32, tmp_path / "data", given)
    sets, manifest = prepared(tmp_path / "data", OCT, 32)
    assert sets["train"].classes == ("AMD", "NORMAL")
    assert manifest["counts"] == {
        "train": {"AMD": 8, "NORMAL": 8},
        "test": {"AMD": 4, "NORMAL": 4},
    }
    last = [tree.decode((given / f"AMD/AMD_{i}.jpeg").read_bytes(), 32) for i in (9, 10, 11, 12)]
    found = sets["test"].of_class("AMD").images[:, 0]
    assert {x.tobytes() for x in found} == {x.tobytes() for x in last}
    assert sets["train"].groups is None


def test_folder_without_normal_scans(tmp_path):
    given = unpack(scans(["AMD/1.jpeg", "DME/1.jpeg"]), tmp_path / "given")
    with refused(tmp_path / "data", "a folder called normal"):
        prepare(OCT, 64, tmp_path / "data", given)


def test_patient_in_a_name():
    assert oct.patient("train/CNV/CNV-1016042-12.jpeg") == 1016042
    assert oct.patient("AMD/AMD_12.jpeg") is None


def test_no_download_at_an_odd_size(tmp_path):
    with refused(tmp_path, "no download at 96 pixels"):
        prepare(OCT, 96, tmp_path)
    assert_nothing_half_written(tmp_path)
