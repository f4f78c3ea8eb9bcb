from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.io
from torchvision import datasets

from objectives.data import DataFault, DataSet, open_dataset
from objectives.data.official import OFFICIAL

NUM_TRAIN, NUM_TEST = 1000, 100
IDX_FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}


@pytest.fixture(autouse=True)
def no_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def draw(num_images: int, shape: tuple[int, ...], num_classes: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    labels = (np.arange(num_images) % num_classes).astype(np.uint8)
    return rng.integers(0, 256, (num_images, *shape), dtype=np.uint8), labels


def idx(array: npt.NDArray[np.uint8]) -> bytes:
    """The IDX format of MNIST's page: two zeros, 8 for unsigned bytes, the dimensions, big-endian sizes, the bytes."""
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def write_idx(folder: Path, prefixes: tuple[str, str], num_classes: int = 10) -> dict[str, Any]:
    folder.mkdir(parents=True)
    written = {}
    for seed, (prefix, num_images) in enumerate(zip(prefixes, (NUM_TRAIN, NUM_TEST), strict=True)):
        images, labels = draw(num_images, (28, 28), num_classes, seed)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
        written[prefix] = images
    return written


def images_of(images: npt.NDArray[np.uint8]) -> set[bytes]:
    return {image.tobytes() for image in images}


def assert_parts(data: DataSet, num_classes: int, shape: tuple[int, int, int]) -> None:
    assert len(data.classes) == num_classes
    assert all(part.images_NCHW.shape[1:] == shape for part in data.parts.values())
    assert all(part.images_NCHW.flags.c_contiguous for part in data.parts.values())
    assert len(data.train.labels_N) + len(data.validation.labels_N) == NUM_TRAIN
    assert len(data.test.labels_N) == NUM_TEST
    assert not images_of(data.train.images_NCHW) & images_of(data.validation.images_NCHW)


@pytest.mark.parametrize("name", IDX_FOLDERS)
def test_idx_files_as_they_come_from_the_archives(name: str, tmp_path: Path) -> None:
    written = write_idx(tmp_path / IDX_FOLDERS[name] / "raw", ("train", "t10k"))
    data = open_dataset(name, tmp_path)
    assert_parts(data, 10, (1, 32, 32))
    assert (np.bincount(data.validation.labels_N) == 10).all()
    assert np.array_equal(data.test.images_NCHW[:, 0, 2:-2, 2:-2], written["t10k"])
    assert data.test.images_NCHW[:, :, :2].max() == 0
    trained = images_of(data.train.images_NCHW) | images_of(data.validation.images_NCHW)
    assert trained == images_of(np.pad(written["train"], ((0, 0), (2, 2), (2, 2))))


def test_packed_files_that_were_put_there_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    write_idx(raw, ("train", "t10k"))
    sums = {}
    for name in OFFICIAL["fashion-mnist"].files:
        content = gzip.compress((raw / name.removesuffix(".gz")).read_bytes())
        (raw / name).write_bytes(content)
        (raw / name.removesuffix(".gz")).unlink()
        sums[name] = md5(content)
    monkeypatch.setattr(datasets.FashionMNIST, "resources", list(sums.items()))
    assert_parts(open_dataset("fashion-mnist", tmp_path), 10, (1, 32, 32))


def test_the_validation_part_is_the_same_each_time(tmp_path: Path) -> None:
    write_idx(tmp_path / "MNIST" / "raw", ("train", "t10k"))
    once, again = open_dataset("mnist", tmp_path), open_dataset("mnist", tmp_path)
    assert np.array_equal(once.validation.images_NCHW, again.validation.images_NCHW)


def test_emnist_is_the_balanced_split_upright(tmp_path: Path) -> None:
    written = write_idx(tmp_path / "EMNIST" / "raw", ("emnist-balanced-train", "emnist-balanced-test"), 47)
    data = open_dataset("emnist", tmp_path)
    assert_parts(data, 47, (1, 32, 32))
    assert data.classes[:11] == (*"0123456789", "A")
    upright = written["emnist-balanced-test"].transpose(0, 2, 1)
    assert np.array_equal(data.test.images_NCHW[:, 0, 2:-2, 2:-2], upright)


def test_emnist_is_unpacked_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    write_idx(tmp_path / "made", ("emnist-balanced-train", "emnist-balanced-test"), 47)
    raw.mkdir(parents=True)
    with zipfile.ZipFile(raw / "gzip.zip", "w") as archive:
        for file in (tmp_path / "made").iterdir():
            archive.writestr(f"gzip/{file.name}.gz", gzip.compress(file.read_bytes()))
    monkeypatch.setattr(datasets.EMNIST, "md5", md5((raw / "gzip.zip").read_bytes()))
    assert_parts(open_dataset("emnist", tmp_path), 47, (1, 32, 32))


def write_cifar(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> npt.NDArray[np.uint8]:
    """Writes batches as their makers did: pickled dicts of N x 3072 bytes, a red, a green and a blue plane of rows."""
    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    num_classes, key = (10, "labels") if name == "cifar10" else (100, "fine_labels")
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    images, labels = draw(NUM_TRAIN + NUM_TEST, (3072,), num_classes, 0)
    num_batches = len(kind.train_list)
    pieces = [*np.split(np.arange(NUM_TRAIN), num_batches), np.arange(NUM_TRAIN, NUM_TRAIN + NUM_TEST)]
    sums = []
    for (file, _), rows in zip([*kind.train_list, *kind.test_list], pieces, strict=True):
        content = pickle.dumps({"data": images[rows], key: labels[rows].tolist()}, protocol=2)
        (folder / file).write_bytes(content)
        sums.append([file, md5(content)])
    meta = pickle.dumps({kind.meta["key"]: [f"class {number}" for number in range(num_classes)]}, protocol=2)
    (folder / kind.meta["filename"]).write_bytes(meta)
    monkeypatch.setattr(kind, "train_list", sums[:-1])
    monkeypatch.setattr(kind, "test_list", sums[-1:])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(meta)})
    planes: npt.NDArray[np.uint8] = images.reshape(-1, 3, 32, 32)
    return planes


@pytest.mark.parametrize(("name", "num_classes"), [("cifar10", 10), ("cifar100", 100)])
def test_cifar_batches(name: str, num_classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planes = write_cifar(tmp_path, name, monkeypatch)
    data = open_dataset(name, tmp_path)
    assert_parts(data, num_classes, (3, 32, 32))
    assert data.classes[3] == "class 3"
    assert np.array_equal(data.test.images_NCHW, planes[NUM_TRAIN:])
    assert data.test.labels_N.tolist() == [number % num_classes for number in range(NUM_TRAIN, NUM_TRAIN + NUM_TEST)]


@pytest.mark.filterwarnings("ignore:Python 3.14 will:DeprecationWarning")  # torchvision's, on Python 3.12 and 3.13
def test_cifar_is_unpacked_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, "cifar10", monkeypatch)
    folder = tmp_path / datasets.CIFAR10.base_folder
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder, folder.name)
    shutil.rmtree(folder)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(packed.getvalue())
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(packed.getvalue()))
    assert_parts(open_dataset("cifar10", tmp_path), 10, (3, 32, 32))


class Burglar:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle of unknown origin was read",))


def test_a_cifar_batch_that_is_not_the_official_one_is_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar(tmp_path, "cifar10", monkeypatch)
    (tmp_path / datasets.CIFAR10.base_folder / "data_batch_3").write_bytes(pickle.dumps(Burglar()))
    with pytest.raises(DataFault, match=r"put cifar-10-python\.tar\.gz into that folder"):
        open_dataset("cifar10", tmp_path)


def test_svhn_files_of_matlab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, split_list = {}, dict(datasets.SVHN.split_list)
    for seed, (part, num_images) in enumerate({"train": NUM_TRAIN, "test": NUM_TEST}.items()):
        images_HWCN, labels = draw(num_images, (3, 32, 32), 10, seed)
        written[part] = images_HWCN
        digits = np.where(labels == 0, 10, labels)[:, None]  # Matlab counts from 1: the digit 0 is 10
        path = tmp_path / f"{part}_32x32.mat"
        scipy.io.savemat(path, {"X": images_HWCN.transpose(2, 3, 1, 0), "y": digits})
        split_list[part] = ["http://nowhere/", path.name, md5(path.read_bytes())]
    monkeypatch.setattr(datasets.SVHN, "split_list", split_list)
    data = open_dataset("svhn", tmp_path)
    assert_parts(data, 10, (3, 32, 32))
    assert np.array_equal(data.test.images_NCHW, written["test"])
    assert data.test.labels_N[:10].tolist() == list(range(10))


@pytest.mark.parametrize("name", OFFICIAL)
def test_without_files_and_internet_one_line_says_what_to_put_where(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataFault) as caught:
        open_dataset(name, tmp_path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{name} is not whole in {tmp_path / OFFICIAL[name].folder} and could not be downloaded (")
    assert f"put {', '.join(OFFICIAL[name].files)} into that folder" in line


@pytest.mark.parametrize(
    "damage", [b"", b"\x00\x00\x08", b"\x00\x00\x0d\x03", b"not at all", idx(np.zeros(7, np.uint8))]
)
def test_damaged_files_give_one_line(damage: bytes, tmp_path: Path) -> None:
    write_idx(tmp_path / "MNIST" / "raw", ("train", "t10k"))
    (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(damage)
    with pytest.raises(DataFault, match=r"^mnist is not whole in [^\n]*$"):
        open_dataset("mnist", tmp_path)


def test_images_and_labels_that_do_not_belong_together(tmp_path: Path) -> None:
    write_idx(tmp_path / "MNIST" / "raw", ("train", "t10k"))
    (tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(7, np.uint8)))
    with pytest.raises(DataFault, match=r"test\.labels_N: one label per image is needed, but got 7 for 100 images"):
        open_dataset("mnist", tmp_path)


def test_a_root_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFault, match="mnist is not whole in"):
        open_dataset("mnist", tmp_path / "file")
