"""Folders of scans of every kind of file: read as uploads are, or refused by name."""

import io
import re

import numpy as np
import pytest
from faults import jpeg, refused
from PIL import Image
from test_archives import left_out, prepared, unpack

from helpers.authoring.build import COURSE
from helpers.datasets import DataError, find, pictures
from helpers.datasets.pictures import KINDS, VENDORS
from helpers.datasets.prepare import prepare

OCT = find("oct")
RAMP = np.tile(np.linspace(0, 1, 48), (48, 1))
CLASSES = ("CNV", "Normal")


def as_file(pixels, kind, **options):
    file = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(file, kind, **options)
    return file.getvalue()


def folder(make, suffix, count=6):
    """{path: bytes} of class folders. make(i) : the bytes of a file unlike those of other i"""
    return {
        f"{name}/{i}{suffix}": make(count * c + i)
        for c, name in enumerate(CLASSES)
        for i in range(count)
    }


def made(tmp_path, files, size=48):
    prepare(OCT, size, tmp_path / "data", unpack(files, tmp_path / "given"))
    return prepared(tmp_path / "data", OCT, size)


def every(sets):
    return np.concatenate([part.images[:, 0] for part in sets.values()])


def marked(pixels, i, step):
    """A copy that is like no other's."""
    pixels = pixels.copy()
    pixels[0, :4] = step * (i + 1)
    return pixels


# --- kinds that are read -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [s for kind in KINDS if kind != "DICOM" for s in KINDS[kind]])
def test_every_kind_that_is_named_is_read(tmp_path, suffix):
    kind = next(kind for kind, suffixes in KINDS.items() if suffix in suffixes)
    if kind not in Image.registered_extensions().values():
        pytest.skip(f"this Pillow does not read {kind}")
    byte = (255 * RAMP).astype(np.uint8)
    files = folder(lambda i: as_file(marked(byte, i, 9), kind), suffix.upper())
    sets, manifest = made(tmp_path, files)
    assert manifest["left_out"] == []
    assert np.abs(every(sets)[:, 8:].astype(int) - byte[8:]).mean() < 4


@pytest.mark.parametrize(
    ("top", "dtype"),
    [(255, np.uint8), (4095, np.uint16), (65_535, np.uint16), (1, np.float32), (65_535, np.int32)],
)
def test_deep_pixels_keep_their_contrast(tmp_path, top, dtype):
    files = folder(lambda i: as_file(marked((top * RAMP).astype(dtype), i, 0.02 * top), "tiff"), "")
    files = {f"{path}.tif": data for path, data in files.items()}
    images = every(made(tmp_path, files)[0])[:, 4:]
    np.testing.assert_allclose(images, np.broadcast_to(255 * RAMP[4:], images.shape), atol=1.5)


def test_scans_of_one_folder_keep_their_brightness(tmp_path):
    """A darker scan is a darker picture: its own maximum is no scale."""
    half = np.arange(12) % 2
    files = folder(
        lambda i: as_file(marked((4095 / (1 + half[i]) * RAMP).astype(np.uint16), i, 80), "png"),
        ".png",
    )
    brightest = every(made(tmp_path, files)[0])[:, 4:].max((1, 2))
    assert sorted(set(brightest)) == [127, 255] or sorted(set(brightest)) == [128, 255]


def test_scans_of_very_different_scales_are_refused(tmp_path):
    files = folder(
        lambda i: as_file(
            marked(((4000 if i < 6 else 65_535) * RAMP).astype(np.uint16), i, 90), "png"
        ),
        ".png",
    )
    with refused(tmp_path / "data", "6 of 12 pictures cannot be read"):
        prepare(OCT, 48, tmp_path / "data", unpack(files, tmp_path / "given"))
    with pytest.raises(DataError, match=r"CNV/\d.png: nearly one grey: .* 0 to 4000, .* 65535"):
        prepare(OCT, 48, tmp_path / "data", tmp_path / "given")


def test_modes_are_read_as_uploads_are(tmp_path):
    """Transparent is white, a picture on its side is turned."""
    byte = (255 * RAMP).astype(np.uint8)

    def make(i):
        picture = Image.fromarray(marked(byte, i, 9))
        if i % 3 == 0:
            picture = picture.convert("RGBA")
            picture.paste((0, 0, 0, 0), (0, 24, 48, 48))
            return as_file(picture, "png")
        if i % 3 == 1:
            exif = Image.Exif()
            exif[0x0112] = 6
            return as_file(picture.rotate(90), "png", exif=exif)
        return as_file(picture.convert("CMYK"), "tiff")

    files = folder(make, ".png")
    sets, _ = made(tmp_path, files)
    uploads = {pictures.read_picture(data, 48)[0].tobytes() for data in files.values()}
    assert {image.tobytes() for image in every(sets)} == uploads
    assert (every(sets)[:, 30] == 255).all(1).sum() == 4


# --- volumes -------------------------------------------------------------------------------------


def volume(i, kind="tiff", pages=4):
    rng = np.random.default_rng(i)
    first, *more = [
        Image.fromarray(rng.integers(0, 256, (48, 48), dtype=np.uint8)) for _ in range(pages)
    ]
    return as_file(first, kind, save_all=True, append_images=more)


@pytest.mark.parametrize(("suffix", "kind"), [(".tif", "tiff"), (".gif", "gif"), (".webp", "webp")])
def test_pages_are_scans_of_one_patient(tmp_path, suffix, kind):
    sets, manifest = made(tmp_path, folder(lambda i: volume(i, kind), suffix))
    assert sum(map(len, sets.values())) == 48
    for part in sets.values():
        _, counts = np.unique(part.groups, return_counts=True)
        assert set(counts) == {4}
    assert not set(sets["train"].groups) & set(sets["test"].groups)
    assert "each volume counts as a patient" in manifest["origin"]


def test_a_name_says_more_than_a_volume(tmp_path):
    names = [f"{c}/{c}-{p}-{i}.tif" for c in CLASSES for p in range(6) for i in (1, 2)]
    files = {name: volume(i) for i, name in enumerate(names)}
    sets, _ = made(tmp_path, files)
    assert sorted(set(np.concatenate([part.groups for part in sets.values()]))) == list(range(6))


# --- kinds that are not read ---------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [*VENDORS, ".E2E"])
def test_a_maker_s_own_format_is_named(tmp_path, suffix):
    given = unpack(folder(lambda i: b"vendor %d" % i, suffix), tmp_path / "given")
    maker = VENDORS[suffix.lower()]
    with refused(tmp_path / "data", rf"12 {suffix.lower()} \({maker}\)"):
        prepare(OCT, 48, tmp_path / "data", given)


def test_one_class_in_a_maker_s_own_format_is_named(tmp_path):
    files = {f"Normal/{i}.jpeg": jpeg(i) for i in range(9)}
    files |= {f"CNV/{i}.e2e": b"x%d" % i for i in range(9)}
    with refused(tmp_path / "data", r"9 .e2e \(Heidelberg\)"):
        prepare(OCT, 48, tmp_path / "data", unpack(files, tmp_path / "given"))


def test_the_maker_s_file_beside_its_export_is_left_out(tmp_path):
    files = folder(jpeg, ".jpeg") | {"Normal/0.e2e": b"x"}
    assert left_out(made(tmp_path, files)[1]) == {"not a picture in a class folder": 1}


@pytest.mark.parametrize("suffix", [".xyz", ".nii.gz", ".pdf", ".heic", ""])
def test_unknown_kinds_are_counted(tmp_path, suffix):
    given = unpack(folder(lambda i: b"text %d" % i, suffix), tmp_path / "given")
    kind = suffix.rpartition(".")[2] or "without a suffix"
    with refused(tmp_path / "data", f"no picture of a kind .* found: 12 .?{kind}"):
        prepare(OCT, 48, tmp_path / "data", given)


def test_pictures_without_class_folders(tmp_path):
    given = unpack({f"{i}.png": as_file(np.uint8(RAMP), "png") for i in range(3)}, tmp_path / "g")
    with refused(tmp_path / "data", "lie in no class folder; found: 3 .png"):
        prepare(OCT, 48, tmp_path / "data", given)


@pytest.mark.parametrize(
    "bad", [b"", b"II*\0", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"\x89PNG\r\n\x1a\n", b"BM\xff" * 20]
)
@pytest.mark.parametrize("suffix", [".tif", ".jp2", ".avif"])
def test_whatever_a_decoder_raises_is_counted(tmp_path, bad, suffix):
    files = folder(jpeg, ".jpeg", 60) | {f"Normal/bad{suffix}": bad}
    _, manifest = made(tmp_path, files, 16)
    assert left_out(manifest) == {"cannot be read": 1}
    assert manifest["left_out"][0]["examples"][0].startswith(f"Normal/bad{suffix}: ")


# --- geometry ------------------------------------------------------------------------------------


def test_what_the_square_cuts_off_is_said(tmp_path):
    """As MedMNIST made OCTMNIST."""
    wide = np.zeros((40, 80), np.uint8)
    wide[:, 20:60] = 200
    _, manifest = made(tmp_path, folder(lambda i: as_file(marked(wide, i, 9), "png"), ".png"), 16)
    assert "the middle square of each (50 % of the picture cut off)" in manifest["origin"]
    _, manifest = made(tmp_path / "2", folder(lambda i: jpeg(i), ".jpeg"), 16)
    assert "middle square" not in manifest["origin"]


def test_the_scale_of_deep_pixels_is_said(tmp_path):
    files = folder(lambda i: as_file(marked((3000 * RAMP).astype(np.uint16), i, 9), "png"), ".png")
    assert "0 of whole pixels shown black, 4095 white" in made(tmp_path, files)[1]["origin"]


def test_what_shrinking_does_to_a_lesion_is_what_the_page_says():
    page = (COURSE / "docs" / "own_scans.md").read_text(encoding="utf-8")
    sizes = [int(n) for n in re.findall(r"(\d+) pixels \|", page)]
    rows = re.findall(r"\| [a-z ]+, (\d+)×(\d+) µm \|(.*)\|", page)
    assert len(sizes) == 4 and len(rows) == 3
    y, x = np.ogrid[:496, :768]
    y, x = (y - 247.5) * 3.87, (x - 383.5) * 11.5  # from the middle, in µm
    for high, wide, shown in rows:
        lesion = (2 * y / int(high)) ** 2 + (2 * x / int(wide)) ** 2 < 1
        picture = Image.fromarray(255 * lesion.astype(np.uint8))
        kept = [np.max(pictures.middle_square(picture, size)[0]) / 255 for size in sizes]
        assert [f"{share:.2f}" for share in kept] == shown.replace("|", "").split()
