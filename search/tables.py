"""What the terminal shows of a study."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dashboards.attempts import held_words, outcome_words
from dashboards.bills import bill_lines
from dashboards.budget import budget_lines, budget_words, is_budget
from dashboards.changes import change_lines, source_lines
from dashboards.choice import Pick
from dashboards.contention import disturbance_lines
from dashboards.devices import device_warning
from dashboards.energy import bill_energy, energy_words
from dashboards.environments import environment_lines
from dashboards.prices import price_words
from dashboards.remeasured import Estimate, remeasured_lines
from dashboards.summary import Checkpoint, Summary, trace_curve
from dashboards.words import accuracy_words, cost_words, params_words
from objectives.findings import Finding
from objectives.prices import PriceBook
from search.testing import TestAccuracy
from storage.rows import TrialRow

MOST_LINES = 200
"""Lines of what a trial printed that are shown: the last ones."""


def print_study(summary: Summary, console: Console, *, every_trial: bool) -> None:
    """Prints a study: its state, every trial if wanted, then front, knee, baseline and bill."""
    study = summary.study
    ended = sum(trial.state not in ("waiting", "running") for trial in study.trials)
    console.print(f"[bold]{escape(study.name)}[/]  {study.state}, {ended}/{study.num_trials} trials", highlight=False)
    if study.reason is not None:
        hint = f"; `paretune resume {study.name} --budget KEY=VALUE` extends it" if is_budget(study.reason) else ""
        console.print(escape(study.reason) + hint, highlight=False)
    if every_trial and study.trials:
        console.print(_trials_table(summary))
    if summary.front:
        console.print("\n[bold]Front[/]: nothing seen is both more accurate and cheaper", highlight=False)
        console.print(_front_table(summary))
    if summary.remeasurement is not None:
        console.print()
        print_remeasurement(summary, console)
    _print_bill(summary, console)
    if (mixed := device_warning(study)) is not None:
        console.print(escape(mixed), highlight=False)
    for line in disturbance_lines(study):
        console.print(line, highlight=False)
    for change in environment_lines(study):
        console.print(f"environment changed {escape(change)}", highlight=False)
    for line in source_lines(study):
        console.print(escape(line), highlight=False)
    for line in change_lines(study):
        console.print(f"spec changed {escape(line)}", highlight=False)
    others = [trial for trial in study.trials if trial.state in ("infeasible", "failed")]
    if others and not every_trial:
        counts = {state: sum(trial.state == state for trial in others) for state in ("infeasible", "failed")}
        told = " and ".join(f"{count} {state}" for state, count in counts.items() if count)
        console.print(f"{told}: `paretune show {study.name}` tells why", highlight=False)


def _print_bill(summary: Summary, console: Console) -> None:
    """Prints what was spent: slot time, energy, money, and of the budget."""
    study = summary.study
    lines = bill_lines(study)
    if lines:
        parts = ", ".join(f"{line} {cost_words('device_seconds', seconds)}" for line, seconds in sorted(lines.items()))
        console.print(
            f"\nbilled {cost_words('device_seconds', sum(lines.values()))} of slots: {parts}", highlight=False
        )
        if (energy := bill_energy(study)).joules is not None:
            console.print(escape(energy_words(energy)), highlight=False)
        console.print(f"priced {escape(price_words(summary.prices, summary.book))}", highlight=False)
    if spent := budget_words(budget_lines(study, summary.book)[1:]):
        console.print(f"budget: {spent}", highlight=False)


def print_remeasurement(summary: Summary, console: Console) -> None:
    """Prints what was trained again with new seeds: beside what the search saw, and what follows of it."""
    console.print("[bold]Trained again[/]: what the search saw, and the mean of new seeds (95 %)", highlight=False)
    if summary.remeasurement is not None and summary.remeasurement.points:
        console.print(_remeasured_table(summary))
    for line in remeasured_lines(summary):
        console.print(escape(line), highlight=False)


def print_pick(picked: Pick, tested: TestAccuracy, num_looks: int, book: PriceBook, console: Console) -> None:
    """Prints what was picked, why, its test accuracy, its costs, and its solo prices by a book."""
    point = picked.point
    table = Table(box=None, show_header=False, pad_edge=False)
    seeds = f", the mean of {len(point.seeds)} seeds" if len(point.seeds) > 1 else ""
    table.add_row("trial", f"{point.numbers} after epoch {point.epoch}{seeds}: {picked.why}")
    table.add_row("setting", escape(params_words(point.params)))
    chosen = f"chosen among {num_looks:,} checkpoints by these images, so it looks better than it is"
    table.add_row("validation accuracy", f"{accuracy_words(point.accuracy, point.interval)}, {chosen}")
    test = (
        tested.reason
        if tested.accuracy is None or tested.interval is None
        else accuracy_words(tested.accuracy, tested.interval)
    )
    table.add_row("test accuracy", test)
    for name, cost in point.costs.items():
        error = "" if cost.error is None else f" ± {cost_words(name, cost.error)}"
        known = f"{cost_words(name, cost.value)}{error}, {cost.method}"
        table.add_row(name, escape(known if cost.reason is None else f"absent: {cost.reason}"))
    for name, one in point.costs.prices.items():
        known = f"{cost_words(name, one.value, book.currency)}  ({one.source})"
        table.add_row(name, escape(known if one.reason is None else f"absent: {one.reason}"))
    console.print(table, highlight=False)


def print_findings(findings: Mapping[str, Finding], console: Console) -> None:
    """Prints what can be measured, how well, and what to do about the rest."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("what", "", "found"):
        table.add_column(name, no_wrap=name != "found")
    colours = {"good": "green", "poor": "yellow", "absent": "red"}
    for name, finding in findings.items():
        advice = f"\n[dim]{escape(finding.advice)}[/]" if finding.advice else ""
        table.add_row(name, f"[{colours[finding.grade]}]{finding.grade}[/]", escape(finding.text) + advice)
    console.print(table, highlight=False)


def print_trial(trial: TrialRow, cost: str, printed: str | None, console: Console, priced: str | None = None) -> None:
    """Prints a trial's log: its setting, its attempts with their bills, its epochs with one cost, what it printed.

    Args:
        trial: The trial.
        cost: Shown of each epoch.
        printed: What its code printed.
        console: Where to.
        priced: What was billed to it comes to, in words.
    """
    console.print(
        f"[bold]trial {trial.number}[/]  {trial.state}  {escape(params_words(trial.params))}", highlight=False
    )
    if trial.reason:
        console.print(escape(trial.reason), highlight=False)
    attempts = Table(box=None, header_style="bold", pad_edge=False)
    _add_columns(attempts, "attempt", "slot", "started (UTC)", "held", "state", "setting")
    for attempt in trial.attempts:
        held = (attempt.ended_at - attempt.started_at).total_seconds() if attempt.ended_at else None
        bill = ", ".join(f"{line} {cost_words('device_seconds', value)}" for line, value in attempt.bill.items())
        attempts.add_row(
            str(attempt.attempt), str(attempt.slot), f"{attempt.started_at:%Y-%m-%d %H:%M:%S}",
            "-" if held is None else held_words(attempt, held), escape(outcome_words(trial, attempt)), bill,
        )  # fmt: skip
    attempts.columns[4].header, attempts.columns[5].header = "outcome", "bill"
    console.print(attempts, highlight=False)
    if priced is not None:
        console.print(f"priced {escape(priced)}", highlight=False)
    epochs = Table(box=None, header_style="bold", pad_edge=False)
    _add_columns(epochs, "epoch", "attempt", "train loss", "validation loss", "accuracy (95 %)", cost)
    for row, point in zip(trial.epochs, trace_curve(trial), strict=True):
        epochs.add_row(
            str(row.epoch), str(row.attempt), _loss_words(row.train_loss), _loss_words(row.validation_loss),
            accuracy_words(point.accuracy, point.interval), cost_words(cost, point.value(cost)),
        )  # fmt: skip
    if trial.epochs:
        console.print()
        console.print(epochs, highlight=False)
    if printed:
        lines = printed.splitlines()
        earlier = f", the last {MOST_LINES} of {len(lines):,} lines" if len(lines) > MOST_LINES else ""
        console.print(f"\n[bold]printed[/]{earlier}", highlight=False)
        console.print("\n".join(lines[-MOST_LINES:]), highlight=False, markup=False)


def _loss_words(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.4f}"


def _trials_table(summary: Summary) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    _add_columns(table, "#", "state", "accuracy (95 %)", *summary.minimize, "epochs", "setting")
    for trial in summary.study.trials:
        last = summary.lasts.get(trial.number)
        accuracy = accuracy_words(last.accuracy, last.interval) if last else "-"
        costs = [cost_words(name, last.value(name)) if last else "-" for name in summary.minimize]
        setting = params_words(trial.params)
        note = f"  {trial.reason}" if trial.reason else "  (baseline)" if trial.is_baseline else ""
        note += f"  (trial {trial.source['trial']} of {trial.source['study']})" if trial.source else ""
        table.add_row(str(trial.number), trial.state, accuracy, *costs, str(len(trial.epochs)), escape(setting + note))
    return table


def _front_table(summary: Summary) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    _add_columns(table, "trial", "epoch", "accuracy (95 %)", *summary.minimize, "", "setting")
    baseline = summary.baseline
    shown: list[tuple[Checkpoint, str]] = [
        (point, "knee" if point == summary.knee else "baseline" if point == baseline else "") for point in summary.front
    ]
    if baseline is not None and baseline not in summary.front:
        shown.append((baseline, "baseline, not on the front"))
    for point, note in shown:
        costs = [cost_words(name, point.value(name)) for name in summary.minimize]
        table.add_row(
            point.numbers, str(point.epoch), accuracy_words(point.accuracy, point.interval), *costs,
            note, escape(params_words(point.params)),
        )  # fmt: skip
    return table


def _remeasured_table(summary: Summary) -> Table:
    assert summary.remeasurement is not None
    costs = summary.minimize or (summary.cost,)
    table = Table(box=None, header_style="bold", pad_edge=False)
    names = [column for cost in costs for column in (f"{cost} seen", f"{cost} again")]
    _add_columns(table, "trial", "epoch", "seeds", "accuracy seen", "accuracy again", *names, "")
    for point in summary.remeasurement.points:
        cells = [str(len(point.seeds)), f"{100 * point.seen.accuracy:.1f} %"]
        cells.append(accuracy_words(point.accuracy.mean, point.accuracy.interval))
        for cost in costs:
            cells += [cost_words(cost, point.seen.value(cost)), _estimate_words(cost, point.costs.get(cost))]
        notes = ["unlucky" if point.luck < 0 else "lucky"] if point.luck is not None else []
        for cost in costs:
            if (excess := point.excess(cost)) is not None:
                notes.append(f"{cost} {'higher' if excess > 0 else 'lower'} in the search")
        table.add_row(point.seen.numbers, str(point.seen.epoch), *cells, ", ".join(notes))
    return table


def _estimate_words(cost: str, estimate: Estimate | None) -> str:
    if estimate is None:
        return "absent"
    low, high = (cost_words(cost, end) for end in estimate.interval)
    return f"{cost_words(cost, estimate.mean)} ({low} to {high})"


def _add_columns(table: Table, *names: str) -> None:
    """Adds columns of which only the last may wrap."""
    for name in names:
        is_text = name in ("state", "setting", "")
        table.add_column(name, justify="left" if is_text else "right", no_wrap=name != "setting")
