"""A study in the hands of a Python program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboards.rows import TABLES
from search.faults import Faults, suggest

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dashboards.choice import Pick
    from dashboards.remeasured import Remeasurement
    from dashboards.summary import Checkpoint, Summary
    from search.exporting import Exported
    from search.spec import SweepSpec


@dataclass(frozen=True)
class Study:
    """A study of a database. Everything is read when it is asked for, so a running study may be watched.

    Attributes:
        name: The study.
        storage: URL of the database.
        prices: A price book that holds alone; None for the study's own prices, over the user's.
    """

    name: str
    storage: str
    prices: Path | None = None

    @property
    def summary(self) -> Summary:
        """What the study has come to: trials, curves, front, knee, money and carbon, what was trained again."""
        from search.pricing import load_summary
        from storage.database import Database

        return load_summary(Database(self.storage), self.name, self.prices)

    @property
    def state(self) -> str:
        """running, complete, stopped or interrupted."""
        return self.summary.study.state

    def resume(
        self,
        trials: int = 0,
        settings: Sequence[str] = (),
        *,
        budget: Mapping[str, object] | None = None,
        quiet: bool = False,
    ) -> Study:
        """Continues what was cut off, then runs what is still to do, and so many trials more.

        Args:
            trials: To add to the target.
            settings: Flags `key=value` that widen ranges, such as `space.lr.high=2.0`.
            budget: What of the spec's `[budget]` to change from now on.
            quiet: Show no progress.

        Raises:
            Faults: for a change that a study cannot take, or a budget that cannot be.
            StorageFault: where another process runs it.
            KeyboardInterrupt: after everything is saved.
        """
        from search import sweeps
        from search.progress import SweepProgress
        from storage.database import Database

        study = self.summary.study
        ended = sum(trial.state not in ("waiting", "running") for trial in study.trials)
        with SweepProgress(sweeps.stored_spec(study, {}), study.num_trials + trials, ended, quiet=quiet) as progress:
            sweeps.resume(
                self.name,
                Database(self.storage),
                progress,
                trials,
                tell=progress.tell,
                settings=settings,
                flags={f"budget.{key}": value for key, value in (budget or {}).items()},
                show_budget=progress.show_budget,
            )
        return self

    def remeasure(
        self,
        repeats: int = 5,
        *,
        trials: Sequence[int] = (),
        at_knee: bool = False,
        name: str | None = None,
        budget: Mapping[str, object] | None = None,
        is_forced: bool = False,
        quiet: bool = False,
    ) -> Remeasurement:
        """Trains the front's settings again with new seeds, alone on the device, and returns what came of it.

        It makes a study of its own; `load(NAME).resume()` continues one that was cut off, and what came of it is in
        this study's `summary.remeasurement`.

        Args:
            repeats: New seeds of each setting, two or more.
            trials: Trials whose settings to train in the place of the front's.
            at_knee: Train the knee's setting alone.
            name: Of the new study; this one's with `-remeasured` unless told.
            budget: Of the new study, as the spec's `[budget]`.
            is_forced: Do it even while another study runs on this machine.
            quiet: Show no progress.

        Raises:
            Faults: where that cannot be, a line for each reason.
            StorageFault: where the name is taken.
            KeyboardInterrupt: after everything is saved.
        """
        from search.progress import SweepProgress
        from search.remeasuring import Wish, plan, remeasure
        from storage.database import Database

        database, summary = Database(self.storage), self.summary
        limits = {f"budget.{key}": value for key, value in (budget or {}).items()}
        spec = plan(summary, database, Wish(repeats, trials, at_knee, name, limits))
        with SweepProgress(spec, spec.search.trials, 0, quiet=quiet) as progress:
            remeasure(summary.study, spec, database, progress, progress.tell, progress.show_budget, is_forced=is_forced)
        found = self.summary.remeasurement
        assert found is not None
        return found

    def to_dataframe(self, table: str = "trials") -> pd.DataFrame:
        """Returns a data frame of the study.

        Args:
            table: `trials` (a row each, parameters as `params.NAME`, cumulative costs as `costs.NAME`), `epochs` (the
                records, each with its own costs) or `costs` (a row for each cost of each epoch, with its method).

        Raises:
            Faults: for another name.
        """
        import pandas as pd

        if table not in TABLES:
            raise Faults(f"to_dataframe: no such table: {table!r}{suggest(table, TABLES)}")
        return pd.DataFrame(TABLES[table](self.summary))

    def front(self) -> list[Checkpoint]:
        """Returns the checkpoints that nothing beats in accuracy and all minimised costs, the cheapest first."""
        return list(self.summary.front)

    def pick(
        self,
        min_accuracy: float | None = None,
        max_costs: Mapping[str, float] | None = None,
        *,
        at_knee: bool = False,
    ) -> Pick:
        """Returns the cheapest checkpoint that is accurate enough, the best that is cheap enough, or the knee.

        Args:
            min_accuracy: 0 to 1.
            max_costs: The highest value of each named cost, in its unit.
            at_knee: Insist on the knee.

        Raises:
            NothingFits: saying what comes closest.
        """
        from dashboards.choice import pick

        return pick(self.summary, min_accuracy, max_costs, at_knee=at_knee)

    def export(
        self, output: Path | str, trial: int | None = None, *, epoch: int | None = None, at_knee: bool = False
    ) -> Exported:
        """Writes a trained model to a file, and returns what was written and how it was checked.

        Args:
            output: The file, ending in .pth or .onnx.
            trial: Number of a trial; None for what `pick` picks without a wish.
            epoch: Of the trial; None for its last.
            at_knee: Insist on the knee.

        Raises:
            NoTrial: where there is no such trial.
            Faults: where it cannot be exported, or does not classify the validation images as was recorded.
        """
        from search.exporting import Wanted, export_model
        from storage.database import Database

        wanted = Wanted(Path(output), trial, epoch, at_knee)
        wanted.check()
        return export_model(Database(self.storage), self.summary, wanted)

    def figure(self, name: str = "tradeoff", *others: Study) -> go.Figure:
        """Returns a figure, which a notebook shows.

        Args:
            name: One of `dashboards.figures.FIGURES`.
            others: Studies to compare with, where the figure takes several.

        Raises:
            Faults: for another name, or studies that the figure does not take.
        """
        from dashboards.figures import FIGURES
        from search.figures import check_figure

        check_figure(name, [other.name for other in others], None)
        return FIGURES[name].draw(FIGURES[name].trace([self.summary, *(other.summary for other in others)]))


def launch(
    spec: SweepSpec | Mapping[str, Any] | None = None,
    *,
    storage: str = "sqlite:///paretune.db",
    source: str | None = None,
    quiet: bool = False,
) -> Study:
    """Runs a new sweep to its end.

    In a script, call it under `if __name__ == "__main__":`, since slots are processes of their own.

    Args:
        spec: The spec, or its tables as in TOML; what they leave out keeps its default. None is the built-in sweep.
        storage: Database URL.
        source: A study whose finished trials are taken over, as far as they fit.
        quiet: Show no progress.

    Raises:
        Faults: with every fault of the spec, a line each.
        StorageFault: where the database cannot be used or the name is taken.
        KeyboardInterrupt: after everything is saved; `load(name).resume()` continues it.
    """
    from search import sweeps
    from search.progress import SweepProgress
    from search.reading import validate
    from search.spec import SweepSpec
    from storage.database import Database
    from storage.reading import load_study

    chosen = spec if isinstance(spec, SweepSpec) else validate(spec or {})
    database = Database(storage)
    old = None if source is None else load_study(database, source)
    with SweepProgress(chosen, chosen.search.trials, 0, quiet=quiet) as progress:
        sweeps.launch(chosen, database, progress, progress.tell, old, show_budget=progress.show_budget)
    return Study(chosen.name, storage)


def load(name: str, *, storage: str = "sqlite:///paretune.db", prices: Path | str | None = None) -> Study:
    """Returns a study that is there.

    Args:
        name: The study.
        storage: Database URL.
        prices: A price book that holds alone; None for the study's own prices, over the user's.

    Raises:
        Faults: with every fault of a price book, a line each.
        StorageFault: where there is no study of that name.
    """
    study = Study(name, storage, None if prices is None else Path(prices))
    _ = study.summary
    return study
