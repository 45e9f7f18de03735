"""DICOM as clinics export it, made here by pydicom 3.0.2; what it does was tried first
(its pixel_array applies neither window nor MONOCHROME1, and gives surplus frames)."""

import os
import subprocess
import sys

import numpy as np
import pytest

from helpers.datasets import DataError, dicom, find, load, pictures, store
from helpers.datasets.prepare import prepare

pydicom = pytest.importorskip("pydicom")  # in dev, so never skipped by `make test`

OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
NAME = "Mustermann^Erika"


def volume(
    path, frames, positions=None, *, photometric="MONOCHROME2", patient="p1", bits=None, **tags
):
    """Write a multi-frame OPT file. frames : uint8 or uint16 (n, rows, columns)"""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    scan, measures, shared = Dataset(), Dataset(), Dataset()
    scan.file_meta = FileMetaDataset()
    scan.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    scan.SOPClassUID, scan.SOPInstanceUID = OPT, generate_uid()
    scan.Modality, scan.ImageLaterality, scan.PatientName = "OPT", "R", NAME
    if patient is not None:
        scan.PatientID = patient
    measures.PixelSpacing = [0.0039, 0.011]
    shared.PixelMeasuresSequence, scan.SharedFunctionalGroupsSequence = [measures], [shared]
    if positions:
        scan.PerFrameFunctionalGroupsSequence = [Dataset() for _ in positions]
        for group, position in zip(scan.PerFrameFunctionalGroupsSequence, positions, strict=True):
            group.FrameContentSequence = [Dataset()]
            group.FrameContentSequence[0].InStackPositionNumber = position
    scan.set_pixel_data(frames, photometric, bits or 8 * frames.itemsize)
    for tag, value in tags.items():
        setattr(scan, tag, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    scan.save_as(path, enforce_file_format=True)
    return scan


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scan.dcm"


def grey(*values, dtype=np.uint8):
    """A frame of 2×2 for each value."""
    return np.stack([np.full((2, 2), value, dtype) for value in values])


def read(path):
    return dicom.read(path.read_bytes())[:, 0, 0].tolist()


def test_frames_come_in_the_order_of_their_positions(path):
    volume(path, grey(30, 10, 20), positions=(3, 1, 2))
    assert read(path) == [10, 20, 30]


def test_frames_without_positions_stay_as_they_are_stored(path):
    volume(path, grey(30, 10, 20))
    assert read(path) == [30, 10, 20]


def test_monochrome1_is_turned_round(path):
    volume(path, grey(0, 200), photometric="MONOCHROME1")
    assert read(path) == [255, 55]


def test_twelve_bits_in_sixteen_are_scaled_by_their_own_depth(path):
    volume(path, grey(0, 2048, 4095, dtype=np.uint16), bits=12)
    assert read(path) == [0, 128, 255]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_window_is_applied_and_the_first_of_several(path, photometric):
    tags = {"WindowCenter": [100.5, 30], "WindowWidth": [101, 10]}
    volume(path, grey(0, 50, 100, 150, 255), photometric=photometric, **tags)
    shown = [0, 0, 128, 255, 255]
    if photometric == "MONOCHROME1":
        shown = [255 - value for value in shown]
    assert read(path) == shown


def test_a_window_of_the_functional_groups_counts_too(path):
    from pydicom.dataset import Dataset

    scan = volume(path, grey(0, 50, 100))
    window = Dataset()
    window.WindowCenter, window.WindowWidth = 50.5, 51
    scan.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence = [window]
    scan.save_as(path, enforce_file_format=True)
    assert read(path) == [0, 128, 255]


def test_a_window_is_in_the_units_after_the_rescale(path):
    tags = {"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": 0.5, "WindowWidth": 101}
    volume(path, grey(25, 50, 75), **tags)  # rescaled: -50, 0, 50
    assert read(path) == [0, 128, 255]


def test_a_rescale_alone_changes_no_brightness(path):
    volume(path, grey(0, 100, 255), RescaleSlope=2, RescaleIntercept=-100)
    assert read(path) == [0, 100, 255]


def test_one_frame_and_rle(path):
    from pydicom.uid import RLELossless

    scan = volume(path, grey(77))
    assert read(path) == [77]
    scan.compress(RLELossless)
    scan.save_as(path, enforce_file_format=True)
    assert read(path) == [77]


def test_only_declared_frames_are_taken(path):
    scan = volume(path, grey(1, 2, 3))
    scan.NumberOfFrames = 2
    scan.save_as(path, enforce_file_format=True)
    with pytest.warns(UserWarning, match="pixel data"):
        assert read(path) == [1, 2]


def test_colour_becomes_grey_in_a_folder_of_scans(path):
    colour = np.zeros((1, 8, 8, 3), np.uint8)
    colour[..., 1] = 255
    volume(path, colour, photometric="RGB")
    assert (pictures.read_scans(path.read_bytes(), 8) == 150).all()
    assert pictures.open_picture(path).getpixel((0, 0)) == (0, 255, 0)


def damaged(path, scan):
    data = path.read_bytes()
    yield "cut in the pixels", data[:-6]
    yield "cut in the header", data[:300]
    scan.HighBit, scan.BitsStored, scan.BitsAllocated = 15, 12, 16
    scan.save_as(path, enforce_file_format=True)
    yield "HighBit", path.read_bytes()


def test_what_is_damaged_is_refused_and_nobody_named(path):
    for what, data in damaged(path, volume(path, grey(1, 2))):
        with pytest.raises(pictures.PictureError) as error:
            pictures.read_scans(data, 2)
        assert NAME not in str(error.value), what
        assert error.value.__cause__.__context__ is None or NAME not in str(error.value), what


def test_a_huge_picture_is_refused_before_it_unfolds(path):
    scan = volume(path, grey(1))
    scan.Rows, scan.Columns = 60_000, 60_000
    scan.save_as(path, enforce_file_format=True)
    with pytest.raises(pictures.PictureError, match="declares 3,600,000,000 numbers"):
        pictures.open_picture(path)


def test_a_deflated_file_is_refused_before_pydicom_inflates_it(path, monkeypatch):
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    scan = volume(path, grey(1))
    scan.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    scan.save_as(path, enforce_file_format=True)
    monkeypatch.setattr(pydicom, "dcmread", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(pictures.PictureError, match="deflated"):
        pictures.open_picture(path)


def test_a_jpeg_called_dcm_is_read_as_what_it_is(path):
    from PIL import Image

    Image.new("L", (8, 8), 90).save(path, "jpeg")
    assert (pictures.read_scans(path.read_bytes(), 8) == 90).all()


def test_the_patient_s_number_leads_back_only_with_the_key(path):
    volume(path, grey(1), patient="12345")
    data = path.read_bytes()
    numbers = {dicom.look(data, key).patient for key in (b"a", b"a", b"b")}
    assert len(numbers) == 2 and not any("12345" in number for number in numbers)
    volume(path, grey(1), patient=None)
    assert dicom.look(path.read_bytes(), b"a").patient is None


def test_without_pydicom_the_message_says_how_to_get_it(path, monkeypatch):
    volume(path, grey(1))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(dicom.MissingReaderError, match="python -m pip install pydicom"):
        pictures.open_picture(path)


@pytest.fixture
def clinic(tmp_path):
    """A folder as a clinic exports it: volumes and single frames, files without a suffix."""
    rng = np.random.default_rng(0)

    def frames(n, dtype, top):
        return rng.integers(0, top, (n, 40, 64)).astype(dtype)

    folder = tmp_path / "clinic"
    for k, name in enumerate(("normal", "amd")):
        for person in range(8):
            who, here = f"{name}-{person}", folder / name
            volume(here / f"V{person}.dcm", frames(6, np.uint8, 256), patient=who)
            volume(
                here / f"IM{person:04}", frames(1, np.uint16, 4096), bits=12, patient=who,
                photometric=("MONOCHROME1", "MONOCHROME2")[k],
                WindowCenter=2000, WindowWidth=4000,
            )  # fmt: skip
    return folder


def test_a_clinic_s_folder_is_prepared_with_its_patients(clinic, tmp_path, capsys):
    folder = prepare(find("oct"), 32, tmp_path / "data", clinic)
    splits = load("oct", source="real", root=tmp_path / "data", size=32)
    said = " ".join(capsys.readouterr().out.split())
    assert sum(map(len, splits.values())) == 2 * 8 * 7
    patients = {split: set(part.groups.tolist()) for split, part in splits.items()}
    assert len(patients["train"] | patients["test"]) == 16
    assert not patients["train"] & patients["test"]
    for part in splits.values():  # a volume and the single frame of one patient
        assert set(np.unique(part.groups, return_counts=True)[1]) == {7}
    assert "patients known from the headers" in said
    assert "38% of the longer side cut off" in said
    for file in folder.iterdir():
        content = file.read_bytes()
        assert NAME.encode() not in content and b"normal-3" not in content, file
    assert NAME not in said


def test_a_clinic_s_folder_runs_through_module_5(clinic, tmp_path):
    """The experiment's own functions, trainings cut short; in a process with its own settings."""
    prepare(find("oct"), 64, tmp_path / "data", clinic)
    code = (
        "from helpers.experiments.module_05 import autoencoder, cae_scores, judged, pretrained, task\n"
        "pool, validation, test = task('real')\n"
        "encoder = pretrained('all labels', pool)\n"
        "cae, losses = autoencoder(encoder, pool.of_class('NORMAL'), progress=False)\n"
        "print(len(losses), sorted(judged(cae_scores(cae, test.images), test))[:2])\n"
    )
    settings = {"COURSE_DATA": str(tmp_path / "data"), "COURSE_PROFILE": "smoke"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | settings, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "Huber, all" in run.stdout


def test_without_pydicom_a_folder_of_dicom_is_refused_with_the_way_out(
    clinic, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DataError, match="python -m pip install pydicom"):
        prepare(find("oct"), 32, tmp_path / "data", clinic)
    assert store.prepared_folders(tmp_path / "data") == []
