"""The limits of a server: what it takes at most, before it refuses a request."""

import dataclasses

from kseq.errors import SettingError
from kseq.fields import Section, number


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits(Section):
    """What a server takes at most; a request beyond a limit is refused with a message.

    Args:
        queue: Number of sources that may wait for a model. Requests beyond it are answered with
            status 429 and the seconds after which to try again.
        batch: Number of hypotheses (sources times beam size, or samples) in a batch.
        batch_length: Number of characters (or steps of real values) in a batch, padding included.
        max_body: Number of bytes in the body of a request.
        max_sources: Number of sources in a request.
        max_length: Number of characters (or steps of real values) in a source, and of tokens (or
            steps) that a request can ask for.
        max_beam: Beam size, or number of samples.
        timeout: Seconds after which a request is given up. A worker that is busy for longer is
            replaced.

    Raises:
        SettingError: A value is out of range, or contradicts another.
    """

    queue: int = number(512, minimum=1, maximum=1_000_000)
    batch: int = number(64, minimum=1, maximum=10_000)
    batch_length: int = number(32_768, minimum=1, maximum=100_000_000)
    max_body: int = number(1_000_000, minimum=1_000, maximum=2**30)
    max_sources: int = number(128, minimum=1, maximum=1_000_000)
    max_length: int = number(2_000, minimum=1, maximum=100_000)
    max_beam: int = number(16, minimum=1, maximum=1_000)
    timeout: float = number(30.0, minimum=0.1, maximum=86_400.0)

    def __post_init__(self):
        super().__post_init__()
        if self.max_sources > self.queue:
            raise SettingError(
                "{max_sources} must be at most {queue} ({0}), or the largest requests could never "
                "wait; received {1}",
                *(self.queue, self.max_sources),
            )
