"""The page of `attention_report`: figures as text, attention as data that its script draws."""

import base64
import hashlib
import html
import importlib.resources
import json
import string

import numpy as np

from kseq.analysis.measures import NEVER, TWICE

# Key, name, format, and what it is, of every figure of the corpus.
_FIGURES = (
    ("sentences", "sentences", "{:,}", "read with the model, teacher forced"),
    ("left_out", "left out", "{:,}", "a side has no token, or more than 1,000"),
    ("alignment_error_rate", "alignment error rate", "{:.3f}", "read from both sides: see below"),
    ("alignment_error_rate_one_side", "the same, one side", "{:.3f}", "output words alone"),
    ("cross_entropy", "cross-entropy", "{:.3f} nats", "per target token"),
    ("entropy", "entropy", "{:.2f} bits", "per output word"),
    ("never_attended", "never attended", "{:.1%}", "of the source words"),
    ("attended_twice", "attended twice", "{:.1%}", "of the source words"),
    ("monotonicity", "monotonicity", "{:.1%}", "of the steps do not go back"),
)
_LONGEST = 100  # tokens of a side that are drawn: a browser takes its time over more cells
_RANKS = ("cross-entropy", "words never attended", "entropy")


def page(facts):
    """Writes the page.

    Everything that comes from the corpus is escaped, and the page's policy lets nothing run but
    its own script and fetches nothing.

    Args:
        facts: Dict of all that the page shows, as `kseq.analysis.report` gathers it.

    Returns:
        HTML.
    """
    template, style, script = (
        importlib.resources.files("kseq.analysis")
        .joinpath(f"report_page.{kind}")
        .read_text("utf-8")
        for kind in ("html", "css", "js")
    )
    return string.Template(template).substitute(
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        corpus=html.escape(facts["corpus"]),
        model=html.escape(facts["model"]),
        measured=facts["measured"],
        longest=_LONGEST,
        figures=_figures(facts["figures"]),
        heads=_heads(facts["heads"]),
        never_words=_words(facts["never"], "never attended"),
        twice_words=_words(facts["twice"], "attended twice"),
        suspicious=_suspicious(facts),
        never=f"{NEVER:g}",
        twice=f"{TWICE:g}",
        data=_json(_data(facts)),
    )


def _hash(text):
    """The source expression with which a policy allows this very text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(value):
    """JSON that cannot end the element which it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _figures(figures):
    return "\n".join(
        f"<div><dt>{name}</dt>"
        f"<dd><b>{form.format(figures[key])}</b> <span>{meaning}</span></dd></div>"
        for key, name, form, meaning in _FIGURES
        if figures.get(key) is not None
    )


def _table(caption, columns, rows):
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _heads(heads):
    """A table of all heads, those first that align best, or look at the fewest words."""
    if not heads:
        return ""
    with_gold = heads[0][3] is not None
    columns = ["layer", "head", "entropy (bits)", *(["alignment error rate"] if with_gold else [])]
    rows = sorted(heads, key=lambda head: head[3] if with_gold else head[2])
    cells = [
        (layer, head, f"{bits:.2f}", *([f"{rate:.3f}"] if with_gold else []))
        for layer, head, bits, rate in rows
    ]
    table = _table("Each for itself, best first", columns, cells)
    return f"<section><h2>Heads</h2>{table}</section>"


def _words(words, caption):
    if not words:
        return f"<p>No source word was {caption}.</p>"
    rows = [(_bdi(word), f"{count:,}", f"{total:,}") for word, count, total in words]
    return _table(f"Source words {caption}, most often first", ("word", "times", "of"), rows)


def _suspicious(facts):
    known = {sentence["number"]: sentence for sentence in facts["sentences"]}
    return "\n".join(
        _suspicious_sentence(known[number], *ranks) for number, ranks in facts["suspicious"].items()
    )


def _suspicious_sentence(sentence, score, *ranks):
    number = sentence["number"]
    reasons = ", ".join(f"{name} {rank:.0%}" for name, rank in zip(_RANKS, ranks))
    return (
        f'<li><h3><button type="button" data-open="{number}">Sentence {number:,}</button>'
        f" <small>score {score:.3f}</small></h3>"
        f"<p>Ranks: {reasons}.</p>"
        f'<div class="sentence" data-sentence="{number}"></div></li>'
    )


def _bdi(text):
    return f'<bdi dir="auto">{html.escape(text)}</bdi>'


def _data(facts):
    """What the script draws."""
    return {
        "head": facts["head"],
        "measured": facts["measured"],
        "longest": _LONGEST,
        "charts": {
            "entropy": [_bar(one) for one in facts["entropy_by_position"]],
            "loss": [_bar(one) for one in facts["loss_by_length"]],
            "jumps": _jumps(facts["jumps"]),
        },
        "sentences": [_sentence(one) for one in facts["sentences"]],
    }


def _bar(one):
    label = str(one.first) if one.first == one.last else f"{one.first}–{one.last}"
    return [label, round(one.mean, 4), one.count]


def _jumps(counts):
    total = max(sum(count for _, count in counts), 1)
    farthest = counts[-1][0]
    bars = []
    for jump, count in counts:
        label = f"{jump:+d}" if jump else "0"
        label = {farthest: f"≥ {label}", -farthest: f"≤ {label}"}.get(jump, label)
        bars.append([label.replace("-", "−"), round(count / total, 4), count])
    return bars


def _sentence(sentence):
    """Short names, because there are hundreds of them; weights as bytes of 1/255."""
    data = {
        "n": sentence["number"],
        "s": sentence["source"],
        "t": sentence["target"],
        "x": sentence["source_tokens"][:_LONGEST],
        "y": sentence["tokens"][:_LONGEST],
        "w": _bytes(sentence["attention"]),
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
        data["h"] = [[_bytes(head) for head in layer] for layer in sentence["heads"]]
    return data


def _bytes(weights):
    drawn = weights[:_LONGEST, :_LONGEST]
    levels = np.rint(np.clip(drawn, 0.0, 1.0) * 255.0).astype(np.uint8)
    return base64.b64encode(levels.tobytes()).decode()
