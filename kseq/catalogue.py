"""The catalogue of mechanisms: their settings, what they are, and their papers."""

import dataclasses
import itertools
import textwrap

_TITLES = ("setting", "what it is", "paper", "arXiv")
_WIDTHS = (26, 32, 26, 10)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A mechanism.

    Args:
        setting: The setting, such as `"cell=gru"`; a value in capitals is a placeholder.
        what: Description in a few words, or the formula.
        paper: The paper it comes from; several papers are separated by `"; "`.
        number: arXiv number of the paper, or of several papers in the same order; empty if there
            is none.
    """

    setting: str
    what: str
    paper: str
    number: str = ""


_SUTSKEVER = ("Sutskever et al. 2014", "1409.3215")
_CHO = ("Cho et al. 2014", "1406.1078")
_BAHDANAU = ("Bahdanau et al. 2015", "1409.0473")
_LUONG = ("Luong et al. 2015", "1508.04025")
_CHOROWSKI = ("Chorowski et al. 2015", "1506.07503")
_FELBO = ("Felbo et al. 2017", "1708.00524")
_CHAN = ("Chan et al. 2016", "1508.01211")
_WU = ("Wu et al. 2016", "1609.08144")
_VASWANI = ("Vaswani et al. 2017", "1706.03762")
_HARD = ("Wu et al. 2018", "1808.10024")
_MONOTONIC = ("Wu and Cotterell 2019", "1905.06319")
_SEE = ("See et al. 2017", "1704.04368")
_PRESS = ("Press and Wolf 2017", "1608.05859")
_SENNRICH = ("Sennrich et al. 2017", "1703.04357")
_SALINAS = ("Salinas et al. 2017", "1704.04110")
_SRIVASTAVA = ("Srivastava et al. 2015", "1502.04681")
_BENGIO = ("Bengio et al. 2015", "1506.03099")
_BOWMAN = ("Bowman et al. 2016", "1511.06349")
_EDINBURGH = ("Sennrich et al. 2016", "1606.02891")
_BEST_OF_BOTH_WORLDS = ("Chen et al. 2018", "1804.09849")
_CHEN = ("Chen et al. 2016", "1607.01628")
_KANN = ("Kann and Schütze 2016", "1606.00589")
_LIBOVICKY_2017 = ("Libovický and Helcl 2017", "1704.06567")
_LIBOVICKY_2018 = ("Libovický et al. 2018", "1811.04716")
_LAMPLE = ("Lample and Conneau 2019", "1901.07291")
_WORD_VECTORS = ("Mikolov et al. 2013; Pennington et al. 2014, EMNLP", "1301.3781")


def _papers(*papers):
    """Joins several papers to the fields `paper` and `number` of one entry."""
    return tuple("; ".join(parts) for parts in zip(*papers))


SECTIONS = {
    "Architecture": (
        Entry(
            "architecture=recurrent",
            "recurrent encoder and decoder, with or without attention",
            *_papers(_SUTSKEVER, _BAHDANAU),
        ),
        Entry(
            "architecture=transformer",
            "self-attention and feed-forward layers instead of recurrence",
            *_VASWANI,
        ),
        Entry(
            "decoder_architecture=KIND",
            "recurrent or transformer, unlike the encoder",
            *_BEST_OF_BOTH_WORLDS,
        ),
        Entry(
            "encoder_layers=0",
            "a decoder alone, a language model: p(y) = Π p(y_t | y_<t)",
            "Graves 2013; Mikolov et al. 2010, Interspeech",
            "1308.0850",
        ),
    ),
    "Cells": (
        Entry("cell=rnn", "h = tanh(W x + U h)", "Elman 1990, Cognitive Science 14"),
        Entry("cell=gru", "gated recurrent unit: update and reset gate", *_CHO),
        Entry(
            "cell=lstm",
            "long short-term memory: input, forget and output gate",
            "Hochreiter and Schmidhuber 1997, Neural Computation 9; "
            "Gers et al. 2000, Neural Computation 12 (forget gate)",
        ),
    ),
    "Encoder": (
        Entry(
            "bidirectional=true",
            "reads the source in both directions",
            "Schuster and Paliwal 1997, IEEE Transactions on Signal Processing 45",
        ),
        Entry("merge=concat", "concatenates both directions", *_BAHDANAU),
        Entry("merge=sum", "adds both directions", "Hannun et al. 2014", "1412.5567"),
        Entry(
            "residual=true",
            "adds the input of a layer to its output, in the decoder too",
            *_papers(("He et al. 2016", "1512.03385"), _WU),
        ),
        Entry("reverse_source=true", "reads the source from its end", *_SUTSKEVER),
    ),
    "Fixed-length context": (
        Entry("attention=none", "the source as one vector, the decoder's first state", *_SUTSKEVER),
        Entry("context=last", "the last state of the encoder", *_SUTSKEVER),
        Entry("context=backward", "the last state of the backward direction", *_BAHDANAU),
        Entry("context=mean", "mean of the encoder outputs", *_SENNRICH),
        Entry(
            "context=sum",
            "sum of the encoder outputs, which grows with the length",
            f"after {_SENNRICH[0]}",
            _SENNRICH[1],
        ),
        Entry("context_every_step=true", "the vector is an input of every decoder step too", *_CHO),
        Entry("bridge=tanh", "states of the decoder: tanh(W c + b) of the vector c", *_BAHDANAU),
        Entry("bridge=linear", "states of the decoder: W c + b", *_BAHDANAU),
        Entry("bridge=none", "the states of the encoder as they are", *_SUTSKEVER),
        Entry("readout=tanh", "tanh(W [s; c; y]) before the output layer", *_BAHDANAU),
        Entry(
            "readout=maxout",
            "the larger one of each two values of W [s; c; y]",
            *_papers(_BAHDANAU, ("Goodfellow et al. 2013", "1302.4389")),
        ),
        Entry("readout=none", "the output layer reads the state alone", *_SUTSKEVER),
    ),
    "Attention": (
        Entry(
            "attention=bahdanau",
            "score v · tanh(W s + U h), of the state s before the step",
            *_BAHDANAU,
        ),
        Entry("attention=luong_dot", "score s · h, of the state s after the step", *_LUONG),
        Entry(
            "attention=luong_scaled_dot", "score s · h / √H, H units", *_papers(_LUONG, _VASWANI)
        ),
        Entry("attention=luong_general", "score s · W h", *_LUONG),
        Entry("attention=luong_concat", "score v · tanh(W [s; h])", *_LUONG),
        Entry(
            "attention=local_m",
            "a luong_ score in a window that moves by one position per step",
            "Luong et al. 2015, section 3.2",
            _LUONG[1],
        ),
        Entry(
            "attention=local_p",
            "a luong_ score in a window around a predicted position",
            "Luong et al. 2015, section 3.2",
            _LUONG[1],
        ),
        Entry("attention=coverage", "bahdanau, with the sum of weights so far in the score", *_SEE),
        Entry("coverage_loss=1", "weight of a loss on attending to a position twice", *_SEE),
        Entry(
            "copy=true",
            "copies source tokens, even unknown ones, with p_gen = σ(w · [c; s; x])",
            *_SEE,
        ),
        Entry(
            "attention=location_aware",
            "bahdanau, with a convolution of the last weights in the score; for speech",
            *_CHOROWSKI,
        ),
        Entry("filters=10", "number of filters of that convolution", *_CHOROWSKI),
        Entry("filter_width=201", "width of these filters in source positions", *_CHOROWSKI),
        Entry("attention=location", "softmax(W s): positions, whatever they hold", *_LUONG),
        Entry("positions=100", "number of positions that location can read", *_LUONG),
        Entry(
            "attention=trained_query",
            "score e · h, with a trained vector e that is the same at every step",
            f"{_FELBO[0]}; Yang et al. 2016, NAACL",
            _FELBO[1],
        ),
        Entry(
            "window=10",
            "half width of the window of local_m and local_p; the farthest move of hard attention",
            *_papers(_LUONG, _MONOTONIC),
        ),
        Entry("local_score=general", "score of local_m and local_p: s · W h", *_LUONG),
        Entry("local_score=dot", "s · h", *_LUONG),
        Entry("local_score=scaled_dot", "s · h / √H", *_papers(_LUONG, _VASWANI)),
        Entry("local_score=concat", "v · tanh(W [s; h])", *_LUONG),
        Entry(
            "attention=hard",
            "each token from one position, summed over all positions exactly",
            *_HARD,
        ),
        Entry("monotonic=true", "the position of hard attention never moves back", *_MONOTONIC),
        Entry(
            "alignment_order=1",
            "the position of hard attention depends on the one of the step before",
            *_MONOTONIC,
        ),
        Entry("attention=multi_head", "scaled dot products in many heads (transformer)", *_VASWANI),
        Entry("heads=8", "number of heads of multi_head", *_VASWANI),
        Entry("attention_layer=bottom", "the query is the state of the bottom decoder layer", *_WU),
        Entry("attention_layer=top", "the query is the state of the top decoder layer", *_LUONG),
        Entry("input_feeding=true", "the attentional state is an input of the next step", *_LUONG),
    ),
    "Values": (
        Entry("source_features=F", "real-valued source; F is taken from the data", *_CHAN),
        Entry("pyramid=true", "every encoder layer except the first halves the length", *_CHAN),
        Entry("target_features=F", "real-valued target; F is taken from the data", *_SRIVASTAVA),
        Entry("target_activation=linear", "any numbers, with the mean squared error", *_SRIVASTAVA),
        Entry(
            "target_activation=sigmoid",
            "numbers from 0 to 1, with the binary cross-entropy",
            *_SRIVASTAVA,
        ),
        Entry(
            "target_covariates=C",
            "the decoder reads what is known about each step; C is taken from the data",
            *_SALINAS,
        ),
    ),
    "Features": (
        Entry("features=tokens", "the decoder attends to the features of a source", *_KANN),
        Entry("feature_attention=joint", "one softmax over source and features", *_LIBOVICKY_2017),
        Entry(
            "feature_attention=separate",
            "each has its own softmax, and the contexts are added",
            *_LIBOVICKY_2018,
        ),
        Entry("features=embedding", "their sum is added to each source embedding", *_LAMPLE),
    ),
    "Embeddings": (
        Entry("share_embeddings=true", "one vocabulary and embedding for both sides", *_PRESS),
        Entry("tie_output=true", "the target embedding is the output projection", *_PRESS),
        Entry(
            "source_vectors=FILE",
            "begins with pretrained word vectors: word2vec, GloVe",
            *_WORD_VECTORS,
        ),
        Entry("target_vectors=FILE", "the same for the target", *_WORD_VECTORS),
    ),
    "Training": (
        Entry(
            "word_dropout=P",
            "words that encoder and decoder read become UNK",
            *_papers(_BOWMAN, _EDINBURGH),
        ),
        Entry(
            "scheduled_sampling=P", "the decoder reads its own outputs, up to a share P", *_BENGIO
        ),
        Entry(
            "sampling_schedule=linear",
            "how the share grows; also constant, exponential, inverse_sigmoid",
            *_BENGIO,
        ),
        Entry("sampling_steps=N", "number of steps in which it grows", *_BENGIO),
        Entry("guided_alignment=WEIGHT", "weight of a loss on attention unlike alignments", *_CHEN),
        Entry("coverage_loss_start=STEP", "the step at which coverage_loss sets in", *_SEE),
    ),
}

ENTRIES = tuple(itertools.chain.from_iterable(SECTIONS.values()))


def table():
    """Returns the catalogue as a table of plain text, at most 100 columns wide."""
    lines = [_format_row(_TITLES)]
    for heading, entries in SECTIONS.items():
        lines += ["", heading, *itertools.chain.from_iterable(map(_format_entry, entries))]
    return "\n".join(lines)


def _format_entry(entry):
    """Returns the lines of an entry: cells are wrapped, and each number is next to its paper."""
    papers, numbers = [], []
    for paper, number in itertools.zip_longest(entry.paper.split("; "), entry.number.split("; ")):
        wrapped = textwrap.wrap(paper, _WIDTHS[2])
        papers += wrapped
        numbers += [number or ""] + [""] * (len(wrapped) - 1)
    cells = [entry.setting], textwrap.wrap(entry.what, _WIDTHS[1]), papers, numbers
    return map(_format_row, itertools.zip_longest(*cells, fillvalue=""))


def _format_row(cells):
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS)).rstrip()
