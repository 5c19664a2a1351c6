"""Recordings of sound: samples, from `.wav` files, at the rate that a model reads."""

import dataclasses
import numbers
import pathlib
import struct

import numpy as np

from kseq.corpora.lines import require_file

SUFFIX = ".wav"
SLOWEST, FASTEST = 1_000, 192_000  # samples per second that are read
_LOUDEST = 100.0  # more than any microphone writes, less than whole numbers of 16 bits
_PROMISED = 2**30  # bytes: whoever writes a stream does not know its size, and promises more
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE  # format tags
_FORMAT = struct.Struct("<HHIIHH")  # tag, channels, samples per second, ..., bits per sample
_SUBFORMAT = struct.Struct("<24xH")  # the tag of an extensible format
# How samples are stored, by tag and bits; and the value that stands for 1.
_KINDS = {
    (_PCM, 16): ("<i2", 2**15),
    (_PCM, 32): ("<i4", 2**31),
    (_FLOAT, 32): ("<f4", 1),
    (_FLOAT, 64): ("<f8", 1),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """Sound, from a single microphone.

    Args:
        samples: Floats from -1 to 1, `[N]`; some may be a little beyond.
        sample_rate: Samples per second, from 1,000 to 192,000.

    Raises:
        ValueError: There are no samples, they are something else, or there is no such rate.
    """

    samples: np.ndarray
    sample_rate: int

    def __post_init__(self):
        samples = np.asarray(self.samples)
        if samples.dtype.kind not in "iuf" or samples.ndim != 1 or not samples.size:
            raise ValueError(
                "expected the samples of a recording, an array of numbers [N]; received "
                f"{samples.dtype} {list(samples.shape)}"
            )
        largest = np.abs(samples.astype(np.float64)).max()
        if samples.dtype.kind != "f" or not largest <= _LOUDEST:
            raise ValueError(
                f"expected samples as floats from -1 to 1; received {samples.dtype} up to "
                f"{largest:g}; divide whole numbers by their range, those of 16 bits by 32,768"
            )
        object.__setattr__(self, "samples", samples.astype(np.float32))
        rate = self.sample_rate
        if not isinstance(rate, numbers.Integral) or not SLOWEST <= rate <= FASTEST:
            raise ValueError(
                f"expected a whole number of samples per second, from {SLOWEST:,} to {FASTEST:,}; "
                f"received {rate!r}"
            )

    def __len__(self):
        return len(self.samples)

    @property
    def seconds(self):
        """How long it lasts."""
        return len(self) / self.sample_rate

    def resample(self, sample_rate):
        """Returns the samples at another rate, float32 `[N']`.

        Frequencies above half of the new rate are removed, in the discrete Fourier transform.
        """
        if sample_rate == self.sample_rate:
            return self.samples
        count = max(1, round(len(self) * sample_rate / self.sample_rate))
        spectrum = np.fft.rfft(self.samples.astype(np.float64))
        return (np.fft.irfft(spectrum, count) * (count / len(self))).astype(np.float32)


def is_recording(name):
    """Returns whether a name is that of a `.wav` file."""
    return str(name).strip().lower().endswith(SUFFIX)


def read_recording(path):
    """Reads a `.wav` file: PCM of 16, 24 or 32 bits, or floats; the channels are averaged.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It is something else, or is damaged.
    """
    path = pathlib.Path(path)
    require_file(path)
    parts = _read_parts(path)
    try:
        tag, channels, sample_rate, _, _, bits = _FORMAT.unpack_from(parts[b"fmt "])
        if tag == _EXTENSIBLE:
            (tag,) = _SUBFORMAT.unpack_from(parts[b"fmt "])
        content = parts[b"data"]
    except (KeyError, struct.error) as error:
        raise ValueError(f"{path}: expected a complete .wav file; write it again") from error
    samples = _decode(content, tag, bits)
    if samples is None or not channels:
        raise ValueError(
            f"{path}: expected PCM of 16, 24 or 32 bits, or floats; received format {tag} with "
            f"{bits} bits; convert it, for instance with: sox {path.name} -e signed -b 16 new.wav"
        )
    samples = samples[: len(samples) // channels * channels].reshape(-1, channels)
    try:
        return Recording(samples.mean(axis=1), sample_rate)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_parts(path):
    """Returns the parts of a RIFF file by their names, bytes."""
    content = path.read_bytes()
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError(f"{path}: expected a .wav file; its content is something else")
    parts, start = {}, 12
    while start + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, start)
        part = content[start + 8 : start + 8 + size]
        if name == b"data" and len(part) < size < _PROMISED:
            missing = size - len(part)
            raise ValueError(
                f"{path}: expected a complete .wav file; its last {missing:,} bytes are missing"
            )
        parts.setdefault(name, part)
        start += 8 + size + size % 2
    return parts


def _decode(content, tag, bits):
    """Returns samples as floats from -1 to 1; None for an unknown format."""
    width = bits // 8
    content = content[: len(content) // max(width, 1) * width]
    if (tag, bits) == (_PCM, 24):
        triples = np.frombuffer(content, np.uint8).reshape(-1, 3)
        return np.pad(triples, [(0, 0), (1, 0)]).view("<i4")[:, 0] / 2**31
    if (tag, bits) not in _KINDS:
        return None
    kind, one = _KINDS[tag, bits]
    return np.frombuffer(content, kind).astype(np.float64) / one
