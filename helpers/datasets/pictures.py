"""The one reader of picture files, for uploads and for folders of scans.

Two steps: `look` says what there is to know of a file, `read_scans` or `open_picture` gives its
pixels in 8 bits. Between them lies the scale of pixels beyond a byte: a folder needs one for all
its files, or each would have a brightness of its own.
"""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.datasets import dicom
from helpers.datasets.errors import PictureError

MOST_PIXELS = 64_000_000  # of a frame: 256 MB while it is opened
MOST_IN_ALL = 32 * MOST_PIXELS  # of all frames of a file; they are opened one by one
KINDS = {  # what is read, by Pillow's name; never EPS, say, for which it starts another program
    "JPEG": (".jpeg", ".jpg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "AVIF": (".avif",),
    "PPM": (".pgm", ".ppm", ".pnm"),
    "DICOM": (".dcm", ".dicom", ".ima"),
}
ALSO = ("MPO", "DIB", "ICO")  # what telephones make of .jpg, BMP without its head, and icons
SUFFIXES = frozenset(suffix for suffixes in KINDS.values() for suffix in suffixes)
PAGED = ("TIFF", "GIF", "WEBP", "PNG", "AVIF")  # an MPO's second picture is a thumbnail or a depth
VENDORS = {
    ".e2e": "Heidelberg", ".sdb": "Heidelberg", ".vol": "Heidelberg", ".img": "Zeiss",
    ".czi": "Zeiss", ".fda": "Topcon", ".fds": "Topcon", ".oct": "Optovue, Bioptigen",
    ".boct": "Bioptigen", ".poct": "Optovue",
}  # fmt: skip
NEARLY_FLAT = 1 / 16  # of the scale: at most 15 of 255 grey levels are used
FIXED = {"colour": (0, 255), "dicom": (0, 1)}  # scales that are not up to us


@dataclass(frozen=True)
class Facts:
    """What a file says of itself, all that is kept of it beside its pixels.

    frames : their number; 0 where a DICOM file holds none
    values : (kind, lowest, highest) of pixels beyond a byte ("whole", "float", "colour", "dicom")
    aspect : width of a pixel over its height, where known
    patient : a number for the patient that cannot be turned back, where known
    may_name : a DICOM file that does not say that its pixels show no name
    """

    frames: int = 1
    values: tuple | None = None
    aspect: float | None = None
    patient: str | None = None
    may_name: bool = False


def look(data, key=b""):
    """The Facts of a picture file's bytes; PictureError where it is none.

    key : patients' names are hashed with it, see `dicom.look`
    """
    if data[:2] == b"\xff\xd8":
        return Facts()  # a JPEG is one frame of bytes, and most files are JPEG
    with _explained("the file", data):
        if dicom.is_dicom(data):
            return Facts(**dicom.look(data, key, _check_size))
        image = _opened(data)
        pages = _pages(image)
        ranges = [_range(image) for _ in _seek(image, pages) if _beyond_a_byte(image)]
    if not ranges:
        return Facts(len(pages))
    kinds, lowest, highest = zip(*ranges, strict=True)
    return Facts(len(pages), (max(kinds), min(lowest), max(highest)))


def scale(values):
    """Black and white for the pixels of one kind: {(kind, lowest, highest)} of all files -> pair

    White is what the pixels' type must have been: a power of four, so that files of 12 bits in 16
    keep their contrast, and so that the brightest scan does not set the brightness of the others.
    """
    kinds, lowest, highest = zip(*values, strict=True)
    kind, low, high = kinds[0], min(lowest), max(highest)
    if kind in FIXED:
        return FIXED[kind]
    if low < 0 or high / 2 < low < high:  # signed, or stored with an offset
        return low, max(high, low + 1)
    if kind == "whole":
        return 0, next(4**n - 1 for n in range(4, 64) if high < 4**n)
    return 0, next((top for top in (1, 255, 4095, 65_535) if top / 4 <= high <= top), high or 1)


def nearly_flat(values, black_and_white):
    """What is wrong with a file whose pixels use too little of the scale, or None."""
    (_, low, high), (black, white) = values, black_and_white
    if 0 < high - low < NEARLY_FLAT * (white - black):
        return (
            f"nearly one grey: its pixels go from {low:.6g} to {high:.6g}, where {black:.6g} is "
            f"black and {white:.6g} is white"
        )


def read_scans(data, size, facts=None, black_and_white=None, stretch=1.0):
    """All frames of a picture file's bytes in grey. -> uint8 (frames, size, size), share cut away

    facts : from `look`; black_and_white : from `scale`; stretch : see `middle_square`
    """
    facts = facts or look(data)
    wide = []

    def finish(image):
        image = _on_white(image, "L")
        square, cut = middle_square(image, size, stretch)
        wide.append(cut)
        return np.asarray(square)

    frames = _frames(data, finish, _black_and_white(facts, black_and_white), draft=size)
    return np.stack(frames), float(np.mean(wide))


def open_picture(source):
    """A picture file, upright, in RGB, its first frame. path or bytes -> PIL image

    Transparent pixels become white; 16-bit and float pixels are scaled to 8 bits. `info["frames"]`
    is the number of frames. PictureError where it is missing, no picture, cut short, or too large.
    """
    in_memory = isinstance(source, (bytes, bytearray, memoryview))
    what = f"the {len(source):,} bytes" if in_memory else f"the file {source}"
    with _explained(what, source):
        data = bytes(source) if in_memory else open(source, "rb").read()  # noqa: SIM115
        facts = look(data)
        if not facts.frames:
            raise PictureError(f"There is no picture in {what}: it is DICOM of another kind.")
        ours = _black_and_white(facts)
        if facts.values and (why := nearly_flat(facts.values, ours)):
            raise PictureError(f"The picture in {what} is {why}. Save it with 8 bits.")
        (image,) = _frames(data, lambda image: _on_white(image, "RGB"), ours, first=True)
    image.info["frames"] = facts.frames
    return image


def read_picture(source, size=32):
    """The middle square of a picture file, shrunk or enlarged. -> uint8 (3, size, size)

    source : path or bytes, see `open_picture`, or what it gave
    """
    picture = source if isinstance(source, Image.Image) else open_picture(source)
    square, _ = middle_square(picture, size)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def middle_square(image, size, stretch=1.0):
    """The middle of a picture at size×size pixels, and the share of it that was cut away.

    stretch : how many times wider than usual its pixels are; the middle is then as many times
        higher than wide, in pixels, so that tissue has the same shape in all pictures
    """
    width, height = image.size
    high = min(height, width * stretch)
    wide = high / stretch
    left, top = (width - wide) / 2, (height - high) / 2
    box = (left, top, left + wide, top + high)
    square = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return square, 1 - wide * high / (width * height)


def _black_and_white(facts, given=None):
    return given or (scale([facts.values]) if facts.values else None)


def _frames(data, finish, black_and_white, first=False, draft=None):
    """`finish` of each frame as an upright picture of 8 bits, in a list: one is open at a time."""
    with _explained("the file", data):
        if dicom.is_dicom(data):
            return dicom.frames(data, finish, first, _check_size)
        image = _opened(data)
        if draft:  # a JPEG can be decoded at a fraction of its size
            image.draft("L", (2 * draft, 2 * draft))
        pages = _pages(image)[: 1 if first else None]
        return [
            finish(ImageOps.exif_transpose(_to_bytes(image, black_and_white)))
            for _ in _seek(image, pages)
        ]


@contextmanager
def _explained(what, source):
    """Whatever decoders raise becomes a PictureError; what they warn of is not for the reader."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PictureError as error:  # from further inside, where the name was not known
        raise PictureError(str(error).replace("the file", what, 1)) from None
    except Image.DecompressionBombError as error:
        raise PictureError(_too_large(what)) from error
    except FileNotFoundError as error:
        raise PictureError(f"There is no file {source}. Check the path.") from error
    except Exception as error:
        if isinstance(error, UnidentifiedImageError):  # it says where the bytes lie in memory
            error = _unidentified(source)
        raise PictureError(
            f"Cannot read {what} as a picture ({error}). Expected a whole JPEG, PNG, WebP, GIF, "
            "TIFF or BMP file: open it in a picture viewer and save it again."
        ) from None


def _unidentified(source):
    """Why Pillow knows no format for a file, path or bytes."""
    path = "" if isinstance(source, (bytes, bytearray, memoryview)) else f" '{source}'"
    head = open(source, "rb").read(12) if path else bytes(source[:12])  # noqa: SIM115
    if head[4:8] == b"ftyp" and head[8:11] in (b"hei", b"hev", b"mif"):
        return "it is HEIC, a telephone's own format"
    if head[:2] in (b"\x02\0", b"\x08\0"):
        return "it may be DICOM without its first 132 bytes"
    return f"cannot identify image file{path}"


def _too_large(what):
    most = MOST_PIXELS // 1_000_000
    return f"Of {what} a picture of more than {most} megapixels would unfold. Make it smaller."


def _check_size(width, height, frames=1):
    """Before anything is unfolded."""
    if width * height > MOST_PIXELS or width * height * frames > MOST_IN_ALL:
        raise PictureError(_too_large("the file"))


def _opened(data):
    if not data:
        raise ValueError("it is empty")
    Image.init()
    kinds = [kind for kind in (*KINDS, *ALSO) if kind in Image.OPEN]  # AVIF: not in every Pillow
    return Image.open(BytesIO(data), formats=kinds)


def _pages(image):
    """The numbers of a file's frames, without the thumbnails that some TIFF files hold."""
    count = getattr(image, "n_frames", 1) if image.format in PAGED else 1
    _check_size(*image.size, count)
    if count == 1:
        return [0]
    pages = []
    for page in range(count):
        image.seek(page)
        if not getattr(image, "tag_v2", {}).get(254, 0) & 1:
            pages.append(page)
    image.seek(0)
    return pages or [0]


def _seek(image, pages):
    for page in pages:
        image.seek(page)
        _check_size(*image.size)
        yield page


def _beyond_a_byte(image):
    """Of a frame that is not loaded: whether it has more than 256 greys, or colours of 16 bits."""
    return image.mode[0] in "IF" or ";16" in str(image.tile)


def _range(image):
    """(kind, lowest, highest) of the pixels of a frame that is beyond a byte."""
    if image.mode[0] not in "IF":  # Pillow keeps the upper 8 bits of colours of 16
        known = np.asarray(image)[..., : -1 if image.mode in ("LA", "RGBA") else None]
        kind = "colour"
    else:
        values = _values(image)
        known, kind = values[~np.isnan(values)], "float" if image.mode[0] == "F" else "whole"
    return (kind, float(known.min()), float(known.max())) if known.size else (kind, 0, 0)


def _values(image):
    """The pixels of a deep picture as float64; NaN where there is no value."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if values.dtype == np.int32 and tags.get(258) == (32,) and tags.get(339, (1,))[0] == 1:
        values = values.view(np.uint32)  # Pillow has no such mode: half of the values were negative
    values = values.astype(float)
    values[np.abs(values) > 1e30] = np.nan  # what stands for "nothing" in some float files
    return values


def _to_bytes(image, black_and_white):
    """A frame whose pixels are bytes."""
    image.load()
    if image.mode[0] not in "IF":
        return image
    black, white = black_and_white
    grey = (np.nan_to_num(_values(image), nan=black) - black) / (white - black)
    grey = grey.clip(0, 1)
    if getattr(image, "tag_v2", {}).get(262) == 0:  # white is zero; Pillow minds it in bytes only
        grey = 1 - grey
    new = Image.fromarray(np.rint(255 * grey).astype(np.uint8))
    new.getexif()[0x0112] = image.getexif().get(0x0112, 1)  # it may lie on its side
    return new


def _on_white(image, mode):
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)
