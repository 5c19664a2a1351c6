"""Log-mel spectrograms: from the samples of a recording to frames, in a TensorFlow graph."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from kseq.corpora.recordings import FASTEST, SLOWEST
from kseq.errors import SettingError
from kseq.fields import Section, number

LOWEST, HIGHEST = 60.0, 8000.0  # edges of the bands, in Hz
FLOOR = 1e-6  # the least energy in a band, as the logarithm of silence would be infinite


@dataclasses.dataclass(frozen=True)
class LogMel(Section):
    """How recordings become frames: the logarithm of the energy in bands of frequencies.

    A frame is weighted with a Hann window and extended with zeros to a power of 2 for the Fourier
    transform. The bands are triangles from 60 to 8,000 Hz (or half of the sample rate) that are
    evenly spaced in mel, `1127 ln(1 + f / 700 Hz)`, and overlap by half. There is a frame wherever
    a complete one fits.

    Args:
        sample_rate: Samples per second.
        mel_bands: Number of bands, F.
        frame_length: Seconds that a frame sees.
        frame_step: Seconds from one frame to the next.

    Raises:
        ValueError: A number is out of range, or the bands are too narrow for the frames.
        TypeError: A number has the wrong type.
    """

    sample_rate: int = number(16_000, minimum=SLOWEST, maximum=FASTEST)
    mel_bands: int = number(80, minimum=1, maximum=256)
    frame_length: float = number(0.025, minimum=0.001, maximum=0.1)
    frame_step: float = number(0.01, minimum=0.001, maximum=0.1)

    def __post_init__(self):
        super().__post_init__()
        is_empty = ~_bands(self).any(axis=0)
        if is_empty.any():
            raise SettingError(
                "{mel_bands}={0} are too narrow for frames of {1:g} ms at {2:,} samples per "
                "second: {3} of them have no frequency; use fewer, or a longer {frame_length}",
                *(self.mel_bands, 1000 * self.frame_length, self.sample_rate, is_empty.sum()),
            )

    @classmethod
    def of(cls, text, sample_rate):
        """Makes it from the settings of a `TextConfig`, and the rate to use if they have none."""
        return cls(
            text.sample_rate or sample_rate, text.mel_bands, text.frame_length, text.frame_step
        )

    @property
    def window(self):
        """Samples of a frame."""
        return max(2, round(self.frame_length * self.sample_rate))

    @property
    def hop(self):
        """Samples from one frame to the next."""
        return max(1, round(self.frame_step * self.sample_rate))

    @property
    def points(self):
        """Points of the Fourier transform."""
        return 1 << (self.window - 1).bit_length()

    def count(self, lengths):
        """Returns the number of frames of recordings of some lengths, numbers or a tensor."""
        return (lengths - self.window) // self.hop + 1

    def frames(self, samples):
        """Returns frames `[..., S, F]` of samples `[..., N]`, float32 tensors; part of a graph."""
        frames = tf.signal.frame(samples, self.window, self.hop)
        hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(self.window) / self.window)
        spectrum = tf.signal.rfft(frames * hann.astype(np.float32), [self.points])
        power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
        return tf.math.log(tf.maximum(tf.matmul(power, _bands(self)), FLOOR))

    def __call__(self, recording):
        """Returns the frames of a `Recording`, resampled if necessary: a float32 array `[S, F]`.

        Raises:
            ValueError: It is shorter than a frame.
        """
        samples = recording.resample(self.sample_rate)
        if len(samples) < self.window:
            raise ValueError(
                f"expected a recording of at least {self.window / self.sample_rate:g} seconds, one "
                f"frame; received {recording.seconds:g}"
            )
        return _compiled(self)(samples).numpy()


@functools.lru_cache(16)
def _bands(log_mel):
    """The weight of each frequency in each band, float32 `[points / 2 + 1, F]`."""
    highest = min(HIGHEST, log_mel.sample_rate / 2)
    mel = 1127.0 * np.log1p(np.array([LOWEST, highest]) / 700.0)
    edges = 700.0 * np.expm1(np.linspace(*mel, log_mel.mel_bands + 2) / 1127.0)
    frequencies = np.arange(log_mel.points // 2 + 1) * (log_mel.sample_rate / log_mel.points)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (frequencies[:, None] - lower) / (centre - lower)
    falling = (upper - frequencies[:, None]) / (upper - centre)
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


@functools.lru_cache(16)
def _compiled(log_mel):
    spec = tf.TensorSpec([None], tf.float32)
    return tf.function(log_mel.frames, autograph=False).get_concrete_function(spec)
