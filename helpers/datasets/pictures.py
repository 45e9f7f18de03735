"""Picture files of any common kind, as the course's networks see them: the one reader.

An upload and a folder of scans go through the same steps: opened, upright, 8 bits, the middle
square, shrunk. DICOM files are read by `helpers.datasets.dicom`.
"""

import warnings
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from helpers.datasets import dicom

MOST_PIXELS = 64_000_000  # of one picture: 256 MB while it is opened
MOST_PAGES = 2000
SUFFIXES = {  # what is looked at in a folder; Pillow decides by content whether it can read it
    ".jpeg", ".jpg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".jp2", ".j2k",
    ".avif", *dicom.SUFFIXES,
}  # fmt: skip
KINDS = "JPEG, PNG, TIFF, BMP, WebP, GIF, JPEG 2000, AVIF or DICOM"
VENDORS = {  # suffix: whose own format
    ".e2e": "Heidelberg", ".vol": "Heidelberg", ".sdb": "Heidelberg",
    ".img": "Zeiss", ".czi": "Zeiss", ".fda": "Topcon", ".fds": "Topcon",
    ".oct": "Optovue", ".octa": "Optovue", ".ocb": "Optovue",
}  # fmt: skip
WHOLE = (255, 1023, 4095, 16_383, 65_535)  # tops of whole numbers of 8, 10, 12, 14, 16 bits
PHOTOMETRIC, REDUCED, BITS, SAMPLE_FORMAT = 262, 254, 258, 339  # TIFF tags


class PictureError(ValueError):
    """A file that cannot be shown to a network, and what to do about it."""


def open_picture(source):
    """A picture file, upright, in RGB with 8 bits, its first page. path or bytes -> PIL image

    Transparent pixels become white. Numbers of more than 8 bits, and floats, are scaled from their
    own range (`levels`). `info["pages"]` of the image says how many the file holds.
    PictureError where it is missing, no picture, cut short, or too large.
    """
    with _in_words(source):
        if dicom.is_dicom(data := _bytes(source)):
            scans = dicom.read(data)
            image, pages = Image.fromarray(scans[0]), len(scans)
        else:
            with _opened(data) as opened:
                pages = _pages(opened)
                image = eight_bits(opened)
    image = image.convert("RGB")
    image.info["pages"] = pages
    return image


def read_picture(source, size=32):
    """The middle square of a picture file, shrunk or enlarged. -> uint8 (3, size, size)

    source : path or bytes, see `open_picture`
    """
    square = middle_square(open_picture(source), size)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def read_scans(data, size, top=None):
    """All pages of a picture file in grey: their middle squares. bytes -> uint8 (N, size, size)

    top : the lowest and highest number that become black and white, where the file has more than
        8 bits; the range of the whole folder, so that its scans keep their brightness beside each
        other. Without it, the file's own.
    PictureError as `open_picture`.
    """
    with _in_words(data):
        if dicom.is_dicom(data):
            return np.stack([_grey_square(x, size) for x in dicom.read(data)])
        with _opened(data) as image:
            if image.format == "JPEG":
                image.draft("L", (2 * size, 2 * size))  # decoded at a fraction of its size
            scans = []
            for page in _real_pages(image):
                image.seek(page)
                scans.append(_grey_square(eight_bits(image, top), size))
            return np.stack(scans)


def look(data):
    """What has to be known of a file before any is read. bytes -> pages, levels, width, height

    levels : as `levels`, over all pages; None for ordinary pictures of 8 bits
    PictureError as `open_picture`.
    """
    with _in_words(data), _opened(data, load=False) as image:
        ranges = []
        pages = _real_pages(image)
        for page in pages:
            image.seek(page)
            _check_size(image)
            ranges.append(levels(image))
        width, height = ImageOps.exif_transpose(image).size if image.getexif() else image.size
    ranges = [r for r in ranges if r]
    both = (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None
    return len(pages), both, width, height


def levels(image):
    """The numbers that become black and white in a picture of more than 8 bits. -> (low, high)

    None where a pixel has 8 bits. Black is 0, or the lowest number where that is negative. White is
    1 for floats up to 1; the top of 8, 10, 12, 14 or 16 bits, whichever the numbers need, for whole
    numbers (scanners store 12 bits in 16); else the highest number.
    """
    if image.mode[0] not in "IF":
        return None
    values = _numbers(image)
    low, high = min(0.0, float(values.min())), float(values.max())
    if image.mode == "F" and high <= 1:
        return low, 1.0
    if image.mode == "F" and (values != values.round()).any():
        return low, high
    return low, float(next((top for top in WHOLE if high <= top), high))


def eight_bits(image, top=None):
    """A picture upright, in mode L or RGB. PIL image -> PIL image

    top : as for `read_scans`
    """
    if range_of := levels(image):
        low, high = top or range_of
        values = (_numbers(image) - low) / max(high - low, 1e-12)
        if _white_is_zero(image):
            values = 1 - values
        grey = np.rint(255 * values.clip(0, 1)).astype(np.uint8)
        return _turned(Image.fromarray(grey), image.getexif())
    if image.has_transparency_data:
        above = ImageOps.exif_transpose(image).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    plain = image if image.mode in ("L", "RGB") else image.convert(_plain_mode(image))
    return ImageOps.exif_transpose(plain)


def middle_square(image, size):
    """The middle square, shrunk or enlarged. PIL image -> PIL image of size×size

    As MedMNIST made OCTMNIST: the shape of what is seen stays, the ends of the longer side go.
    """
    if image.size == (size, size):
        return image
    return ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)


def _grey_square(image, size):
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    return np.asarray(middle_square(image.convert("L"), size))


def _plain_mode(image):
    return "L" if image.mode == "1" else "RGB"


def _turned(image, exif):
    image.getexif().update(exif)
    return ImageOps.exif_transpose(image)


def _numbers(image):
    values = np.asarray(image).astype(np.float64)
    tags = getattr(image, "tag_v2", {})
    if image.mode == "I" and tags.get(BITS) == (32,) and tags.get(SAMPLE_FORMAT, (1,)) == (1,):
        values[values < 0] += 2.0**32  # Pillow reads unsigned numbers of 32 bits as signed ones
    if not np.isfinite(values).any():
        raise ValueError("no pixel is a finite number")
    finite = values[np.isfinite(values)]
    return np.nan_to_num(values, nan=finite.min(), posinf=finite.max(), neginf=finite.min())


def _white_is_zero(image):
    return getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0  # Pillow turns 8 bits round, not 16


def _pages(image):
    # a phone's MPO file holds the same view twice, or a map of depth
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def _real_pages(image):
    """The pages that are pictures of their own: not the small copies that some TIFF files hold."""
    if (pages := _pages(image)) > MOST_PAGES:
        raise PictureError(f"it holds {pages:,} pages; {MOST_PAGES:,} at most are read")
    real = []
    for page in range(pages):
        image.seek(page)
        if not (getattr(image, "tag_v2", {}).get(REDUCED, 0) & 1):
            real.append(page)
    return real or [0]


def _bytes(source):
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    return Path(source).read_bytes()


@contextmanager
def _opened(data, load=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow's: sizes we look at, and oddities in metadata
        with Image.open(BytesIO(data)) as image:
            _check_size(image)
            if load and _pages(image) == 1 and image.format != "JPEG":
                image.load()
            yield image


def _check_size(image):
    if image.width * image.height > MOST_PIXELS:
        raise PictureError(_too_large())


def _too_large():
    most = MOST_PIXELS // 1_000_000
    return f"a picture of more than {most} megapixels would unfold. Make it smaller"


@contextmanager
def _in_words(source):
    """Whatever a decoder raises becomes a PictureError."""
    in_memory = isinstance(source, (bytes, bytearray, memoryview))
    what = f"the {len(source):,} bytes" if in_memory else f"the file {source}"
    try:
        yield
    except FileNotFoundError as error:
        raise PictureError(f"There is no file {source}. Check the path.") from error
    except (Image.DecompressionBombError, PictureError) as error:
        why = error if isinstance(error, PictureError) else _too_large()
        raise PictureError(f"Cannot read {what}: {why}.") from error
    except dicom.MissingReaderError:
        raise
    except dicom.DicomError as error:
        raise PictureError(f"Cannot read {what}: {error}") from error
    except Exception as error:  # decoders raise whatever they like
        why = "of no known kind" if isinstance(error, Image.UnidentifiedImageError) else error
        raise PictureError(
            f"Cannot read {what} as a picture ({why}). Expected a whole {KINDS} file: open it in "
            "a picture viewer and save it again."
        ) from error
