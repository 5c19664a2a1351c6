"""The picture of a training: loss and accuracy by epoch."""


def save_curves(rows, path):
    """Draws training and validation curves side by side.

    Args:
        rows: A dict for each epoch, with `epoch`, `cross_entropy`, `accuracy` and their `val_`
            counterparts.
        path: Picture file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    panels = (("cross_entropy", "cross-entropy per token (nats)"), ("accuracy", "token accuracy"))
    for axes, (name, label) in zip(figure.subplots(1, 2), panels):
        for prefix, curve in (("", "training"), ("val_", "validation")):
            values = [row[prefix + name] for row in rows]
            axes.plot(epochs, values, marker="o", markersize=3, label=curve)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)
