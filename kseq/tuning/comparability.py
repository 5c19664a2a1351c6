"""Settings that cannot vary in a study, because they change what its figure measures."""

from kseq.errors import SettingError
from kseq.settings.training import DECODED_VALUES

_ALWAYS = ("monitor", "decoded_pairs", "maximum_length", "maximum_frames", "case")
_TOKENS = (
    *("target_tokenizer", "normalization", "minimum_frequency", "maximum_vocabulary_size"),
    *("subword_algorithm", "subword_vocabulary_size", "share_vocabulary", "share_embeddings"),
    "copy",  # An unknown word that is copied is no longer UNK.
)
_OF_TEXTS = ("val_exact_match", "val_bleu", "val_chrf")  # whatever a token is
_IN_LOSS = ("label_smoothing", "coverage_loss", "coverage_loss_start", "guided_alignment")


def require_comparable(space, monitor):
    """Checks that the figures of all trials can be compared.

    Args:
        space: `Space`.
        monitor: Name of the validation figure that is compared.

    Raises:
        SettingError: A setting of the space changes which pairs are measured, what a token is, or
            what the figure means.
    """
    for name in space.settings:
        remedy = "train with each value, and compare the runs with kseq evaluate"
        if name in _TOKENS and monitor not in _OF_TEXTS:
            remedy = "set {monitor}=val_exact_match or val_chrf"
        elif name in _IN_LOSS and monitor == "val_loss":
            remedy = "set {monitor}=val_cross_entropy"
        elif name == "target_activation" and monitor not in DECODED_VALUES:
            remedy = "set {monitor}=val_free_run_error"
        elif name not in _ALWAYS:
            continue
        raise SettingError(
            "{field} cannot vary in a study, because it changes what {0} measures; " + remedy,
            monitor,
            field=name,
        )
