"""Text in many scripts: no character is lost."""

import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from kseq.special_tokens import END, SPECIAL_TOKENS, UNK
from kseq.text.codec import TextCodec, normalize
from kseq.text.rules import RESERVED
from kseq.text.tokenizers import CharacterTokenizer, SpaceTokenizer, WordTokenizer
from kseq.text.vocabulary import load_vocabulary, select_vocabulary

SCRIPTS = {
    "French": "L'homme n'est-il pas là ? « Si ! », dit-elle.",
    "English": "He doesn't like John's dogs' tails; I'm sure...",
    "German": "Die Größe der Straße (ca. 3,5 km) ist mir egal!",
    "Chinese": "我在北京用Python写 code。你呢,小王?",
    "Japanese": "東京タワーは高いです。「そうですね」と言った。",
    "Korean": "안녕하세요, 만나서 반갑습니다.",
    "Thai": "สวัสดีครับ ผมชื่อสมชาย",
    "Arabic": "مرحبا، كيف حالك؟ عمري ٢٥ سنة.",
    "Hebrew": 'שלום, מה שלומך? ארה"ב',
    "Hindi": "नमस्ते, आप कैसे हैं? मैं १० साल का हूँ।",
    "Russian": "Привет, мир! Ёлка — это дерево.",
    "Greek": "Γειά σου! Τι κάνεις;",
    "Armenian": "Բարեւ, ինչպե՞ս ես։",
    "Persian": "می‌خواهم بروم.",
    "emoji": "ok 👍🏽 family 👨‍👩‍👧! 🇫🇷",
}


def words(text):
    tokens = WordTokenizer().tokenize(normalize(tf.constant([text]))).to_list()[0]
    return [token.decode() for token in tokens]


def test_many_codecs_in_a_process_give_no_warnings(monkeypatch):
    """TensorFlow warns from the fifth call of new functions on: an ensemble has as many."""
    messages = []
    monkeypatch.setattr(tf.get_logger(), "handle", messages.append)
    for _ in range(6):
        codec = TextCodec([*SPECIAL_TOKENS, "a"], "word", "keep", "nfc")
        assert codec.number(codec.split(["a"])).to_list() == [[len(SPECIAL_TOKENS), END]]
    assert not messages


@pytest.mark.parametrize("tokenizer", [WordTokenizer(), CharacterTokenizer(), SpaceTokenizer()])
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_survives_tokenizing_and_joining(script, tokenizer):
    text = normalize(tf.constant([SCRIPTS[script]]))
    assert tokenizer.detokenize(tokenizer.tokenize(text)) == text


CODECS = [
    (tokenizer, case, form)
    for tokenizer in ("word", "character", "space")
    for case in ("keep", "mark")
    for form in ("nfc", "nfd", "none")
]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=10), st.sampled_from(CODECS))
def test_any_text_survives_tokenizing_and_joining(texts, options):
    codec = TextCodec(SPECIAL_TOKENS, *options)
    texts = codec.normalize(tf.constant([text.encode("utf-8", "ignore") for text in texts]))
    tokens = codec._tokenizer.tokenize(texts)
    assert codec._tokenizer.detokenize(tokens).numpy().tolist() == texts.numpy().tolist()


@given(st.lists(st.text(max_size=30), min_size=1, max_size=10))
@example(["한국어 é", "Ễ が"])
@pytest.mark.parametrize("tokenizer", ["word", "character", "space"])
def test_characters_that_nfd_takes_apart_are_put_together_in_outputs(tokenizer, texts):
    texts = tf.constant([text.encode("utf-8", "ignore") for text in texts])
    apart = TextCodec(SPECIAL_TOKENS, tokenizer, normalization="nfd")
    tokens = apart.tokenize(texts)
    ids = tokens.with_flat_values(tf.fill(tf.shape(tokens.flat_values), len(SPECIAL_TOKENS)))
    written = apart.join(ids, tokens).numpy().tolist()
    composed = TextCodec(SPECIAL_TOKENS, tokenizer).normalize(texts)
    assert written == composed.numpy().tolist()


def test_nfd_makes_one_alphabet_of_many_syllables():
    apart = TextCodec(SPECIAL_TOKENS, "character", normalization="nfd")
    tokens = apart.tokenize(tf.constant(["한é"])).to_list()[0]
    assert [token.decode() for token in tokens] == ["\u1112", "\u1161", "\u11ab", "e", "\u0301"]


@given(
    st.lists(
        st.text(st.sampled_from("aA l's 3.-?!中 ไ’é你 \"…👍\u00a0ϴͅ" + RESERVED), max_size=12),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(CODECS),
)
def test_difficult_mixtures_survive_tokenizing_and_joining(texts, options):
    test_any_text_survives_tokenizing_and_joining.hypothesis.inner_test(texts, options)


@pytest.mark.parametrize(
    "text, tokens",
    [
        ("l'homme", "l'￭ homme"),
        ("l’été", "l’￭ été"),
        ("aujourd'hui", "aujourd'￭ hui"),
        ("John's", "John ￭'s"),
        ("doesn't I'm we'll", "doesn ￭'t I ￭'m we ￭'ll"),
        ("DON'T I’M it’s", "DON ￭'T I ￭’M it ￭’s"),
        ("?!", "? ￭!"),
        ("می‌خواهم", "می‌خواهم"),
        ("ភាសាខ្មែរ", "ភា សា ខ្ មែ រ"),
        ("ພາສາ", "ພ າ ສ າ"),
        ("Où est-il ?", "Où est ￭-￭ il ?"),
        ("Stop.", "Stop ￭."),
        ("3.14 1,000 2nd", "3 ￭.￭ 14 1 ￭,￭ 000 2nd"),
        ("naïve café Ærø", "naïve café Ærø"),
        ("你好,世界", "你 好 , 世 界"),
        ("用Python写", "用 Python 写"),
        ("カラー", "カ ラ ー"),
        ("ที่นี่", "ที่ นี่"),
        ("你 好", "你 ＿ 好"),
        ("wait...", "wait ￭..."),
    ],
)
def test_text_is_split_into_words(text, tokens):
    assert words(text) == tokens.split()


TEXTS = [
    "ﬁne１２ sʰ",
    "a\u00a0 b\t\u3000c",
    "\ufeffx\x00y\r\nz\ufdd0",
    "e\u0301",
    "  ",
    b"\xff\xc3",
]


@pytest.mark.parametrize(
    "form, expected",
    [
        ("nfc", ["ﬁne１２ sʰ", "a b c", "x y z", "é", "", "��"]),
        ("nfkc", ["fine12 sh", "a b c", "x y z", "é", "", "��"]),
        ("nfd", ["ﬁne１２ sʰ", "a b c", "x y z", "e\u0301", "", "��"]),
        ("none", ["ﬁne１２ sʰ", "a\u00a0 b \u3000c", "\ufeffx y z", "e\u0301", "", "��"]),
    ],
)
def test_each_unicode_form_changes_only_what_it_unifies(form, expected):
    normalized = normalize(tf.constant(TEXTS), form).numpy()
    assert [text.decode() for text in normalized] == expected


@pytest.mark.parametrize(
    "token, copies, reason",
    [
        ("q", True, "can only be copied"),
        ("q", False, "cannot be forbidden"),
        ("\u00e9", True, "cannot be forbidden"),  # e and an accent, two tokens
    ],
)
def test_a_token_that_cannot_be_forbidden_is_named_with_the_reason(token, copies, reason):
    apart = codec("e", "\u0301", tokenizer="character", normalization="nfd", copies=copies)
    with pytest.raises(ValueError, match=f"is not in the target vocabulary, so it {reason}"):
        apart.ids_typed_as(token)
    assert apart.ids_typed_as("e") == [len(SPECIAL_TOKENS)]


def test_lower_case_covers_accents_and_other_scripts():
    assert normalize(tf.constant(["ÉTÉ ПРИВЕТ ΑΒΓ"]), lowercase=True) == "été привет αβγ"


def test_a_codec_can_convert_to_lower_case():
    lowering = codec("été", case="lower")
    assert lowering.encode(tf.constant(["ÉTÉ"])).to_list() == [[4, END]]
    assert lowering.tokenize(tf.constant(["ÉTÉ"])).to_list() == [["été".encode()]]
    assert codec("été").encode(tf.constant(["ÉTÉ"])).to_list() == [[UNK, END]]


def codec(*tokens, **options):
    return TextCodec([*SPECIAL_TOKENS, *tokens], **options)


def test_ids_end_with_end_and_unknown_tokens_are_unk():
    ids = codec("a", "b").encode(tf.constant(["a c b", ""])).to_list()
    assert ids == [[4, UNK, 5, END], [END]]


def test_decoding_omits_special_tokens_except_unk():
    ids = tf.constant([[4, UNK, 5, END, 0], [END, 0, 0, 0, 0]])
    assert codec("a", "￭.").decode(ids).numpy().tolist() == [b"a <unk>.", b""]


def test_text_that_looks_like_special_tokens_stays_text():
    text = tf.constant(["a <end> <pad> b"])
    tokens = WordTokenizer().tokenize(text).to_list()[0]
    assert not {token.decode() for token in tokens} & set(SPECIAL_TOKENS)


def test_tokens_between_spaces_that_look_like_special_tokens_get_ids_of_their_own():
    spaced = codec("a", "<unk>\ufdef", tokenizer="space")
    ids = spaced.encode(tf.constant(["a <unk> <end> <pad>"])).to_list()
    assert ids == [[4, 5, UNK, UNK, END]]
    assert spaced.decode(tf.constant([[4, 5, END]])).numpy()[0] == b"a <unk>"


@pytest.mark.parametrize(
    "text",
    ["t͡s aː ˧˥ sʰ", "ge@@ hen &apos;s @-@", "<num_1> C1=CC=CC=C1 ｟ent｠", '￭, ▁the ＿ "a"'],
)
def test_given_tokens_are_kept_and_displayed_as_they_are(text):
    spaced = TextCodec(SPECIAL_TOKENS, "space")
    tokens = spaced.tokenize(tf.constant([text]))
    assert [token.decode() for token in tokens.to_list()[0]] == text.split(" ")
    assert spaced.displayed_tokens(tokens) == [[*text.split(" "), "<end>"]]
    assert spaced._tokenizer.detokenize(tokens).numpy()[0].decode() == text


def test_displayed_tokens_have_no_marks_but_the_characters_of_the_text():
    text = "￪A'b-c ＿ ▁ 你 好"
    for tokenizer, shown in (
        ("word", ["￪", "↑", "a'", "b", "-", "c", "＿", "▁", " ", "你", " ", "好", "<end>"]),
        ("character", [*"￪↑ a'b-c ＿ ▁ 你 好", "<end>"]),
    ):
        marking = TextCodec(SPECIAL_TOKENS, tokenizer, "mark")
        assert marking.displayed_tokens(marking.tokenize(tf.constant([text]))) == [shown]


def test_a_saved_vocabulary_is_read_unchanged(tmp_path):
    original = codec("a", " ", "\u2028", "中", "#", "￭.", tokenizer="character")
    original.save(tmp_path / "vocabulary.txt")
    assert tuple(load_vocabulary(tmp_path / "vocabulary.txt")) == original.vocabulary


def test_invalid_vocabularies_are_errors():
    with pytest.raises(ValueError, match="must begin with <pad>, <unk>, <start>, <end>"):
        TextCodec(["a", "b", "c", "d"])
    with pytest.raises(ValueError, match="each token once; 'a' occurs twice"):
        codec("a", "b", "a")
    for token in ("a\nb", b"a"):
        with pytest.raises(ValueError, match="expected tokens as strings without line breaks"):
            codec(token)
    with pytest.raises(ValueError, match="tokenizer must be 'word', 'character', 'space', 'none'"):
        codec("a", tokenizer="wordpiece")


def test_the_most_frequent_tokens_are_selected():
    counts = {"b": 3, "a": 3, "c": 5, "rare": 1, "<end>": 9}
    assert select_vocabulary(counts, 2, 100) == [*SPECIAL_TOKENS, "c", "a", "b"]
    assert select_vocabulary(counts, 1, 6) == [*SPECIAL_TOKENS, "c", "a"]
