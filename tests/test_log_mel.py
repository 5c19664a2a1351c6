"""Log-mel spectrograms: compared with NumPy, and what a listener expects of them."""

import numpy as np
import pytest
import tensorflow as tf

from kseq.corpora.recordings import Recording
from kseq.pipeline.log_mel import LogMel

RATE = 16_000
RNG = np.random.default_rng(3)
NOISE = RNG.normal(scale=0.1, size=RATE // 2)


def reference(samples, rate, bands, length, step):
    """One frame and one band after the other, with the plain definition of the transform."""
    window, hop = round(length * rate), round(step * rate)
    points = 1
    while points < window:
        points *= 2
    hann = [np.sin(np.pi * n / window) ** 2 for n in range(window)]
    turns = np.exp(-2j * np.pi * np.outer(range(points // 2 + 1), range(points)) / points)
    mel = np.linspace(*(1127 * np.log(1 + hz / 700) for hz in (60, min(8000, rate / 2))), bands + 2)
    edges = 700 * (np.exp(mel / 1127) - 1)
    frequencies = np.arange(points // 2 + 1) * rate / points
    frames = []
    for start in range(0, len(samples) - window + 1, hop):
        padded = np.zeros(points)
        padded[:window] = samples[start : start + window] * hann
        power = np.abs(turns @ padded) ** 2
        bands_of_frame = [
            power @ np.interp(frequencies, triangle, [0, 1, 0], left=0, right=0)
            for triangle in zip(edges, edges[1:], edges[2:])
        ]
        frames.append(np.log(np.maximum(bands_of_frame, 1e-6)))
    return np.array(frames)


@pytest.mark.parametrize(
    "settings",
    [
        (RATE, 80, 0.025, 0.01),
        (8_000, 40, 0.02, 0.015),
        (22_050, 23, 0.025, 0.01),
    ],
)
def test_frames_are_those_of_numpy(settings):
    rate = settings[0]
    samples = NOISE[: rate // 4].astype(np.float32)
    frames = LogMel(*settings)(Recording(samples, rate))
    expected = reference(samples.astype(np.float64), *settings)
    assert frames.dtype == np.float32 and frames.shape == expected.shape
    np.testing.assert_allclose(frames, expected, atol=2e-3)


@pytest.mark.parametrize("extra, count", [(0, 1), (159, 1), (160, 2), (1600, 11)])
def test_there_is_a_frame_wherever_a_complete_one_fits(extra, count):
    log_mel = LogMel(RATE)
    frames = log_mel(Recording(np.zeros(400 + extra), RATE))
    assert frames.shape == (count, 80) and log_mel.count(400 + extra) == count
    np.testing.assert_allclose(frames, np.log(1e-6), rtol=1e-6)  # silence


def test_padding_after_a_recording_changes_no_frame_of_it():
    log_mel = LogMel(RATE, mel_bands=40)
    lengths = [4000, 7999, 400]
    batch = RNG.normal(size=(3, 8000)).astype(np.float32)
    frames = log_mel.frames(tf.constant(batch)).numpy()
    for row, length, together in zip(batch, lengths, frames):
        alone = log_mel(Recording(row[:length], RATE))
        np.testing.assert_allclose(together[: log_mel.count(length)], alone, atol=1e-4)


@pytest.mark.parametrize("frequency", [200, 1000, 6000])
def test_a_tone_is_strongest_in_the_band_around_it(frequency):
    mel = np.linspace(*1127 * np.log1p(np.array([60, 8000]) / 700), 42)
    centres = 700 * np.expm1(mel[1:-1] / 1127)
    nearest = np.abs(centres - frequency).argmin()
    tone = 0.1 * np.sin(2 * np.pi * centres[nearest] * np.arange(RATE) / RATE)
    frames = LogMel(RATE, mel_bands=40)(Recording(tone, RATE))
    assert set(frames.argmax(axis=1)) == {nearest}
    louder = LogMel(RATE, mel_bands=40)(Recording(2 * tone, RATE))
    assert (louder - frames).max() == pytest.approx(np.log(4), abs=1e-3)


def test_another_rate_is_resampled():
    """The frames of a tone are the same at any rate that it was recorded with."""

    def tone(rate):
        return Recording(0.1 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate), rate)

    log_mel = LogMel(RATE, mel_bands=40)
    for rate in (44_100, 8_000):
        expected, received = log_mel(tone(RATE)), log_mel(tone(rate))
        band = expected.argmax(axis=1)
        rows = np.arange(len(band))
        np.testing.assert_allclose(received[rows, band], expected[rows, band], atol=0.05)


def test_a_recording_shorter_than_a_frame_is_an_error():
    with pytest.raises(ValueError, match="at least 0.025 seconds, one frame; received 0.0249375"):
        LogMel(RATE)(Recording(np.zeros(399), RATE))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"mel_bands": 256}, "mel_bands=256 are too narrow for frames of 25 ms at 16,000 samples"),
        ({"mel_bands": 0}, "mel_bands must be at least 1"),
        ({"sample_rate": 10}, "sample_rate must be at least 1,000"),
        ({"frame_length": 1.0}, "frame_length must be at least 0.001 and at most 0.1"),
    ],
)
def test_settings_without_meaning_are_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        LogMel(**settings)
