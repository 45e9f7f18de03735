"""DICOM files, through pydicom: the few values that are wanted, and nothing else of the header.

A header holds names, dates and numbers of patients in more places than anyone lists, so no dataset
leaves this file, and no message of pydicom does: what it could not read may stand in it.
"""

import hashlib
import warnings
from contextlib import contextmanager
from io import BytesIO

import numpy as np
from PIL import Image

from helpers.datasets.errors import PictureError

INSTALL = (
    'pip install pydicom, with the Python of the course (it is its extra "dicom"), or export the '
    "pictures as PNG"
)


def is_dicom(data):
    """Whether the bytes of a file, whatever its name, begin as DICOM does."""
    return data[128:132] == b"DICM"


def installed():
    """Whether pydicom is there, which is an optional extra."""
    try:
        import pydicom  # noqa: F401 - only looked for
    except ImportError:
        return False
    return True


def look(data, key, check_size):
    """The fields of `pictures.Facts`, as a dict.

    key : random bytes that nobody keeps; with them the patient's number becomes one that tells
        which files are of one patient, and no more
    """
    with _explained():
        scan, size, frames = _scan(data, check_size)
        facts = {"frames": frames}
        if frames:
            # Where the patient was taken out, a study at least is of one.
            number = scan.get("PatientID") or scan.get("StudyInstanceUID") or ""
            if number := str(number).strip():
                digest = hashlib.blake2b(number.encode(), key=key, digest_size=16)
                facts["patient"] = digest.hexdigest()
            spacing = _item(scan, 0, "PixelMeasuresSequence").get("PixelSpacing")
            if spacing and min(spacing) > 0 and max(spacing) != 1:  # 1 mm: it was not known
                facts["aspect"] = float(spacing[1] / spacing[0])
            facts["may_name"] = scan.get("BurnedInAnnotation") != "NO"
            if _grey(scan) and scan.BitsStored > 8 and not _window(scan, 0):
                # The declared bits are the scale; whether the pixels use them is to be seen.
                greys = [_as_grey(scan, *frame) for frame in _stored(scan, size, range(frames))]
                lowest, highest = (float(f([f(x) for x in greys])) for f in (np.min, np.max))
                if scan.PhotometricInterpretation == "MONOCHROME1":
                    lowest, highest = 1 - highest, 1 - lowest
                facts["values"] = ("dicom", lowest, highest)
        return facts


def frames(data, finish, first, check_size):
    """`finish` of each declared frame, as an L or RGB picture, in a list ordered by position."""
    with _explained():
        scan, size, count = _scan(data, check_size)
        if not count:
            raise PictureError("There is no picture in the file.")
        order = range(count)
        contents = [_item(scan, frame, "FrameContentSequence") for frame in order]
        places = [content.get("InStackPositionNumber") for content in contents]
        if all(place is not None for place in places):
            order = sorted(order, key=places.__getitem__)
        stored = _stored(scan, size, order[: 1 if first else None])
        return [finish(Image.fromarray(_as_bytes(scan, *frame))) for frame in stored]


@contextmanager
def _explained():
    """What pydicom raises becomes a PictureError in our own words."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PictureError:
        raise
    except RuntimeError:
        raise PictureError(
            "The pixels of the file are compressed in a way that cannot be read here: "
            "export it without compression, or as PNG."
        ) from None
    except Exception:
        raise PictureError(
            "The DICOM file cannot be read: its header is damaged, or its pixels are cut short. "
            "Export it again."
        ) from None


def _scan(data, check_size):
    """The dataset, (rows, columns), and the number of frames, 0 where it holds no picture.

    Everything that would be unfolded is judged before it is.
    """
    try:
        from pydicom import dcmread, filereader
    except ImportError:
        raise PictureError(f"The file is DICOM, which pydicom reads: {INSTALL}.") from None
    # To look at the header by dcmread would inflate a deflated file, all of it.
    file = BytesIO(data)
    filereader.read_preamble(file, force=False)
    meta = filereader.read_dataset(file, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
    if meta.TransferSyntaxUID.is_deflated:
        _refuse("is deflated as a whole", "TransferSyntaxUID")
    scan = dcmread(BytesIO(data))
    if "FloatPixelData" in scan or "DoubleFloatPixelData" in scan:
        _refuse("holds pixels that are no whole numbers", "FloatPixelData")
    if "PixelData" not in scan:
        return scan, None, 0
    rows, columns, count = scan.Rows, scan.Columns, int(scan.get("NumberOfFrames") or 1)
    if min(rows, columns, count) < 1:
        _refuse("has no pixels", "Rows, Columns, NumberOfFrames")
    check_size(columns, rows, count)
    kind, bits = scan.PhotometricInterpretation, scan.BitsStored
    if not (_grey(scan) or kind in ("RGB", "PALETTE COLOR") or kind.startswith("YBR")):
        _refuse(f"has pixels of the kind {kind[:16]}", "PhotometricInterpretation")
    most = 16 if scan.SamplesPerPixel == 1 else 8
    if scan.BitsAllocated not in (8, 16) or not 1 < bits <= most:
        _refuse(f"has {bits} bits in {scan.BitsAllocated}", "BitsStored")
    if scan.HighBit != bits - 1:  # forbidden today; pydicom would take the wrong bits, silently
        _refuse("has its bits in another place than the lowest", "HighBit")
    if "ModalityLUTSequence" in scan:
        _refuse("has a table for its values", "ModalityLUTSequence")
    if "VOILUTSequence" in scan and not _window(scan, 0):
        _refuse("has a table for its greys", "VOILUTSequence")
    return scan, (rows, columns), count


def _refuse(what, tag):
    raise PictureError(
        f"The DICOM file {what} ({tag}), which the course does not read: export it as PNG."
    )


def _grey(scan):
    return scan.PhotometricInterpretation in ("MONOCHROME1", "MONOCHROME2")


def _stored(scan, size, order):
    """(number, pixels as stored) of the frames in `order`, decoded one by one."""
    from pydicom.pixels import iter_pixels

    for number, pixels in zip(order, iter_pixels(scan, indices=order), strict=True):
        if pixels.shape[:2] != size:
            raise ValueError(pixels.shape)
        yield number, pixels


def _as_bytes(scan, frame, stored):
    if _grey(scan):
        return np.rint(255 * _as_grey(scan, frame, stored)).astype(np.uint8)
    if scan.PhotometricInterpretation != "PALETTE COLOR":
        return stored  # RGB, which pydicom makes of YBR, too
    from pydicom.pixels import apply_color_lut

    colours = apply_color_lut(stored, scan)
    return (colours >> 8 * (colours.itemsize - 1)).astype(np.uint8)


def _item(scan, frame, sequence):
    """Where a frame's values of one functional group stand: by frame, for all, or at the top."""
    for groups, at in (
        (scan.get("PerFrameFunctionalGroupsSequence"), frame),
        (scan.get("SharedFunctionalGroupsSequence"), 0),
    ):
        if groups and at < len(groups) and (found := groups[at].get(sequence)):
            return found[0]
    return scan


def _first(item, name, default=None):
    """The first of one or more numbers, or `default`, also where the element is there and empty."""
    value = item.get(name)
    value = value[0] if isinstance(value, (list, tuple)) or hasattr(value, "append") else value
    return default if value in (None, "") else float(value)


def _window(scan, frame):
    """(centre, width, function) of a frame's grey window; None without one.

    pydicom looks for it at the top of the header only, and says nothing where it stands deeper.
    """
    item = _item(scan, frame, "FrameVOILUTSequence")
    centre, width = _first(item, "WindowCenter"), _first(item, "WindowWidth")
    if centre is None or not width:
        return None
    return centre, width, item.get("VOILUTFunction") or "LINEAR"


def _as_grey(scan, frame, stored):
    """Stored values to 0 (black) .. 1 (white), by rescale, window and kind: DICOM PS3.3 C.11.2."""
    item = _item(scan, frame, "PixelValueTransformationSequence")
    slope, intercept = _first(item, "RescaleSlope", 1.0), _first(item, "RescaleIntercept", 0.0)
    values = slope * stored.astype(float) + intercept
    if window := _window(scan, frame):
        centre, width, function = window
        if function == "SIGMOID":
            grey = 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -99, 99)))
        elif function == "LINEAR_EXACT":
            grey = (values - centre) / width + 0.5
        else:  # from the first to the last of `width` whole numbers
            grey = (values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5
    else:
        # From the declared bits: a picture's own maximum would give each its own brightness.
        low = -(2 ** (scan.BitsStored - 1)) if scan.PixelRepresentation else 0
        ends = [slope * end + intercept for end in (low, low + 2**scan.BitsStored - 1)]
        grey = (values - min(ends)) / (max(ends) - min(ends))
    grey = grey.clip(0, 1)
    return 1 - grey if scan.PhotometricInterpretation == "MONOCHROME1" else grey
