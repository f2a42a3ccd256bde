"""What the pixels of an encoded image are: depths, modes, orientation, transparency, and what is refused."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from tests.conftest import resolved

from normfree.config import UserError
from normfree.data import build_source, decode
from normfree.data.decode import open_image

RAMP = np.linspace(0, 255, 64).reshape(8, 8).round().astype(np.uint8)


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def grey(content: bytes) -> np.ndarray:
    return np.asarray(open_image(content, 1))


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_by_257(form: str) -> None:
    values = RAMP.astype(np.uint16) * 257 + np.arange(64, dtype=np.uint16).reshape(8, 8) * (RAMP < 255)
    expected = np.round(values / 257).astype(np.uint8)
    content = encode(Image.fromarray(values), form)
    assert np.array_equal(grey(content), expected)
    assert np.array_equal(np.asarray(open_image(content)), np.repeat(expected[..., None], 3, 2))


def test_sixteen_bits_of_the_other_byte_order_and_twelve_bits_are_scaled_to_white() -> None:
    values = RAMP.astype(np.uint16) * 257
    swapped = Image.frombytes("I;16B", (8, 8), values.astype(">u2").tobytes())
    assert np.array_equal(grey(encode(swapped, "TIFF")), RAMP)
    # Two pixels of 12 bits in three bytes.
    few = (RAMP.astype(np.uint32) * 4095 // 255).reshape(-1, 2)
    packed = np.stack([few[:, 0] >> 4, (few[:, 0] & 15) << 4 | few[:, 1] >> 8, few[:, 1] & 255], 1).astype(np.uint8)
    assert np.array_equal(grey(tiff_of(packed.tobytes(), bits=12)), np.round(few.reshape(8, 8) / 4095 * 255))


def tiff_of(pixels: bytes, bits: int) -> bytes:
    """A little-endian TIFF of 8 x 8 grey pixels in one strip."""
    entries = ((256, 3, 8), (257, 3, 8), (258, 3, bits), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1))
    entries += ((278, 3, 8), (279, 4, len(pixels)))
    table = b"".join(
        tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, kind, value in entries
    )
    start = 8 + len(pixels)
    return b"II*\0" + start.to_bytes(4, "little") + pixels + len(entries).to_bytes(2, "little") + table + bytes(4)


def test_colour_of_sixteen_bits_keeps_its_upper_ones() -> None:
    cv2 = pytest.importorskip("cv2")
    values = np.stack([RAMP, RAMP.T, RAMP[::-1]], -1).astype(np.uint16) * 257
    for suffix in (".png", ".tiff"):
        content = cv2.imencode(suffix, values[..., ::-1])[1].tobytes()
        try:
            found = np.asarray(open_image(content))
        except ValueError:
            assert suffix == ".tiff"  # pillow may not read it; then it is refused and not guessed
            continue
        assert np.array_equal(found, values >> 8)


def test_floating_point_goes_from_black_to_white_and_nothing_else_is_guessed() -> None:
    values = (RAMP / 255).astype(np.float32)
    assert np.array_equal(grey(encode(Image.fromarray(values), "TIFF")), RAMP)
    for wrong in (values * 200, values - 0.5, np.where(values > 0.5, np.nan, values).astype(np.float32)):
        with pytest.raises(ValueError, match=r"floating point from .* not from 0 \(black\) to 1 \(white\)"):
            open_image(encode(Image.fromarray(wrong), "TIFF"))
    with pytest.raises(ValueError, match="integers of 32 bits"):
        open_image(encode(Image.fromarray(RAMP.astype(np.int32) * 10_000_000), "TIFF"))


def test_every_mode_becomes_its_colours() -> None:
    colours = Image.fromarray(np.stack([RAMP // 64 * 64, RAMP.T // 64 * 64, np.full_like(RAMP, 64)], -1))
    for mode, form in (("P", "PNG"), ("P", "GIF"), ("RGBA", "PNG"), ("CMYK", "TIFF"), ("RGBX", "TIFF"), ("RGB", "BMP")):
        converted = colours.convert(mode) if mode != "P" else colours.quantize(256, dither=Image.Dither.NONE)
        found = np.asarray(open_image(encode(converted, form))).astype(int)
        assert np.abs(found - np.asarray(colours)).max() <= 2, (mode, form)
    blended = np.asarray(open_image(encode(colours.convert("YCbCr"), "JPEG", quality=100))).astype(int)
    assert np.abs(blended - np.asarray(colours)).mean() < 12
    one_bit = Image.fromarray(RAMP > 127)
    assert one_bit.mode == "1"
    assert np.array_equal(grey(encode(one_bit)), (RAMP > 127) * np.uint8(255))


def test_what_is_transparent_lies_on_white() -> None:
    alpha = np.full((8, 8), 255, np.uint8)
    alpha[:4], alpha[4] = 0, 51
    expected = np.where(alpha == 0, 255, np.where(alpha == 51, 255 - 51 * 155 // 255, 100))
    solid = Image.new("L", (8, 8), 100)
    solid.putalpha(Image.fromarray(alpha))
    for image in (solid, solid.convert("RGBA")):
        for form in ("PNG", "TIFF"):
            assert np.abs(grey(encode(image, form)).astype(int) - expected).max() <= 1, (image.mode, form)
    palette = solid.convert("RGBA").quantize(4)
    assert np.abs(grey(encode(palette)).astype(int) - expected).max() <= 1


def test_a_transparent_colour_of_a_png_is_white_at_every_depth() -> None:
    half = np.zeros((8, 8), np.uint8)
    half[:, 4:] = 90
    white = np.where(half == 90, 90, 255)
    assert np.array_equal(grey(encode(Image.fromarray(half), transparency=0)), white)
    assert np.array_equal(grey(encode(Image.fromarray(half).convert("RGB"), transparency=(0, 0, 0))), white)
    deep = Image.fromarray(half.astype(np.uint16) * 257)
    assert np.array_equal(grey(encode(deep, transparency=90 * 257)), np.where(half == 90, 255, 0))
    cv2 = pytest.importorskip("cv2")
    colour = cv2.imencode(".png", np.repeat(half[..., None].astype(np.uint16) * 257, 3, 2))[1].tobytes()
    clear = io.BytesIO()
    PngImagePlugin.putchunk(clear, b"tRNS", (90 * 257).to_bytes(2, "big") * 3)
    at = colour.index(b"IDAT") - 4
    assert np.array_equal(grey(colour[:at] + clear.getvalue() + colour[at:]), np.where(half == 90, 255, 0))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_images_stand_as_exif_says(form: str) -> None:
    upright = Image.fromarray(np.kron(RAMP[:4, :6], np.ones((8, 8), np.uint8))).convert("RGB")
    stored = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    # How each of EXIF's eight ways has to be stored: the way back of what it asks for.
    for orientation, method in stored.items():
        image = upright if method is None else upright.transpose(Image.Transpose(method))
        exif = Image.Exif()
        exif[0x0112] = orientation
        found = open_image(encode(image, form, exif=exif, **({"quality": 95} if form in ("JPEG", "WEBP") else {})))
        assert found.size == upright.size, orientation
        assert np.abs(np.asarray(found).astype(int) - np.asarray(upright)).mean() < 3, orientation


def test_damaged_exif_leaves_an_image_as_it_is() -> None:
    content = encode(Image.fromarray(RAMP), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(range(40)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.abs(grey(content).astype(int) - RAMP).max() < 30


def test_the_first_of_several_frames_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (200, 100)]
    for form in ("GIF", "TIFF", "PNG", "WEBP"):
        content = encode(frames[0], form, save_all=True, append_images=frames[1:])
        assert np.asarray(open_image(content))[4, 4, 0] >= 195, form


def test_more_pixels_than_the_limit_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = encode(Image.new("1", (10_000, 10_000)))
    assert len(bomb) < 20_000
    with pytest.raises(ValueError, match=r"more than 67,108,864 pixels"):
        open_image(bomb)
    monkeypatch.setattr(decode, "MOST_PIXELS", 63)
    with pytest.raises(ValueError, match="8 x 8 are more than 63 pixels"):
        open_image(encode(Image.fromarray(RAMP)))


def test_bytes_of_no_format_are_told_alike_each_time() -> None:
    with pytest.raises(ValueError, match=r"^of no image format that is known$"):
        open_image(b"no image at all")


def test_a_program_is_no_image() -> None:
    with pytest.raises(ValueError, match="EPS is no image but a program"):
        open_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n")


@pytest.mark.parametrize("loader", ["resident", "workers"])
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_a_folder_is_read_by_these_rules_whatever_its_suffixes(tmp_path: Path, loader: str, form: str) -> None:
    for name, level in (("dark", 20_000), ("light", 40_000)):
        (tmp_path / name).mkdir()
        for number in range(10):
            image = Image.fromarray(np.full((8, 8), level + number, np.uint16))
            (tmp_path / name / f"{number}.jpg").write_bytes(encode(image, form))
    keys = ("data=folder", f"data.root={tmp_path}", "data.train_size=8", "data.test_size=8", "batch=4", "augment=none")
    source = build_source(resolved("model=nfnet_nano", *keys, f"data.loader={loader}", "data.workers=0"), 4)
    for batch in source.training_batches(0, 4):
        levels = (source.pixels(batch.images)[:, 0, 0, 0] * 255).round()
        assert levels.tolist() == [78 if label == 0 else 156 for label in batch.labels.tolist()]


def test_a_refused_image_is_one_line(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(10):
            (tmp_path / name / f"{number}.png").write_bytes(encode(Image.fromarray(RAMP)))
    (tmp_path / "a" / "3.png").write_bytes(encode(Image.fromarray(RAMP.astype(np.float32)), "TIFF"))
    keys = ("data=folder", f"data.root={tmp_path}", "data.train_size=8", "data.test_size=8", "batch=4", "augment=none")
    run = resolved("model=nfnet_nano", *keys, "data.loader=resident")
    with pytest.raises(UserError, match=r"a/3\.png: unreadable image \(floating point from 0 to 255, .*on_error=skip"):
        build_source(run, 4)
