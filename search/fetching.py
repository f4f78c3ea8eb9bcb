"""Models that a service exports, fetched and written here."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from objectives.card import Card
from objectives.files import Unusable, write_pieces
from search.client import Client
from search.exporting import Exported, Wanted
from search.faults import Faults

PATIENCE_SECONDS = 660.0
"""How long a service may take its time to export a model, which it gives up itself before."""


def fetch_model(client: Client, name: str, wanted: Wanted) -> Exported:
    """Has a model exported there, and writes it here; the file is whole, or nothing new is.

    Args:
        client: Asks the service.
        name: The study.
        wanted: What of it, and where to.

    Raises:
        Faults: where the service refuses, or the file does not come whole, or cannot be written.
    """
    kind = wanted.output.suffix.removeprefix(".")
    body = {"format": kind, "trial": wanted.trial, "epoch": wanted.epoch, "knee": wanted.at_knee}
    made = client.ask("POST", "studies", name, "exports", body=body, seconds=PATIENCE_SECONDS)
    told = made["told"]
    try:
        card = Card.of(told)
        write_pieces(wanted.output, _checked(client.fetch("exports", made["id"]), made["sha256"]))
    except Unusable as fault:
        raise Faults(f"--server: {client.url} has another version: its model {fault}") from fault
    except OSError as error:
        raise Faults(f"{wanted.output}: it cannot be written: {error.strerror or error}") from error
    own = {key: told[key] for key in ("num_weights", "why", "num_correct", "onnx_difference")}
    return Exported(output=wanted.output, num_bytes=told["bytes"], card=card, **own)


def _checked(pieces: Iterator[bytes], expected: str) -> Iterator[bytes]:
    """Yields pieces, and makes sure that they were those which were sent."""
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != expected:
        raise Faults("--server: the model did not come as it was sent; export it again")
