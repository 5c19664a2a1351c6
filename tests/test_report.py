"""The report about attention: its figures compared with plain definitions, and its page."""

import base64
import html
import itertools
import json
import re

import numpy as np
import pytest
from browser import open_chromium
from references import attention_behaviour
from untrained import untrained_reader, untrained_translator

from kseq import alignment_error_rate, hard_alignment
from kseq.analysis.report import _pairs_and_gold, attention_report
from kseq.corpora.corpus import load_corpus

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror=alert(1)>"
MANY = [
    ("The red car is old.", "La voiture rouge est vieille."),
    (f"He says {HOSTILE} & more.", f"Il dit {HOSTILE}."),
    ("השיר יפה.", "القصيدة جميلة."),
    ("We work.", "Nous travaillons beaucoup, mais nous ne dormons pas assez."),
]


@pytest.fixture(scope="module")
def gold_pairs():
    """Pairs of the embedded corpus with their gold alignments."""
    corpus = load_corpus("en-fr")
    return list(zip(itertools.islice(corpus.test, 60), corpus.alignments("test")))


def data_of(path):
    """The data that the script of a page draws."""
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL
    )
    return json.loads(text)


def weights_of(packed, sentence):
    levels = np.frombuffer(base64.b64decode(packed), np.uint8)
    return levels.reshape(len(sentence["y"]), len(sentence["x"])) / 255


def test_the_figures_agree_with_plain_definitions(translator, gold_pairs, tmp_path):
    pairs, gold = zip(*gold_pairs)
    figures = attention_report(translator, pairs, tmp_path / "page.html", gold)
    results = translator.score(pairs)
    behaviours = [attention_behaviour(result.attention) for result in results]
    entropies, received, advances = (list(itertools.chain(*column)) for column in zip(*behaviours))
    tokens = sum(len(result.tokens) for result in results)
    loss = -sum(result.log_probability for result in results) / tokens
    assert figures == {
        "sentences": 60,
        "left_out": 0,
        "cross_entropy": pytest.approx(loss),
        "entropy": pytest.approx(sum(entropies) / len(entropies), rel=1e-5),
        "never_attended": sum(weight < 0.2 for weight in received) / len(received),
        "attended_twice": sum(weight > 1.8 for weight in received) / len(received),
        "monotonicity": pytest.approx(sum(advances) / len(advances)),
        "alignment_error_rate_one_side": alignment_error_rate(map(hard_alignment, results), gold),
        "alignment_error_rate": alignment_error_rate(
            [hard_alignment(result, method="grow-diag-final-and") for result in results], gold
        ),
    }
    text = html.unescape(re.sub(r"<.*?>", " ", (tmp_path / "page.html").read_text()))
    assert f"{figures['alignment_error_rate']:.3f}" in text and f"{loss:.3f} nats" in text


def test_the_page_holds_the_first_and_the_most_suspicious_sentences(
    translator, gold_pairs, tmp_path
):
    pairs, gold = zip(*gold_pairs)
    attention_report(translator, pairs, tmp_path / "page.html", gold, sentences=3)
    sentences = data_of(tmp_path / "page.html")["sentences"]
    numbers = [sentence["n"] for sentence in sentences]
    suspicious = set(
        map(int, re.findall(r'data-sentence="(\d+)"', (tmp_path / "page.html").read_text()))
    )
    assert len(suspicious) == 10 and numbers == sorted({1, 2, 3} | suspicious)
    for sentence in sentences:
        pair = pairs[sentence["n"] - 1]
        (result,) = translator.score([pair])
        assert (sentence["s"], sentence["t"]) == pair
        assert (sentence["x"], sentence["y"]) == (result.source_tokens, result.tokens)
        np.testing.assert_allclose(
            weights_of(sentence["w"], sentence), result.attention, atol=0.5 / 255 + 1e-6
        )
        assert {tuple(link) for link in sentence["g"]} == gold[sentence["n"] - 1]


def test_a_corpus_is_measured_on_its_test_split_with_its_gold_alignments(
    translator, small_corpus, tmp_path
):
    figures = attention_report(translator, small_corpus, tmp_path / "small.html", sentences=0)
    assert figures["sentences"] == 200 and "alignment_error_rate" not in figures
    assert len(data_of(tmp_path / "small.html")["sentences"]) == 10
    figures = attention_report(translator, load_corpus("en-fr"), tmp_path / "page.html")
    assert figures["sentences"] == 1000 and 0 < figures["alignment_error_rate"] < 1
    with pytest.raises(ValueError, match="a corpus has its own gold alignments"):
        attention_report(translator, small_corpus, tmp_path / "page.html", [])


def test_sentences_are_numbered_by_line_even_if_some_cannot_be_read(translator, tmp_path):
    pairs = [("", "x"), MANY[0], ("a " * 1001, "b"), MANY[3]]
    figures = attention_report(translator, pairs, tmp_path / "page.html")
    assert (figures["sentences"], figures["left_out"]) == (2, 2)
    sentences = data_of(tmp_path / "page.html")["sentences"]
    assert [sentence["n"] for sentence in sentences] == [2, 4]
    with pytest.raises(ValueError, match="no pair has 1 to 1,000 tokens on each side"):
        attention_report(translator, pairs[:1], tmp_path / "page.html")


def test_a_long_sentence_is_measured_in_full_but_drawn_in_part(translator, tmp_path):
    pair = "car " * 150, "rouge " * 120
    attention_report(translator, [pair], tmp_path / "page.html")
    (sentence,) = data_of(tmp_path / "page.html")["sentences"]
    (result,) = translator.score([pair])
    np.testing.assert_allclose(
        weights_of(sentence["w"], sentence), result.attention[:100, :100], atol=0.5 / 255 + 1e-6
    )
    entropies, received, _ = attention_behaviour(result.attention)
    assert len(received) == sentence["words"] == 150 and sentence["cut"]
    assert sentence["entropy"] == pytest.approx(sum(entropies) / 120, abs=1e-3)
    assert sentence["never"] == [s for s, weight in enumerate(received) if weight < 0.2]


def test_text_of_the_corpus_is_escaped(translator, tmp_path):
    attention_report(translator, MANY, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<script") == 2 and "<img" not in page and "onerror=alert" in page
    sentences = data_of(tmp_path / "page.html")["sentences"]
    assert [(sentence["s"], sentence["t"]) for sentence in sentences] == MANY


UNENCODABLE = "\ud800"


def test_the_page_is_written_completely_or_not_at_all(translator, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("the old page")
    monkeypatch.setattr("kseq.analysis.report.render_page", lambda facts: UNENCODABLE)
    with pytest.raises(UnicodeEncodeError):
        attention_report(translator, MANY, path)
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["the old page"]


@pytest.fixture(scope="module")
def transformer(translator):
    settings = ["architecture=transformer", "heads=2", "encoder_layers=1", "decoder_layers=2"]
    return untrained_reader(settings, *translator.codecs.descriptions)


def test_every_head_is_measured_and_can_be_drawn(transformer, gold_pairs, tmp_path):
    pairs, gold = zip(*gold_pairs)
    figures = attention_report(transformer, pairs, tmp_path / "page.html", gold, head=(2, 1))
    results = transformer.score(pairs)
    rates = {
        head: alignment_error_rate(
            [hard_alignment(result, head, "grow-diag-final-and") for result in results], gold
        )
        for head in itertools.product((1, 2), (1, 2))
    }
    assert figures["alignment_error_rate"] == rates[2, 1]
    rows = re.findall(
        r"<tr><td>(\d)</td><td>(\d)</td><td>[\d.]+</td><td>([\d.]+)</td></tr>",
        (tmp_path / "page.html").read_text(),
    )
    assert rows == [
        (str(layer), str(head), f"{rate:.3f}")
        for (layer, head), rate in sorted(rates.items(), key=lambda item: item[1])
    ]
    data = data_of(tmp_path / "page.html")
    assert data["head"] == [2, 1]
    for sentence in data["sentences"]:
        heads = transformer.score([pairs[sentence["n"] - 1]])[0].attention_heads
        for layer, head in itertools.product((0, 1), (0, 1)):
            np.testing.assert_allclose(
                weights_of(sentence["h"][layer][head], sentence),
                heads[layer, head],
                atol=0.5 / 255 + 1e-5,
            )


def test_unsuitable_models_pairs_and_options_are_rejected(
    translator, transformer, gold_pairs, tmp_path
):
    pairs, gold = zip(*gold_pairs)
    path = tmp_path / "page.html"
    with pytest.raises(ValueError, match="expected a run with attention; the model has none"):
        attention_report(
            untrained_reader(["attention=none"], *translator.codecs.descriptions), pairs, path
        )
    with pytest.raises(ValueError, match="only a single Transformer has heads"):
        attention_report(translator, pairs, path, head=(1, 1))
    with pytest.raises(ValueError, match="a layer from 1 to 2 and a head from 1 to 2; received"):
        attention_report(transformer, pairs, path, head=(1, 3))
    with pytest.raises(
        ValueError, match="sentences must be a whole number of at least 0; received -1"
    ):
        attention_report(translator, pairs, path, sentences=-1)
    with pytest.raises(ValueError, match="gold alignment for each pair; received 59 alignments"):
        attention_report(translator, pairs, path, gold[:59])
    with pytest.raises(ValueError, match="gold alignment for each of 59 pairs; received more"):
        attention_report(translator, pairs[:59], path, gold)
    with pytest.raises(ValueError, match="of pair 1 links 40-0, but the run reads 10 and 10 token"):
        attention_report(translator, pairs[:1], path, [{(40, 0)}])
    assert not list(tmp_path.iterdir())


# In a browser


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with open_chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page_path(translator, gold_pairs, tmp_path_factory):
    """A page of four sentences of different kinds, followed by sentences of the corpus."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    pairs, gold = zip(*gold_pairs)
    attention_report(translator, [*MANY, *pairs], path, [*[{(0, 0)}] * 4, *gold], sentences=4)
    return path


class Page:
    """A page in the browser, used as a person would."""

    def __init__(self, driver, path):
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        self.driver, self.path, self.keys = driver, path, Keys
        self.actions = lambda: ActionChains(driver)
        driver.get("about:blank")
        driver.get_log("performance"), driver.get_log("browser")
        driver.get(path.as_uri())
        self.data = {sentence["n"]: sentence for sentence in data_of(path)["sentences"]}

    def find_all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def text(self, selector):
        return self.find(selector).text

    def cell(self, s, t):
        return self.find(f"#viewer td[data-s='{s}'][data-t='{t}']")

    def source(self, s):
        return self.find(f"#viewer button[data-source='{s}']")

    def output(self, t):
        return self.find(f"#viewer button[data-output='{t}']")

    def highlighted(self):
        """Positions (s, t) of the highlighted cells."""
        return {
            (int(cell.get_attribute("data-s")), int(cell.get_attribute("data-t")))
            for cell in self.find_all("#viewer .lit td.on")
        }

    def strength(self, button):
        """How strongly a word is highlighted, from 0."""
        colour = re.search(r"rgba\(255, 140, 0, ([\d.]+)\)", button.get_attribute("style"))
        return float(colour[1]) if colour else 0.0

    def go_to(self, number):
        field = self.find("#number")
        field.send_keys(self.keys.CONTROL, "a")
        field.send_keys(str(number))

    def weights(self, number):
        sentence = self.data[number]
        return weights_of(sentence["w"], sentence)

    def focused(self):
        return self.driver.switch_to.active_element

    def console_messages(self):
        return self.driver.get_log("browser")


@pytest.fixture
def page(driver, page_path):
    page = Page(driver, page_path)
    yield page
    assert page.console_messages() == []


def test_the_page_opens_from_disk_and_requests_nothing_else(page):
    messages = [
        json.loads(entry["message"])["message"] for entry in page.driver.get_log("performance")
    ]
    uri = page.path.as_uri()
    requests = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        and message["params"]["documentURL"] == uri
    ]
    assert uri in requests
    assert [url for url in requests if url != uri and not url.startswith("data:")] == []
    assert (
        len(page.find_all("#viewer .heatmap")) == 1
        and len(page.find_all(".suspicious .heatmap")) == 10
    )
    assert all(len(page.find_all(f"#{name} svg rect")) > 1 for name in ("entropy", "jumps", "loss"))


def test_markup_in_a_sentence_is_shown_as_text(page):
    page.go_to(2)
    assert [line.text for line in page.find_all("#viewer .pair p")[:2]] == list(MANY[1])
    assert page.driver.execute_script("return window.hacked") is None
    assert page.find_all("img") == []


def test_the_policy_of_the_page_runs_its_own_script_only(page):
    page.driver.execute_script(
        "const s = document.createElement('script'); s.text = 'window.hacked = 1';"
        "document.body.append(s);"
    )
    assert page.driver.execute_script("return window.hacked") is None
    assert "Content Security Policy" in page.console_messages()[0]["message"]


def test_pointing_at_a_cell_shows_its_weight_and_both_tokens(page):
    for s, t in ((0, 0), (2, 1), (5, 6)):
        page.actions().move_to_element(page.cell(s, t)).perform()
        sentence = page.data[1]
        expected = f"{sentence['x'][s]} → {sentence['y'][t]} {page.weights(1)[t, s]:.2f}"
        assert page.text("#tip").removesuffix(" (gold link)") == expected
        assert page.text("#tip").endswith("(gold link)") == ([s, t] in sentence["g"])
    page.actions().move_to_element(page.find("h1")).perform()
    assert not page.find("#tip").is_displayed()


def test_a_larger_weight_is_brighter(page):
    def brightness(cell):
        channels = re.findall(r"\d+", cell.value_of_css_property("background-color"))[:3]
        return sum(map(int, channels))

    row = page.weights(1)[0]
    assert brightness(page.cell(int(row.argmax()), 0)) > brightness(page.cell(int(row.argmin()), 0))


def expected_strengths(weights):
    """How strongly words with these weights should be highlighted."""
    return [
        pytest.approx(0.15 + 0.7 * weight, abs=0.006) if weight >= 0.01 else 0.0
        for weight in weights
    ]


def test_selecting_an_output_word_highlights_what_it_attended_to(page):
    page.output(1).click()
    row = page.weights(1)[1]
    assert page.highlighted() == {(s, 1) for s in range(len(row))}
    assert [page.strength(page.source(s)) for s in range(len(row))] == expected_strengths(row)
    strongest = page.data[1]["x"][row.argmax()]
    assert page.text("#viewer .readout").startswith(
        f"{page.data[1]['y'][1]} attended to {strongest} {row.max():.2f}"
    )
    assert page.output(1).get_attribute("aria-pressed") == "true"
    page.output(1).click()
    assert page.highlighted() == set() and page.text("#viewer .readout") == ""


def test_selecting_a_source_word_highlights_what_attended_to_it(page):
    page.output(1).click()
    page.source(2).click()
    column = page.weights(1)[:, 2]
    assert page.highlighted() == {(2, t) for t in range(len(column))}
    assert [page.strength(page.output(t)) for t in range(len(column))] == expected_strengths(column)
    assert page.text("#viewer .readout").startswith(f"{page.data[1]['x'][2]} was attended to by ")
    assert page.output(1).get_attribute("aria-pressed") == "false"


def test_typing_a_number_shows_its_sentence(page):
    page.go_to(4)
    assert page.text("#viewer .pair p") == MANY[3][0]
    # Every digit typed may already be the number of a sentence.
    absent = next(
        1000 * digit
        for digit in range(5, 10)
        if not {digit, 10 * digit, 100 * digit} & page.data.keys()
    )
    page.go_to(absent)
    last = next(number for number in sorted(page.data) if number + 1 not in page.data)
    expected = f"sentence {absent} is not on this page, which holds 1–{last}, "
    assert last >= 4 and expected in page.text("#available")
    assert page.text("#viewer .pair p") == MANY[3][0]
    page.find("#next").click()
    next_number = sorted(page.data)[4]
    assert page.text("#viewer .pair p") == page.data[next_number]["s"]
    assert page.find("#number").get_property("value") == str(next_number)
    page.find("#previous").click()
    page.find("#number").send_keys(page.keys.ENTER)
    assert (
        page.text("#viewer .pair p") == MANY[3][0] and page.driver.current_url == page.path.as_uri()
    )


def test_a_suspicious_sentence_opens_in_the_viewer(page):
    button = page.find(".suspicious li:last-child h3 button")
    number = int(button.get_attribute("data-open"))
    button.click()
    assert page.text("#viewer .pair p") == page.data[number]["s"]
    assert page.find("#number").get_property("value") == str(number)


def test_the_heatmap_can_be_used_with_the_keyboard(page):
    page.find("#next").send_keys(page.keys.TAB)
    if page.focused().tag_name != "button":  # a scrolling container takes the focus first
        page.focused().send_keys(page.keys.TAB)
    assert page.focused().get_attribute("data-source") == "0"
    for key in (page.keys.ARROW_DOWN, page.keys.ARROW_RIGHT):
        page.focused().send_keys(key)
    cell = page.focused()
    assert (cell.get_attribute("data-s"), cell.get_attribute("data-t")) == ("1", "0")
    assert page.text("#viewer .readout").startswith(cell.get_attribute("aria-label"))
    page.focused().send_keys(page.keys.HOME)
    assert page.focused().get_attribute("data-output") == "0"
    page.focused().send_keys(page.keys.ENTER)
    assert page.highlighted() == {(s, 0) for s in range(page.weights(1).shape[1])}
    page.focused().send_keys(page.keys.ESCAPE)
    assert page.highlighted() == set()
    page.focused().send_keys(page.keys.ARROW_UP)  # the corner cannot be focused
    assert page.focused().get_attribute("data-output") == "0"


def test_the_page_fits_the_screen_of_a_phone(page):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.driver.get(page.path.as_uri())
        assert page.driver.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_browser_sets_the_direction_of_right_to_left_words(page):
    page.go_to(3)
    direction = "return getComputedStyle(arguments[0]).direction"
    for element in (page.find("#viewer .pair p"), page.source(0), page.output(0)):
        assert page.driver.execute_script(direction, element) == "rtl"


def test_a_head_can_be_selected(driver, transformer, tmp_path):
    attention_report(transformer, MANY, tmp_path / "page.html")
    page = Page(driver, tmp_path / "page.html")
    sentence = page.data[1]
    for value, packed in (("2 1", sentence["h"][1][0]), ("mean", sentence["w"])):
        page.find(f"#head option[value='{value}']").click()
        weights = weights_of(packed, sentence)
        assert page.cell(1, 0).get_attribute("aria-label").endswith(f" {weights[0, 1]:.2f}")
    assert page.console_messages() == []


@pytest.mark.parametrize(
    "letter_case, has_gold", [("keep", True), ("lower", True), ("mark", False)]
)
def test_gold_alignments_of_words_are_not_compared_with_marks_of_capitals(letter_case, has_gold):
    """Such marks are tokens, so they shift the positions of words."""
    translator = untrained_translator([f"case={letter_case}"], ["a"], ["a"])
    _, gold = _pairs_and_gold(translator, load_corpus("en-fr"), None)
    assert (gold is not None) == has_gold
