"""Which trials are of one setting: where a setting is trained with several seeds, each has a trial."""

from __future__ import annotations

from collections import defaultdict

from storage.rows import StudyRow, TrialRow


def num_seeds(study: StudyRow) -> int:
    """Returns how many trials each setting has, with a seed each."""
    return int(study.spec.get("search", {}).get("repeats", 1))


def group_by_setting(study: StudyRow) -> list[list[TrialRow]]:
    """Returns the trials of each setting together."""
    groups: dict[int, list[TrialRow]] = defaultdict(list)
    for trial in study.trials:
        groups[trial.number // num_seeds(study)].append(trial)
    return list(groups.values())


def stand_ins(study: StudyRow) -> list[TrialRow]:
    """Returns one trial for each setting that has results or proved infeasible: the one that its curve goes by.

    What failed by a fault of code or machine says nothing of a setting.
    """
    found = []
    for trials in group_by_setting(study):
        kept = [trial for trial in trials if trial.state != "failed"]
        infeasible = next((trial for trial in kept if trial.state == "infeasible"), None)
        if infeasible is not None:
            found.append(infeasible)
        elif kept and all(trial.state in ("complete", "stopped") for trial in kept):
            found.append(kept[0])
    return found
