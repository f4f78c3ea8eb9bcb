"""A trained model as a file of its own: weights and card in a plain torch file, or a graph in ONNX.

Shapes: N images, C channels, H height, W width, K classes.
"""

from __future__ import annotations

import io
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from objectives.card import Card
from objectives.files import Unusable
from objectives.imports import ImportFault, error_words
from objectives.models import build_model

EXAMPLES = 2
"""Images that the graph is traced with: torch takes a batch of one for a batch that is always one."""


class Classifier(nn.Module):
    """A model with its normalisation: it takes images as they are.

    Attributes:
        model: What was trained; it takes normalised images.
    """

    mean_C11: Tensor
    deviation_C11: Tensor

    def __init__(self, model: nn.Module, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """Puts a model behind a normalisation.

        Args:
            model: Maps normalised images (N, C, H, W) to logits (N, K).
            mean: Of each channel, 0 to 1.
            deviation: Of each channel, above 0.
        """
        super().__init__()
        self.model = model
        self.register_buffer("mean_C11", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("deviation_C11", torch.tensor(deviation).view(-1, 1, 1))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Returns logits (N, K) of float32 images from 0 to 1."""
        logits_NK: Tensor = self.model((images_NCHW - self.mean_C11) / self.deviation_C11)
        return logits_NK


def build_classifier(card: Card, weights: Mapping[str, Tensor]) -> Classifier:
    """Returns a model ready to be asked, on the CPU.

    Args:
        card: How it is built; one that `is_foreign` imports code.
        weights: Its state_dict.

    Raises:
        ImportFault: where the user's code is not there.
        Unusable: where it cannot be built, or the weights are not its own.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            model = build_model(card.model, card.num_channels, len(card.classes), card.options)
            model.load_state_dict(weights)
        except ImportFault:
            raise
        except Exception as error:
            raise Unusable(f"does not fit {card.model}: {error_words(error)}") from error
    return Classifier(model, card.mean, card.deviation).eval()


def encode_model(card: Card, weights: Mapping[str, Tensor]) -> bytes:
    """Returns the content of a file that `torch.load(..., weights_only=True)` reads.

    It holds the card's plain values by name, and the weights as `state_dict`.
    """
    buffer = io.BytesIO()
    state = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    torch.save({**card.plain(), "state_dict": state}, buffer)
    return buffer.getvalue()


def decode_model(content: bytes) -> tuple[Card, dict[str, Tensor]]:
    """Returns card and weights of a file's content.

    Raises:
        Unusable: where that is not what `encode_model` made.
    """
    try:
        plain: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        raise Unusable("is not a plain torch file, or is damaged") from error
    card = Card.of(plain)
    weights = plain.get("state_dict")
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise Unusable("has no weights")
    return card, weights


def encode_onnx(classifier: Classifier, card: Card) -> bytes:
    """Returns a graph in ONNX: images `x` (N, C, H, W), 0 to 1, of the card's size, to `logits` (N, K), any N.

    The card's plain values stand in its metadata, each as JSON.

    Raises:
        ModuleNotFoundError: where torch's exporter lacks a package.
        Unusable: where the model cannot be exported.
    """
    example = torch.rand(EXAMPLES, card.num_channels, *card.image_size, generator=torch.Generator().manual_seed(0))
    try:
        # Standard output is for answers, and the exporter tells of its progress there.
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about itself
            program = torch.onnx.export(
                classifier,
                (example,),
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=["x"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
    except ModuleNotFoundError:
        raise
    except Exception as error:
        raise Unusable(f"cannot be exported to ONNX: {error_words(error)}") from error
    assert program is not None
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # the exporter notes in whose folder of which machine the code lies
    program.model.metadata_props.update({name: json.dumps(value) for name, value in card.plain().items()})
    content: bytes = program.model_proto.SerializeToString()
    return content


@torch.inference_mode()
def ask(classifier: nn.Module, images_NCHW: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Returns logits (N, K) on the CPU."""
    logits_NK: npt.NDArray[np.float32] = classifier(torch.from_numpy(images_NCHW)).float().numpy()
    return logits_NK
