"""The attention mechanisms by their names."""

import dataclasses

from kseq.attention.additive import AdditiveAttention
from kseq.attention.contract import Mechanism
from kseq.attention.hard import FirstOrderHardAttention, HardAttention, MonotonicHardAttention
from kseq.attention.history import CoverageAttention, LocationAwareAttention
from kseq.attention.local import LocalAttention, PredictiveLocalAttention
from kseq.attention.location import LocationAttention
from kseq.attention.multiplicative import MultiplicativeAttention, TrainedQueryAttention
from kseq.attention.own import OwnMechanism
from kseq.settings.own_parts import OwnPart


def mechanism_of(config):
    """Returns the `Mechanism` that a `ModelConfig` names, or None for a model without attention."""
    if isinstance(config.attention, OwnPart):
        return OwnMechanism.of(config)
    units, scores = {"units": config.units}, _scores(config)
    score = scores[config.local_score]
    local = {"window": config.window, "score": score}
    filters = {"filters": config.filters, "filter_width": config.filter_width}
    mechanisms = {
        "bahdanau": Mechanism(AdditiveAttention, units),
        "coverage": Mechanism(CoverageAttention, units),
        "location_aware": Mechanism(LocationAwareAttention, {**units, **filters}),
        **{f"luong_{name}": _after_cell(mechanism) for name, mechanism in scores.items()},
        "local_m": _after_cell(Mechanism(LocalAttention, local, score.projects_keys)),
        "local_p": _after_cell(
            Mechanism(PredictiveLocalAttention, {**units, **local}, score.projects_keys)
        ),
        "location": _after_cell(
            Mechanism(LocationAttention, {"positions": config.positions}, projects_keys=False)
        ),
        "trained_query": _after_cell(Mechanism(TrainedQueryAttention, projects_keys=False)),
        "hard": _hard_mechanism(config),
    }
    return mechanisms.get(config.attention)


def _scores(config):
    """The scores of Luong et al. 2015 (arXiv 1508.04025), section 3.1, by name."""
    return {
        "dot": Mechanism(MultiplicativeAttention, projects_keys=False),
        "scaled_dot": Mechanism(MultiplicativeAttention, {"scaled": True}, projects_keys=False),
        "general": Mechanism(MultiplicativeAttention),
        "concat": Mechanism(AdditiveAttention, {"units": config.units}),
    }


def _after_cell(mechanism):
    return dataclasses.replace(mechanism, follows_cell=True)


def _hard_mechanism(config):
    if config.alignment_order:
        arguments = {"window": config.window, "monotonic": config.monotonic}
        return Mechanism(FirstOrderHardAttention, arguments)
    return Mechanism(MonotonicHardAttention if config.monotonic else HardAttention)
