"""DICOM files, made here: their greys, frames and patients, and what must not come out of them."""

import io
import sys
import zlib

import numpy as np
import pytest
from faults import jpeg, refused
from test_archives import left_out, prepared, unpack

from helpers.datasets import DataError, dicom, find, pictures
from helpers.datasets.errors import PictureError
from helpers.datasets.prepare import prepare
from helpers.experiments import module_05

pydicom = pytest.importorskip("pydicom", reason="pip install pydicom")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.pixels import apply_voi_lut  # noqa: E402
from pydicom.uid import (  # noqa: E402
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

OCT = find("oct")
NAME = "Katzenstein"  # of nobody; must not come out anywhere
RAMP = np.tile(np.linspace(0, 4095, 40).round().astype(np.uint16), (40, 1))


def scan(frames, photometric="MONOCHROME2", bits=None, patient="p1", positions=(), **tags):
    """A dataset such as an OCT device writes. frames : uint8 or uint16 (n, rows, columns[, 3])"""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.77.1.5.4", generate_uid()
    made.Modality, made.PatientName, made.PatientID = "OPT", f"{NAME}^Anna", patient
    made.PatientComments = made.InstitutionName = NAME
    made.BurnedInAnnotation = "NO"
    if positions:
        made.PerFrameFunctionalGroupsSequence = [Dataset() for _ in positions]
        for group, position in zip(made.PerFrameFunctionalGroupsSequence, positions, strict=True):
            group.FrameContentSequence = [Dataset()]
            group.FrameContentSequence[0].InStackPositionNumber = position
            group.FrameContentSequence[0].FrameComments = NAME
    frames = np.asarray(frames)
    made.set_pixel_data(frames, photometric, bits or 8 * frames.itemsize)
    for tag, value in tags.items():
        setattr(made, tag, value)
    return made


def spaced(made, rows, columns):
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = [rows, columns]
    shared.PixelMeasuresSequence = [measures]
    made.SharedFunctionalGroupsSequence = [shared]
    return made


def windowed(made, where, **window):
    """With a grey window at the top of the header, for all frames, or for each."""
    item = Dataset()
    for tag, value in window.items():
        setattr(made if where == "top" else item, tag, value)
    group = Dataset()
    group.FrameVOILUTSequence = [item]
    if where == "shared":
        made.SharedFunctionalGroupsSequence = [group]
    elif where == "frame":
        made.PerFrameFunctionalGroupsSequence = [group]
    return made


def as_bytes(made):
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def greys(made, size=40):
    """(frames, size, size) as a folder of scans gives them."""
    return pictures.read_scans(made if isinstance(made, bytes) else as_bytes(made), size)[0]


# --- greys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixels", "bits"), [(RAMP, 12), (16 * RAMP, 16), ((RAMP >> 4).astype(np.uint8), 8)]
)
def test_the_declared_bits_are_the_scale(pixels, bits):
    (image,) = greys(scan(pixels, bits=bits))
    np.testing.assert_allclose(image, RAMP / 4095 * 255, atol=1)
    (inverted,) = greys(scan(pixels, "MONOCHROME1", bits))
    np.testing.assert_allclose(inverted, 255 - image.astype(int), atol=1)
    (half,) = greys(scan(pixels // 2, bits=bits))  # no scan is brightened to its own maximum
    assert abs(half.max() - 127) <= 1


@pytest.mark.parametrize("where", ["top", "shared", "frame"])
@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_are_those_of_pydicom_wherever_they_stand(where, function):
    window = {"WindowCenter": [1000.0, 5.0], "WindowWidth": [1500.0, 6.0]}
    window |= {"VOILUTFunction": function} if function else {}
    made = windowed(scan(RAMP, bits=12), where, **window)
    expected = apply_voi_lut(RAMP, windowed(scan(RAMP, bits=12), "top", **window)) / 4095 * 255
    np.testing.assert_allclose(greys(made)[0], expected, atol=1)


def test_a_window_counts_in_rescaled_units():
    made = scan(RAMP, bits=12, RescaleSlope=2, RescaleIntercept=-1000)
    made = windowed(made, "top", WindowCenter=1000, WindowWidth=2000)
    expected = np.clip((2.0 * RAMP - 1000 - 999.5) / 1999 + 0.5, 0, 1) * 255
    np.testing.assert_allclose(greys(made)[0], expected, atol=1)


def test_signed_pixels():
    made = scan(RAMP.astype(np.int16) - 2048, bits=12)
    np.testing.assert_allclose(greys(made)[0], RAMP / 4095 * 255, atol=1)


@pytest.mark.parametrize("tags", [{"RescaleSlope": None}, {"WindowCenter": None}])
def test_empty_elements_count_as_absent(tags):
    np.testing.assert_allclose(greys(scan(RAMP, bits=12, **tags))[0], RAMP / 4095 * 255, atol=1)


def test_bits_above_the_declared_are_no_grey():
    made = scan(RAMP, bits=12)
    made.PixelData = (RAMP | 0x8000).tobytes()  # an overlay, in old files
    np.testing.assert_allclose(greys(made)[0], RAMP / 4095 * 255, atol=1)


def test_colours():
    red = np.zeros((40, 40, 3), np.uint8)
    red[..., 0] = 255
    assert np.ptp(greys(scan(red, "RGB"))) == 0 and greys(scan(red, "RGB"))[0, 0, 0] == 76
    picture = pictures.open_picture(as_bytes(scan(red, "RGB")))
    assert picture.mode == "RGB" and picture.getpixel((3, 3)) == (255, 0, 0)


@pytest.mark.parametrize(
    "name",
    [
        "examples_palette.dcm",
        "examples_ybr_color.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_RLE.dcm",
    ],
)
def test_files_that_pydicom_ships(name):
    from pydicom.data import get_testdata_file

    if (path := get_testdata_file(name, download=False)) is None:
        pytest.skip(f"pydicom does not ship {name}")
    picture = pictures.open_picture(path)
    assert np.ptp(np.asarray(picture)) > 100


def test_bits_that_are_declared_and_not_used_are_said():
    from pydicom.data import get_testdata_file

    if (path := get_testdata_file("JPEG2000.dcm", download=False)) is None:
        pytest.skip("pydicom does not ship JPEG2000.dcm")
    with pytest.raises(PictureError, match="nearly one grey"):  # -30 to 245 in 16 signed bits
        pictures.open_picture(path)


# --- frames --------------------------------------------------------------------------------------


def levels(made):
    return [int(image.mean()) for image in greys(made)]


def steps(*values):
    return np.stack([np.full((40, 40), value, np.uint8) for value in values])


def test_frames_are_ordered_by_their_positions():
    assert levels(scan(steps(30, 10, 20), positions=(3, 1, 2))) == [10, 20, 30]
    assert levels(scan(steps(30, 10, 20))) == [30, 10, 20]


@pytest.mark.parametrize("declared", [1, 2, None])
def test_no_more_frames_than_declared(declared):
    made = scan(steps(1, 2, 3))
    made.NumberOfFrames = declared
    assert levels(made) == [1, 2, 3][: declared or 1]


def test_one_frame_and_a_compressed_volume():
    assert levels(scan(steps(7))) == levels(scan(steps(7)[0])) == [7]
    volume = scan(steps(1, 2, 3), positions=(2, 1, 3))
    volume.compress(RLELossless)
    assert levels(volume) == [2, 1, 3]


def test_an_upload_takes_the_first_and_says_of_how_many():
    picture = pictures.open_picture(as_bytes(scan(steps(30, 10), positions=(2, 1))))
    assert picture.info["frames"] == 2 and picture.getpixel((0, 0)) == (10, 10, 10)


def test_two_series_in_one_folder_are_not_mixed_up(tmp_path):
    """Some readers give the folder's first series for every file of it."""
    for series in (1, 2):
        for i in (1, 2):
            made = scan(steps(100 * series + i)[0], SeriesInstanceUID=f"1.2.{series}")
            (tmp_path / f"{series}{i}.dcm").write_bytes(as_bytes(made))
    found = [pictures.open_picture(path).getpixel((0, 0))[0] for path in sorted(tmp_path.iterdir())]
    assert found == [101, 102, 201, 202]


# --- what cannot be read -------------------------------------------------------------------------


def changed(**tags):
    made = scan(RAMP, bits=12)
    for tag, value in tags.items():
        if value is None:
            delattr(made, tag)
        else:
            setattr(made, tag, value)
    return as_bytes(made)


def deflated():
    """156 kB that dcmread would make 100 MB of, whatever it is asked for."""
    made = scan(RAMP, bits=12)
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    head = as_bytes(made)
    at = 144 + int.from_bytes(head[140:144], "little")  # the length of the first group
    packer = zlib.compressobj(wbits=-15)
    return head[:at] + packer.compress(bytes(100 << 20)) + packer.flush()


def compressed_unknown():
    made = scan(steps(7)[0])
    made.compress(RLELossless)
    made.file_meta.TransferSyntaxUID = JPEGLSLossless
    return as_bytes(made)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (lambda: changed()[:-6], "cut short"),
        (lambda: changed()[:200], "damaged|no picture"),
        (lambda: changed()[144:], "Cannot read|cannot identify"),
        (lambda: changed(Rows=0), "has no pixels"),
        (lambda: changed(Rows=60_000, Columns=60_000), "megapixels"),
        (lambda: changed(NumberOfFrames=2_000_000), "megapixels"),
        (lambda: changed(PixelData=None), "no picture"),
        (lambda: changed(HighBit=15), "HighBit"),
        (lambda: changed(PhotometricInterpretation="CMYK"), "PhotometricInterpretation"),
        (lambda: changed(PhotometricInterpretation=None), "damaged"),
        (lambda: changed(ModalityLUTSequence=[Dataset()]), "ModalityLUTSequence"),
        (lambda: changed(VOILUTSequence=[Dataset()]), "VOILUTSequence"),
        (lambda: as_bytes(scan(RAMP // 64, bits=12)), "nearly one grey"),
        (deflated, "deflated"),
        (compressed_unknown, "compressed"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_our_own_words(data, match):
    with pytest.raises(PictureError, match=match) as caught:
        pictures.open_picture(data())
    assert NAME not in str(caught.value) and caught.value.__cause__ is None


def test_noise_in_a_file_gives_a_picture_or_one_message(capfd):
    rng, outcomes = np.random.default_rng(0), [0, 0]
    whole = as_bytes(scan(steps(1, 2, 3), positions=(2, 1, 3)))
    for _ in range(300):
        data = bytearray(whole)
        for place in rng.integers(140, 1400, 3):
            data[place] = rng.integers(256)
        try:
            pictures.look(bytes(data))
            pictures.read_scans(bytes(data), 16)
            outcomes[0] += 1
        except PictureError as error:
            assert NAME not in str(error)
            outcomes[1] += 1
    assert min(outcomes) > 10 and NAME not in "".join(capfd.readouterr())


def test_a_deflated_file_is_refused_before_it_is_inflated():
    import tracemalloc

    data = deflated()
    tracemalloc.start()
    with pytest.raises(PictureError):
        pictures.look(data)
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_content_and_not_the_name_says_what_a_file_is(tmp_path):
    (tmp_path / "a.dcm").write_bytes(jpeg(1))
    (tmp_path / "a.jpg").write_bytes(as_bytes(scan(steps(7)[0])))
    assert pictures.open_picture(tmp_path / "a.dcm").size == (64, 64)
    assert pictures.open_picture(tmp_path / "a.jpg").getpixel((0, 0)) == (7, 7, 7)


# --- folders -------------------------------------------------------------------------------------


def tissue(rng, photometric, bits, lesion, count=None):
    """Noise with a bright band, and a lesion, of one or several frames; uint16 or uint8."""
    values = rng.uniform(0, 0.3, (count or 1, 48, 64))
    values[:, 20:30] += 0.4
    values[:, 32:40, 24:34] += 0.3 * lesion
    values = 1 - values if photometric == "MONOCHROME1" else values
    kind = np.uint16 if bits > 8 else np.uint8
    pixels = (values * (2**bits - 1)).astype(kind)
    return pixels if count else pixels[0]


def folder(patients=5, **tags):
    """{path: bytes} of volumes and single scans, both photometric kinds, windowed and not."""
    rng, files = np.random.default_rng(0), {}
    for c, name in enumerate(("CNV", "Normal")):
        for p in range(patients):
            for i, (photometric, bits) in enumerate(
                [("MONOCHROME1", 12), ("MONOCHROME2", 8), ("MONOCHROME2", 12), ("MONOCHROME1", 16)]
            ):
                count = 3 if i == 0 else None
                pixels = tissue(rng, photometric, bits, c == 0, count)
                who = f"{NAME}-{10 * c + p}"
                made = scan(pixels, photometric, bits, who, (3, 1, 2) if count else (), **tags)
                if i == 2:
                    windowed(made, "shared", WindowCenter=2048, WindowWidth=4096)
                suffix = ("", ".dcm", ".7", ".DCM")[i]  # viewers give no suffix, or numbers
                files[f"{name}/IM{p}{i}{suffix}"] = as_bytes(made)
    return files


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Where a folder of DICOM files was prepared."""
    root = tmp_path_factory.mktemp("dicom")
    prepare(OCT, 64, root / "data", unpack(folder(), root / "given"))
    return root / "data"


def test_a_folder_of_dicom_files_is_prepared_by_patients(root):
    sets, manifest = prepared(root, OCT)
    assert manifest["left_out"] == [] and "patients known from the headers" in manifest["origin"]
    assert {s: len(part) for s, part in sets.items()} == {"train": 36, "test": 24}  # 3 + 1 + 1 + 1
    assert not set(sets["train"].groups) & set(sets["test"].groups)
    for part in sets.values():
        assert all(np.bincount(part.groups)[np.unique(part.groups)] == 6)
        assert part.images.dtype == np.uint8
        bands = part.images[:, 0, 27:39].mean((1, 2)) - part.images[:, 0, 2:20].mean((1, 2))
        assert (bands > 80).all(), "each is upright and no negative"
    assert set(np.concatenate([part.groups for part in sets.values()])) == set(range(1, 11))


def test_no_name_comes_out(root, tmp_path, capfd):
    given = unpack(folder(BurnedInAnnotation="YES"), tmp_path / "given")
    (given / "CNV" / "bad.dcm").write_bytes(as_bytes(scan(RAMP, bits=12))[:-9])
    with pytest.raises(DataError, match="1 of 41 pictures cannot be read") as caught:
        prepare(OCT, 64, tmp_path / "refused", given)
    assert NAME not in str(caught.value)
    (given / "CNV" / "bad.dcm").unlink()
    prepare(OCT, 64, tmp_path / "data", given)
    out, err = capfd.readouterr()
    assert NAME not in out + err
    assert "40 DICOM files do not say that their pixels are free of names" in out
    for path in (*root.rglob("*"), *tmp_path.joinpath("data").rglob("*")):
        if path.is_file():
            assert NAME.encode() not in path.read_bytes() and b"p1" not in path.read_bytes()


def test_the_patient_s_number_cannot_be_found_by_trying(monkeypatch):
    data = as_bytes(scan(RAMP, bits=12, patient="1234"))
    once, again = pictures.look(data, b"a").patient, pictures.look(data, b"b").patient
    assert once != again and "1234" not in once
    assert once == pictures.look(data, b"a").patient
    assert pictures.look(changed(PatientID=None), b"a").patient is None
    assert pictures.look(changed(PatientID=""), b"a").patient is None
    study = [pictures.look(changed(PatientID="", StudyInstanceUID=f"1.{i}"), b"a") for i in (1, 2)]
    assert study[0].patient != study[1].patient  # slices of one study stay together


def test_preparing_again_gives_the_same_arrays(root, tmp_path):
    """Although what stands for a patient is another each time."""
    prepare(OCT, 64, tmp_path, unpack(folder(), tmp_path / "given"))
    again, files = prepared(tmp_path, OCT)[1]["files"], prepared(root, OCT)[1]["files"]
    assert again == files


def test_both_eyes_are_of_one_patient(tmp_path):
    files = folder()
    for i, eye in enumerate("RL"):
        made = scan(tissue(np.random.default_rng(i), "MONOCHROME2", 8, 0), patient="two eyes")
        made.ImageLaterality = eye
        files[f"Normal/eye{eye}.dcm"] = as_bytes(made)
    prepare(OCT, 64, tmp_path, unpack(files, tmp_path / "given"))
    sets, _ = prepared(tmp_path, OCT)
    counts = np.bincount(np.concatenate([part.groups for part in sets.values()]))
    assert sorted(counts[counts > 0]) == [2] + [6] * 10


def test_one_number_in_all_headers_hides_the_patients(tmp_path):
    files = {}
    rng = np.random.default_rng(0)
    for name in ("CNV", "Normal"):
        for i in range(6):
            made = scan(tissue(rng, "MONOCHROME2", 8, 0), patient="ANON")
            files[f"{name}/{i}.dcm"] = as_bytes(made)
    prepare(OCT, 64, tmp_path, unpack(files, tmp_path / "given"))
    sets, manifest = prepared(tmp_path, OCT)
    assert sets["train"].groups is None and "patients unknown" in manifest["origin"]
    named = {path.replace("/", "/CNV-1").replace(".dcm", "-1.dcm"): x for path, x in files.items()}
    prepare(OCT, 64, tmp_path / "2", unpack(named, tmp_path / "named"))
    assert "known from the file names" in prepared(tmp_path / "2", OCT)[1]["origin"]


def test_what_is_no_picture_in_an_export_is_left_out(tmp_path):
    report = scan(RAMP, bits=12)
    del report.PixelData
    files = {**folder(), "Normal/report.dcm": as_bytes(report), "Normal/DICOMDIR": as_bytes(report)}
    prepare(OCT, 64, tmp_path, unpack(files, tmp_path / "given"))
    assert left_out(prepared(tmp_path, OCT)[1]) == {
        "not a picture in a class folder": 1,
        "DICOM file without a picture": 1,
    }


def test_two_scanners_give_tissue_one_shape(tmp_path):
    """A disc of 1 mm on grids of two spacings, stretched three times and six times in depth."""
    files = {}
    for c, name in enumerate(("CNV", "Normal")):
        for i in range(8):
            rows, columns = (0.01, 0.03) if i < 6 else (0.01, 0.06)
            y, x = np.ogrid[:200, :200]
            disc = ((y - 100) * rows) ** 2 + ((x - 100) * columns) ** 2 < 0.5**2
            pixels = (20 + 8 * c + i + 200 * disc).astype(np.uint8)
            made = spaced(scan(pixels, patient=f"{c}{i}"), rows, columns)
            files[f"{name}/{i}.dcm"] = as_bytes(made)
    prepare(OCT, 64, tmp_path, unpack(files, tmp_path / "given"))
    sets, manifest = prepared(tmp_path, OCT)
    images = np.concatenate([part.images[:, 0] for part in sets.values()]) > 120
    high, wide = images.any(2).sum(1), images.any(1).sum(1)
    np.testing.assert_allclose(wide / high, wide[0] / high[0], rtol=0.15)
    assert "the middle square of each" in manifest["origin"]


def test_without_pydicom_the_message_names_it(tmp_path, monkeypatch):
    given = unpack(folder(2), tmp_path / "given")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert not dicom.installed()
    with refused(tmp_path / "data", "pydicom is not installed to read them"):
        prepare(OCT, 64, tmp_path / "data", given)
    with pytest.raises(PictureError, match="pip install pydicom"):
        pictures.open_picture(given / "CNV" / "IM00")


def test_module_5_runs_on_a_folder_of_dicom_files(root, monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    monkeypatch.setenv("COURSE_DATA", str(root))
    roles = module_05.task("real")
    assert module_05.diseases(roles.test) == ["CNV"]
    seen = [set(part.groups) for part in roles]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    values = module_05.ladder("CNV", source="real")
    assert np.isfinite([values["L1, all"], values["kNN, all"]]).all()
