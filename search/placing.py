"""The slots of a sitting, held to what its spec asks of them. Light to import: torch loads while the rest does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objectives.meters.held import open_counters
from objectives.meters.rapl import find_fault
from search.compute import place_slots
from search.engines.forking import begin_loading
from search.faults import Faults
from search.pricing import find_tariff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from objectives.trial import Placement
    from search.spec import SweepSpec
    from storage.rows import StudyRow

ENERGIES = ("energy_joules", "inference_joules_per_1000_images")
"""Costs that need an energy counter."""


def place(spec: SweepSpec, num_trials: int, study: StudyRow | None = None) -> list[Placement]:
    """Returns the slots of a sitting, which have what the spec asks of them; what they run begins to load.

    Loading takes more than a second: call it first, and do the rest meanwhile.

    Args:
        spec: Of the study.
        num_trials: That the study is to have.
        study: The study, where it is there already.

    Raises:
        Faults: where this machine lacks it.
    """
    placements = place_slots(spec.compute, num_trials, spec.objective.train)
    if placements[0].slots_per_device > 1 and "wall_seconds" in spec.objective.minimize:
        raise Faults("objective.minimize: wall_seconds tells nothing where slots share a device; use device_seconds")
    _check_energy(spec, placements)
    _check_precision(spec, placements)
    find_tariff(spec, placements, study)
    if spec.compute.engine == "process":
        begin_loading(placements)
    return placements


def _check_energy(spec: SweepSpec, placements: Sequence[Placement]) -> None:
    """Makes sure that what is asked of energy can be measured: of a slot by itself, or of all of them together.

    Raises:
        Faults: where it cannot.
    """
    wanted = [f"objective.minimize: {name}" for name in ENERGIES if name in spec.objective.minimize]
    wanted += [f"limits.{name}: it" for name in ENERGIES if getattr(spec.limits, name) is not None]
    several = spec.compute.threads
    least = min(several) if isinstance(several, list) else None
    found = [find_fault(placement.cores[:least]) for placement in placements if wanted and placement.kind == "cpu"]
    fault = next(filter(None, found), None)
    faults = [] if fault is None else [f"{what} cannot be measured here: {fault}" for what in wanted]
    if spec.budget.kwh is not None and isinstance(lack := open_counters(placements), str):
        faults.append(f"budget.kwh: energy cannot be measured here: {lack}")
    if faults:
        raise Faults(*faults)


def _check_precision(spec: SweepSpec, placements: Sequence[Placement]) -> None:
    """Makes sure that each device has the precisions that are asked of it.

    Raises:
        Faults: where it has not.
    """
    on_cpu = any(placement.kind == "cpu" for placement in placements)
    if "tf32" in spec.precisions and on_cpu and not spec.compute.is_device_searched:
        law = "tf32 is of NVIDIA GPUs alone, and the slots are on a CPU"
        raise Faults(f"compute.precision: {law}; fp32 or bf16 will do")
