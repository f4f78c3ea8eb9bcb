"""What runs an exported model: torch a .pth, onnxruntime an .onnx. Each is loaded by the file that needs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from objectives.card import Card
from objectives.files import Unusable
from objectives.imports import ImportFault, error_words
from search.faults import Faults, check_ending
from search.files import read_file

if TYPE_CHECKING:
    from objectives.export import Classifier

ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")

Floats = npt.NDArray[np.float32]


class CannotRun(Exception):
    """The model does not take these images; the text says why, on one line."""


@dataclass(frozen=True)
class Runtime:
    """A model that can be asked.

    Attributes:
        card: What is known of it.
        takes_any_size: Whether images may have another size than those of the training, for all that is known.
        on_images: Maps float32 images (N, C, H, W), 0 to 1, to logits (N, K).
        on_normalised: The same of images that are normalised already.
    """

    card: Card
    takes_any_size: bool
    on_images: Callable[[Floats], Floats]
    on_normalised: Callable[[Floats], Floats]

    def ask(self, images_NCHW: Floats, *, is_normalised: bool = False) -> Floats:
        """Returns logits (N, K), which are finite.

        Raises:
            CannotRun: where the model raises, or gives none.
        """
        try:
            logits_NK = (self.on_normalised if is_normalised else self.on_images)(images_NCHW)
        except Exception as error:
            raise CannotRun(f"the model raised {error_words(error)}") from error
        if logits_NK.shape != (len(images_NCHW), len(self.card.classes)):
            raise CannotRun(f"the model gives an answer of shape {logits_NK.shape}, which is not one logit per class")
        if not np.isfinite(logits_NK).all():
            raise CannotRun("the model's logits are not finite")
        return logits_NK


@dataclass(frozen=True)
class TorchRuntime(Runtime):
    """A model that torch runs.

    Attributes:
        classifier: The model with its normalisation, on the CPU.
    """

    classifier: Classifier


def open_runtime(path: Path, *, allows_import: bool) -> Runtime:
    """Returns the model of a file.

    Args:
        path: Of the file, ending in one of `RUNTIMES`.
        allows_import: Whether it may name a model whose code is to be imported.

    Raises:
        Faults: where it is no model that can be run here.
    """
    check_kind(path)
    content = read_file(path)
    try:
        return RUNTIMES[path.suffix](content, allows_import)
    except Unusable as error:
        raise Faults(f"{path}: it {error}") from error
    except ImportFault as error:
        raise Faults(f"{path}: its model cannot be imported: {error}") from error


def check_kind(path: Path, *, is_used_here: bool = True) -> None:
    """Makes sure that a path's ending says what kind of file it is, and that what the kind needs is installed.

    Args:
        path: The path.
        is_used_here: Whether anything needs to be installed here.

    Raises:
        Faults: where it does not, or that is missing.
    """
    if faults := check_ending(path, "a model's ending says what kind it is", RUNTIMES):
        raise Faults(*faults)
    missing = [name for name in ONNX_PACKAGES if is_used_here and path.suffix == ".onnx" and find_spec(name) is None]
    if missing:
        raise Faults(f"{path}: ONNX needs {', '.join(missing)}: pip install 'paretune[onnx]'")


def open_torch(content: bytes, allows_import: bool = False) -> TorchRuntime:
    """Returns the model of a .pth file's content.

    Raises:
        Unusable: where it is not what `paretune export` wrote, or names code that may not be imported.
        ImportFault: where that code is not there.
    """
    from objectives.export import ask, build_classifier, decode_model

    card, weights = decode_model(content)
    if card.is_foreign and not allows_import:
        raise Unusable(f"holds no built-in model but the import path {card.model}: --allow-import runs that code")
    classifier = build_classifier(card, weights)
    return TorchRuntime(
        card,
        takes_any_size=True,
        on_images=lambda images: ask(classifier, images),
        on_normalised=lambda images: ask(classifier.model, images),
        classifier=classifier,
    )


def open_onnx(content: bytes, _allows_import: bool = False, num_threads: int = 0) -> Runtime:
    """Returns the model of an .onnx file's content; its graph is all there is to it, so that no code is imported.

    Args:
        content: The file's.
        num_threads: That it computes with; 0 leaves it to onnxruntime.

    Raises:
        Unusable: where it is not what `paretune export` wrote.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(_ERRORS)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Unusable("is not an ONNX file, or is damaged") from error
    card = Card.of(_read_metadata(session.get_modelmeta().custom_metadata_map))
    levels = (np.array(values, np.float32)[:, None, None] for values in (card.mean, card.deviation))
    mean_C11, deviation_C11 = levels

    def ask(images_NCHW: Floats) -> Floats:
        (logits_NK,) = session.run(["logits"], {"x": images_NCHW})
        return np.asarray(logits_NK, np.float32)

    return Runtime(card, False, ask, lambda images: ask(images * deviation_C11 + mean_C11))


def _read_metadata(properties: Mapping[str, str]) -> dict[str, Any]:
    """Returns the values that are JSON: a file of another maker may hold others."""
    plain = {}
    for name, text in properties.items():
        try:
            plain[name] = json.loads(text)
        except ValueError:
            continue
    return plain


_ERRORS = 3
"""onnxruntime's level from which on it writes to standard error."""

RUNTIMES: dict[str, Callable[[bytes, bool], Runtime]] = {".pth": open_torch, ".onnx": open_onnx}
