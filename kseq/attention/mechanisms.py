"""The attention mechanisms by their names."""

from kseq.attention.additive import AdditiveAttention, CoverageAttention
from kseq.attention.contract import Mechanism
from kseq.attention.local import LocalAttention, PredictiveLocalAttention
from kseq.attention.multiplicative import MultiplicativeAttention
from kseq.attention.own import OwnMechanism
from kseq.settings.own_parts import OwnPart


def mechanism_of(config):
    """Returns the `Mechanism` that a `ModelConfig` names, or None for a model without attention."""
    if isinstance(config.attention, OwnPart):
        return OwnMechanism.of(config)
    units, window = {"units": config.units}, {"window": config.window}
    mechanisms = {
        "bahdanau": Mechanism(AdditiveAttention, units),
        "coverage": Mechanism(CoverageAttention, units),
        "luong_concat": Mechanism(AdditiveAttention, units, follows_cell=True),
        "luong_general": Mechanism(MultiplicativeAttention, follows_cell=True),
        "luong_dot": Mechanism(MultiplicativeAttention, projects_keys=False, follows_cell=True),
        "luong_scaled_dot": Mechanism(
            MultiplicativeAttention, {"scaled": True}, projects_keys=False, follows_cell=True
        ),
        "local_m": Mechanism(LocalAttention, window, follows_cell=True),
        "local_p": Mechanism(PredictiveLocalAttention, {**units, **window}, follows_cell=True),
    }
    return mechanisms.get(config.attention)
