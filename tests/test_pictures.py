"""Odd picture files: read, or refused with a message."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from helpers.datasets import pictures
from helpers.datasets.pictures import PictureError, open_picture, read_picture

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(size=64):
    """Red top left, green top right, blue bottom left, white bottom right."""
    picture = Image.new("RGB", (size, size), WHITE)
    half = size // 2
    for colour, corner in ((RED, (0, 0)), (GREEN, (half, 0)), (BLUE, (0, half))):
        picture.paste(colour, (*corner, corner[0] + half, corner[1] + half))
    return picture


def as_file(picture, kind="png", **options):
    page = BytesIO()
    picture.save(page, format=kind, **options)
    return page.getvalue()


def corners(image):
    """Colours near the corners of uint8 (3, 32, 32): top left, top right, bottom left and right."""
    return [tuple(int(v) for v in image[:, y, x]) for y in (6, 25) for x in (6, 25)]


def near(image, expected, tolerance=12):
    return np.abs(np.subtract(corners(image), expected)).max() <= tolerance


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "bmp", "tiff"])
@pytest.mark.parametrize("size", [32, 64, 301])
def test_common_files(kind, size):
    image = read_picture(as_file(quarters(size), kind))
    assert image.shape == (3, 32, 32) and image.dtype == np.uint8 and image.flags.c_contiguous
    assert near(image, [RED, GREEN, BLUE, WHITE])


def test_a_path_or_bytes_and_another_size(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(as_file(quarters(), "jpeg"))
    for source in (path, str(path), path.read_bytes(), memoryview(path.read_bytes())):
        assert np.array_equal(read_picture(source), read_picture(path))
    assert read_picture(path, size=48).shape == (3, 48, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(orientation):
    turns = {
        1: lambda p: p,
        2: lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda p: p.transpose(Image.Transpose.ROTATE_180),
        4: lambda p: p.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda p: p.transpose(Image.Transpose.TRANSPOSE),
        6: lambda p: p.transpose(Image.Transpose.ROTATE_90),
        7: lambda p: p.transpose(Image.Transpose.TRANSVERSE),
        8: lambda p: p.transpose(Image.Transpose.ROTATE_270),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = turns[orientation](quarters())
    assert near(read_picture(as_file(stored, "jpeg", exif=exif)), [RED, GREEN, BLUE, WHITE])


def test_transparent_pixels_become_white():
    picture = quarters().convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 32, 32))
    expected = [WHITE, GREEN, BLUE, WHITE]
    assert near(read_picture(as_file(picture)), expected)
    palette = quarters().quantize(4)
    index = palette.getpixel((1, 1))
    assert near(read_picture(as_file(palette, transparency=index)), expected)
    grey = Image.merge("LA", (Image.new("L", (8, 8), 0), Image.new("L", (8, 8), 0)))
    assert (read_picture(as_file(grey)) == 255).all()


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "YCbCr", "LAB"])
def test_other_colour_modes(mode):
    kind = {"CMYK": "jpeg", "YCbCr": "jpeg", "LAB": "tiff"}.get(mode, "png")
    picture = quarters()
    if mode == "LAB":
        picture = Image.new("LAB", (64, 64), (255, 128, 128))
        assert read_picture(as_file(picture, kind)).min() > 240
        return
    image = read_picture(as_file(picture.convert(mode), kind))
    assert image.shape == (3, 32, 32)
    if mode in ("P", "CMYK", "YCbCr"):
        assert near(image, [RED, GREEN, BLUE, WHITE], 20)
    else:
        assert np.array_equal(image[0], image[1]) and image[0, 25, 25] > 240


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.uint16([[0, 65535], [32768, 65535]]), "png"),
        (np.uint16([[0, 65535], [32768, 65535]]), "tiff"),
        (np.float32([[0, 1], [0.5, 1]]), "tiff"),
        (np.float32([[0, 255], [128, np.nan]]), "tiff"),
        (np.int32([[0, 65535], [32768, 65535]]), "tiff"),
    ],
)
def test_deep_pixels_are_scaled_to_a_byte(values, kind):
    picture = Image.fromarray(np.kron(values, np.ones((32, 32), values.dtype)))
    image = read_picture(as_file(picture, kind))
    top_left, top_right, bottom_left, _ = (c[0] for c in corners(image))
    assert (top_left, top_right) == (0, 255) and 126 <= bottom_left <= 129


def test_the_first_frame_of_an_animation():
    frames = [Image.new("RGB", (40, 40), BLUE), Image.new("RGB", (40, 40), RED)]
    for kind in ("gif", "webp", "tiff"):
        image = read_picture(as_file(frames[0], kind, save_all=True, append_images=frames[1:]))
        assert near(image, [BLUE] * 4)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 2), (33, 31)])
def test_tiny_and_narrow_pictures(size):
    image = read_picture(as_file(Image.new("RGB", size, GREEN)))
    assert image.shape == (3, 32, 32) and near(image, [GREEN] * 4)


def test_the_middle_square_is_taken():
    wide = Image.new("RGB", (192, 64), RED)
    wide.paste(quarters(), (64, 0))
    assert near(read_picture(as_file(wide)), [RED, GREEN, BLUE, WHITE])


def test_a_huge_picture_is_read_or_refused_by_its_pixels(monkeypatch):
    assert near(read_picture(as_file(Image.new("RGB", (6000, 4000), GREEN), "jpeg")), [GREEN] * 4)
    bomb = as_file(Image.new("1", (9000, 9000)))
    with pytest.raises(PictureError, match=r"more than 64 megapixels .* Make it smaller"):
        read_picture(bomb)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow's own limit is the same to us
    with pytest.raises(PictureError, match="64 megapixels"):
        read_picture(bomb)
    monkeypatch.setattr(pictures, "MOST_PIXELS", 10)
    with pytest.raises(PictureError, match="megapixels"):
        read_picture(as_file(quarters()))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"This is a letter.",
        as_file(quarters())[:60],
        as_file(quarters(), "jpeg")[:400],
        as_file(quarters(), "gif")[:40],
        as_file(quarters())[:45] + bytes(40) + as_file(quarters())[85:],
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
    ],
    ids=["empty", "text", "cut png", "cut jpeg", "cut gif", "spoiled png", "svg", "pdf"],
)
def test_what_is_no_picture_is_refused_with_a_message(content, tmp_path):
    with pytest.raises(PictureError, match=rf"the {len(content):,} bytes .* Expected a whole JPEG"):
        read_picture(content)
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=r"the file .*holiday\.jpg"):
        open_picture(path)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(PictureError, match=r"no file .*nowhere\.png"):
        read_picture(tmp_path / "nowhere.png")
    with pytest.raises(PictureError, match="Cannot read"):
        read_picture(tmp_path)
