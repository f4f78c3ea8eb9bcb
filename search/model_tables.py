"""What the terminal shows of an exported model, and of what it says."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dashboards.words import accuracy_words, cost_words, params_words, quantity_words, threads_words
from objectives.card import Card
from objectives.costs import COSTS
from search.commands.console import new_table
from search.exporting import Exported
from search.inference import Answer
from search.profiling import FileProfile


def print_exported(exported: Exported, console: Console) -> None:
    """Prints what was written, where it comes from, and what the checks found."""
    card, source = exported.card, exported.card.provenance
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("wrote", f"{escape(str(exported.output))}, {quantity_words(exported.num_bytes, 'B')}")
    table.add_row("trial", escape(f"{source.trial} of {source.study} after epoch {source.epoch}: {exported.why}"))
    table.add_row("setting", escape(params_words(source.params)))
    height, width = card.image_size
    takes = f"images of {card.num_channels}x{height}x{width}, 0 to 1, for {len(card.classes)} classes"
    table.add_row("model", escape(f"{card.model}, {exported.num_weights:,} numbers; {takes}"))
    table.add_row("checked", _checked_words(exported))
    if exported.onnx_difference is not None:
        same = f"logits at most {exported.onnx_difference:.2g} from torch's, each image the same class"
        table.add_row("ONNX", f"{same} ({source.num_images:,} validation images)")
    table.add_row("validation accuracy", accuracy_words(source.accuracy, source.accuracy_interval))
    test, interval = source.test_accuracy, source.test_accuracy_interval
    table.add_row(
        "test accuracy", source.test_absent if test is None or interval is None else accuracy_words(test, interval)
    )
    console.print(table, highlight=False)


def print_answers(card: Card, answers: Sequence[Answer], console: Console) -> None:
    """Prints a row for each image that was classified."""
    source = card.provenance
    came = f"trial {source.trial} of {source.study} after epoch {source.epoch}"
    accuracy = accuracy_words(source.accuracy, source.accuracy_interval)
    console.print(escape(f"{card.model}, {came}: validation accuracy {accuracy}"), highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("class")
    table.add_column("confidence", justify="right")
    table.add_column("runners-up")
    for answer in answers:
        if answer.error is None:
            table.add_row(escape(str(answer.file)), *_ranked_cells(answer.ranked))
    if table.rows:
        console.print(table, highlight=False)


def print_noise(
    shape: Sequence[int],
    seed: int,
    logits_shape: Sequence[int],
    answers: Sequence[Sequence[tuple[str, float]]],
    console: Console,
) -> None:
    """Prints what a model says of noise."""
    console.print(f"input {tuple(shape)}: N(0, 1), seed {seed}; logits {tuple(logits_shape)}", highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("class")
    table.add_column("confidence", justify="right")
    table.add_column("runners-up")
    for number, ranked in enumerate(answers):
        table.add_row(str(number), *_ranked_cells(ranked))
    console.print(table, highlight=False)


def print_profile(found: FileProfile, console: Console) -> None:
    """Prints what a model costs, a row for each cost, with its error or why it is absent."""
    device, source = found.device, found.card.provenance
    threads = threads_words(device.threads)
    console.print(
        escape(f"{found.card.model}, trial {source.trial} of {source.study} after epoch {source.epoch}"),
        highlight=False,
    )
    where = f"{device.name}, {threads}, torch {device.torch}; a large batch has {found.num_images:,} images"
    console.print(escape(f"on {where}"), highlight=False)
    table = new_table("cost", ">value", ">error", "how")
    for name, cost in found.costs.items():
        error = "" if cost.error is None else f"± {cost_words(name, cost.error)}"
        how = COSTS[name].text if cost.reason is None else f"absent: {cost.reason}"
        table.add_row(COSTS[name].title, "" if cost.value is None else cost_words(name, cost.value), error, escape(how))
    console.print(table, highlight=False)


def _ranked_cells(ranked: Sequence[tuple[str, float]]) -> tuple[str, str, str]:
    (name, confidence), *others = ranked
    told = ", ".join(f"{other} {_percent(share)}" for other, share in others)
    return escape(name), _percent(confidence), escape(told)


def _percent(confidence: float) -> str:
    return f"{100 * confidence:.1f} %"


def _checked_words(exported: Exported) -> str:
    source = exported.card.provenance
    told = f"{exported.num_correct:,} of {source.num_images:,} validation images are classified correctly"
    if exported.num_correct == source.num_correct:
        return f"{told}, as recorded"
    return f"{told}; {source.num_correct:,} were recorded: devices and versions differ in the last bits"
