"""What may be wrong with an archive or a folder of pictures, and what is done about it."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import stat
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from faults import assert_nothing_half_written, jpeg, refused, targz, tiny_mednist
from PIL import Image

from helpers.datasets import DataError, find, mnist, oct, store, tree
from helpers.datasets.pictures import read_scans
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


def dotted(files):
    return {f"./{path}": data for path, data in files.items()}


FORMS = {  # what `files` are packed as, by the name of the file that is given
    "MedNIST.tar.gz": targz,
    "MedNIST.tar.gz?dl=1": targz,
    "MedNIST.tar.gz.1": targz,
    "MedNIST.zip": targz,  # renamed by somebody
    "MedNIST.tar": lambda files: gzip.decompress(targz(files)),
    "MedNIST.tar.xz": lambda files: lzma.compress(gzip.decompress(targz(files))),
    "MedNIST.tbz": lambda files: bz2.compress(gzip.decompress(targz(files))),
    "MedNIST": lambda files: targz(dotted(files)),
    "MedNIST (1).zip": lambda files: zipped(files),
    "dotted.zip": lambda files: zipped(dotted(files)),
    "Windows.zip": lambda files: zipped({p.replace("/", "\\"): d for p, d in files.items()}),
    "twice.zip": lambda files: zipped({"README.md": b"x", "a/MedNIST.tar.gz": targz(files)}),
    "thrice.tar.gz": lambda files: targz({"b.zip": zipped({"a.tgz": targz(files)})}),
    "MedNIST.zip.gz": lambda files: gzip.compress(zipped(files)),
}


@pytest.mark.parametrize("name", FORMS)
def test_an_archive_is_known_by_its_content(tmp_path, name):
    files = dict(reversed(tiny_mednist().items()))
    prepare(MEDNIST, 64, tmp_path / "data", archive(tmp_path, FORMS[name](files), name))
    sets, manifest = prepared(tmp_path / "data")
    images = [read_scans(data, 64)[0][0] for _, data in sorted(files.items())]
    np.testing.assert_array_equal(sets["all"].images[:, 0], images)
    assert manifest["left_out"] == []


def test_a_compressed_archive_is_unpacked_once(tmp_path, monkeypatch):
    """Under whatever name: to jump in it would cost a pass from its beginning for each picture."""
    calls = []
    one = tree._decompressed
    monkeypatch.setattr(tree, "_decompressed", lambda *args: calls.append(args) or one(*args))
    given = archive(tmp_path, targz(tiny_mednist()), "MedNIST.tar.gz?dl=1")
    prepare(MEDNIST, 64, tmp_path / "data", given)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "is a 7z archive"),
        (b"Rar!\x1a\x07" + bytes(99), "is a RAR archive"),
        (b"\n<!DOCTYPE html><html>Please log in</html>", "a web page"),
    ],
)
def test_what_is_no_archive_of_a_known_kind_is_named(tmp_path, data, match):
    with refused(tmp_path / "data", match):
        prepare(MEDNIST, 64, tmp_path / "data", archive(tmp_path, data, "MedNIST.zip"))


def test_zip_with_a_password_or_another_method(tmp_path):
    data = zipped(tiny_mednist())
    locked, other = bytearray(data), bytearray(data)
    at = data.rindex(b"PK\1\2")  # of one member, in the directory at the end
    locked[at + 8] |= 1
    other[at + 10] = 9  # Deflate64, which Windows takes for large files
    for changed, match in ((locked, "locked with a password"), (other, "Python does not read")):
        with refused(tmp_path / "data", match) as _:
            prepare(MEDNIST, 64, tmp_path / "data", archive(tmp_path, bytes(changed), "M.zip"))


def test_zip_with_a_link(tmp_path):
    given = archive(tmp_path, b"", "links.zip")
    with zipfile.ZipFile(given, "w") as file:
        link = zipfile.ZipInfo("MedNIST/Hand/1.jpeg")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    with refused(tmp_path / "data", "link or device"):
        prepare(MEDNIST, 64, tmp_path / "data", given)


@pytest.mark.parametrize("names", [["train.zip", "test.zip"], ["a.tar.gz", "b.zip", "c.7z"]])
def test_several_archives_are_listed(tmp_path, names):
    for name in names:
        archive(tmp_path, zipped({"NORMAL/1.jpeg": jpeg(1)}), name)
    with refused(tmp_path / "data", f"side by side: .*{names[0]}"):
        prepare(OCT, 64, tmp_path / "data", tmp_path / "given")


def test_the_official_archive_among_other_downloads(tmp_path):
    archive(tmp_path, b"%PDF", "paper.pdf")
    archive(tmp_path, zipped({"a/1.jpeg": jpeg(1)}), "photos.zip")
    given = archive(tmp_path, targz(tiny_mednist())).parent
    prepare(MEDNIST, 64, tmp_path / "data", given)
    assert len(prepared(tmp_path / "data")[0]["all"]) == 30


def test_a_refused_archive_leaves_what_was_prepared(tmp_path):
    prepare(MEDNIST, 64, tmp_path, archive(tmp_path, targz(tiny_mednist())))
    with pytest.raises(DataError):
        prepare(MEDNIST, 64, tmp_path, archive(tmp_path, b"text", "other"))
    assert len(prepared(tmp_path)[0]["all"]) == 30


def test_python_without_lzma(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lzma", None)
    given = archive(tmp_path, FORMS["MedNIST.tar.xz"](tiny_mednist()), "MedNIST.tar.xz")
    with refused(tmp_path / "data", "this Python was built without"):
        prepare(MEDNIST, 64, tmp_path / "data", given)


def test_one_damaged_archive_in_a_folder_is_called_damaged(tmp_path):
    given = archive(tmp_path, targz(tiny_mednist())[:9], "OCT2017.tar.gz").parent
    with refused(tmp_path / "data", "incomplete or damaged"):
        prepare(OCT, 64, tmp_path / "data", given)


def test_no_advice_to_delete(tmp_path):
    """What seems damaged may be the only copy of another set."""
    for data in (targz(tiny_mednist())[:-900], zipped(tiny_mednist())[:-9], b"text"):
        with pytest.raises(DataError) as caught:
            prepare(MEDNIST, 64, tmp_path / "data", archive(tmp_path, data))
        assert "delete" not in str(caught.value).splitlines()[2]


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
    images = [read_scans(data, 64)[0][0] for _, data in sorted(files.items())]
    np.testing.assert_array_equal(sets["all"].images[:, 0], images)
    assert manifest["counts"]["all"] == dict.fromkeys(sets["all"].classes, 5)
    assert manifest["left_out"] == []


# --- hostile archives ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["../evil.jpeg", "/evil.jpeg", "MedNIST/../../evil", "C:/evil", "a\\..\\..\\evil"]
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


def test_hard_link_to_a_member_is_that_member(tmp_path):
    """What tar makes of a file with two names; the second one is a copy."""
    given = archive(tmp_path, gzip.decompress(targz(tiny_mednist())), "links.tar")
    with tarfile.open(given, "a") as tar:
        member = tarfile.TarInfo("MedNIST/Hand/again.jpeg")
        member.type, member.linkname = tarfile.LNKTYPE, "./MedNIST/Hand/000001.jpeg"
        tar.addfile(member)
    prepare(MEDNIST, 64, tmp_path / "data", given)
    assert left_out(prepared(tmp_path / "data")[1]) == {"exact copy of another picture (Hand)": 1}


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
    assert left_out(prepared(tmp_path)[1]) == {"cannot be read": 1}


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
    assert left_out(manifest) == {"cannot be read": 1}
    assert manifest["left_out"][0]["examples"][0].startswith("MedNIST/Hand/bad.jpeg: ")


def test_many_bad_pictures_are_refused(tmp_path):
    bad = {f"MedNIST/Hand/bad{i}.jpeg": b"no picture %d" % i for i in range(4)}
    given = unpack({**many_hands(), **bad}, tmp_path / "given")
    with refused(tmp_path / "data", "4 of 134 pictures cannot be read"):
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


def test_class_names_that_differ_in_case_only(tmp_path):
    files = {path.replace("Hand", "hand"): data for path, data in tiny_mednist().items()}
    prepare(MEDNIST, 64, tmp_path, unpack(files, tmp_path / "given"))
    assert prepared(tmp_path)[1]["counts"]["all"]["Hand"] == 5


def test_another_set_is_listed(tmp_path):
    given = unpack(scans(["train/CNV/1.jpeg", "train/NORMAL/1.jpeg"]), tmp_path / "given")
    with refused(tmp_path / "data", "found: CNV, NORMAL"):
        prepare(MEDNIST, 64, tmp_path / "data", given)


@pytest.mark.parametrize(
    "bad", [b"", bytes(500), b"version https://git-lfs.github.com/spec/v1\n", b"<html>gone</html>"]
)
def test_hollow_files_are_unreadable_and_no_copies(tmp_path, bad):
    empty = {f"MedNIST/Hand/bad{i}.jpeg": bad for i in range(4)}
    given = unpack({**many_hands(), **empty}, tmp_path / "given")
    with refused(tmp_path / "data", "4 of 134 pictures cannot be read"):
        prepare(MEDNIST, 64, tmp_path / "data", given)


@pytest.mark.parametrize("copy", ["1 - Copy", "1 (1)", "Copy of 1", "1 - Kopie (2)", "1~"])
def test_the_copy_goes_and_the_original_stays(tmp_path, copy):
    files = many_hands()
    files[f"MedNIST/Hand/{copy}.jpeg"] = files["MedNIST/Hand/1.jpeg"]
    prepare(MEDNIST, 64, tmp_path, unpack(files, tmp_path / "given"))
    (left_out,) = prepared(tmp_path)[1]["left_out"]
    assert left_out["examples"] == [f"MedNIST/Hand/{copy}.jpeg"]


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


@pytest.fixture
def idx(monkeypatch):
    """{set: {official name: bytes}} of two small sets, whose sums count as the official ones."""
    rng, made, unpacked = np.random.default_rng(0), {}, {}
    for name, files in mnist.FILES.items():
        made[name], sums = {}, []
        for file, _, size in files:
            shape = (20, 28, 28) if "images" in file else (20,)
            head = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
            raw = head + rng.integers(0, 10, shape, dtype=np.uint8).tobytes()
            made[name][file] = gzip.compress(raw)
            sums.append((file, hashlib.md5(made[name][file]).hexdigest(), size))
            unpacked[hashlib.md5(raw).hexdigest()] = name, file
        monkeypatch.setitem(mnist.FILES, name, tuple(sums))
    monkeypatch.setattr(mnist, "UNPACKED", unpacked)
    return made


def both(idx):
    """The folder that torchvision makes of the two sets."""
    folders = {"mnist": "MNIST/raw", "fashion_mnist": "FashionMNIST/raw"}
    return {f"{folders[n]}/{f}": data for n, files in idx.items() for f, data in files.items()}


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize(
    "change",
    [
        lambda path, data: (path, data),
        lambda path, data: (path.removesuffix(".gz"), gzip.decompress(data)),
        lambda path, data: (path.replace("-idx", ".idx")[:-3], gzip.decompress(data)),
        lambda path, data: (path, gzip.compress(gzip.decompress(data), 1)),
        lambda path, data: (f"{path}.1", data),
    ],
    ids=["as they are", "unpacked", "Kaggle's names", "packed anew", "downloaded twice"],
)
@pytest.mark.parametrize("pack", [None, zipped])
def test_two_sets_with_the_same_names(tmp_path, idx, name, change, pack):
    files = dict(change(*file) for file in both(idx).items())
    given = archive(tmp_path, pack(files), "a.zip") if pack else unpack(files, tmp_path / "given")
    prepare(find(name), 28, tmp_path, given)
    sets, _ = prepared(tmp_path, find(name), 28)
    raw = gzip.decompress(idx[name]["t10k-images-idx3-ubyte.gz"])
    assert sets["test"].images.tobytes() == raw[16:] and len(sets["train"]) == 20


def test_the_other_set_is_named_and_left_alone(tmp_path, idx):
    given = unpack(idx["fashion_mnist"], tmp_path / "given")
    with refused(tmp_path / "data", "and 3 more are those of fashion_mnist") as _:
        prepare(find("mnist"), 28, tmp_path / "data", given)


def test_one_file_of_the_four(tmp_path, idx):
    given = unpack(idx["mnist"], tmp_path / "given") / "t10k-labels-idx1-ubyte.gz"
    prepare(find("mnist"), 28, tmp_path, given)


def test_a_part_that_modules_load_is_missing(tmp_path, idx):
    for name in idx:
        files = {file: data for file, data in idx[name].items() if "t10k" in file}
        unpack(files, tmp_path / name)
    prepare(find("fashion_mnist"), 28, tmp_path / "data", tmp_path / "fashion_mnist")
    with refused(tmp_path / "data", "train-images-idx3-ubyte.gz, .* not found"):
        prepare(find("mnist"), 28, tmp_path / "data", tmp_path / "mnist")


def test_altered_idx_file(tmp_path):
    for part in ("images-idx3", "labels-idx1"):
        archive(tmp_path, gzip.compress(b"no digits"), f"t10k-{part}-ubyte.gz")
    with refused(tmp_path / "data", "t10k-images-idx3-ubyte.gz is incomplete or altered"):
        prepare(find("mnist"), 28, tmp_path / "data", tmp_path / "given")


def test_images_without_their_labels(tmp_path, idx):
    file = "t10k-images-idx3-ubyte.gz"
    archive(tmp_path, idx["mnist"][file], file)
    with refused(tmp_path / "data", "no complete pair"):
        prepare(find("mnist"), 28, tmp_path / "data", tmp_path / "given")


def test_another_version_of_cifar(tmp_path):
    files = {"cifar-10-batches-bin/data_batch_1.bin": b"x", "cifar-10-batches-bin/readme.html": b""}
    with refused(tmp_path / "data", "not the authors' Python version; found: .*data_batch_1.bin"):
        prepare(find("cifar10"), 32, tmp_path / "data", archive(tmp_path, targz(files), "c.tar.gz"))


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
        {"val_labels": np.array([[object()]] * 6)},
        {"test_labels": np.zeros((3, 1), int)},
    ],
)
def test_octmnist_with_wrong_arrays(tmp_path, changes):
    octmnist(tmp_path / "octmnist_64.npz", **changes)
    with refused(tmp_path / "data", "no whole OCTMNIST"):
        prepare(OCT, 64, tmp_path / "data", tmp_path / "octmnist_64.npz")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"train_images": np.zeros((20, 224, 224), np.uint8)}, "224×224 .uint8., not 64×64"),
        ({"train_images": np.zeros((20, 64, 64, 3), np.uint8)}, "64×64×3"),
        ({"train_images": np.zeros((20, 64, 64))}, "float64"),
        ({"train_labels": np.arange(20)[:, None] % 9}, "another set than OCTMNIST"),
    ],
)
def test_octmnist_of_another_size_or_another_set(tmp_path, changes, match):
    path = tmp_path / "octmnist_64.npz"
    if (images := changes.get("train_images")) is not None:
        changes = {"test_images": images[:8], **changes}
    octmnist(path, **changes)
    with refused(tmp_path / "data", match):
        prepare(OCT, 64, tmp_path / "data", path)


@pytest.mark.parametrize("name", ["octmnist_64.npz?download=1", "octmnist_64 (1).npz", "file"])
def test_octmnist_under_another_name(tmp_path, name):
    octmnist(tmp_path / "octmnist_64.npz")
    given = (tmp_path / "octmnist_64.npz").rename(tmp_path / name)
    prepare(OCT, 64, tmp_path / "data", given)
    assert len(prepared(tmp_path / "data", OCT)[0]["test"]) == 8


@pytest.mark.parametrize("name", ["octmnist_224.npz", "retinamnist.npz"])
def test_folder_with_octmnist_of_another_size(tmp_path, name):
    (tmp_path / "given").mkdir()
    octmnist(tmp_path / "given" / name, size=224)
    with refused(tmp_path / "data", "224×224"):
        prepare(OCT, 64, tmp_path / "data", tmp_path / "given")


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
    last = [
        read_scans((given / f"AMD/AMD_{i}.jpeg").read_bytes(), 32)[0][0] for i in (9, 10, 11, 12)
    ]
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
    assert oct.patient("CNV/OCT2017-45-67.jpeg") == 45  # no date: it begins inside of a word
    assert oct.patient("AMD/2023-01-15_003.png") is None
    assert oct.patient("AMD/scan_2023-01-15_003.png") is None
    assert oct.patient("AMD/AMD2-7-3_2023-01-15.png") == 7
    assert oct.patient("AMD/AMD-20230115101500123456-1.png") == "20230115101500123456"


def test_no_download_at_an_odd_size(tmp_path):
    with refused(tmp_path, "no download at 96 pixels"):
        prepare(OCT, 96, tmp_path)
    assert_nothing_half_written(tmp_path)
