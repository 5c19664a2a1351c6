"""Learning curves: the figures of training and validation by epoch."""

LABELS = {
    "cross_entropy": "cross-entropy per token (nats)",
    "accuracy": "token accuracy",
    "mean_squared_error": "mean squared error",
    "binary_cross_entropy": "binary cross-entropy (nats)",
    "exact_match": "exact match (%)",
    "bleu": "BLEU",
    "free_run_error": "squared error of the free run",
}


def save_curves(rows, path):
    """Draws a panel for each metric, with curves for training and validation.

    Args:
        rows: A dict for each validation with `epoch`, perhaps a fraction, the metrics and their
            `val_` counterparts; some have only one of the two.
        path: Picture file to write.
    """
    from matplotlib.figure import Figure

    epochs = [row["epoch"] for row in rows]
    panels = [(name, label) for name, label in LABELS.items() if f"val_{name}" in rows[0]]
    figure = Figure(figsize=(4.5 * len(panels), 3.5), layout="constrained")
    for axes, (name, label) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels):
        for color, prefix, curve in (("C0", "", "training"), ("C1", "val_", "validation")):
            if prefix + name in rows[0]:
                values = [row[prefix + name] for row in rows]
                axes.plot(epochs, values, color=color, marker="o", markersize=3, label=curve)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)
