"""Yoyodyne on inflection with its own example settings, the figures that kseq has to beat.

Usage: python benchmarks/yoyodyne_inflection.py FOLDER [--work FOLDER] [--models NAMES]
           [--languages NAMES] [--epochs N]

FOLDER holds the languages of the SIGMORPHON-UniMorph 2023 shared task, such as `deu.trn.tsv.gz`:
lemma, features, inflected form (`kseq fetch inflection2023 FOLDER`).

The settings are those of the files `configs/soft_attention_lstm_separate.yaml`,
`configs/pointer_generator_lstm.yaml` and `configs/trainer.yaml` in Yoyodyne's repository, in
float32, with a separate LSTM encoder for the features in both models: memory 200, decoder 100,
embeddings 300, dropout 0.3, batches of 32, gradients clipped at 3; Adadelta at 1.0, or Adam at
0.001; until the validation loss has not improved for 10 epochs. The epoch with the highest exact
match counts. Existing results in the work folder are reused.
"""

import argparse
import gzip
import json
import os
import pathlib
import subprocess

from measuring import table_row
from peers_environments import is_ready, python_of

MODELS = {
    "soft attention": ("SoftAttentionLSTMModel", "torch.optim.Adadelta", 1.0),
    "pointer-generator": ("PointerGeneratorLSTMModel", "torch.optim.Adam", 0.001),
}
LANGUAGES = ("deu", "fin", "tur", "rus", "amh")
SCRIPT = pathlib.Path(__file__).parent / "peers_yoyodyne.py"


def main():
    """Trains the models and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("runs/peers"))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    work = options.work.resolve()
    if not is_ready("Yoyodyne", work):
        return
    rows = [["language", "model", "exact match", "epoch", "epochs", "minutes"], ["---"] * 6]
    for language in options.languages:
        for model in options.models:
            log = train(options.data, work, language, model, options)
            best = max(log, key=lambda figures: figures["exact_match"])
            score = f"{100 * best['exact_match']:.1f}%"
            minutes = f"{log[-1]['seconds'] / 60:.0f}"
            rows.append([language, model, score, str(best["epoch"]), str(len(log)), minutes])
            print(table_row(rows[-1]), flush=True)
    print("\n".join(map(table_row, rows)))


def train(data, work, language, model, options):
    """Trains a model on a language unless its log exists; returns the figures of each epoch."""
    folder = work / "yoyodyne-inflection" / f"{language}-{model.replace(' ', '-')}-{options.seed}"
    log = folder / "epochs.jsonl"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for split in ("trn", "dev"):
            with gzip.open(data / f"{language}.{split}.tsv.gz") as file:
                (folder / f"{split}.tsv").write_bytes(file.read())
        settings = make_settings(folder, *MODELS[model], options)
        (folder / "settings.json").write_text(json.dumps(settings, indent=1))
        command = [python_of("Yoyodyne", work), SCRIPT, "fit", "--config", folder / "settings.json"]
        with open(log, "w") as output, open(folder / "messages", "w") as messages:
            subprocess.run(
                command,
                stdout=output,
                stderr=messages,
                check=True,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            )
        (folder / "done").touch()
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def make_settings(folder, model, optimizer, learning_rate, options):
    """Makes the settings of Yoyodyne, a dict."""
    sizes = {"dropout": 0.3, "embedding_size": 300, "hidden_size": 100}
    encoder = {"class_path": "yoyodyne.models.modules.LSTMEncoder", "init_args": sizes}
    return {
        "seed_everything": options.seed,
        "trainer": {
            "accelerator": "cpu",
            "max_epochs": options.epochs,
            "gradient_clip_val": 3,
            "enable_progress_bar": False,
            "logger": False,
            "callbacks": [
                {"class_path": "peers_yoyodyne.Clock"},
                {
                    "class_path": "lightning.pytorch.callbacks.EarlyStopping",
                    "init_args": {"monitor": "val_loss", "patience": 10},
                },
            ],
        },
        "model": {
            "class_path": f"yoyodyne.models.{model}",
            "init_args": {
                "source_encoder": encoder,
                "features_encoder": encoder,
                "decoder_dropout": 0.3,
                "decoder_hidden_size": 100,
                "embedding_size": 300,
                "optimizer": {"class_path": optimizer, "init_args": {"lr": learning_rate}},
            },
        },
        "data": {
            "model_dir": str(folder),
            "train": str(folder / "trn.tsv"),
            "val": str(folder / "dev.tsv"),
            "features_col": 2,
            "target_col": 3,
        },
    }


if __name__ == "__main__":
    main()
