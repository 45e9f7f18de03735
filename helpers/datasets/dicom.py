"""DICOM, the format that clinics export, by pydicom: pixels, a patient's number, nothing else.

A header names patient, clinic and staff in dozens of places, private ones among them. So the few
wanted values are copied out, and no data set, header or text of it is kept, printed or put into an
error.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

SUFFIXES = {".dcm", ".dicom", ".dic", ".ima", ""}
MOST_SAMPLES = 256_000_000  # numbers that the pixels may unfold to
READ = {  # transfer syntaxes that pydicom decodes with numpy and Pillow
    "1.2.840.10008.1.2",  # implicit
    "1.2.840.10008.1.2.1",  # explicit
    "1.2.840.10008.1.2.2",  # big endian
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.50",  # JPEG, 8 bits
    "1.2.840.10008.1.2.4.90",  # JPEG 2000, lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
}
DEFLATED = b"1.2.840.10008.1.2.1.99"
EXPORT = "Export it without compression, or as PNG."


class DicomError(ValueError):
    """A DICOM file that cannot be shown to a network, and why; names nobody."""


class MissingReaderError(RuntimeError):
    """pydicom is not installed."""


@dataclass(frozen=True)
class About:
    """What is taken from a header.

    frames, rows, columns : as declared; patient : a number that does not lead back, or None
    text : whether text may be burned into the pixels, as the header does not deny it
    """

    frames: int
    rows: int
    columns: int
    patient: str | None
    text: bool


def is_dicom(data):
    """Whether the bytes are those of a DICOM file, whatever its name."""
    return data[128:132] == b"DICM"


def look(data, key):
    """What a file's header says. bytes -> About

    key : bytes that hide who a patient is (keyed hash of the patient's ID), drawn anew for each
        preparation and not kept
    """
    scan = _header(data)
    who = str(scan.get("PatientID") or "").strip()
    patient = hashlib.blake2b(who.encode(), key=key, digest_size=8).hexdigest() if who else None
    text = str(scan.get("BurnedInAnnotation") or "").upper() != "NO"
    return About(_number_of_frames(scan), int(scan.Rows), int(scan.Columns), patient, text)


def read(data):
    """The frames of a DICOM file as they are meant to be shown, in the order of their position.

    bytes -> uint8 (n, rows, columns), or (n, rows, columns, 3) in colour
    """
    scan = _header(data)
    try:
        return _scans(scan)
    except DicomError:
        raise
    except Exception as error:  # what pydicom raises may quote the header: its type is enough
        raise DicomError(
            f"its pixels are cut short or stored in a way that is not read "
            f"({type(error).__name__}). {EXPORT}"
        ) from None


def _header(data):
    try:
        import pydicom
    except ImportError:
        raise MissingReaderError(
            "DICOM files need pydicom: install it with: python -m pip install pydicom"
        ) from None
    from io import BytesIO

    # Looked at before pydicom opens the file, since that inflates a deflated one whole.
    if DEFLATED in data[:1024]:
        raise DicomError(f"it is deflated as a whole, which may unfold to any size. {EXPORT}")
    try:
        scan = pydicom.dcmread(BytesIO(data))
        syntax = str(scan.file_meta.TransferSyntaxUID)
        samples = int(scan.Rows) * int(scan.Columns) * _number_of_frames(scan)
        samples *= int(scan.get("SamplesPerPixel") or 1)
        high, stored = scan.get("HighBit"), scan.get("BitsStored")
    except Exception as error:
        raise DicomError(
            f"its header is cut short, damaged, or not that of a picture ({type(error).__name__}). "
            "Export it again, as a picture."
        ) from None
    if syntax not in READ:
        raise DicomError(f"its pixels are compressed in a way that is not read. {EXPORT}")
    if not 0 < samples <= MOST_SAMPLES:
        raise DicomError(f"it declares {samples:,} numbers; {MOST_SAMPLES:,} at most are read")
    if high is not None and stored is not None and int(high) != int(stored) - 1:
        raise DicomError(f"its bits lie where they are not read (HighBit {high}). {EXPORT}")
    return scan


def _number_of_frames(scan):
    return int(scan.get("NumberOfFrames") or 1)


def _scans(scan):
    frames = _number_of_frames(scan)
    pixels = scan.pixel_array
    shape = (int(scan.Rows), int(scan.Columns))
    if int(scan.get("SamplesPerPixel") or 1) > 1:
        # pixel_array has made RGB of whatever colours these were
        pixels = _bytes(pixels.reshape(-1, *shape, pixels.shape[-1])[:frames], 0, _top(scan))
        return pixels[_order(scan, frames)]
    pixels = pixels.reshape(-1, *shape)[:frames]  # surplus data would come as surplus frames
    if scan.PhotometricInterpretation == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        pixels = (apply_color_lut(pixels, scan) / 65535 * 255).astype(np.uint8)
    else:
        pixels = np.stack([_shown(scan, i, pixels[i]) for i in range(frames)])
    return pixels[_order(scan, frames)]


def _shown(scan, i, frame):
    """One frame as it is to be shown: rescaled, windowed, MONOCHROME1 turned round."""
    if scan.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"):
        raise DicomError(f"its colours are not read ({scan.PhotometricInterpretation}). {EXPORT}")
    rescale = _group(scan, i, "PixelValueTransformationSequence", "RescaleSlope")
    slope = float(rescale.RescaleSlope) if rescale is not None else 1.0
    intercept = float(rescale.get("RescaleIntercept") or 0) if rescale is not None else 0.0
    values = frame.astype(np.float64) * slope + intercept
    if frame.dtype.kind == "f":
        low, high = min(0.0, values.min()), max(1.0, values.max())
    else:
        ends = np.array([_bottom(scan), _top(scan)]) * slope + intercept
        low, high = ends.min(), ends.max()
    window = _group(scan, i, "FrameVOILUTSequence", "WindowCenter")
    if window is not None:
        low, high = _window(window)
    grey = _bytes(values, low, high)
    return 255 - grey if scan.PhotometricInterpretation == "MONOCHROME1" else grey


def _window(item):
    """The lowest and highest number shown, by the first window. DICOM PS3.3, C.11.2.1.2"""
    centre, width = (_first(item[name].value) for name in ("WindowCenter", "WindowWidth"))
    if str(item.get("VOILUTFunction") or "LINEAR") == "LINEAR_EXACT":
        return centre - width / 2, centre + width / 2
    if width < 1:
        raise DicomError("its window has no width. " + EXPORT)
    return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2


def _first(value):
    return float(np.atleast_1d(value)[0])  # some files have several windows


def _group(scan, i, sequence, element):
    """Where frame i finds `element`: its own group, the shared one, the header; or None."""
    per_frame = scan.get("PerFrameFunctionalGroupsSequence") or []
    shared = scan.get("SharedFunctionalGroupsSequence") or []
    for group in (*per_frame[i : i + 1], *shared[:1]):
        for item in group.get(sequence) or []:
            if item.get(element) not in (None, ""):
                return item
    return scan if scan.get(element) not in (None, "") else None


def _order(scan, frames):
    """Frames by their position in the stack, where each has one; else as they are stored."""
    positions = []
    for group in scan.get("PerFrameFunctionalGroupsSequence") or []:
        for item in group.get("FrameContentSequence") or []:
            if item.get("InStackPositionNumber") is not None:
                positions.append(int(item.InStackPositionNumber))
    return np.argsort(positions, kind="stable") if len(positions) == frames else np.arange(frames)


def _signed(scan):
    return bool(scan.get("PixelRepresentation"))


def _top(scan):
    return 2 ** (int(scan.BitsStored) - _signed(scan)) - 1


def _bottom(scan):
    return -(2 ** (int(scan.BitsStored) - 1)) if _signed(scan) else 0


def _bytes(values, low, high):
    return np.rint(255 * ((values - low) / max(high - low, 1e-12)).clip(0, 1)).astype(np.uint8)
