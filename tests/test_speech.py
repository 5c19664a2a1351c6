"""Speech: recordings from `.wav` files to a run, its transcriptions, pictures and exports."""

import itertools
import json
import wave

import numpy as np
import pytest
import tensorflow as tf
from conftest import run_eagerly

import kseq
from kseq import Config, ModelConfig, TextConfig, TrainingConfig, Translator, load_corpus, train
from kseq.cli.main import main
from kseq.corpora.recordings import Recording, read_recording
from kseq.corpora.values import ValuePairs, is_value_file
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.log_mel import LogMel
from kseq.training.completion import complete_config
from kseq.tuning.tune import complete_study_config

RATE = 8000
TONES = {"low": 300, "middle": 800, "high": 2000}
RNG = np.random.default_rng(0)


def say(words, rate=RATE):
    """A tone of a tenth of a second for each word, with noise."""
    times = np.arange(rate // 10) / rate
    tones = [0.3 * np.sin(2 * np.pi * TONES[word] * times) for word in words]
    return np.concatenate(tones) + 0.01 * RNG.normal(size=len(words) * len(times))


def write_wav(path, samples, rate=RATE):
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Recordings, the third of which has twice as many samples per second, and their index."""
    folder = tmp_path_factory.mktemp("speech")
    (folder / "sound").mkdir()
    lines = []
    for number in range(60):
        words = RNG.choice(list(TONES), size=RNG.integers(2, 5))
        rate = 2 * RATE if number == 2 else RATE
        write_wav(folder / "sound" / f"{number}.wav", say(words, rate), rate)
        lines.append(f"sound/{number}.wav\t{' '.join(words)}\n")
    (folder / "index.tsv").write_text("".join(lines))
    return folder


SETTINGS = Config(
    ModelConfig(units=16, embedding_dim=8, encoder_layers=2, pyramid=True),
    TextConfig(minimum_frequency=1, mel_bands=20),
    TrainingConfig(epochs=2, batch_size=16, warmup_steps=0, decoded_pairs=3),
)


@pytest.fixture(scope="module")
def run(folder):
    """The run directory, and the trained translator."""
    out = folder / "run"
    with run_eagerly():
        return out, train(load_corpus(folder / "index.tsv"), SETTINGS, out=out, verbose=False)


# === Pairs ===


def test_an_index_pairs_recordings_with_text(folder):
    index = folder / "index.tsv"
    assert is_value_file(index)
    pairs = ValuePairs.open(index)
    assert pairs.sample_rate == RATE and all(pairs.features[:1]) and not pairs.features[1]
    (recording, text), *_, last = pairs
    expected = read_recording(folder / "sound" / "0.wav")
    np.testing.assert_array_equal(recording.samples, expected.samples)
    assert set(text.split()) <= set(TONES) and last[0].sample_rate == RATE
    assert [each.sample_rate for each, _ in pairs][2] == 2 * RATE


def test_frames_are_kept_so_that_files_are_read_once(folder, tmp_path):
    (tmp_path / "sound").mkdir()
    for number in range(3):
        write_wav(tmp_path / "sound" / f"{number}.wav", say(["low", "high"]))
    index = tmp_path / "index.tsv"
    index.write_text("".join(f"sound/{number}.wav\tlow high\n" for number in range(3)))
    pairs = ValuePairs.open(index)
    log_mel = LogMel(RATE, mel_bands=20)
    framed = pairs.framed(log_mel)
    assert framed is pairs.framed(LogMel(RATE, mel_bands=20))
    assert framed is not pairs.framed(LogMel(RATE, mel_bands=10))
    framed = pairs.framed(log_mel)
    assert framed.framed(log_mel) is framed
    first = [source for source, _ in framed]
    np.testing.assert_array_equal(first[1], log_mel(read_recording(tmp_path / "sound/1.wav")))
    for path in (tmp_path / "sound").iterdir():
        path.unlink()
    for before, (after, _) in zip(first, framed, strict=True):
        np.testing.assert_array_equal(before, after)


def test_more_frames_than_there_is_room_for_are_computed_again(folder, monkeypatch):
    monkeypatch.setattr("kseq.corpora.values._KEPT", 5000)  # bytes
    calls = []
    log_mel = LogMel(RATE, mel_bands=20)

    def count(recording):
        calls.append(recording)
        return log_mel(recording)

    framed = ValuePairs.open(folder / "index.tsv").framed(count)
    first, second = list(framed), list(framed)
    assert 60 < len(calls) < 120
    for (before, text), (after, same) in zip(first, second, strict=True):
        np.testing.assert_array_equal(before, after)
        assert text == same


def test_faulty_recordings_are_errors_or_left_out(folder, tmp_path):
    (tmp_path / "sound").mkdir()
    write_wav(tmp_path / "sound/0.wav", say(["low", "high"]))
    write_wav(tmp_path / "sound/1.wav", say(["low"])[:100])  # shorter than a frame
    (tmp_path / "sound/2.wav").write_bytes(b"no sound")
    index = tmp_path / "index.tsv"
    index.write_text("".join(f"sound/{number}.wav\tlow\n" for number in range(3)))
    log_mel = LogMel(RATE, mel_bands=20)
    with pytest.raises(ValueError, match="index.tsv, line 2, source: expected a recording of at l"):
        list(ValuePairs.open(index).framed(log_mel))
    pairs = ValuePairs.open(index, skip_faulty=True).framed(log_mel)
    for _ in range(2):
        assert len(list(pairs)) == 1 and pairs.faulty == 2
    assert "2.wav: expected a .wav file; its content" in str(pairs.first_faults[1])
    index.write_text("low\tsound/0.wav\n")
    with pytest.raises(ValueError, match="line 1: expected a recording as the source; received on"):
        ValuePairs.open(index)


def test_an_index_of_recordings_is_inspected(folder, capsys):
    index = folder / "index.tsv"
    text = str(kseq.inspect(index, verbose=False))
    assert f"{index}: 60 pairs\nsource: recordings, 18 seconds\n  seconds: mean 0." in text
    assert "samples per second: 8,000 (59), 16,000 (1)" in text and "different words: 3" in text
    assert main(["inspect", str(index), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["pairs"] == 60 and values["source"]["unit"] == "seconds"
    assert values["source"]["lengths"]["longest"] == pytest.approx(0.4)
    assert main(["inspect", str(index), "--suggest", "settings.yaml"]) == 2
    assert "--suggest is for text" in capsys.readouterr().err


# === A run ===


def test_the_run_records_how_recordings_become_frames(run):
    out, translator = run
    config = json.loads((out / "config.json").read_text())
    assert config["text"]["sample_rate"] == RATE and config["model"]["source_features"] == 20
    record = json.loads((out / "source_values.json").read_text())["recordings"]
    expected = LogMel(RATE, mel_bands=20)
    assert LogMel(**record) == expected == translator.codecs.source.log_mel
    assert CodecPair.load(out, translator.config).source.log_mel == expected


def test_every_form_of_a_recording_gives_the_same_transcription(run, folder):
    """A file, its samples, its frames; and a run that was loaded."""
    out, translator = run
    path = folder / "sound" / "3.wav"
    recording = read_recording(path)
    frames = LogMel(RATE, mel_bands=20)(recording)
    by_path, *others = translator.translate([path, recording, recording.samples, frames])
    (loaded,) = Translator.load(out).translate([str(path)])
    for result in (*others, loaded):
        assert (result.text, result.score) == (by_path.text, by_path.score)
        np.testing.assert_array_equal(result.source, by_path.source)
    assert by_path.source.shape == frames.shape


def test_another_rate_is_resampled(run, folder):
    _, translator = run
    path = folder / "sound" / "2.wav"
    recording = read_recording(path)
    assert recording.sample_rate == 2 * RATE
    (result,) = translator.translate([path])
    resampled = Recording(recording.resample(RATE), RATE)
    np.testing.assert_array_equal(result.source, LogMel(RATE, mel_bands=20)(resampled))


def test_the_rate_can_be_chosen(folder, tmp_path):
    corpus = load_corpus(folder / "index.tsv")
    settings = SETTINGS.with_settings(["sample_rate=4000", "mel_bands=10", "frame_step=0.02"])
    codecs, survey = kseq.build_codecs(corpus.train, settings)
    assert codecs.source.log_mel == LogMel(4000, 10, 0.025, 0.02)
    longest = max(len(pair[0]) / pair[0].sample_rate for pair in corpus.train)
    (frames,) = {source.shape[1] for source, _ in codecs.frame(corpus.train)}
    assert frames == 10 and survey.tokens < survey.kept * (longest / 0.02 + 1)


def test_the_trials_of_a_study_may_differ_in_their_bands(folder):
    corpus = load_corpus(folder / "index.tsv")
    config = complete_study_config(corpus, SETTINGS).with_settings(["mel_bands=10"])
    assert complete_config(corpus, config).model.source_features == 10


@pytest.mark.parametrize(
    "source, error, message",
    [
        ("nowhere.wav", FileNotFoundError, "nowhere.wav"),
        (np.zeros(10), ValueError, "at least 0.025 seconds, one frame; received 0.00125"),
        (np.zeros((4, 3)), ValueError, "expected 20 values per step, as the model was trained"),
    ],
)
def test_unsuitable_sources_are_errors(run, source, error, message):
    with pytest.raises(error, match=message):
        run[1].translate([source])


@pytest.mark.parametrize("kind", [np.float32, np.int16])
def test_the_samples_of_one_recording_are_not_a_list(run, kind):
    with pytest.raises(TypeError, match=r"received one; wrap it in \[ \]"):
        run[1].translate(np.zeros(999, kind))


def test_an_index_with_a_header_is_not_text(folder, tmp_path):
    index = folder / "header.tsv"
    index.write_text("file\ttext\n" + "sound/0.wav\tlow\n" * 30)
    with pytest.raises(ValueError, match="received the file sound/0.wav after text .*the header"):
        load_corpus(index)


def test_a_model_of_arrays_refuses_recordings(values_translator, folder):
    with pytest.raises(ValueError, match="0.wav: expected 2 values per step.*received a recordin"):
        values_translator.predict([folder / "sound" / "0.wav"], 1)


def test_settings_of_recordings_need_recordings(small_corpus, folder, tmp_path):
    for name, value in (("mel_bands", 40), ("sample_rate", 8000)):
        config = Config(text=TextConfig(**{name: value}))
        with pytest.raises(ValueError, match=f"{name}={value} is for recordings .*has none"):
            train(small_corpus, config, out=tmp_path / "run", verbose=False)
    config = Config(ModelConfig(source_features=30))
    with pytest.raises(ValueError, match="source_features is 30, but the corpus has 80 values per"):
        train(load_corpus(folder / "index.tsv"), config, out=tmp_path / "run", verbose=False)


def test_the_commands_read_recordings(run, folder, tmp_path, capsys, monkeypatch):
    out, translator = run
    monkeypatch.setattr(Translator, "load", lambda run, **_: translator)
    monkeypatch.chdir(folder)
    expected = [each.text for each in translator.translate(["sound/0.wav", "sound/1.wav"])]
    assert main(["translate", str(out), "sound/0.wav", "sound/1.wav"]) == 0
    assert capsys.readouterr().out.splitlines() == expected
    assert main(["translate", str(out), "--beam", "1", "sound/0.wav", "sound/1.wav"]) == 0
    assert capsys.readouterr().out.splitlines() == expected
    (tmp_path / "lines").write_text("sound/0.wav\nsound/1.wav\n")
    assert main(["translate", str(out), str(tmp_path / "lines")]) == 0
    assert capsys.readouterr().out.splitlines() == expected
    assert main(["translate", str(out), "sound/0.wav", str(tmp_path / "lines")]) == 2
    assert "expected one file of lines, or .npy and .wav files; received 2" in (
        capsys.readouterr().err
    )
    picture = tmp_path / "picture.png"
    assert main(["heatmap", str(out), "sound/0.wav", "--out", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert main(["evaluate", str(out), "--test", "index.tsv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sentences"] == 60


def test_the_axis_of_a_heatmap_is_in_seconds(run, folder):
    _, translator = run
    (result,) = translator.translate([folder / "sound" / "0.wav"])
    assert result.step_seconds == 0.01
    axes = kseq.plot_attention(result)
    assert axes.get_xlabel() == "seconds"
    for label, tick in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True):
        assert float(label.get_text()) == pytest.approx((tick + 0.5) * 0.01)
    assert len(axes.get_xticks()) > 2 and len(axes.child_axes) == 1


def test_labels_of_a_short_recording_do_not_overlap(run):
    axes = kseq.plot_attention(run[1].translate([np.zeros(1000)])[0])  # 10 frames
    axes.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert len(boxes) > 1
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


# === Elsewhere ===


def test_a_saved_model_takes_samples(run, folder, tmp_path):
    """Padding may be anything, and a recording that is shorter than a frame stops it."""
    _, translator = run
    translator.export(tmp_path / "model")
    model = tf.saved_model.load(str(tmp_path / "model"))
    serve = model.signatures["details"]
    recordings = [read_recording(folder / "sound" / f"{number}.wav") for number in (0, 1, 3)]
    lengths = [len(each) for each in recordings]
    samples = np.full((3, max(lengths) + 7), np.nan, "float32")
    for row, recording in zip(samples, recordings):
        row[: len(recording)] = recording.samples
    outputs = serve(samples=tf.constant(samples), lengths=tf.constant(lengths, tf.int32))
    for row, result in enumerate(translator.translate(recordings)):
        assert outputs["translation"][row].numpy().decode() == result.text
        rows, columns = result.attention.shape
        np.testing.assert_allclose(
            outputs["attention"][row, :rows, :columns], result.attention, atol=1e-4
        )
    assert serve(samples=tf.zeros([0, 0]), lengths=tf.zeros([0], tf.int32))
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least 200 samples, one frame"):
        serve(samples=tf.zeros([1, 300]), lengths=tf.constant([199]))
    readme = (tmp_path / "model" / "README.md").read_text()
    assert "`samples` float32 [–, –]" in readme and "from -1 to 1, 8,000 per second" in readme

    from kseq.translation.operations import check_saved_model

    check_saved_model(tmp_path / "model")
    from kseq.serving.saved_model_engine import load

    with pytest.raises(ValueError, match="the model reads recordings, which the protocols of kse"):
        load(tmp_path / "model")


def test_what_cannot_read_recordings_refuses_them(run, tmp_path):
    _, translator = run
    with pytest.raises(ValueError, match=r"recordings \(.wav\) is not possible with format=litert"):
        translator.export(tmp_path / "lite", format="litert")
    from kseq.serving.run_engine import RunEngine

    with pytest.raises(ValueError, match="the model reads recordings, which the protocols of kse"):
        RunEngine(translator)
