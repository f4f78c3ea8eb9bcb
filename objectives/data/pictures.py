"""A picture file as the pixels of an image, in training and in inference alike, read with Pillow. Torch-free."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

MOST_SIDE = 224
"""Height and width that pictures are reduced to where they are larger."""

DEEPEST_LEVEL = 2**16 - 1


class Unreadable(Exception):
    """A file that is no picture that can be read; the text says of it why."""


def read_picture(file: Path) -> Image.Image:
    """Returns a picture upright and in its own size: mode L where all of it is grey, else RGB.

    What lies below transparent pixels is taken as white.

    Raises:
        Unreadable: where it cannot be read, for whatever reason.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a picture that Pillow has doubts about is good enough
        try:
            with Image.open(file) as opened:
                return _plain(ImageOps.exif_transpose(opened))
        except FileNotFoundError as error:
            raise Unreadable("there is no such file") from error
        except UnidentifiedImageError as error:
            raise Unreadable("it is no image of a known kind") from error
        except Exception as error:
            raise Unreadable(f"it cannot be read as an image: {' '.join(str(error).split())}") from error


def reduce_picture(picture: Image.Image) -> Image.Image:
    """Returns a picture cut square and reduced, where both its sides are larger than `MOST_SIDE`."""
    return ImageOps.fit(picture, (MOST_SIDE, MOST_SIDE)) if min(picture.size) > MOST_SIDE else picture


def pixels_of(picture: Image.Image, mode: str, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Returns the pixels (C, H, W), 0 to 255; a picture of another size is cut to the shape and resized.

    Args:
        picture: Of mode L or RGB.
        mode: L for one channel, RGB for three.
        size: Width and height.
    """
    fitted = picture if picture.size == size else ImageOps.fit(picture, size)
    pixels = np.asarray(fitted.convert(mode), np.uint8)
    return pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)


def _plain(image: Image.Image) -> Image.Image:
    """Returns an image of any mode as mode L where it is grey, else RGB."""
    if image.mode.startswith("I"):
        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > DEEPEST_LEVEL:
            raise ValueError("levels beyond 16 bits have no known scale")
        return Image.fromarray((levels >> 8).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("levels of floating point have no known scale")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    red, green, blue = image.split()
    return red if red.tobytes() == green.tobytes() == blue.tobytes() else image
