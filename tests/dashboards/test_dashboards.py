from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from synthetic import DEVICE, SPEC, attempt_row, summary_of, trial

from dashboards.answers import answer_all
from dashboards.bills import bill_lines
from dashboards.choice import NothingFits, pick
from dashboards.contention import Contention, contention_words, find_contention
from dashboards.devices import device_warning, name_devices
from dashboards.palette import ICON
from dashboards.records import as_json
from dashboards.report import render_report
from dashboards.summary import Summary, summarize
from storage.ledger import CostValue
from storage.rows import TrialRow


def test_every_checkpoint_is_a_candidate_at_its_cumulative_cost(summary: Summary) -> None:
    found = [(point.trial, point.epoch, point.accuracy, point.value("device_seconds")) for point in summary.front]
    assert found == [(1, 1, 0.9, 1.0), (1, 2, 0.96, 2.0), (2, 2, 0.98, 9.0)]
    assert (summary.knee and (summary.knee.trial, summary.knee.epoch)) == (1, 2)
    assert summary.best is summary.front[-1]
    assert summary.baseline is not None
    assert summary.baseline.value("device_seconds") == 4.0


def test_the_hypervolume_is_in_the_fixed_scales() -> None:
    alone = summary_of(trial(0, [(550, 10.0)]))
    assert alone.hypervolume == pytest.approx(0.5 / 3)
    assert replace(alone, study=alone.study).study.reference == {"chance": 0.1, "worst": [100.0]}
    assert summarize(replace(alone.study, reference=None)).hypervolume is None


def test_of_equal_trials_the_lowest_number_is_on_the_front() -> None:
    equal = summary_of(trial(0, [(900, 1.0)]), trial(1, [(900, 1.0)]))
    assert [point.trial for point in equal.front] == [0]
    assert equal.knee is None


def test_the_json_keeps_its_contract(summary: Summary) -> None:
    answer = json.loads(json.dumps(as_json(summary)))
    assert answer["objectives"][1] == {"name": "device_seconds", "direction": "minimize", "unit": "s"}
    assert answer["front"] == [{"trial": 1, "epoch": 1}, {"trial": 1, "epoch": 2}, {"trial": 2, "epoch": 2}]
    assert answer["knee"] == {"trial": 1, "epoch": 2}
    one = answer["trials"][1]
    assert (one["state"], one["accuracy"], one["epochs"], one["attempts"]) == ("complete", 0.96, 2, 1)
    assert one["accuracy_interval"][0] < 0.96 < one["accuracy_interval"][1]
    assert one["costs"]["device_seconds"] == 2.0
    assert one["costs"]["energy_joules"] is None
    assert one["absent"] == {"energy_joules": "no meter"}
    assert answer["trials"][5]["accuracy"] is None
    assert answer["billed"]["device_seconds"] == pytest.approx(sum(bill_lines(summary.study).values()))
    assert answer["billed"]["lost"] == {"device_seconds": 0.0}


def test_picks(summary: Summary) -> None:
    assert pick(summary).point is summary.knee
    cheapest = pick(summary, min_accuracy=0.95).point
    assert (cheapest.trial, cheapest.epoch) == (1, 2)
    assert pick(summary, max_costs={"device_seconds": 1.5}).point.accuracy == 0.9
    assert pick(summary, 0.9, {"device_seconds": 5.0}).point.epoch == 1


@pytest.mark.parametrize(
    ("min_accuracy", "max_costs", "words"),
    [
        (0.99, {}, r"the closest is trial 2 after epoch 2 with 98.0 %"),
        (None, {"device_seconds": 0.5}, r"the closest is trial 1 after epoch 1 with 1 s"),
        (0.95, {"device_seconds": 1.5}, r"within the costs .* the closest is trial 1 after epoch 1"),
        (None, {"energy_joules": 5.0}, r"energy_joules was not measured in this study: no meter"),
    ],
)
def test_when_nothing_fits_the_closest_is_named(
    summary: Summary, min_accuracy: float | None, max_costs: dict[str, float], words: str
) -> None:
    with pytest.raises(NothingFits, match=words):
        pick(summary, min_accuracy, max_costs)


def answers_of(*trials: TrialRow) -> dict[str, str]:
    return {answer.question: answer.sentence for answer in answer_all(summary_of(*trials))}


def test_an_answer_names_the_leader_and_who_is_behind() -> None:
    trials = [trial(n, [(980, 3.0)], optimizer="adam") for n in (1, 2, 3)]
    trials += [trial(n, [(900, 1.0)], optimizer="sgd") for n in (4, 5, 6)]
    sentence = answers_of(*trials)["Which optimizer?"]
    assert sentence.startswith("adam reached 98.0 % (96.9-98.7) for 3 s, the best of 3 trials.")
    assert "Behind by more than the uncertainty: sgd 90.0 % (best of 3)." in sentence


def test_groups_within_the_uncertainty_are_compared_by_price() -> None:
    trials = [trial(n, [(980, 3.0)], optimizer="adam") for n in (1, 2, 3)]
    trials += [trial(n, [(978, 6.9)], optimizer="sgd") for n in (4, 5, 6)]
    sentence = answers_of(*trials)["Which optimizer?"]
    assert "adam paid least, 3 s; sgd: 2.3 times as much" in sentence
    assert "Behind" not in sentence


def test_what_the_intervals_do_not_support_is_not_said() -> None:
    trials = [trial(n, [(980, 3.0)], optimizer="adam") for n in (1, 2, 3)]
    trials += [trial(n, [(975, 3.1)], optimizer="sgd") for n in (4, 5, 6)]
    sentence = answers_of(*trials)["Which optimizer?"]
    assert sentence.startswith("No evidence yet of a difference.")
    assert "Behind" not in sentence
    assert "times as much" not in sentence


def test_too_few_trials_are_no_evidence() -> None:
    trials = [trial(1, [(980, 3.0)], optimizer="adam"), trial(2, [(100, 3.0)], optimizer="sgd")]
    answers = answers_of(*trials)
    assert answers["Which optimizer?"].startswith("No evidence yet: at least two values of optimizer with 3 trials")
    assert answers["Which compute resource?"].startswith("No evidence yet")
    assert all(sentence.startswith("No evidence yet") for sentence in answers_of().values())


def test_ranges_are_compared_by_thirds() -> None:
    trials = [trial(n, [(980, 3.0)], lr=0.005) for n in (1, 2, 3)]
    trials += [trial(n, [(300, 3.0)], lr=0.5) for n in (4, 5)] + [trial(6, [], "infeasible", lr=0.9)]
    sentence = answers_of(*trials)["Which learning rate?"]
    assert "lr 0.001 to 0.01 reached" in sentence
    assert "lr 0.1 to 1 30.0 % (best of 3)" in sentence
    assert "Could not be trained: 1 of 3 at lr 0.1 to 1." in sentence


def test_the_report_says_how_many_trials_lack_a_cost() -> None:
    known = trial(1, [(900, 1.0)])
    lacking = replace(known, number=2, epochs=(replace(known.epochs[0], costs={}),))
    page = render_report(summary_of(known, lacking))
    assert "<td>measured; absent in 1 of 2 trials: it was not recorded</td>" in page
    assert "<td>absent: no meter</td>" in render_report(summary_of(known))


def test_figures_stand_in_script_elements_that_only_the_page_can_end() -> None:
    page = render_report(summary_of(*(trial(n, [(900, 1.0)], optimizer=f"</script>{n}") for n in (1, 2))))
    figures = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert len(figures) == 9
    assert all(json.loads(figure)["layout"]["height"] for figure in figures)


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [str(value) for name, value in attrs if name in ("src", "href")]


def test_the_report_needs_nothing_from_outside_and_escapes_what_it_shows(summary: Summary) -> None:
    hostile = replace(summary.study, name="<script>alert(1)</script>")
    html = render_report(summarize(hostile))
    links = Links()
    links.feed(html)
    assert links.found == [ICON]
    assert ICON.startswith("data:")
    assert "<script>alert(1)" not in html
    assert "96.0 % (94.6-97.0)" in html


def test_epochs_that_shared_their_cores_are_told_of() -> None:
    waited = CostValue(0.4, "measured", None)
    quiet = trial(0, [(900, 1.0), (910, 1.0)])
    shared = replace(quiet.epochs[1], costs={**quiet.epochs[1].costs, "contention_seconds": waited})
    disturbed = replace(quiet, epochs=(quiet.epochs[0], shared))
    assert find_contention(summary_of(quiet).study) == Contention(0, 2, 0.0)
    found = find_contention(summary_of(disturbed).study)
    assert found == Contention(1, 2, 0.4)
    assert contention_words(Contention(0, 2, 0.04)) is None
    words = "1 of 2 epochs waited for their cores, which other work had for up to 40 % of the training"
    assert contention_words(found) == f"{words}: their seconds are too long"
    assert words in render_report(summary_of(disturbed))
    untold = CostValue(None, "absent", "not told")
    third = replace(quiet.epochs[1], epoch=3, costs={**quiet.epochs[1].costs, "contention_seconds": untold})
    partly = find_contention(summary_of(replace(disturbed, epochs=(*disturbed.epochs, third))).study)
    assert partly == Contention(1, 2, 0.4, 1)
    assert (contention_words(partly) or "").endswith("; of 1 more it is not known")


def test_costs_of_several_devices_are_told_of() -> None:
    gpu = {**DEVICE, "kind": "cuda", "name": "A GPU", "identity": "0", "driver": "580.1", "power_limit_watts": 700.0}
    other = (attempt_row("complete", {"training": 1.0}, device=gpu),)
    assert device_warning(summary_of(trial(0, [(900, 1.0)])).study) is None
    mixed = summary_of(trial(0, [(900, 1.0)]), trial(1, [(900, 1.0)], attempts=other))
    words = "its measured costs come from 2 devices, so that they compare devices as well: A CPU (host), 1 CPU thread, "
    assert device_warning(mixed.study) == words + (
        "torch 2; A GPU (0), 1 CPU thread, torch 2, driver 580.1, at most 700 W"
    )
    assert words in render_report(mixed)


def test_threads_that_were_searched_are_no_other_devices() -> None:
    trials = [
        trial(number, [(900, 1.0)], attempts=(attempt_row("complete", {}, device={**DEVICE, "threads": threads}),))
        for number, threads in enumerate((1, 2))
    ]
    searched = summary_of(*trials, spec={**SPEC, "compute": {"threads": [1, 2]}}).study
    assert device_warning(searched) is None
    assert len(name_devices(searched)) == 2
    changed = summary_of(*trials, spec={**SPEC, "compute": {"threads": 2}}).study
    assert "come from 2 devices" in (device_warning(changed) or "")


def test_a_cpu_and_a_gpu_that_were_searched_are_no_other_devices_but_two_of_a_kind_are() -> None:
    gpu = {**DEVICE, "kind": "cuda", "name": "A GPU", "identity": "0"}

    def warning(device: Any, *found: Mapping[str, Any]) -> str | None:
        attempts = [(attempt_row("complete", {}, device=each),) for each in found]
        trials = [trial(number, [(900, 1.0)], attempts=own) for number, own in enumerate(attempts)]
        return device_warning(summary_of(*trials, spec={**SPEC, "compute": {"device": device}}).study)

    assert warning(["cpu", "cuda"], DEVICE, gpu) is None
    assert "come from 2 devices" in (warning("cuda", DEVICE, gpu) or "")
    assert "come from 3 devices" in (warning(["cpu", "cuda"], DEVICE, gpu, {**gpu, "name": "Another GPU"}) or "")
    assert "come from 2 devices" in (warning(["cpu", "cuda"], DEVICE, {**DEVICE, "threads": 2}) or "")


def test_costs_that_were_got_in_two_ways_are_told_apart() -> None:
    own, other = (trial(number, [(900, 1.0), (910, 1.0)]) for number in range(2))
    calibrated = {**other.epochs[0].costs, "device_seconds": CostValue(1.0, "calibrated", None, 0.02)}
    mixed = replace(other, epochs=(replace(other.epochs[0], costs=calibrated), other.epochs[1]))
    summary = summary_of(own, mixed)
    told = [one["methods"]["device_seconds"] for one in as_json(summary)["trials"]]
    assert told == ["measured", "calibrated"]
    assert "measured in 2 of 2 trials; calibrated in 1 of 2 trials" in render_report(summary)
    assert "calibrated in" not in render_report(summary_of(own))
    alone = summary_of(replace(other, epochs=mixed.epochs[:1]))
    assert as_json(alone)["trials"][0]["errors"]["device_seconds"] == 0.02
