"""Odd picture files: read, or refused with a message."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin

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


RAMP = np.tile(np.linspace(0, 1, 32), (32, 1))


def deep(values, **options):
    """A TIFF file with these pixels."""
    if values.dtype != np.uint32:
        return as_file(Image.fromarray(values), "tiff", **options)
    file = as_file(Image.fromarray(values.view(np.int32)), "tiff", **options)
    at = file.index(struct.pack("<HHIH", 339, 3, 1, 2))  # SampleFormat, to be: not negative
    return file[: at + 8] + b"\1" + file[at + 9 :]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((65_535 * RAMP).astype(np.uint16), RAMP),
        ((4095 * RAMP).astype(np.uint16), RAMP),  # 12 bits in 16
        ((1023 * RAMP).astype(np.uint16), RAMP),
        ((2000 * RAMP).astype(np.uint16), 2000 / 4095 * RAMP),  # no file is its own scale
        ((200 * RAMP).astype(np.uint16), 200 / 255 * RAMP),
        ((31_000 + 4000 * RAMP).astype(np.uint16), RAMP),  # signed, stored with an offset
        ((65_535 * RAMP).astype(np.int32), RAMP),
        ((4000 * RAMP - 1000).astype(np.int32), RAMP),
        ((4e9 * RAMP).astype(np.uint32), 4e9 / (2**32 - 1) * RAMP),
        (RAMP.astype(np.float32), RAMP),
        ((0.5 * RAMP).astype(np.float32), 0.5 * RAMP),
        ((1.2 * RAMP).astype(np.float32), RAMP),
        ((0.01 * RAMP).astype(np.float32), RAMP),
        ((255 * RAMP).astype(np.float32), RAMP),
        ((300 * RAMP).astype(np.float32), RAMP),
        ((2 * RAMP - 1).astype(np.float32), RAMP),
        (np.where(RAMP == 0, np.nan, RAMP).astype(np.float32), RAMP),
        (np.where(RAMP == 0, -3.4e38, RAMP).astype(np.float32), RAMP),
        (np.zeros((32, 32), np.uint16), 0 * RAMP),
        (np.full((32, 32), 65_535, np.uint16), 0 * RAMP + 1),
        (np.full((32, 32), np.nan, np.float32), 0 * RAMP),
    ],
)
def test_deep_pixels_keep_their_contrast(values, expected):
    image = read_picture(deep(values))
    np.testing.assert_allclose(image[0], 255 * expected, atol=1.01)
    ((scan,), _) = pictures.read_scans(deep(values), 32)  # the same in a folder
    np.testing.assert_array_equal(scan, image[0])


@pytest.mark.parametrize("kind", ["png", "tiff", "jpeg2000"])
def test_sixteen_bits_in_every_kind_that_has_them(kind):
    options = {"irreversible": False} if kind == "jpeg2000" else {}
    picture = Image.fromarray((65_535 * RAMP).astype(np.uint16))
    np.testing.assert_allclose(
        read_picture(as_file(picture, kind, **options))[0], 255 * RAMP, atol=1
    )


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_white_is_zero(kind):
    top = np.iinfo(kind).max
    file = as_file(Image.fromarray((top * RAMP).astype(kind)), "tiff")
    at = file.index(b"\x06\x01\x03\x00\x01\x00\x00\x00\x01\x00")  # PhotometricInterpretation
    inverted = file[: at + 8] + b"\0" + file[at + 9 :]
    np.testing.assert_allclose(read_picture(inverted)[0], 255 * (1 - RAMP), atol=1)


def colour_of_16_bits(values):
    """A PNG file, which Pillow reads and does not write."""
    rows = np.repeat(values[..., None], 3, axis=2).astype(">u2")
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    head = struct.pack(">IIBBBBB", *values.shape[::-1], 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def test_colours_of_16_bits_are_right_or_refused():
    image = read_picture(colour_of_16_bits((65_535 * RAMP).astype(np.uint16)))
    np.testing.assert_allclose(image[1], 255 * RAMP, atol=1)
    with pytest.raises(PictureError, match=r"nearly one grey: .* 0 to 15"):  # 12 bits in 16
        read_picture(colour_of_16_bits((4095 * RAMP).astype(np.uint16)))


def test_a_deep_picture_on_its_side():
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = np.rot90((65_535 * RAMP).astype(np.uint16))
    image = read_picture(as_file(Image.fromarray(lying), "png", exif=exif))
    np.testing.assert_allclose(image[0], 255 * RAMP, atol=1)


def frames(kind, **options):
    """Blue, then red."""
    first, *more = [Image.new("RGB", (40, 40), colour) for colour in (BLUE, RED)]
    return as_file(first, kind, save_all=True, append_images=more, **options)


@pytest.mark.parametrize("kind", ["gif", "webp", "tiff", "png", "avif"])
def test_frames_are_so_many_scans(kind):
    if kind.upper() not in Image.registered_extensions().values():
        pytest.skip(f"this Pillow does not read {kind}")
    scans, _ = pictures.read_scans(frames(kind), 8)
    assert pictures.look(frames(kind)).frames == len(scans) == 2
    assert abs(int(scans[0].mean()) - 29) < 5 and abs(int(scans[1].mean()) - 76) < 5
    assert open_picture(frames(kind)).info["frames"] == 2


def test_what_is_beside_a_picture_is_no_frame():
    thumbnail = as_file(Image.new("L", (8, 8)), "tiff", tiffinfo={254: 1})
    page = BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(page, True) as writer:
        for file in (as_file(quarters(), "tiff"), thumbnail):
            writer.write(file)
            writer.newFrame()
    assert Image.open(page).n_frames == 2 and pictures.look(page.getvalue()).frames == 1
    telephone = as_file(quarters(), "mpo", save_all=True, append_images=[quarters(32)])
    assert pictures.look(telephone).frames == 1
    assert len(pictures.read_scans(telephone, 8)[0]) == 1


def test_pages_of_different_depth():
    pages = [Image.fromarray(RAMP.astype(np.float32)), Image.fromarray(np.uint8(255 * RAMP))]
    scans, _ = pictures.read_scans(
        as_file(pages[1], "tiff", save_all=True, append_images=pages[:1]), 32
    )
    np.testing.assert_allclose(scans[0], scans[1], atol=1)


def test_one_scale_for_all_files_of_a_folder():
    values = [("whole", 0.0, 900.0), ("whole", 3.0, 4000.0), ("whole", 0.0, 2000.0)]
    assert pictures.scale(values) == (0, 4095)
    assert pictures.nearly_flat(("whole", 0.0, 200.0), (0, 4095))
    assert not pictures.nearly_flat(("whole", 0.0, 0.0), (0, 4095))
    assert not pictures.nearly_flat(("whole", 0.0, 300.0), (0, 4095))


def test_geometry_is_that_of_pillow_s_fit():
    rng = np.random.default_rng(0)
    for shape in ((50, 50), (33, 90), (91, 32), (64, 64)):
        picture = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        expected = ImageOps.fit(picture, (32, 32), Image.Resampling.BICUBIC)
        found, cut = pictures.middle_square(picture, 32)
        assert np.array_equal(found, expected)
        assert cut == pytest.approx(1 - min(shape) / max(shape))
        ((scan,), _) = pictures.read_scans(as_file(picture), 32)
        assert np.array_equal(scan, read_picture(as_file(picture))[0])


def test_the_first_frame_of_an_animation():
    for kind in ("gif", "webp", "tiff"):
        assert near(read_picture(frames(kind)), [BLUE] * 4)


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
    with pytest.raises(PictureError, match=r"^Of the [\d,]+ bytes .* 64 megapixels .* smaller"):
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


def test_files_that_people_have_are_named():
    with pytest.raises(PictureError, match="it is HEIC, a telephone's own format"):
        open_picture(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(PictureError, match="DICOM without its first 132 bytes"):
        open_picture(b"\x08\0\x05\0CS" + bytes(40))


def test_noise_in_a_file_gives_a_picture_or_one_message():
    """Whatever decoders raise: they are many, and each has errors of its own."""
    rng = np.random.default_rng(0)
    deep_tiff = deep((4095 * RAMP).astype(np.uint16))
    files = [deep_tiff, *(as_file(quarters(), kind) for kind in ("png", "gif", "webp", "bmp"))]
    outcomes = [0, 0]
    for case in range(300):
        data = bytearray(files[case % len(files)])
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(256)
        try:
            pictures.read_scans(bytes(data), 16)
            outcomes[0] += 1
        except PictureError:
            outcomes[1] += 1
    assert min(outcomes) > 10
