"""Settings: which values are accepted, which contradict each other, and how they are saved."""

import dataclasses

import pytest

from kseq import Config, ModelConfig, TextConfig, TrainingConfig


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_written_file_is_loaded_unchanged(tmp_path, suffix):
    config = Config(
        ModelConfig(cell="lstm", units=64, dropout=0.5),
        TextConfig(source_tokenizer="character", case="lower"),
        TrainingConfig(epochs=3, learning_rate=2e-3),
    )
    path = tmp_path / f"config{suffix}"
    path.write_text(config.dumps(suffix))
    assert Config.load(path) == config


def test_a_printed_config_is_a_file_of_settings(tmp_path):
    config = Config(ModelConfig(cell="lstm", units=64))
    (tmp_path / "printed.yaml").write_text(f"{config}")
    assert Config.load(tmp_path / "printed.yaml") == config


def test_missing_fields_have_their_defaults(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text("model:\n  units: 64\n")
    assert Config.load(path) == Config(ModelConfig(units=64))


def test_an_empty_file_is_the_default_config(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("")
    assert Config.load(path) == Config()


def test_configs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().units = 3


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: ModelConfig(cell="gur"),
            "cell must be 'rnn', 'gru' or 'lstm'; received 'gur'; did you mean 'gru'",
        ),
        (lambda: ModelConfig(cell=["gru"]), r"'gru' or 'lstm'; received \['gru'\]"),
        (lambda: ModelConfig(attention="luong"), "received 'luong'; did you mean 'luong_dot'"),
        (lambda: ModelConfig(units=0), "units must be at least 2 and at most 100,000; received 0"),
        (lambda: ModelConfig(units=33), "units must be even.*received 33. Use 34"),
        (lambda: ModelConfig(dropout=1.0), "dropout must be at least 0.0 and at most 0.95"),
        (lambda: ModelConfig(dropout=float("nan")), "dropout must be at least 0.0"),
        (lambda: TrainingConfig(learning_rate=float("inf")), "learning_rate must be at least"),
        (lambda: TrainingConfig(seed=2**32), "seed must be at least 0"),
        (
            lambda: TrainingConfig(epochs=0),
            "epochs must be at least 1 and at most 1,000,000; received 0",
        ),
    ],
)
def test_an_invalid_value_is_an_error_that_names_the_valid_ones(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("value", ["64", 64.0, True, None])
def test_a_wrong_type_is_an_error_that_names_the_right_one(value):
    with pytest.raises(TypeError, match="units must be a whole number; received"):
        ModelConfig(units=value)


def test_a_section_must_be_a_config():
    with pytest.raises(TypeError, match="model must be a ModelConfig; received {'units': 4}"):
        Config(model={"units": 4})


def test_a_number_without_a_decimal_point_in_yaml_is_a_number(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("training: {learning_rate: 1e-3}")
    assert Config.load(path).training.learning_rate == 1e-3
    with pytest.raises(TypeError, match="dropout must be a number; received 'half'"):
        ModelConfig(dropout="half")


def test_a_whole_number_is_accepted_as_a_number():
    assert ModelConfig(dropout=0).dropout == 0.0


def test_a_misspelt_field_is_an_error_that_names_the_nearest(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("model:\n  unit: 64\n")
    with pytest.raises(ValueError, match=r"config.yaml: unknown field of model: 'unit'.*'units'"):
        Config.load(path)


@pytest.mark.parametrize(
    "text, message",
    [
        ("modle: {}", "unknown section: 'modle'; did you mean 'model'"),
        ("- 1", "expected a mapping of each section"),
        ("model: 3", "expected a mapping of each field of model"),
        ("model: {units: many}", "units must be a whole number; received 'many'"),
        ("model: [", "config.yaml: not valid YAML"),
        ("[" * 3000, "config.yaml: nested too deeply"),
        ("model: !!python/object:os.system {}", "config.yaml: not valid YAML"),
    ],
)
def test_a_file_without_a_valid_config_is_named(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        Config.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="config file not found: .*none.yaml"):
        Config.load(tmp_path / "none.yaml")


def test_settings_change_the_fields_that_they_name():
    config = Config().with_settings(
        ["units=64", "training.learning_rate=1e-4", "share_vocabulary=true"]
    )
    assert config.model.units == 64
    assert config.training.learning_rate == 1e-4
    assert config.text.share_vocabulary is True


@pytest.mark.parametrize(
    "setting, message",
    [
        ("units", "such as units=256, without spaces around =; received 'units'"),
        ("=256", "expected field=value, such as units=256.*; received '=256'"),
        ("unitz=3", "unknown setting 'unitz'; did you mean 'units'"),
        ("model.epochs=3", "unknown setting 'model.epochs'"),
        ("cell=grl", "'gru' or 'lstm'; received 'grl'"),
    ],
)
def test_an_invalid_setting_is_an_error_that_shows_a_valid_one(setting, message):
    with pytest.raises(ValueError, match=message):
        Config().with_settings([setting])


@pytest.mark.parametrize(
    "settings, message",
    [
        (
            {"architecture": "transformer", "attention": "local_p"},
            "attention=local_p does not fit.*a transformer has attention=multi_head, for the other",
        ),
        ({"attention": "multi_head"}, "attention=multi_head does not fit the architecture"),
        *(
            (
                {"architecture": "transformer", **setting},
                "has no effect with architecture=transformer; use architecture=recurrent",
            )
            for setting in (
                *({"cell": "lstm"}, {"bidirectional": False}, {"merge": "sum"}),
                *({"reverse_source": True}, {"pyramid": True}),
                {"bidirectional": False, "decoder_architecture": "recurrent"},
            )
        ),
        *(
            (
                {"decoder_architecture": "transformer", **setting},
                "has no effect on the decoder of a Transformer; use decoder_architecture=recurrent",
            )
            for setting in (
                {"attention_layer": "top"},
                {"input_feeding": False},
                {"context": "sum"},
                {"bridge": "linear"},
                {"readout": "none"},
            )
        ),
        ({"architecture": "transformer", "context": "sum"}, "context=sum has no effect on the"),
        *(
            ({**setting, "decoder_cell": "rnn"}, "decoder_cell=rnn needs a recurrent encoder and a")
            for setting in (
                {"architecture": "transformer"},
                {"decoder_architecture": "transformer"},
                {"architecture": "transformer", "decoder_architecture": "recurrent"},
            )
        ),
        (
            {"architecture": "transformer", "residual": True, "encoder_layers": 2},
            "residual=true needs encoder_layers or decoder_layers of at least 2, of recurrent",
        ),
        (
            {"decoder_architecture": "transformer", "attention": "luong_dot"},
            "attention=luong_dot does not fit the architecture",
        ),
        (
            {
                **{"architecture": "transformer", "decoder_architecture": "recurrent"},
                "attention": "multi_head",
            },
            "attention=multi_head does not fit the architecture",
        ),
        ({"heads": 4}, "heads=4 needs architecture=transformer"),
        ({"merge": "sum", "bidirectional": False}, "merge=sum needs bidirectional=true"),
        ({"residual": True}, "residual=true needs encoder_layers or decoder_layers of at least 2"),
        (
            {"residual": True, "pyramid": True, "encoder_layers": 2, "source_features": 3},
            "residual=true does not fit pyramid=true",
        ),
        ({"reverse_source": True}, "reverse_source=true needs bidirectional=false"),
        ({"pyramid": True, "source_features": 3}, "pyramid=true needs encoder_layers of at least"),
        ({"attention": "none", "attention_layer": "top"}, "attention_layer=top needs attention"),
        ({"attention_layer": "top"}, "attention_layer=top needs decoder_layers of at least 2"),
        ({"cell": "LSTM"}, "received 'LSTM'; did you mean 'lstm'"),
        ({"attention": False}, "received False; YAML reads words such as no and off as true or"),
        ({"input_feeding": False}, "input_feeding=false needs one of the kinds of Luong"),
        ({"window": 3}, "window=3 needs attention=local_m or attention=local_p"),
        ({"attention": "location", "window": 3}, "window=3 needs attention=local_m or attention="),
        ({"attention": "luong_dot", "local_score": "dot"}, "local_score=dot needs attention=local"),
        ({"positions": 50}, "positions=50 needs attention=location; the other kinds read all"),
        ({"filters": 5}, "filters=5 needs attention=location_aware"),
        ({"attention": "location", "filter_width": 5}, "filter_width=5 needs attention=location_a"),
        (
            {"attention": "location_aware", "filter_width": 4},
            "filter_width=4 must be odd, so that a filter has a middle",
        ),
        (
            {"architecture": "transformer", "decoder_architecture": "recurrent", "bridge": "none"},
            "bridge=none needs architecture=recurrent; the encoder of a Transformer has no states",
        ),
        ({"bridge": "none", "context": "sum"}, "bridge=none hands over .*, so it needs context="),
        (
            {"bridge": "none", "decoder_layers": 2},
            "bridge=none hands over the states of each layer .* as many encoder_layers as decoder_",
        ),
        *(
            (
                {"bridge": "none", "cell": cells[0], "decoder_cell": cells[1]},
                "bridge=none hands over .* LSTM has two .*use decoder_cell=same",
            )
            for cells in (("gru", "lstm"), ("lstm", "rnn"))
        ),
        *(
            ({"attention": kind, "readout": "none", **setting}, "readout=none has no effect with")
            for kind, setting in (
                ("luong_dot", {}),
                ("location", {"input_feeding": False}),
                ("local_m", {"decoder_layers": 2, "attention_layer": "top"}),
            )
        ),
        (
            {"context": "backward", "attention": "none"},
            "context=backward needs attention, .* bidirectional=false with reverse_source=true",
        ),
        *(
            ({"context": "backward", **setting}, "context=backward needs a recurrent encoder with")
            for setting in (
                {"bidirectional": False},
                {"architecture": "transformer", "decoder_architecture": "recurrent"},
            )
        ),
        (
            {"window": 3, "attention": "hard"},
            "window=3 needs .*, or alignment_order=1 with attention=hard",
        ),
        ({"monotonic": True}, "monotonic=true needs attention=hard"),
        ({"alignment_order": 1}, "alignment_order=1 needs attention=hard"),
        (
            {"attention": "hard", "target_features": 2},
            "attention=hard needs a text target; for real values use attention=local_m",
        ),
        ({"attention": "hard", "copy": True}, "copy=true does not fit attention=hard"),
        (
            {"attention": "hard", "readout": "none"},
            "readout=none has no effect with attention=hard",
        ),
        (
            {"attention": "hard", "attention_layer": "top", "decoder_layers": 2},
            "attention_layer=top has no effect with attention=hard",
        ),
        ({"coverage_loss": 1}, "coverage_loss=1.0 needs attention=coverage"),
        (
            {"coverage_loss": 1, "attention": "coverage", "target_features": 2},
            "coverage_loss=1.0 needs a text target",
        ),
        ({"context_every_step": True}, "context_every_step=true needs attention=none"),
        ({"share_embeddings": True, "source_features": 3}, "share_embeddings=true needs text on"),
        ({"tie_output": True, "target_features": 3}, "tie_output=true needs a text target"),
        (
            {"architecture": "transformer", "units": 36},
            r"units must be a multiple of heads \(8\); received 36. Use 40",
        ),
        (
            {"decoder_architecture": "transformer", "heads": 3, "units": 9},
            "units must be even, because each direction of the encoder has half of them",
        ),
    ],
    ids=lambda value: ",".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_contradictory_settings_are_an_error_that_names_a_solution(settings, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**settings)


def test_units_may_be_odd_unless_each_direction_has_half_of_them():
    for settings in ({"bidirectional": False}, {"merge": "sum"}):
        assert ModelConfig(units=33, **settings).units == 33


def test_the_default_attention_of_a_transformer_is_multi_head():
    config = ModelConfig(architecture="transformer")
    assert config.attention == "multi_head"
    assert ModelConfig(**dataclasses.asdict(config)) == config
    assert ModelConfig(decoder_architecture="transformer").attention == "multi_head"
    mixed = ModelConfig(architecture="transformer", decoder_architecture="recurrent")
    assert mixed.attention == "bahdanau"
    assert Config(config).with_settings(["units=64"]).model.attention == "multi_head"


def test_sharing_a_vocabulary_needs_the_same_tokenizer_on_both_sides():
    with pytest.raises(ValueError, match="the same tokenizer.*word and target_tokenizer=character"):
        Config(ModelConfig(share_embeddings=True), TextConfig(target_tokenizer="character"))


def test_settings_of_vectors_without_effect_are_an_error():
    with pytest.raises(ValueError, match="freeze_vectors=true needs source_vectors or target_vec"):
        TrainingConfig(freeze_vectors=True)
    training = TrainingConfig(source_vectors="a", target_vectors="b")
    with pytest.raises(ValueError, match="one matrix for both sides; name one file of vectors"):
        Config(ModelConfig(share_embeddings=True), training=training)


def test_a_batch_is_measured_in_sentences_or_in_tokens():
    with pytest.raises(ValueError, match="batch_size=7 has no effect with batch_tokens=500"):
        TrainingConfig(batch_tokens=500, batch_size=7)
    assert TrainingConfig(batch_tokens=500).batch_tokens == 500


@pytest.mark.parametrize(
    "settings, message",
    [
        (["sampling_schedule=exponential"], "exponential needs scheduled_sampling, such as"),
        (["sampling_steps=10"], "sampling_steps=10 needs scheduled_sampling"),
        (
            ["scheduled_sampling=1", "sampling_schedule=constant", "sampling_steps=10"],
            "sampling_steps=10 has no effect with sampling_schedule=constant",
        ),
        (["coverage_loss_start=9"], "coverage_loss_start=9 needs coverage_loss, such as"),
        (["guided_alignment=1", "attention=none"], "guided_alignment needs attention; use"),
        (["guided_alignment=1", "target_tokenizer=subword"], "needs tokens that are words"),
        (["guided_alignment=1", "case=mark"], "needs tokens that are words.*case other than mark"),
        (["guided_alignment=1", "source_features=3"], "needs tokens that are words"),
    ],
)
def test_additions_to_teacher_forcing_need_what_they_act_on(settings, message):
    with pytest.raises(ValueError, match=message):
        Config().with_settings(settings)
