"""Optuna's tables in our database: the ledger as Optuna's own tools read it, and what its samplers remember.

Whoever writes the ledger writes these in the same transaction, so the two never differ. Samplers work on a copy in
memory, read here once; a trial takes three statements when it is asked and three when it is told.
"""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, delete, insert, select, update
from sqlalchemy.pool import NullPool

from storage.database import LOCK_SECONDS, Database, set_pragmas
from storage.ledger import Step

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial


def create_optuna_tables(database: Database) -> None:
    """Creates Optuna's tables where they are not there yet; call it under the schema's lock."""
    _open(database, skip_table_creation=False).engine.dispose()


def optuna_storage(database: Database) -> RDBStorage:
    """Returns Optuna's storage over tables that are there."""
    return _open(database, skip_table_creation=True)


class Projection:
    """One study in Optuna's tables.

    Args:
        database: Where the study is.
        name: Its name; `create` writes it where it is not there.
        directions: One for each objective.
    """

    def __init__(self, database: Database, name: str, directions: Sequence[StudyDirection]) -> None:
        from optuna.storages._rdb import models

        self._name, self._directions = name, directions
        studies = _table(models.StudyModel)
        with database.read() as connection:
            self._study: int | None = connection.scalar(select(studies.c.study_id).where(studies.c.study_name == name))
        self._ids: dict[int, int] = {}
        self._memory: dict[str, str] = {}

    def create(self, connection: Connection) -> None:
        """Writes the study where it is not there yet."""
        from optuna.storages._rdb import models

        studies, directions = _table(models.StudyModel), _table(models.StudyDirectionModel)
        found = connection.scalar(select(studies.c.study_id).where(studies.c.study_name == self._name))
        if found is not None:
            self._study = found
            return
        key: Any = connection.execute(insert(studies).values(study_name=self._name)).inserted_primary_key
        self._study = key[0]
        rows = [
            {"study_id": self._study, "objective": objective, "direction": direction}
            for objective, direction in enumerate(self._directions)
        ]
        connection.execute(insert(directions), rows)

    def read(self, connection: Connection) -> tuple[list[FrozenTrial], dict[str, Any]]:
        """Returns the trials in the order of their numbers, and what samplers remember of the whole study."""
        from optuna.storages._rdb import models
        from optuna.trial import FrozenTrial

        trials, attrs = _table(models.TrialModel), _table(models.StudySystemAttributeModel)
        rows = connection.execute(
            select(trials).where(trials.c.study_id == self._study).order_by(trials.c.number)
        ).all()
        self._ids = {row.number: row.trial_id for row in rows}
        values = self._rows_by_trial(connection, models.TrialValueModel, "objective")
        params = self._rows_by_trial(connection, models.TrialParamModel, "param_id")
        system = self._rows_by_trial(connection, models.TrialSystemAttributeModel, "trial_system_attribute_id")
        found = []
        for row in rows:
            distributions = {param.param_name: _distribution(param.distribution_json) for param in params[row.trial_id]}
            found.append(
                FrozenTrial(
                    number=row.number,
                    state=row.state,
                    value=None,
                    values=[value.value for value in values[row.trial_id]] or None,
                    datetime_start=_to_local(row.datetime_start),
                    datetime_complete=_to_local(row.datetime_complete),
                    params={
                        param.param_name: distributions[param.param_name].to_external_repr(param.param_value)
                        for param in params[row.trial_id]
                    },
                    distributions=distributions,
                    user_attrs={},
                    system_attrs={attr.key: json.loads(attr.value_json) for attr in system[row.trial_id]},
                    intermediate_values={},
                    trial_id=row.number,
                )
            )
        remembered = connection.execute(select(attrs).where(attrs.c.study_id == self._study))
        self._memory = {row.key: row.value_json for row in remembered}
        return found, {key: json.loads(text) for key, text in self._memory.items()}

    def add(self, connection: Connection, trial: FrozenTrial) -> None:
        """Writes a new trial with its parameters."""
        from optuna.distributions import distribution_to_json
        from optuna.storages._rdb import models

        trials = _table(models.TrialModel)
        row = {
            "number": trial.number,
            "study_id": self._study,
            "state": trial.state,
            "datetime_start": _to_utc(trial.datetime_start),
        }
        key: Any = connection.execute(insert(trials).values(row)).inserted_primary_key
        trial_id: int = key[0]
        self._ids[trial.number] = trial_id
        params = [
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": distribution.to_internal_repr(trial.params[name]),
                "distribution_json": distribution_to_json(distribution),
            }
            for name, distribution in trial.distributions.items()
        ]
        _insert_all(connection, models.TrialParamModel, params)
        self._add_attrs(connection, trial_id, trial.system_attrs)

    def finish(self, connection: Connection, trial: FrozenTrial, constraints: Mapping[str, Any]) -> None:
        """Writes how a trial that was added before did.

        Args:
            connection: The ledger's transaction.
            trial: With its final state and, where it is complete, its values.
            constraints: What of its system attributes was set since it was added.
        """
        from optuna.storages._rdb import models

        trials, trial_id = _table(models.TrialModel), self._ids[trial.number]
        ended = {"state": trial.state, "datetime_complete": _to_utc(trial.datetime_complete)}
        connection.execute(update(trials).where(trials.c.trial_id == trial_id).values(ended))
        finite = models.TrialValueModel.TrialValueType.FINITE
        values = [
            {"trial_id": trial_id, "objective": objective, "value": value, "value_type": finite}
            for objective, value in enumerate(trial.values or [])
        ]
        _insert_all(connection, models.TrialValueModel, values)
        self._add_attrs(connection, trial_id, constraints)

    def remove(self, connection: Connection, first: int) -> None:
        """Removes the trials from a number on."""
        from optuna.storages._rdb import models

        trials = _table(models.TrialModel)
        ids = select(trials.c.trial_id).where(trials.c.study_id == self._study, trials.c.number >= first)
        for table in reversed(models.BaseModel.metadata.sorted_tables):
            if table is not trials and "trial_id" in table.c:
                connection.execute(delete(table).where(table.c.trial_id.in_(ids)))
        connection.execute(delete(trials).where(trials.c.study_id == self._study, trials.c.number >= first))

    def restate(self, connection: Connection, name: str, distribution: Any) -> None:
        """Writes the distribution of a parameter in all trials, which hold values of it already."""
        from optuna.distributions import distribution_to_json
        from optuna.storages._rdb import models

        trials, params = _table(models.TrialModel), _table(models.TrialParamModel)
        ids = select(trials.c.trial_id).where(trials.c.study_id == self._study)
        of_name = (params.c.param_name == name) & params.c.trial_id.in_(ids)
        text = distribution_to_json(distribution)
        connection.execute(update(params).where(of_name).values(distribution_json=text))

    def remember(self, memory: Mapping[str, Any]) -> Step | None:
        """Returns the write of what has changed in the samplers' memory of the study; None where nothing has."""
        texts = {key: json.dumps(value) for key, value in memory.items()}
        changed = {key: text for key, text in texts.items() if self._memory.get(key) != text}
        self._memory = texts
        return partial(self._write_memory, changed=changed) if changed else None

    def _write_memory(self, connection: Connection, changed: Mapping[str, str]) -> None:
        from optuna.storages._rdb import models

        attrs = _table(models.StudySystemAttributeModel)
        for key in changed:
            connection.execute(delete(attrs).where(attrs.c.study_id == self._study, attrs.c.key == key))
        rows = [{"study_id": self._study, "key": key, "value_json": text} for key, text in changed.items()]
        _insert_all(connection, models.StudySystemAttributeModel, rows)

    def _add_attrs(self, connection: Connection, trial_id: int, attrs: Mapping[str, Any]) -> None:
        from optuna.storages._rdb import models

        rows = [{"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in attrs.items()]
        _insert_all(connection, models.TrialSystemAttributeModel, rows)

    def _rows_by_trial(self, connection: Connection, model: Any, order: str) -> dict[int, list[Any]]:
        from optuna.storages._rdb import models

        table, trials = _table(model), _table(models.TrialModel)
        query = select(table).join(trials, trials.c.trial_id == table.c.trial_id)
        rows: dict[int, list[Any]] = defaultdict(list)
        for row in connection.execute(query.where(trials.c.study_id == self._study).order_by(table.c[order])):
            rows[row.trial_id].append(row)
        return rows


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


def _insert_all(connection: Connection, model: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(_table(model)), rows)


@lru_cache(maxsize=1024)
def _distribution(text: str) -> Any:
    from optuna.distributions import json_to_distribution

    return json_to_distribution(text)


def _to_utc(moment: datetime | None) -> datetime | None:
    """Returns a naive local time, as Optuna's records hold it, in the naive UTC of its tables."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _to_local(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)


def _open(database: Database, *, skip_table_creation: bool) -> RDBStorage:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    arguments: dict[str, Any] = {"poolclass": NullPool}
    if database.is_sqlite:
        arguments = {"connect_args": {"timeout": LOCK_SECONDS}}
    url = database.url.render_as_string(hide_password=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = optuna.storages.RDBStorage(url, arguments, skip_table_creation=skip_table_creation)
    if database.is_sqlite:
        storage.engine.dispose()
        set_pragmas(storage.engine)
    return storage
