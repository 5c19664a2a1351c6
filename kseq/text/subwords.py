"""Subwords: SentencePiece models, trained by the library and run inside TensorFlow graphs."""

import io

import tensorflow as tf
import tensorflow_text

from kseq.errors import SettingError
from kseq.settings.text import MIN_SUBWORDS
from kseq.special_tokens import END, PAD, SPECIAL_TOKENS, START, UNK
from kseq.text.letter_case import mark_case, restore_case
from kseq.text.reserved import escape, unescape
from kseq.text.rules import CAPITAL, CAPITALS, LOWER, displayed_marks

_IDS = {"pad": PAD, "unk": UNK, "bos": START, "eos": END}
_LONGEST_SENTENCE = 16_384  # bytes; SentencePiece skips longer ones
_UNLIMITED = 2**24  # more than there are characters
_MARKS = [f"▁{CAPITAL}", f"▁{CAPITALS}", CAPITAL, CAPITALS, LOWER]


def prepare_for_subwords(texts, marks_case=False):
    """Returns normalised strings `[N]` in the form in which subwords are learnt and read."""
    # SentencePiece writes the space before a word as ▁, and would read that character as a space.
    return mark_case(escape(texts)) if marks_case else escape(texts)


def train_subwords(sentences, size, algorithm="unigram", marks_case=False, *, symbols=()):
    """Trains a SentencePiece model.

    Characters that are too rare for the vocabulary are written as bytes, so that no text is lost.

    Args:
        sentences: Iterable of sentences from `prepare_for_subwords`, bytes or str; all are held
            in RAM.
        size: Vocabulary size V, special tokens and the 256 bytes included.
        algorithm: `"unigram"` (Kudo 2018, arXiv 1804.10959) or `"bpe"` (Sennrich et al. 2016,
            arXiv 1508.07909).
        marks_case: Whether capitals are marked in the sentences; the marks become subwords.
        symbols: Strings that become subwords of their own, and part of no other.

    Returns:
        The model, bytes.

    Raises:
        ValueError: The sentences do not allow a vocabulary of this size.
    """
    sentences = list(sentences)
    if not any(0 < len(_as_bytes(sentence)) <= _LONGEST_SENTENCE for sentence in sentences):
        raise ValueError(
            f"expected sentences of 1 to {_LONGEST_SENTENCE:,} bytes to learn subwords from; "
            "received none"
        )
    symbols = [*(_MARKS if marks_case else ()), *symbols]
    try:
        model = _run_trainer(sentences, size, algorithm, symbols)
    except RuntimeError as error:
        required = len(_run_trainer(sentences, _UNLIMITED, "char", symbols).pieces)
        if required <= size:
            raise ValueError(f"subwords could not be learnt: {error}") from error
        raise SettingError(
            "{0:,} subwords are too few for the characters and bytes alone; set "
            "{subword_vocabulary_size} to at least {1}",
            *(size, required),
        ) from error
    _check_size(size, len(model.pieces))
    return model.SerializeToString()


def _as_bytes(sentence):
    return sentence.encode() if isinstance(sentence, str) else sentence


def _run_trainer(sentences, size, algorithm, symbols):
    """Runs SentencePiece; returns its model, which is smaller than `size` if the data are few."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    model = io.BytesIO()
    sentencepiece.set_random_generator_seed(1)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        model_type=algorithm,
        vocab_size=size,
        hard_vocab_limit=False,
        byte_fallback=True,
        max_sentence_length=_LONGEST_SENTENCE,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        user_defined_symbols=symbols,
        unk_surface=SPECIAL_TOKENS[UNK],
        minloglevel=2,
        **{f"{name}_id": number for name, number in _IDS.items()},
        **{f"{name}_piece": SPECIAL_TOKENS[number] for name, number in _IDS.items()},
    )
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    proto.trainer_spec.ClearField("hard_vocab_limit")
    return proto


def _check_size(size, available):
    """Checks that the data have as many different subwords as requested."""
    if available < MIN_SUBWORDS <= size:
        raise SettingError(
            "the training split has fewer than {0} different subwords; it needs more pairs, "
            "{subword_algorithm}=bpe, or word or character as {source_tokenizer} and "
            "{target_tokenizer}",
            MIN_SUBWORDS,
        )
    if available < size:
        raise SettingError(
            "the training split has fewer than {0:,} different subwords; set "
            "{subword_vocabulary_size} to at most {1}",
            *(size, available),
        )


def adopt_subwords(model):
    """Returns a SentencePiece model that was trained elsewhere, with kseq's special tokens.

    Args:
        model: The model, bytes. Its padding, unknown, beginning and end have the ids 0 to 3, in
            this order.

    Raises:
        ValueError: They have other ids, or the bytes are not such a model.
    """
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2

    try:
        proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    except DecodeError as error:
        raise ValueError("not a SentencePiece model, or damaged") from error
    trainer = proto.trainer_spec
    received = {name: getattr(trainer, f"{name}_id") for name in _IDS}
    if received != _IDS:
        raise ValueError(
            "expected a SentencePiece model trained with "
            f"{', '.join(f'{name}_id={number}' for name, number in _IDS.items())}; received "
            f"{', '.join(f'{name}_id={number}' for name, number in received.items())}"
        )
    for number, spelling in enumerate(SPECIAL_TOKENS):
        proto.pieces[number].piece = spelling
    trainer.unk_surface = SPECIAL_TOKENS[UNK]
    return proto.SerializeToString()


class SubwordTokenizer(tf.Module):
    """A tokenizer that splits text into the subwords of a SentencePiece model; `▁` begins a word.

    Args:
        model: Result of `train_subwords`, bytes.
        marks_case: Whether capitals become lower-case letters after a mark.
        sampling: 0 for the best segmentation. Otherwise every call samples a segmentation,
            without a seed: for a unigram model the exponent of its probability (Kudo 2018, arXiv
            1804.10959, section 3.2; the smaller, the more uniform), for a BPE model the
            probability of leaving out a merge (Provilkov et al. 2020, arXiv 1910.13267).

    Attributes:
        marks: The displayed form of each mark of capitals in a token.

    Raises:
        ValueError: The bytes are not such a model.
    """

    def __init__(self, model, marks_case=False, sampling=0.0):
        super().__init__()
        self.vocabulary = _pieces(model)
        self._marks_case = marks_case
        self.marks = displayed_marks("subword", marks_case)
        self._tokenizer = tensorflow_text.SentencepieceTokenizer(
            model,
            out_type=tf.string,
            nbest_size=-1 if sampling else 0,
            alpha=sampling or 1.0,
        )

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        return self._tokenizer.tokenize(prepare_for_subwords(texts, self._marks_case))

    def detokenize(self, tokens):
        """Joins tokens, ragged `[N, (T)]`; returns strings `[N]`."""
        texts = self._tokenizer.detokenize(tokens)
        return unescape(restore_case(texts) if self._marks_case else texts)


def _pieces(model):
    import sentencepiece

    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces = tuple(map(processor.id_to_piece, range(processor.vocab_size())))
    except RuntimeError as error:
        raise ValueError("not a SentencePiece model, or damaged") from error
    if pieces[: len(SPECIAL_TOKENS)] != SPECIAL_TOKENS:
        raise ValueError(
            f"expected a SentencePiece model that begins with {', '.join(SPECIAL_TOKENS)}; "
            f"received {', '.join(pieces[:4])}"
        )
    return pieces
