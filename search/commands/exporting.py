"""The commands that export a trained model, run it, and measure what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from search.commands.console import print_json, standard_output, tell
from search.commands.options import DEFAULT_URL, AsJson, Name, Storage
from search.commands.sources import find_client
from search.faults import Faults

if TYPE_CHECKING:
    from search.inference import Answer
    from search.runtimes import Runtime

app = typer.Typer()


@app.command(
    epilog="Examples: [cyan]paretune export mnist5k-cnn -o model.pth[/]   "
    "[cyan]paretune export mnist5k-cnn 7 --epoch 3 -o model.onnx[/]"
)
def export(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: .pth or .onnx.", show_default=False)],
    trial: Annotated[
        int | None,
        typer.Argument(help="Number of a trial; without it what `pick` picks.", show_default=False),
    ] = None,
    knee: Annotated[bool, typer.Option("--knee", help="The knee of the front, and nothing else.")] = False,
    epoch: Annotated[
        int | None, typer.Option("--epoch", help="Of the trial, from 1; its last by default.", show_default=False)
    ] = None,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Export a trained model: weights, configuration, normalisation, class names, and where it comes from.

    The model takes images from 0 to 1. Before the file is written the model
    classifies the validation images, which must go as it was recorded; an .onnx
    is compared with torch on them. `torch.load(FILE, weights_only=True)` reads
    a .pth.
    """
    from search.exporting import Wanted, export_model

    wanted = Wanted(output, trial, epoch, knee)
    client = find_client()
    wanted.check(is_made_here=client is None)
    if client is not None:
        from search.fetching import fetch_model

        exported = fetch_model(client, name, wanted)
    else:
        from search.pricing import load_summary
        from storage.database import Database

        database = Database(storage)
        exported = export_model(database, load_summary(database, name), wanted)
    if as_json:
        print_json(exported.as_json())
    else:
        from search.model_tables import print_exported

        print_exported(exported, standard_output())


@app.command(
    epilog="Examples: [cyan]paretune infer model.pth digit.png[/]   [cyan]paretune infer model.onnx photos --json[/]   "
    "[cyan]paretune infer model.pth --random 1x1x224x224[/]"
)
def infer(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `paretune export` wrote.", show_default=False)],
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[IMAGE|FOLDER]...", help="Images, and folders of images.", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Classes to tell of for each image.")] = 3,
    keep_size: Annotated[
        bool, typer.Option("--keep-size", help="Do not resize images to the size of the training images.")
    ] = False,
    random: Annotated[
        str | None,
        typer.Option("--random", metavar="SHAPE", help="Noise in the place of images.", show_default=False),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of --random; 0 by default.", show_default=False)] = None,
    allow_import: Annotated[
        bool, typer.Option("--allow-import", help="Run the code of a model that the file names by import path.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Classify images with an exported model: classes and confidences.

    Images are read as in training: grey for a model of one channel, cut to the
    shape of the training images and resized where they have another size. They
    are not inverted: a model of light digits on dark needs light digits on dark.

    A confidence is the softmax of the logits; it is not calibrated. --random
    gives the model N(0, 1) past its normalisation.
    """
    from search.inference import classify, find_files
    from search.runtimes import check_kind, open_runtime

    _check_infer(file, images or [], random, seed, keep_size=keep_size)
    check_kind(file)
    files = find_files(images or [])
    runtime = open_runtime(file, allows_import=allow_import)
    if random is not None:
        _infer_noise(runtime, random, seed or 0, top, as_json=as_json)
        return
    answers = list(classify(runtime, files, top, keeps_size=keep_size))
    if as_json:
        print_json({"model": runtime.card.plain(), "images": [answer.as_json() for answer in answers]})
    else:
        _print_answers(runtime, answers)
    if faults := [f"{answer.file}: {answer.error}" for answer in answers if answer.error is not None]:
        raise Faults(*faults)


@app.command(
    epilog="Examples: [cyan]paretune profile model.pth --device cpu --threads 1[/]   "
    "[cyan]paretune profile model.onnx --json[/]"
)
def profile(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `paretune export` wrote.", show_default=False)],
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option("--device", help="auto is the first GPU where there is one.")
    ] = "auto",
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads, each with a core of its own.")] = 1,
    allow_import: Annotated[
        bool, typer.Option("--allow-import", help="Run the code of a model that the file names by import path.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure what an exported model costs its users here: time of one image and of many, memory, energy, size, FLOPs.

    A process of its own runs the model as `infer` does, in float32 and with its
    normalisation, on random images of the size of the training images. Reading
    and decoding of image files is not in it.
    """
    from search.profiling import profile_file

    found = profile_file(file, device, threads, allows_import=allow_import)
    if as_json:
        print_json(found.as_json())
        return
    from search.model_tables import print_profile

    print_profile(found, standard_output())


def _check_infer(file: Path, images: Sequence[Path], random: str | None, seed: int | None, *, keep_size: bool) -> None:
    faults = []
    if bool(images) == (random is not None):
        got = "both" if images else "neither"
        faults.append(f"infer: images, or --random SHAPE, are needed, but got {got}")
    if random is None and seed is not None:
        faults.append("--seed: it goes with --random alone")
    if random is not None and keep_size:
        faults.append("--keep-size: it does not go with --random, which says its size")
    if keep_size and file.suffix == ".onnx":
        faults.append("--keep-size: an .onnx takes images of one size alone; a .pth may do")
    if faults:
        raise Faults(*faults)


def _infer_noise(runtime: Runtime, text: str, seed: int, top: int, *, as_json: bool) -> None:
    from search.inference import MEANINGLESS, draw_input, rank, ranked_json, read_shape
    from search.runtimes import CannotRun

    shape = read_shape(text, runtime)
    try:
        logits_NK = runtime.ask(draw_input(shape, seed), is_normalised=True)
    except CannotRun as fault:
        raise Faults(f"--random {text}: {fault}") from fault
    answers = [rank(runtime, logits_K, top) for logits_K in logits_NK]
    if as_json:
        print_json(
            {
                "model": runtime.card.plain(),
                "input_shape": list(shape),
                "seed": seed,
                "logits_shape": list(logits_NK.shape),
                "answers": [ranked_json(ranked) for ranked in answers],
                "note": MEANINGLESS,
            }
        )
        return
    from search.model_tables import print_noise

    print_noise(shape, seed, logits_NK.shape, answers, standard_output())
    tell(MEANINGLESS)


def _print_answers(runtime: Runtime, answers: Sequence[Answer]) -> None:
    from search.model_tables import print_answers

    print_answers(runtime.card, answers, standard_output())
    if num_resized := sum(answer.is_resized for answer in answers):
        height, width = runtime.card.image_size
        size = f"{width}x{height}, the size of the training images"
        tell(f"{num_resized} of {len(answers)} images were cut and resized to {size}")
