"""Encoded images -> pixels of 8 bits, by the same rules for every loader and for what is written to .beton files.

- What a file is, its content says, not its suffix. EPS is refused: other programs would have to run it.
- More than `MOST_PIXELS` are refused before they are decoded. Of several frames the first is taken.
- EXIF's orientation is applied.
- Grey of 16 bits is divided by 257, so that white stays white (12 bits: by 4095 / 255). Of 16-bit colour pillow reads
  the upper 8 bits.
- Floating point goes from 0 (black) to 1 (white); an image with other values is refused. So are 32-bit and signed
  integers: nothing says which of them is white.
- What is transparent lies on white. Palettes, CMYK, YCbCr and HSV become RGB.
- ``data.channels=1`` takes the luma of colours (ITU-R 601), 3 repeats grey.
"""

import io
import warnings
from contextlib import nullcontext

import numpy as np
import PIL
from PIL import Image, TiffTags, UnidentifiedImageError, features

from normfree.config import UserError
from normfree.config.sources.reading import MOST_PIXELS

DECODER = f"rules 2, pillow {PIL.__version__}, libjpeg {features.version('jpg')}"
"""Part of what names a cached decoding: other rules and versions may give other pixels."""

# `_check` has a word of its own for what pillow warns of.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
_REFUSED = ("EPS",)
_SIXTEEN_BITS = 65535
_TWELVE_BITS = 4095
_BITS_PER_SAMPLE = next(tag for tag, info in TiffTags.TAGS_V2.items() if info.name == "BitsPerSample")
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_image(content: bytes | Image.Image, channels: int = 3) -> Image.Image:
    """One image of mode ``RGB``, or ``L`` for one channel, decoded whole by the rules above, or opened already.

    Raises:
        ValueError: the bytes are no image, a damaged one, or one that the rules refuse.
    """
    try:
        with nullcontext(content) if isinstance(content, Image.Image) else Image.open(io.BytesIO(content)) as opened:
            _check(opened)
            opened.load()
            image = _eight_bits(_upright(opened))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"more than {MOST_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:  # its own words hold an address of memory
        raise ValueError("of no image format that is known") from error
    except Exception as error:  # damaged bytes raise nearly anything
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0]) from error
    mode = "RGB" if channels == 3 else "L"
    return image if image.mode == mode else image.convert(mode)


def is_upright(image: Image.Image) -> bool:
    """Whether EXIF, as far as it can be read, leaves the image as it is stored."""
    try:
        return image.getexif().get(_ORIENTATION, 1) not in _UPRIGHT
    except Exception:  # damaged EXIF raises nearly anything, and says nothing of the pixels
        return True


def unreadable(place: str, error: ValueError) -> UserError:
    """The line that names an image that cannot be read."""
    return UserError(f"{place}: unreadable image ({error}); repair or remove it, or add data.on_error=skip")


def _check(image: Image.Image) -> None:
    if image.format in _REFUSED:
        raise ValueError(f"{image.format} is no image but a program")
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"{image.width} x {image.height} are more than {MOST_PIXELS:,} pixels")


def _upright(image: Image.Image) -> Image.Image:
    return image if is_upright(image) else image.transpose(_UPRIGHT[image.getexif()[_ORIENTATION]])


def _eight_bits(image: Image.Image) -> Image.Image:
    """``L`` or ``RGB``."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PPM", "PNG")):
        return _from_sixteen_bits(image)
    if image.mode == "I":
        raise ValueError("integers of 32 bits or with a sign, whose white is not known; save 8 or 16 bits a channel")
    if image.mode == "F":
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 1):
            raise ValueError(
                f"floating point from {values.min():g} to {values.max():g}, not from 0 (black) to 1 (white)"
            )
        return Image.fromarray((values * 255 + 0.5).astype(np.uint8))
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.uint32)
    twelve = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE) == (12,)
    white = _TWELVE_BITS if twelve else _SIXTEEN_BITS
    grey = ((values * 255 + white // 2) // white).clip(0, 255).astype(np.uint8)
    if isinstance(clear := image.info.get("transparency"), int):
        grey[values == clear] = 255
    return Image.fromarray(grey)


def _on_white(image: Image.Image) -> Image.Image:
    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and max(clear) > 255:  # of 16-bit colour, whose upper bits were read
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    coloured = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), coloured).convert("RGB")
