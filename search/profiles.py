"""What networks themselves cost: what was first told of one holds for all trials that have it on the same device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from objectives.costs import Measurement, calibrated
from objectives.trial import Profiled, TrialConfig, sign_family
from search.trials import kept, measurement_of
from storage.ledger import Page

Profile = Mapping[str, Measurement]
"""Costs of `objectives.costs.ONCE`, by name."""


class Profiles:
    """The networks of a study, so that equal ones cost the same and are measured once.

    Which network a setting has is known once a slot has built it, and for this sitting alone: the code that builds it
    may change. What a network costs is kept for all studies.

    Args:
        fingerprint: Of what is trained, and of the data set.
        measures_anew: Whether every trial measures its own, and is told of no other's.
    """

    def __init__(self, fingerprint: str, *, measures_anew: bool) -> None:
        self._fingerprint, self._measures_anew = fingerprint, measures_anew
        self._settings: dict[int, str] = {}  # of trials
        self._networks: dict[str, str] = {}  # of settings
        self._known: dict[str, dict[str, Profile]] = {}  # of networks, by the digest of the device

    def add_known(self, config: TrialConfig) -> TrialConfig:
        """Returns a trial's configuration with what decides its network, and what is known of that."""
        if self._measures_anew:
            return config
        family = sign_family(config, self._fingerprint)
        setting = self._settings[config.number] = f"{family} {sorted(config.model_options.items())}"
        network = self._networks.get(setting)
        known = {} if network is None else {network: dict(self._known[network])}
        return replace(config, family=family, profiles=known)

    def settle(self, page: Page, event: Profiled) -> Profile:
        """Returns what a trial's network costs: what was first told of it; that is kept for later trials, too."""
        if event.device is None or not event.network:
            return event.costs
        device, known = event.device.digest, self._known.setdefault(event.network, {})
        self._networks[self._settings[event.trial]] = event.network
        if device not in known and (costs := page.find_calibrations(event.network).get(device)):
            known[device] = {name: measurement_of(cost) for name, cost in costs.items()}
        if device in known:
            return known[device]
        if not event.is_disturbed:
            known[device] = {name: calibrated(cost) for name, cost in event.costs.items()}
            told = {name: kept(cost) for name, cost in known[device].items()}
            page.keep_calibration(event.network, device, asdict(event.device), told)
        return event.costs
