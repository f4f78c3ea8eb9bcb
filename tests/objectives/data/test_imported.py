from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from objectives.data import DataFault, open_dataset

MODULE = """
import numpy as np
from objectives.data import DataSet, Part, split

print("hello from the user's module")
NUMBER = 3
IMAGES = np.arange(40 * 3 * 8 * 8, dtype=np.uint8).reshape(40, 3, 8, 8)

def birds():
    print("hello from the user's function")
    return split(IMAGES, np.arange(40) % 2, ["sparrow", "tit"])

def frozen():
    images = np.frombuffer(bytes(10 * 8 * 8), np.uint8).reshape(10, 8, 8, 1).transpose(0, 3, 1, 2)[:, :, ::-1]
    part = Part(images, np.frombuffer(np.arange(10).tobytes(), np.int64))
    return DataSet(tuple("0123456789"), part, part, part)

def few():
    return split(IMAGES[:6], np.arange(6) % 2, ["sparrow", "tit"])

def raises():
    return IMAGES[99]

def nothing():
    pass

def unlawful():
    part = Part(IMAGES, np.arange(40))
    return DataSet(("a", "b"), part, part, part)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"users_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def test_a_callable_of_the_users_in_the_working_directory(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = open_dataset(f"{module}:birds")
    assert data.classes == ("sparrow", "tit")
    assert [len(part.labels_N) for part in data.parts.values()] == [24, 8, 8]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "hello from the user's module\nhello from the user's function\n"


def test_torch_takes_the_arrays_whatever_they_were(module: str) -> None:
    torch = pytest.importorskip("torch")
    data = open_dataset(f"{module}:frozen")
    for part in data.parts.values():
        torch.from_numpy(part.images_NCHW).add_(1)
        torch.from_numpy(part.labels_N).add_(1)
    assert data.train.images_NCHW.shape == (10, 1, 8, 8)
    assert isinstance(data.train.images_NCHW, np.ndarray)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (
            "no_such_module:birds",
            "no_such_module:birds: there is no module 'no_such_module'; it was looked for in {here}",
        ),
        ("json.no_such:birds", "json.no_such:birds: there is no module 'json.no_such'"),
        ("{module}:brids", "has no 'brids'; did you mean 'birds'?"),
        ("{module}:NUMBER", "a callable is needed, but got int"),
        ("{module}:raises", "raised IndexError: index 99 is out of bounds for axis 0 with size 40 ({module}.py:22)"),
        ("{module}:nothing", "must return an objectives.data.DataSet, but got NoneType"),
        ("{module}:unlawful", "train.labels_N: labels from 0 to 1 are needed for 2 classes, but got 0 to 39"),
        ("{module}:few", "at least 5 images of each class are needed to split them, but got sparrow (3), tit (3)"),
    ],
)
def test_each_fault_is_one_line(module: str, path: str, line: str, tmp_path: Path) -> None:
    path = path.format(module=module)
    with pytest.raises(DataFault) as caught:
        open_dataset(path)
    (found,) = str(caught.value).splitlines()
    assert found.startswith(path)
    assert line.format(module=module, here=tmp_path) in found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("import no_such_thing", "raised ModuleNotFoundError: No module named 'no_such_thing' ({name}.py:1)"),
        ("def broken(:", "raised SyntaxError: invalid syntax ({name}.py, line 1)"),
        ("1 / 0", "raised ZeroDivisionError: division by zero ({name}.py:1)"),
    ],
)
def test_a_module_that_cannot_be_imported(
    content: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"broken_{abs(hash(content))}"
    (tmp_path / f"{name}.py").write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(DataFault) as caught:
        open_dataset(f"{name}:birds")
    assert str(caught.value) == f"{name}:birds: importing {name} {words.format(name=name)}"
