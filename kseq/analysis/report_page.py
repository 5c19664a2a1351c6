"""The page of `attention_report`: metrics as HTML, attention as data that its script draws."""

import base64
import html

import numpy as np

from kseq.analysis.measures import ATTENDED_TWICE, NEVER_ATTENDED
from kseq.web import pages

# Key, name, format and meaning of every metric of the corpus.
_METRICS = (
    ("sentences", "sentences", "{:,}", "read by the model, teacher forced"),
    ("left_out", "left out", "{:,}", "a side has no token, or more than 1,000"),
    ("alignment_error_rate", "alignment error rate", "{:.3f}", "in both directions: see below"),
    ("alignment_error_rate_one_side", "the same, one direction", "{:.3f}", "output words only"),
    ("cross_entropy", "cross-entropy", "{:.3f} nats", "per target token"),
    ("entropy", "entropy", "{:.2f} bits", "per output word"),
    ("never_attended", "never attended to", "{:.1%}", "of the source words"),
    ("attended_twice", "attended to twice", "{:.1%}", "of the source words"),
    ("monotonicity", "monotonicity", "{:.1%}", "of the steps do not go back"),
)
_LONGEST = 100  # tokens per side that are drawn; with more cells, browsers are slow
_STYLES = ("web/base.css", "web/heatmap.css", "analysis/report_page.css")
_SCRIPTS = (
    *("web/elements.js", "web/heatmap.js"),
    *("analysis/report_page.js", "analysis/report_charts.js"),
)
_RANKS = ("cross-entropy", "words never attended to", "entropy")


def render_page(facts):
    """Renders the page as HTML.

    Text from the corpus is escaped. The content security policy of the page allows only its own
    script and style, and no requests.

    Args:
        facts: Dict with the contents of the page, from `kseq.analysis.report`.

    Returns:
        HTML.
    """
    return pages.render_page(
        "analysis/report_page.html",
        styles=_STYLES,
        scripts=_SCRIPTS,
        corpus=html.escape(facts["corpus"]),
        model=html.escape(facts["model"]),
        measured=facts["measured"],
        longest=_LONGEST,
        metrics=_render_metrics(facts["metrics"]),
        heads=_render_heads(facts["heads"]),
        never_words=_render_words(facts["never"], "never attended to"),
        twice_words=_render_words(facts["twice"], "attended to twice"),
        suspicious=_render_suspicious(facts),
        never=f"{NEVER_ATTENDED:g}",
        twice=f"{ATTENDED_TWICE:g}",
        data=pages.to_json(_make_data(facts)),
    )


def _render_metrics(metrics):
    return "\n".join(
        f"<div><dt>{name}</dt>"
        f"<dd><b>{form.format(metrics[key])}</b> <span>{meaning}</span></dd></div>"
        for key, name, form, meaning in _METRICS
        if metrics.get(key) is not None
    )


def _render_table(caption, columns, rows):
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _render_heads(heads):
    """A table of all heads, the best first: by alignment error rate, or else by entropy."""
    if not heads:
        return ""
    with_gold = heads[0][3] is not None
    columns = ["layer", "head", "entropy (bits)", *(["alignment error rate"] if with_gold else [])]
    rows = sorted(heads, key=lambda head: head[3] if with_gold else head[2])
    cells = [
        (layer, head, f"{bits:.2f}", *([f"{rate:.3f}"] if with_gold else []))
        for layer, head, bits, rate in rows
    ]
    table = _render_table("Each head on its own, best first", columns, cells)
    return f"<section><h2>Heads</h2>{table}</section>"


def _render_words(words, caption):
    if not words:
        return f"<p>No source word was {caption}.</p>"
    rows = [(_bdi(word), f"{count:,}", f"{total:,}") for word, count, total in words]
    return _render_table(
        f"Source words {caption}, the most frequent first", ("word", "times", "of"), rows
    )


def _render_suspicious(facts):
    return "\n".join(
        _render_suspicious_sentence(number, *ranks) for number, ranks in facts["suspicious"].items()
    )


def _render_suspicious_sentence(number, score, *ranks):
    reasons = ", ".join(f"{name} {rank:.0%}" for name, rank in zip(_RANKS, ranks))
    return (
        f'<li><h3><button type="button" data-open="{number}">Sentence {number:,}</button>'
        f" <small>score {score:.3f}</small></h3>"
        f"<p>Ranks: {reasons}.</p>"
        f'<div class="sentence" data-sentence="{number}"></div></li>'
    )


def _bdi(text):
    return f'<bdi dir="auto">{html.escape(text)}</bdi>'


def _make_data(facts):
    """The data that the script draws."""
    return {
        "head": facts["head"],
        "measured": facts["measured"],
        "longest": _LONGEST,
        "charts": {
            "entropy": [_make_bar(group) for group in facts["entropy_by_position"]],
            "loss": [_make_bar(group) for group in facts["loss_by_length"]],
            "jumps": _make_jump_bars(facts["jumps"]),
        },
        "sentences": [_make_sentence(sentence) for sentence in facts["sentences"]],
    }


def _make_bar(group):
    """Label, mean and count of a `Bin`."""
    label = str(group.first) if group.first == group.last else f"{group.first}–{group.last}"
    return [label, round(group.mean, 4), group.count]


def _make_jump_bars(counts):
    total = max(sum(count for _, count in counts), 1)
    farthest = counts[-1][0]
    bars = []
    for jump, count in counts:
        label = f"{jump:+d}" if jump else "0"
        label = {farthest: f"≥ {label}", -farthest: f"≤ {label}"}.get(jump, label)
        bars.append([label.replace("-", "−"), round(count / total, 4), count])
    return bars


def _make_sentence(sentence):
    """The data of a sentence under short names, to save space; weights are bytes, 1/255 each."""
    data = {
        "n": sentence["number"],
        "s": sentence["source"],
        "t": sentence["target"],
        "x": sentence["source_tokens"][:_LONGEST],
        "y": sentence["tokens"][:_LONGEST],
        "w": _pack(sentence["attention"]),
        "words": len(sentence["source_tokens"]) - 1,
        "never": sentence["never"],
        "twice": sentence["twice"],
        "loss": round(sentence["loss"], 4),
        "entropy": round(sentence["entropy"], 3),
    }
    if max(len(sentence["source_tokens"]), len(sentence["tokens"])) > _LONGEST:
        data["cut"] = True
    if sentence["monotonicity"] is not None:
        data["mono"] = round(sentence["monotonicity"], 3)
    if sentence["gold"] is not None:
        data["g"] = sentence["gold"]
    if sentence["heads"] is not None:
        data["h"] = [[_pack(head) for head in layer] for layer in sentence["heads"]]
    return data


def _pack(weights):
    levels = np.rint(np.clip(weights[:_LONGEST, :_LONGEST], 0.0, 1.0) * 255.0).astype(np.uint8)
    return base64.b64encode(levels.tobytes()).decode()
