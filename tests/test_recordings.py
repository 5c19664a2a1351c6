"""Recordings from `.wav` files, in every format that is read, and at other rates."""

import struct

import numpy as np
import pytest

from kseq.corpora.recordings import Recording, is_recording, read_recording

RATE = 8000
TONE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(400) / RATE)


def wav(content, tag=1, bits=16, channels=1, rate=RATE, extensible=False, size=None):
    """The bytes of a `.wav` file with a part between format and data that nobody knows."""
    frame = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    if extensible:
        fmt = struct.pack("<HHIIHH", 0xFFFE, channels, rate, rate * frame, frame, bits)
        fmt += struct.pack("<HHIH14s", 22, bits, 0, tag, b"\0" * 14)
    parts = b"fmt " + struct.pack("<I", len(fmt)) + fmt
    parts += b"LIST" + struct.pack("<I", 3) + b"odd\0"
    parts += b"data" + struct.pack("<I", len(content) if size is None else size) + content
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WAVE" + parts


def write(path, content):
    path.write_bytes(content)
    return path


def whole(samples, bits):
    """Samples as whole numbers of 16, 24 or 32 bits, in bytes."""
    numbers = np.round(samples * 2 ** (bits - 1)).astype("<i4")
    return b"".join(int(n).to_bytes(bits // 8, "little", signed=True) for n in numbers)


@pytest.mark.parametrize(
    "content, options, tolerance",
    [
        (whole(TONE, 16), {}, 1e-4),
        (whole(TONE, 24), {"bits": 24}, 1e-6),
        (whole(TONE, 32), {"bits": 32}, 1e-6),
        (TONE.astype("<f4").tobytes(), {"tag": 3, "bits": 32}, 1e-6),
        (TONE.astype("<f8").tobytes(), {"tag": 3, "bits": 64}, 1e-6),
        (whole(TONE, 16), {"extensible": True}, 1e-4),
        (TONE.astype("<f4").tobytes(), {"tag": 3, "bits": 32, "extensible": True}, 1e-6),
        (whole(TONE, 16), {"size": 0x7FFFFFFF}, 1e-4),  # as whoever writes a stream promises
        (whole(TONE, 16) + b"\0", {}, 1e-4),  # half a sample
    ],
)
def test_every_format_gives_the_same_samples(tmp_path, content, options, tolerance):
    recording = read_recording(write(tmp_path / "a.wav", wav(content, **options)))
    assert recording.sample_rate == RATE and recording.samples.dtype == np.float32
    np.testing.assert_allclose(recording.samples, TONE, atol=tolerance)
    assert recording.seconds == pytest.approx(0.05)


def test_channels_are_averaged(tmp_path):
    both = np.stack([TONE, np.full(len(TONE), 0.25)], axis=1).ravel()
    recording = read_recording(write(tmp_path / "a.wav", wav(whole(both, 16), channels=2)))
    np.testing.assert_allclose(recording.samples, (TONE + 0.25) / 2, atol=1e-4)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"not a recording", "a.wav: expected a .wav file; its content is something else"),
        (b"", "a.wav: expected a .wav file; its content"),
        (wav(b"")[:20], "a.wav: expected a complete .wav file; write it again"),
        (wav(b"").replace(b"data", b"what"), "a.wav: expected a complete .wav file"),
        (wav(b""), "a.wav: expected the samples of a recording"),
        (wav(b"abcd", tag=7, bits=8), "received format 7 with 8 bits; convert it, for instance"),
        (wav(b"abcd", bits=0), "received format 1 with 0 bits"),
        (wav(b"abcd", channels=0), "expected PCM of 16, 24 or 32 bits"),
        (wav(b"abcd", rate=0), "expected a whole number of samples per second, from 1,000 to"),
        (wav(b"abcd", rate=1), "a.wav: expected a whole number of samples per second"),
        (wav(b"abcd")[:-1], "a.wav: expected a complete .wav file; its last 1 bytes are missing"),
        (wav(np.array([np.nan], "<f4").tobytes(), tag=3, bits=32), "a.wav: expected .* up to nan"),
        (wav(np.array([1e300], "<f8").tobytes(), tag=3, bits=64), "received float64 up to 1e.300"),
    ],
)
def test_other_files_are_errors(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_recording(write(tmp_path / "a.wav", content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.wav"):
        read_recording(tmp_path / "nowhere.wav")


def test_the_name_decides():
    assert is_recording("a.wav") and is_recording(" B.WAV ") and not is_recording("wav.npy")


@pytest.mark.parametrize("rate", [16_000, 11_025, 4_000])
def test_another_rate_gives_the_same_sound(rate):
    """A tone that is periodic in the recording, as there is nothing before and after it."""
    seconds, frequency = 0.5, 440
    times = np.arange(int(seconds * RATE)) / RATE
    recording = Recording(np.sin(2 * np.pi * frequency * times), RATE)
    samples = recording.resample(rate)
    assert len(samples) == round(seconds * rate) and samples.dtype == np.float32
    times = np.arange(len(samples)) * (seconds / len(samples))
    np.testing.assert_allclose(samples, np.sin(2 * np.pi * frequency * times), atol=1e-3)
    assert recording.resample(RATE) is recording.samples


def test_frequencies_above_half_of_a_lower_rate_are_removed():
    high = np.sin(2 * np.pi * 3000 * np.arange(RATE) / RATE)
    assert np.abs(Recording(high, RATE).resample(4000)).max() < 1e-3


@pytest.mark.parametrize("samples", [np.zeros((2, 3)), np.zeros(0), np.array(["a"])])
def test_samples_are_numbers_in_a_row(samples):
    with pytest.raises(ValueError, match="expected the samples of a recording, an array of num"):
        Recording(samples, RATE)


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_whole_numbers_are_not_taken_for_samples(kind):
    """As other readers of `.wav` files return them: 32,768 times too loud."""
    with pytest.raises(ValueError, match="floats from -1 to 1; received .* up to 16384; divide"):
        Recording(np.trunc(TONE / TONE.max() * 2**14 - 0.5).astype(kind), RATE)


@pytest.mark.parametrize("rate", [8000.5, True, "8000", None, 999, 192_001])
def test_a_rate_is_a_whole_number(rate):
    with pytest.raises(ValueError, match="expected a whole number of samples per second"):
        Recording(TONE, rate)
