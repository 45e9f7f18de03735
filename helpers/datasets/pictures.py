"""Picture files of any common kind, as the course's networks see them."""

import warnings
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

MOST_PIXELS = 64_000_000  # 256 MB while it is opened


class PictureError(ValueError):
    """A file that cannot be shown to a network, and what to do about it."""


def open_picture(source):
    """A picture file, upright, in RGB, its first frame. path or bytes -> PIL image

    Transparent pixels become white; 16-bit and float pixels are scaled to 8 bits.
    PictureError where it is missing, no picture, cut short, or too large.
    """
    in_memory = isinstance(source, (bytes, bytearray, memoryview))
    what = f"the {len(source):,} bytes" if in_memory else f"the file {source}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we look ourselves
            image = Image.open(BytesIO(source) if in_memory else source)
        if image.width * image.height <= MOST_PIXELS:
            image.load()
    except Image.DecompressionBombError as error:
        raise PictureError(_too_large(what)) from error
    except FileNotFoundError as error:
        raise PictureError(f"There is no file {source}. Check the path.") from error
    except Exception as error:  # decoders raise whatever they like
        raise PictureError(
            f"Cannot read {what} as a picture ({error}). Expected a whole JPEG, PNG, WebP, GIF, "
            "TIFF or BMP file: open it in a picture viewer and save it again."
        ) from error
    if image.width * image.height > MOST_PIXELS:
        raise PictureError(_too_large(what))
    return _to_rgb(ImageOps.exif_transpose(image))


def _too_large(what):
    most = MOST_PIXELS // 1_000_000
    return f"Of {what} a picture of more than {most} megapixels would unfold. Make it smaller."


def _to_rgb(image):
    if image.mode[0] in "IF":  # whole numbers beyond a byte, or floats
        values = np.nan_to_num(np.asarray(image, dtype=float))
        top = next((top for top in (1, 255, 65_535) if values.max() <= top), values.max())
        image = Image.fromarray((255 / top * values).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def read_picture(source, size=32):
    """The middle square of a picture file, shrunk or enlarged. -> uint8 (3, size, size)

    source : path or bytes, see `open_picture`
    """
    square = ImageOps.fit(open_picture(source), (size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))
