from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search.faults import Faults
from search.reading import example, read_spec, validate
from search.space import Choice, Fixed, Range
from search.spec import SweepSpec


def faults_of(path: Path | None, *settings: str) -> list[str]:
    with pytest.raises(Faults) as caught:
        read_spec(path, settings)
    return list(caught.value.lines)


def test_the_example_is_the_built_in_spec(tmp_path: Path) -> None:
    path = tmp_path / "example.toml"
    path.write_text(example())
    assert read_spec(path) == read_spec(None) == SweepSpec()


def test_a_spec_survives_storing() -> None:
    spec = read_spec(None, ["space.momentum=[0.0, 0.9]", "objective.epochs=3"])
    assert validate(spec.model_dump(mode="json")) == spec


def test_flags_are_merged_before_the_validation(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[space]\nlr = { low = 0.1, high = 0.01 }\n[search]\ntrials = 0\n")
    spec = read_spec(path, ["space.lr.high=0.5", "space.optimizer=adam"], {"search.trials": 7, "name": None})
    assert spec.search.trials == 7
    assert spec.entries["lr"] == Range(0.1, 0.5, log=False, whole=False)
    assert spec.entries["optimizer"] == Fixed("adam")
    assert spec.entries["batch_size"] == Fixed(64)


def test_kinds_of_entries() -> None:
    spec = read_spec(None, ["space.batch_size=[1, 64, 'full']", "space.lr=1", "space.optimizer=['sgd']"])
    assert spec.entries["batch_size"] == Choice((1, 64, "full"))
    assert spec.entries["lr"] == Fixed(1.0)
    assert spec.entries["optimizer"] == Fixed("sgd")
    assert read_spec(None).entries["batch_size"] == Range(16, 512, log=True, whole=True)


def test_data_sets_of_ones_own_are_taken_by_their_shape(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_spec(None, ["objective.dataset=folder:birds"]).objective.dataset == f"folder:{tmp_path}/birds"
    assert read_spec(None, ["objective.dataset=folder:~/birds"]).objective.dataset == f"folder:{Path.home()}/birds"
    assert read_spec(None, ["objective.dataset=no.such_module:birds"]).objective.dataset == "no.such_module:birds"


def test_the_data_root_is_stored_as_it_holds_from_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_spec(None, ["objective.data_root=there"]).objective.data_root == str(tmp_path / "there")
    monkeypatch.setenv("PARETUNE_DATA", "~/sets")
    assert read_spec(None).objective.data_root == str(Path.home() / "sets")
    monkeypatch.delenv("PARETUNE_DATA")
    assert read_spec(None).objective.data_root == str(Path.home() / ".cache" / "paretune")


def test_every_fault_is_listed_at_once() -> None:
    found = faults_of(
        None,
        "objectve.epochs=3",
        "objective.epochs=ten",
        "objective.dataset=mnist5",
        "space.lr.low=2",
        "space.optimizer=['adm', 'sgd']",
        "space.wdth=3",
        "search.trials=-1",
        "search.sampler=tpa",
        "compute.engine=proces",
        "name=a b",
        "nonsense",
    )
    assert found == [
        "--set: key=value is needed, such as space.lr.high=0.5, but got 'nonsense'",
        "name: 1 to 100 of A-Z a-z 0-9 . _ - are needed, a letter or digit first, but got 'a b'",
        "objective.dataset: no such data set: 'mnist5'; did you mean 'mnist5k'? "
        "(known: mnist5k, digits, mnist, fashion-mnist, kmnist, emnist, cifar10, cifar100, svhn)",
        "objective.epochs: integer is needed, but got 'ten'",
        "space.lr: low <= high must hold, but got low=2, high=1.0",
        "space.optimizer.0: 'adm' is not known; did you mean 'adam'? "
        "(known: gd, sgd, nesterov, adagrad, rmsprop, adam, adamw)",
        "space.wdth: no such parameter; did you mean 'width'? (known: optimizer, lr, batch_size, schedule, "
        "warmup_epochs, label_smoothing, augmentation, width, weight_decay, momentum, lr_decay, eps, ...)",
        "search.sampler: no such sampler: 'tpa'; did you mean 'tpe'? (known: tpe, gp, nsga2, nsga3, cmaes, "
        "random, grid, qmc)",
        "search.trials: greater than or equal to 1 is needed, but got -1",
        "compute.engine: no such engine: 'proces'; did you mean 'process'? (known: inline, process)",
        "objectve: no such key; did you mean 'objective'? (known: name, objective, space, search, compute, artifacts, "
        "budget, limits, prices)",
    ]


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("space.lr={low=0.0, high=1.0, log=true}", "space.lr.low: a number with x > 0 is needed, but got 0.0"),
        ("space.weight_decay={low=0, high=1, log=true}", "space.weight_decay: a logarithmic range needs low > 0"),
        ("space.momentum={low=0.1}", "space.momentum.high: a range needs low and high, but this one is missing"),
        ("space.lr={low=0.1, high=1.0, lg=true}", "space.lr.lg: no such key of a range; did you mean 'log'?"),
        ("space.lr=[]", "space.lr: a choice needs at least one value"),
        ("space.lr=[0.1, 0.1]", "the values of a choice must differ"),
        ("space.lr=-1", "space.lr: a number with x > 0 is needed, but got -1"),
        ("space.batch_size=ful", "a whole number with x >= 1, or 'full' is needed, but got 'ful'"),
        ("space.batch_size=1.5", "space.batch_size: a whole number"),
        ("space.optimizer={low=1, high=2}", "space.optimizer: a range needs numbers"),
        ("space.lr.low=nan", "space.lr.low: a number with x > 0 is needed, but got nan"),
        ("objective.minimize=['device_second']", "did you mean 'device_seconds'?"),
        ("objective.minimize=['samples', 'samples']", "the costs must differ"),
        ("objective.maximize=['loss']", "'accuracy' is needed, but got 'loss'"),
        ("objective.model=cnnn", "no such model: 'cnnn'; did you mean 'cnn'?"),
        ("objective.dataset=folder:", "a name, folder:PATH or package.module:name is needed, but got 'folder:'"),
        ("objective.dataset='my sets:birds'", "a name, folder:PATH or package.module:name is needed"),
        ("objective.dataset=birds", "no such data set: 'birds' (known: mnist5k, "),
        ("search.trials=0", "search.trials: greater than or equal to 1 is needed, but got 0"),
        ("search.trials=1.5", "search.trials: "),
        ("search.sampler_options.n_startup=3", "search.sampler_options.n_startup: the sampler has no such option"),
        (
            "search.sampler_options.n_startup_trials=x",
            "search.sampler_options.n_startup_trials: a whole number with x >= 1 is needed",
        ),
        ("search.sampler_options.multivariate=1", "search.sampler_options.multivariate: true or false is needed"),
        ("space.lr.step=0.1", "space.lr.step: a logarithmic range has no steps: leave step or log out"),
        ("space.momentum={low=0.1, high=0.9, step=0}", "space.momentum.step: a number with x > 0 is needed, but got 0"),
        (
            "space.momentum={low=0.1, high=0.9, step=0.3}",
            "high - low must be a multiple of step, but got 0.9 - 0.1 and 0.3; high = 0.7 would do",
        ),
        ("space.batch_size={low=16, high=32, step=1.5, log=false}", "space.batch_size.step: a whole number with x > 0"),
        ("space.momentum={value=[0.5]}", "space.momentum.value: one value is needed, but got [0.5]"),
        ("space.momentum={choices=0.5}", "space.momentum.choices: a list is needed, but got 0.5"),
        ("space.momentum={choices=[0.5], low=0.1}", "space.momentum.low: no such key of a choices"),
        ("space.momentum={value=0.5, wen={}}", "space.momentum.wen: no such key of a value; did you mean 'when'?"),
        ("space.momentum={value=0.5, when='sgd'}", "space.momentum.when: a table such as { optimizer = 'sgd' }"),
        (
            "space.momentum={value=0.5, when={optimizer=[]}}",
            "space.momentum.when.optimizer: a value or a list of values",
        ),
        (
            "space.momentum={value=0.5, when={optimizer=['sgd', 'nesterof']}}",
            "space.momentum.when.optimizer: 'nesterof' is not among its values; did you mean 'nesterov'?",
        ),
        (
            "space.momentum={value=0.5, when={optimiser='sgd'}}",
            "space.momentum.when.optimiser: another parameter of this space is needed; did you mean 'optimizer'?",
        ),
        (
            "space.momentum={value=0.5, when={lr=0.1}}",
            "space.momentum.when.lr: a parameter with a fixed value or a choice is needed, but this one is a range",
        ),
        (
            "space.batch_size={choices=[1, 2], when={optimizer='sgd'}}",
            "space.batch_size.when: every trial needs this parameter, so it cannot have conditions",
        ),
        ("space.momentum={value=0.5, when={momentum=0.5}}", "conditions must not lead back to where they start"),
        ("search.sampler=grid", "space.lr: a grid needs a fixed value, a choice or a range with a step"),
        ("search.sampler=cmaes", "objective.minimize: cmaes has one objective: minimize = [] leaves accuracy alone"),
        ("search.sampler=cmaes", "space.optimizer: cmaes moves in numbers"),
        ("compute.slots=0", "compute.slots: greater than or equal to 1"),
        ("compute.device=gpu", "compute.device: 'auto', cpu, cuda, or a list of different ones, is needed, but got 'g"),
        ("name=../etc/passwd", "name: 1 to 100 of"),
    ],
)
def test_one_fault_gives_a_line_with_where_and_the_law(setting: str, line: str) -> None:
    found = faults_of(None, setting)
    assert any(line in fault for fault in found), found


def test_steps_and_conditions() -> None:
    spec = read_spec(
        None,
        [
            "space.beta1={choices=[0.8, 0.9], when={amsgrad=true}}",
            "space.amsgrad={choices=[true, false], when={optimizer=['adam', 'adamw']}}",
            "space.momentum={low=0.5, high=0.9, step=0.1, when={optimizer='sgd'}}",
        ],
    )
    sgd, amsgrad = (("optimizer", ("sgd",)),), (("amsgrad", (True,)),)
    assert spec.entries["momentum"] == Range(0.5, 0.9, log=False, whole=False, step=0.1, when=sgd)
    assert spec.entries["beta1"] == Choice((0.8, 0.9), when=amsgrad)
    assert list(spec.entries).index("amsgrad") < list(spec.entries).index("beta1")
    assert validate(spec.model_dump(mode="json")).entries == spec.entries


def test_conditions_that_go_round() -> None:
    found = faults_of(
        None,
        "space.amsgrad={choices=[true, false], when={eps=1e-8}}",
        "space.eps={choices=[1e-8, 1e-7], when={amsgrad=true}}",
    )
    assert found == [
        "space.amsgrad.when: conditions must not lead back to where they start",
        "space.eps.when: conditions must not lead back to where they start",
    ]


def test_a_grid_has_so_many_trials_and_no_more() -> None:
    grid = [
        "search.sampler=grid",
        "space.lr=[0.01, 0.1]",
        "space.optimizer=['adam', 'sgd']",
        "space.momentum=[0.5, 0.9]",
        "space.batch_size={low=16, high=18, log=false}",
        "space.width=1.0",
    ]
    assert read_spec(None, [*grid, "search.trials=19"]).search.trials == 19
    assert faults_of(None, *grid, "search.trials=20") == [
        "search.trials: the grid has 18 settings besides the baseline, but 19 are asked for"
    ]
    assert read_spec(None, [*grid, "search.trials=18", "search.baseline=false"])
    assert "settings is needed" in faults_of(None, *grid, "space.eps={low=0.1, high=0.9, step=0.00001}")[0]


def test_an_option_that_no_optimizer_of_the_space_has() -> None:
    found = faults_of(None, "space.optimizer=['adam', 'gd']", "space.momentum=0.5")
    assert found == ["space.momentum: none of the optimizers of this space (adam, gd) has this option"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "there is no such file"),
        (b"", "the file is empty"),
        (b"\x00\x01\xff\xfe", "TOML text in UTF-8, but byte 2 is not"),
        ("name = 'é'".encode("latin-1"), "UTF-8"),
        (b"name = ", "it is not TOML"),
    ],
)
def test_files_that_are_no_spec(tmp_path: Path, content: bytes | None, line: str) -> None:
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    (fault,) = faults_of(path)
    assert fault.startswith(f"{path}: ")
    assert line in fault


def test_a_folder_is_no_spec(tmp_path: Path) -> None:
    assert "it cannot be read" in faults_of(tmp_path)[0]


def test_several_precisions_are_searched_like_a_choice() -> None:
    spec = validate({"compute": {"precision": ["fp32", "bf16"]}})
    entry = spec.entries["precision"]
    assert isinstance(entry, Choice)
    assert entry.values == ("fp32", "bf16")
    assert "precision" not in validate({"compute": {"precision": ["fp32"]}}).entries
    assert "precision" not in validate({}).entries


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        (
            {"compute": {"precision": "fp16"}},
            "compute.precision: one of fp32, tf32, bf16, or a list of different ones, ",
        ),
        ({"compute": {"precision": ["bf16", "bf16"]}}, "compute.precision: one of fp32, tf32, bf16, or a list"),
        ({"compute": {"precision": []}}, "compute.precision: one of fp32, tf32, bf16, or a list"),
        ({"space": {"precision": "bf16"}}, "space.precision: it is `compute.precision`, which takes a list too"),
        (
            {"objective": {"train": "mine:train"}, "compute": {"precision": "bf16"}},
            "compute.precision: a training function chooses its own: make it a parameter of [space]",
        ),
        (
            {"search": {"baseline": {"lr": 0.01, "precision": "tf32"}}},
            "search.baseline.precision: 'tf32' is none of `compute.precision`",
        ),
        ({"compute": {"threads": [1, 0]}}, "compute.threads: 'auto', a whole number with 1 <= x <= 1024, or a list"),
        ({"compute": {"threads": [2, 2]}}, "compute.threads: 'auto', a whole number with 1 <= x <= 1024, or a list"),
        ({"compute": {"threads": ["auto", 1]}}, "compute.threads: 'auto', a whole number with 1 <= x <= 1024, or a"),
        ({"compute": {"threads": []}}, "compute.threads: 'auto', a whole number with 1 <= x <= 1024, or a list"),
        ({"compute": {"threads": True}}, "compute.threads: 'auto', a whole number with 1 <= x <= 1024, or a list"),
        ({"space": {"threads": [1, 2]}}, "space.threads: it is `compute.threads`, which takes a list too"),
        (
            {"objective": {"train": "mine:train"}, "compute": {"threads": [1, 2]}},
            "compute.threads: a training function has those of its slot: one number is needed",
        ),
        (
            {"compute": {"threads": [1, 2]}, "search": {"baseline": {"lr": 0.01, "threads": 4}}},
            "search.baseline.threads: 4 is none of `compute.threads`",
        ),
        ({"compute": {"device": ["cpu", "auto"]}}, "compute.device: 'auto', cpu, cuda, or a list of different ones, "),
        ({"compute": {"device": ["cpu", "cpu"]}}, "compute.device: 'auto', cpu, cuda, or a list of different ones, "),
        ({"space": {"device": ["cpu"]}}, "space.device: it is `compute.device`, which takes a list too"),
        (
            {"objective": {"train": "mine:train"}, "compute": {"device": ["cpu", "cuda"]}},
            "compute.device: a training function has that of its slot: one of auto, cpu, cuda is needed",
        ),
        (
            {"compute": {"device": "cuda"}, "search": {"baseline": {"lr": 0.01, "device": "cpu"}}},
            "search.baseline.device: 'cpu' is none of `compute.device`",
        ),
    ],
)
def test_how_a_trial_cannot_compute_is_one_line(tables: dict[str, Any], fault: str) -> None:
    with pytest.raises(Faults) as found:
        validate(tables)
    assert len(found.value.lines) == 1
    assert found.value.lines[0].startswith(fault)


def test_a_setting_that_is_the_baseline_is_a_fault() -> None:
    setting = {"lr": 0.001, "optimizer": "sgd", "batch_size": 64, "width": 1.0, "momentum": 0.9}
    space = {"space": {"momentum": [0.0, 0.9], "lr": 0.001, "optimizer": ["sgd", "adam"]}}
    with pytest.raises(Faults) as found:
        validate({**space, "search": {"settings": [setting]}})
    assert found.value.lines == ("search.settings.0: it is the baseline, which is trained anyway; leave it out",)
    assert validate({**space, "search": {"settings": [setting], "baseline": False}}).settings == [setting]
