"""The search: spec, samplers, coordinator, engines and the command line; and, from Python, `launch` and `load`.

>>> import tempfile
>>> from search import launch
>>> folder = tempfile.TemporaryDirectory()
>>> spec = {
...     "name": "small",
...     "objective": {"dataset": "digits", "epochs": 2, "minimize": ["train_flops"]},
...     "space": {"optimizer": ["sgd", "adam"], "lr": {"low": 1e-3, "high": 0.1, "log": True}, "width": 0.25},
...     "search": {"trials": 3},
...     "compute": {"engine": "inline"},
... }
>>> study = launch(spec, storage=f"sqlite:///{folder.name}/paretune.db", quiet=True)
>>> study.state, len(study.to_dataframe()), len(study.to_dataframe("epochs"))
('complete', 3, 6)
>>> cheapest = study.front()[0]
>>> study.pick(max_costs={"train_flops": cheapest.value("train_flops")}).point == cheapest
True
>>> study.figure("tradeoff").layout.xaxis.title.text
'training FLOPs (FLOP), solo'
>>> folder.cleanup()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.study import Study, launch, load

__all__ = ["Study", "launch", "load"]


def __getattr__(name: str) -> Any:
    """Imports what a program asks for, so that the command line stays light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from search import study

    return getattr(study, name)
