"""What a server knows about a model without loading it: what it reads and what it writes."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """A model as its engine describes it.

    Args:
        engine: Name of the engine: `"run"`, `"saved_model"` or `"litert"`.
        fingerprint: Changes with the files of the model.
        source_width: Values in a step of a real-valued source; None for text.
        target_width: Values in a step of a real-valued target; None for text.
        reads_features: Whether sources have features.
        has_attention: Whether results can come with attention.
        task: `"translation"`; `"dialogue"`, for a model that replies to turns; or
            `"language model"`, for one whose sources are beginnings of texts.
        fixed_n_best: For a model whose search was fixed when it was exported, the number of
            translations of each source, or 0 for a single one; None if requests have options.
    """

    engine: str
    fingerprint: str
    source_width: int | None = None
    target_width: int | None = None
    reads_features: bool = False
    has_attention: bool = False
    task: str = "translation"
    fixed_n_best: int | None = None

    @property
    def has_options(self):
        """Whether requests can choose the options of the search."""
        return self.fixed_n_best is None and self.target_width is None
