"""Every kind of attention on the embedded corpora, with the same sizes, steps and search.

Usage: python benchmarks/attention_kinds.py [--out FOLDER] [--corpora NAME ...] [--kinds NAME ...]

Each model is trained for all epochs with the settings of its corpus, except for the attention, and
decodes with greedy search. Then the training steps of all kinds are timed in turn. The results are
written to FOLDER: results.json, table.md and lengths.png. Existing runs and metrics are reused.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics
import time

import numpy as np
from measuring import describe_machine, table_row

from kseq import Config, Translator, load_corpus, train
from kseq.console import import_tensorflow_quietly
from kseq.kernels.processor import share_cores

KINDS = {
    "none": {"attention": "none"},
    "none, every step": {"attention": "none", "context_every_step": True},
    "bahdanau": {"attention": "bahdanau"},
    "coverage": {"attention": "coverage"},
    "luong_dot": {"attention": "luong_dot"},
    "luong_scaled_dot": {"attention": "luong_scaled_dot"},
    "luong_general": {"attention": "luong_general"},
    "luong_general, not fed": {"attention": "luong_general", "input_feeding": False},
    "luong_concat": {"attention": "luong_concat"},
    "local_m": {"attention": "local_m"},
    "local_p": {"attention": "local_p"},
    # Two layers per side; it does not learn at the learning rate of the others.
    "transformer": {"architecture": "transformer", "encoder_layers": 2, "decoder_layers": 2},
}
TRANSFORMER_LEARNING_RATE = 0.5  # relative to the learning rate of the corpus
SHARES = (0.0, 1 / 3, 2 / 3, 0.9, 1.0)  # of the test sentences, shortest first
SHARE_NAMES = ("shortest third", "middle third", "long", "longest tenth")
ROUNDS = 15


def main():
    """Trains, evaluates and times all models, and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/attention-kinds"))
    parser.add_argument("--corpora", nargs="+", default=["dates", "en-fr"])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    options = parser.parse_args()
    import_tensorflow_quietly()
    share_cores()
    results = {"machine": describe_machine(), "corpora": {}}
    for name in options.corpora:
        corpus = load_corpus(name)
        rows = {kind: evaluate_kind(corpus, kind, options.out) for kind in options.kinds}
        for kind, milliseconds in measure_step_times(corpus, options.kinds).items():
            rows[kind]["step"] = milliseconds
        results["corpora"][name] = rows
        (options.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (options.out / "table.md").write_text(format_tables(results))
    draw(results, options.out / "lengths.png")
    print(format_tables(results))


def make_config(corpus, kind):
    """The settings of a corpus with another attention, and without early stopping."""
    training = dataclasses.replace(corpus.config.training, patience=corpus.config.training.epochs)
    if kind == "transformer":
        rate = training.learning_rate * TRANSFORMER_LEARNING_RATE
        training = dataclasses.replace(training, learning_rate=rate)
    model = dataclasses.replace(corpus.config.model, **KINDS[kind])
    return Config(model, corpus.config.text, training)


def evaluate_kind(corpus, kind, out):
    """Evaluates a kind on the test split, after training the model; existing metrics are reused."""
    run = out / corpus.name / kind.replace(", ", "-").replace(" ", "-")
    path = run / "figures.json"
    if path.is_file():
        return json.loads(path.read_text())
    train(corpus, make_config(corpus, kind), out=run, overwrite=True)
    translator = Translator.load(run)
    alignments = corpus.alignments("test") if corpus.has_alignments("test") else None
    row = translator.evaluate(corpus.test, alignments)
    row["parameters"] = translator.model.count_params()
    row["by length"] = measure_by_length(translator, list(corpus.test))
    path.write_text(json.dumps(row, indent=2) + "\n")
    return row


def measure_by_length(translator, pairs):
    """Exact match in percent, for groups of test sentences by length of the source."""
    sources, references = zip(*pairs)
    results = translator.translate(sources)
    correct = np.array([result.text == reference for result, reference in zip(results, references)])
    lengths = np.array([len(result.source_tokens) for result in results])
    groups = np.array_split(
        np.argsort(lengths, kind="stable"), [round(len(pairs) * share) for share in SHARES[1:-1]]
    )
    return [
        {
            "group": name,
            "tokens": [int(lengths[rows].min()), int(lengths[rows].max())],
            "exact_match": 100.0 * float(correct[rows].mean()),
        }
        for name, rows in zip(SHARE_NAMES, groups)
    ]


def measure_step_times(corpus, kinds):
    """Median milliseconds of a training step on a batch of median length, kinds in turn."""
    from kseq.models.factory import build_seq2seq
    from kseq.pipeline.batching import training_pipeline
    from kseq.pipeline.survey import build_codecs
    from kseq.training.setup import compile_teacher

    codecs, survey = build_codecs(corpus.train, corpus.config)
    batches = training_pipeline(corpus.train, codecs, corpus.config.training, survey)
    batches = sorted(batches.take(64), key=lambda batch: batch[1].shape[1])
    batch = batches[len(batches) // 2]
    models = {}
    for kind in kinds:
        config = make_config(corpus, kind)
        model = build_seq2seq(config.model, *codecs.vocabulary_sizes)
        models[kind] = compile_teacher(model, config.training, survey)
        models[kind].train_on_batch(*batch)
    times = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind, model in models.items():
            started = time.perf_counter()
            model.train_on_batch(*batch)
            times[kind].append(1000 * (time.perf_counter() - started))
    return {kind: statistics.median(values) for kind, values in times.items()}


def format_tables(results):
    """Formats the results as a Markdown table for each corpus."""
    parts = []
    for name, rows in results["corpora"].items():
        groups = next(iter(rows.values()))["by length"]
        lengths = [
            f"{group['group']} ({group['tokens'][0]}–{group['tokens'][1]})" for group in groups
        ]
        head = ["attention", "exact match", *lengths, "ms/step"]
        is_aligned = any("alignment_error_rate" in row for row in rows.values())
        if is_aligned:
            head.insert(-1, "alignment error rate")
        lines = [f"`{name}`:", "", table_row(head), table_row(["---"] * len(head))]
        for kind, row in rows.items():
            shares = [row["exact_match"], *(group["exact_match"] for group in row["by length"])]
            cells = [kind, *(f"{share:.1f}%" for share in shares), f"{row['step']:.0f}"]
            if is_aligned:
                rate = row.get("alignment_error_rate")
                cells.insert(-1, "–" if rate is None else f"{rate:.3f}")
            lines.append(table_row(cells))
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def draw(results, path):
    """Draws exact match by length of the source, one curve per kind."""
    from matplotlib.figure import Figure

    corpora = results["corpora"]
    figure = Figure(figsize=(5.5 * len(corpora), 4.2), layout="constrained")
    panels = figure.subplots(1, len(corpora), squeeze=False, sharey=True)[0]
    styles = ["-", "--", "-.", ":"]
    for axes, (name, rows) in zip(panels, corpora.items()):
        for number, (kind, row) in enumerate(rows.items()):
            axes.plot(
                [group["exact_match"] for group in row["by length"]],
                label=kind,
                color=f"C{number % 10}",
                linestyle=styles[number // 3 % len(styles)],
                marker="o",
                markersize=3,
            )
        groups = next(iter(rows.values()))["by length"]
        names = [f"{g['group']}\n{g['tokens'][0]}–{g['tokens'][1]}" for g in groups]
        axes.set_xticks(range(len(names)), names)
        axes.set(title=name, xlabel="source tokens", ylabel="exact match (%)")
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
