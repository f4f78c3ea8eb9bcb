from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from objectives.data import DataFault, DataSet, open_dataset

RNG = np.random.default_rng(0)


def noise(*shape: int) -> npt.NDArray[np.uint8]:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, pixels: npt.NDArray[Any] | Image.Image, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def fill(folder: Path, classes: Sequence[str] = ("cat", "dog"), count: int = 10, side: int = 12) -> Path:
    for name in classes:
        for number in range(count):
            write(folder / name / f"{number}.png", noise(side, side, 3))
    return folder


def opened(folder: Path) -> DataSet:
    return open_dataset(f"folder:{folder}")


def fault(folder: Path) -> str:
    with pytest.raises(DataFault) as caught:
        opened(folder)
    (line,) = str(caught.value).splitlines()
    return line.removeprefix(f"folder:{folder}: ")


def every_image(data: DataSet) -> npt.NDArray[np.uint8]:
    return np.concatenate([part.images_NCHW for part in data.parts.values()])


def test_class_folders_are_split(tmp_path: Path) -> None:
    data = opened(fill(tmp_path, ("dog", "cat", "ant")))
    assert data.classes == ("ant", "cat", "dog")
    assert [np.bincount(part.labels_N).tolist() for part in data.parts.values()] == [[6] * 3, [2] * 3, [2] * 3]
    assert data.notes == ()
    ant = np.asarray(Image.open(tmp_path / "ant" / "0.png")).transpose(2, 0, 1)
    assert any((image == ant).all() for image in every_image(data))


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_part_folders_are_taken_as_they_are(tmp_path: Path, validation: str) -> None:
    for part, count in (("train", 4), (validation, 2), ("test", 1)):
        fill(tmp_path / part, count=count)
    (tmp_path / ".cache").mkdir()
    data = opened(tmp_path)
    assert [np.bincount(part.labels_N).tolist() for part in data.parts.values()] == [[4, 4], [2, 2], [1, 1]]
    first = np.asarray(Image.open(tmp_path / "test" / "cat" / "0.png")).transpose(2, 0, 1)
    assert (data.test.images_NCHW[0] == first).all()


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert opened(fill(tmp_path, ("bus", "train"))).classes == ("bus", "train")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp", "tif"])
def test_kinds_of_files(tmp_path: Path, suffix: str) -> None:
    for name, colour in (("a", "red"), ("b", "blue")):
        for number in range(5):
            write(tmp_path / name / f"{number}.{suffix}", Image.new("RGB", (16, 16), colour))
    data = opened(tmp_path)
    means = data.train.images_NCHW.mean(axis=(0, 2, 3))
    assert means == pytest.approx([127, 0, 127], abs=6)


def test_images_of_one_size_keep_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for number in range(5):
            write(tmp_path / name / f"{number}.png", noise(20, 30, 3))
    data = opened(tmp_path)
    assert data.train.images_NCHW.shape[1:] == (3, 20, 30)
    assert data.notes == ()


def test_images_of_many_sizes_are_cut_square_and_get_the_median_side(tmp_path: Path) -> None:
    fill(tmp_path, side=24)
    for number in range(4):
        write(tmp_path / "cat" / f"wide{number}.png", noise(50, 90, 3))
        write(tmp_path / "dog" / f"tiny{number}.png", noise(6, 5, 3))
    halves = np.zeros((30, 90, 3), np.uint8)
    halves[:, 30:60] = 255  # the middle is kept
    write(tmp_path / "cat" / "middle.png", halves)
    data = opened(tmp_path)
    assert data.train.images_NCHW.shape[1:] == (3, 24, 24)
    assert any(image[:, :, 1:-1].min() == 255 for image in every_image(data))
    assert data.notes == ("9 of 29 images (of 4 sizes) were cut square and resized to 24x24",)


def test_large_images_are_reduced(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for number in range(5):
            write(tmp_path / name / f"{number}.jpg", Image.new("RGB", (400, 300), "red"))
    data = opened(tmp_path)
    assert data.train.images_NCHW.shape[1:] == (3, 224, 224)
    assert data.notes == ("10 of 10 images (of one size) were cut square and resized to 224x224",)


def test_grey_images_have_one_channel_however_they_are_stored(tmp_path: Path) -> None:
    grey = noise(12, 12)
    deep = grey.astype(np.uint16) << 8
    for number, image in enumerate([
        Image.fromarray(grey),
        Image.fromarray(np.stack([grey] * 3, axis=2)),
        Image.fromarray(grey).convert("P"),
        Image.fromarray(np.stack([grey, np.full_like(grey, 255)], axis=2), "LA"),
        Image.fromarray(deep),
    ]):  # fmt: skip
        write(tmp_path / "a" / f"{number}.png", image)
        write(tmp_path / "b" / f"{number}.tif", image)
    data = opened(tmp_path)
    assert every_image(data).shape == (10, 1, 12, 12)
    assert (every_image(data) == grey).all()


def test_one_colour_makes_all_of_three_channels_whatever_the_mode(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (12, 12), (9, 9, 9, 0))
    indexed = Image.new("P", (12, 12), 0)
    indexed.putpalette([9, 9, 9, 255, 0, 0])
    pictures = {
        "white": [
            Image.new("L", (12, 12), 255), Image.new("1", (12, 12), 1), Image.new("CMYK", (12, 12), (0, 0, 0, 0)),
            clear, Image.fromarray(np.full((12, 12), 65535, np.uint16)),
        ],
        "red": [Image.new("RGB", (12, 12), "red"), Image.new("RGBA", (12, 12), "red")] * 3,
    }  # fmt: skip
    for name, images in pictures.items():
        for number, image in enumerate(images):
            write(tmp_path / name / f"{number}.{'tif' if image.mode == 'CMYK' else 'png'}", image)
    write(tmp_path / "white" / "clear.png", indexed, transparency=0)
    write(tmp_path / "white" / "clear.gif", indexed, transparency=0)
    data = opened(tmp_path)
    assert data.notes == ()
    for part in data.parts.values():
        assert (part.images_NCHW[part.labels_N == 0] == np.array([255, 0, 0])[:, None, None]).all()
        assert (part.images_NCHW[part.labels_N == 1] == 255).all()


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    fill(tmp_path, side=16)
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    write(tmp_path / "cat" / "turned.png", stripes, exif=exif)
    assert any((image[:, :, 8:] == 255).all() and not image[:, :, :8].any() for image in every_image(opened(tmp_path)))


def bomb() -> bytes:
    """A small PNG file that says it is 60,000 pixels wide and high."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def test_what_is_no_image_is_left_out_and_counted(tmp_path: Path) -> None:
    fill(tmp_path)
    whole = (tmp_path / "cat" / "0.png").read_bytes()
    (tmp_path / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cat" / "empty.jpg").write_bytes(b"")
    (tmp_path / "dog" / "notes.txt").write_text("buy milk")
    (tmp_path / "dog" / "bomb.png").write_bytes(bomb())
    (tmp_path / "dog" / ".hidden").write_text("")
    (tmp_path / "beside.png").write_bytes(whole)
    (tmp_path / ".git").mkdir()
    write(tmp_path / "dog" / "float.tif", Image.new("F", (12, 12), 0.5))
    data = opened(tmp_path)
    assert len(every_image(data)) == 20
    assert data.notes == (
        "5 of 25 files could not be read and are left out: cat/cut.png, cat/empty.jpg, dog/bomb.png, dog/float.tif, "
        "dog/notes.txt",
    )
    (tmp_path / "dog" / "zebra.txt").write_text("")
    assert opened(tmp_path).notes[0].endswith("dog/notes.txt, ...")


def test_folders_within_a_class_belong_to_it(tmp_path: Path) -> None:
    fill(tmp_path)
    write(tmp_path / "cat" / "more" / "0.png", noise(12, 12, 3))
    assert len(every_image(opened(tmp_path))) == 21


def test_the_same_folder_gives_the_same_parts(tmp_path: Path) -> None:
    fill(tmp_path)
    once, again = opened(tmp_path), opened(tmp_path)
    assert (once.test.images_NCHW == again.test.images_NCHW).all()


def test_faults_of_a_folder(tmp_path: Path) -> None:
    assert fault(tmp_path / "nowhere") == "there is no such folder"
    write(tmp_path / "loose" / "0.png", noise(4, 4))
    assert fault(tmp_path / "loose" / "0.png") == "it is a file, not a folder of class folders"
    assert fault(tmp_path / "loose") == "one folder of images for each class is needed, but there is no folder in it"
    assert fault(fill(tmp_path / "one", ("cat",))) == "at least 2 class folders are needed, but got cat"
    few = fill(fill(tmp_path / "few"), ("ape", "bee"), count=4)
    (few / "bee" / "broken.png").write_text("")
    (few / "cow").mkdir()
    words = "at least 5 readable images of each class are needed, but got ape (4), bee (4), cow (0)"
    assert fault(few) == words


def test_faults_of_part_folders(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "test")
    assert fault(tmp_path) == "train, validation and test are needed together, or else class folders to split, " \
        "but got test, train"  # fmt: skip
    fill(tmp_path / "val", ("cat", "cow"))
    assert fault(tmp_path) == "the same class folders are needed in train and val, but only one has cow, dog"
    (tmp_path / "val" / "cow").rename(tmp_path / "val" / "dog")
    for file in (tmp_path / "val" / "dog").iterdir():
        file.unlink()
    assert fault(tmp_path) == "at least 1 readable image of each class is needed, but got val/dog (0)"
