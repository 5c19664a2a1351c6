"""Subwords: SentencePiece models, trained by the library and run inside TensorFlow graphs."""

import io
import pathlib
import re
import tempfile

import tensorflow as tf
import tensorflow_text

from kseq.config import LEAST_SUBWORDS
from kseq.special_tokens import END, PAD, SPECIAL_TOKENS, START, UNK
from kseq.text.letter_case import CAPITAL, CAPITALS, LOWER, mark_case, restore_case

_LONGEST_SENTENCE = 16_384  # bytes; longer ones are not learnt from
# SentencePiece writes the space before a word as ▁, and would read the character as one.
_MARKS = [f"▁{CAPITAL}", f"▁{CAPITALS}", CAPITAL, CAPITALS, LOWER]
_RULES = f"{ord('▁'):X}\t{ord('_'):X}\n"


def train_subwords(sentences, size, algorithm="unigram", marks_case=False):
    """Trains a SentencePiece model.

    Characters that are too rare for the vocabulary are written as bytes, so that no text is lost.

    Args:
        sentences: Iterable of normalised sentences, bytes or str, which are held in memory.
        size: Vocabulary size V, special tokens and the 256 bytes included.
        algorithm: `"unigram"` (Kudo 2018, arXiv 1804.10959) or `"bpe"` (Sennrich et al. 2016,
            arXiv 1508.07909).
        marks_case: Whether `mark_case` has been at the sentences; its marks become subwords.

    Returns:
        The model, bytes.

    Raises:
        ValueError: The sentences do not allow a vocabulary of this size.
    """
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.set_random_generator_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        rules = pathlib.Path(folder) / "rules.tsv"
        rules.write_text(_RULES)
        read = _Remembering(sentences)
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(read),
                model_writer=model,
                model_type=algorithm,
                vocab_size=size,
                byte_fallback=True,
                max_sentence_length=_LONGEST_SENTENCE,
                normalization_rule_tsv=str(rules),
                remove_extra_whitespaces=False,
                user_defined_symbols=_MARKS if marks_case else (),
                unk_surface=SPECIAL_TOKENS[UNK],
                minloglevel=2,
                **{f"{name}_id": number for name, number in _IDS.items()},
                **{f"{name}_piece": SPECIAL_TOKENS[number] for name, number in _IDS.items()},
            )
        except RuntimeError as error:
            if read.error is not None:
                raise read.error from None
            raise ValueError(_explained(str(error), size)) from error
    return _without_path(model.getvalue())


class _Remembering:
    """Yields sentences, and keeps the error that ended them: SentencePiece makes it another one."""

    def __init__(self, sentences):
        self._sentences = sentences
        self.error = None

    def __iter__(self):
        try:
            yield from self._sentences
        except BaseException as error:
            self.error = error
            raise


def _without_path(model):
    """The same model, whoever trained it where: SentencePiece keeps the name of the rules' file."""
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    return proto.SerializeToString()


_IDS = {"pad": PAD, "unk": UNK, "bos": START, "eos": END}


def _explained(message, size):
    """What SentencePiece says, with the setting that mends it."""
    most = re.search(r"too high .* value <= (\d+)", message)
    least = re.search(r"smaller than required_chars\. \d+ vs (\d+)", message)
    if most and int(most[1]) < LEAST_SUBWORDS:
        return (
            f"the training split does not even have {LEAST_SUBWORDS} different subwords; it needs "
            "more pairs, subword_algorithm=bpe, or word or character as source_tokenizer and "
            "target_tokenizer"
        )
    if most:
        return (
            f"the training split does not have {size:,} different subwords; set "
            f"subword_vocabulary_size to at most {most[1]}"
        )
    if least:
        return (
            f"{size:,} subwords are too few for the characters and bytes alone; set "
            f"subword_vocabulary_size to at least {least[1]}"
        )
    if "sentences_.empty()" in message:
        return f"no sentence of at most {_LONGEST_SENTENCE:,} bytes to learn subwords from"
    return f"subwords could not be learnt: {message}"


class SubwordTokenizer(tf.Module):
    """Subwords of a SentencePiece model; `▁` begins a word.

    Args:
        model: What `train_subwords` returned.
        marks_case: Whether capitals are lowered and marked.
        sampling: 0 for the best segmentation. Otherwise every call draws one, without a seed: of
            a unigram model with this exponent of its probability (Kudo 2018, arXiv 1804.10959,
            section 3.2; the smaller, the more even), of a BPE model with this probability of
            leaving out a merge (Provilkov et al. 2020, arXiv 1910.13267).

    Raises:
        ValueError: It is no such model.
    """

    def __init__(self, model, marks_case=False, sampling=0.0):
        super().__init__()
        self.vocabulary = _pieces(model)
        self._marks_case = marks_case
        self._tokenizer = tensorflow_text.SentencepieceTokenizer(
            model,
            out_type=tf.string,
            nbest_size=-1 if sampling else 0,
            alpha=sampling or 1.0,
        )

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        return self._tokenizer.tokenize(mark_case(texts) if self._marks_case else texts)

    def detokenize(self, tokens):
        """Joins tokens, ragged `[N, (T)]`; returns strings `[N]`."""
        texts = self._tokenizer.detokenize(tokens)
        return restore_case(texts) if self._marks_case else texts


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
