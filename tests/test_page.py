"""The page of a server in a browser, and `translator.app()`, which serves it in a notebook."""

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import re
import threading
import urllib.parse

import numpy as np
import pytest
from browser import open_chromium, use_colours, use_desktop, use_phone
from served import Served
from untrained import untrained_reader

pytest.importorskip("starlette", reason="needs pip install kseq[serve]")
pytest.importorskip("uvicorn", reason="needs pip install kseq[serve]")
pytest.importorskip("prometheus_client", reason="needs pip install kseq[serve]")

SENTENCE = "The cat is small."
HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
SECONDS = 60
CONTRASTS = """
const channels = (text) => text.match(/[\\d.]+/g).map(Number);
const luminance = ([...rgb]) => rgb.slice(0, 3).map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const found = channels(getComputedStyle(each).backgroundColor);
    if (found[3] !== 0) return found;
  }
};
return [...document.querySelectorAll("main *, header *")]
  .filter((element) => [...element.childNodes].some((node) => node.nodeName === "#text"))
  .filter((element) => element.checkVisibility() && !element.closest("svg"))
  .map((element) => {
    const shades = [channels(getComputedStyle(element).color), behind(element)].map(luminance);
    return [(Math.max(...shades) + 0.05) / (Math.min(...shades) + 0.05), element.outerHTML];
  });
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with open_chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def app(translator):
    app = translator.app()
    yield app
    app.stop()


@pytest.fixture(scope="module")
def values_app(values_translator):
    app = values_translator.app()
    yield app
    app.stop()


class Page:
    """A page in the browser, used as a person would."""

    def __init__(self, driver, url, field="text"):
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        self.driver, self.url, self.keys = driver, url, Keys
        self.actions = lambda: ActionChains(driver)
        driver.get("about:blank")
        driver.get_log("performance"), driver.get_log("browser")
        driver.get(url)
        self.until(lambda: self.find(f"#{field}").is_displayed())

    def until(self, condition):
        from selenium.common.exceptions import (
            NoSuchElementException,
            StaleElementReferenceException,
        )
        from selenium.webdriver.support.ui import WebDriverWait

        ignored = NoSuchElementException, StaleElementReferenceException, IndexError
        wait = WebDriverWait(self.driver, SECONDS, 0.02, ignored)
        return wait.until(lambda _: condition())

    def find_all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def texts(self, selector):
        return [element.text for element in self.find_all(selector)]

    def fill(self, selector, value):
        field = self.find(selector)
        field.send_keys(self.keys.CONTROL, "a")
        field.send_keys(str(value))

    def weights(self):
        """The weights that the first heatmap shows, in hundredths."""
        labels = self.driver.execute_script(
            "return [...document.querySelector('.heatmap').tBodies[0].rows].map((row) =>"
            "[...row.querySelectorAll('td')].map((cell) => cell.getAttribute('aria-label')))"
        )
        return [[round(100 * float(label.split()[-1])) for label in row] for row in labels]

    def is_showing(self, results):
        """Whether the outputs of the first model are these `Translation`s."""
        return self.texts("section:first-child .written") == [each.text for each in results]

    def console_messages(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture
def page(driver, app):
    page = Page(driver, app.url)
    yield page
    assert page.console_messages() == []


def require_weights(shown, weights):
    """Weights are shown in hundredths; halves may be rounded either way."""
    np.testing.assert_allclose(shown, 100 * weights, atol=0.501)


def test_outputs_appear_as_a_sentence_is_typed(page, translator):
    results = translator.translate([SENTENCE], beam_size=4, n_best=3)[0]
    page.find("#text").send_keys(SENTENCE)
    page.until(lambda: page.is_showing(results))
    for note, result in zip(page.texts(".outputs .note"), results, strict=True):
        numbers = [float(text.replace("−", "-")) for text in re.findall(r"−?\d+\.\d+", note)]
        np.testing.assert_allclose(numbers, [result.score, result.log_probability], atol=0.0051)
    require_weights(page.weights(), results[0].attention)
    assert page.texts("#announcement") == [f"3 outputs, the first: {results[0].text}"]
    page.find("#text").clear()
    page.find("#text").send_keys(" ")
    page.until(lambda: not page.find("section").is_displayed())


def test_the_page_says_that_a_slow_answer_is_still_to_come(page, translator):
    page.driver.execute_script(
        "const real = window.fetch;"
        "window.fetch = (...question) => new Promise((resolve) => {"
        "window.letGo = () => resolve(real(...question)); });"
    )
    page.find("#text").send_keys(SENTENCE)
    page.until(lambda: page.texts("#status") == ["Working …"])
    page.driver.execute_script("window.letGo()")
    page.until(lambda: page.find(".heatmap").is_displayed())
    assert page.texts("#status") == [""]


def test_each_output_has_its_own_attention_with_the_readout_of_the_report(page, translator):
    results = translator.translate([SENTENCE], beam_size=4, n_best=3)[0]
    page.find("#text").send_keys(SENTENCE)
    page.until(lambda: page.is_showing(results))
    second = page.find_all(".outputs button")[1]
    second.click()
    assert second.get_attribute("aria-pressed") == "true"
    require_weights(page.weights(), results[1].attention)
    page.actions().move_to_element(page.find("td[data-s='2'][data-t='1']")).perform()
    weight = results[1].attention[1, 2]
    found = page.find("#tip").text
    assert found.startswith(f"{results[1].source_tokens[2]} → {results[1].tokens[1]} ")
    np.testing.assert_allclose(float(found.split()[-1]), weight, atol=0.00501)
    page.find("button[data-output='0']").click()
    assert page.find(".readout").text.startswith(f"{results[1].tokens[0]} attended to ")


def test_nothing_comes_from_elsewhere(page):
    page.find("#text").send_keys(SENTENCE)
    page.until(lambda: page.find(".heatmap"))
    entries = [
        json.loads(entry["message"])["message"] for entry in page.driver.get_log("performance")
    ]
    urls = {
        entry["params"]["request"]["url"]
        for entry in entries
        if entry["method"] == "Network.requestWillBeSent"
        and entry["params"]["documentURL"] == page.url
    }
    urls = {url for url in urls if not url.startswith("data:")}
    assert urls == {page.url, f"{page.url}models", f"{page.url}translate"}


def test_markup_is_shown_as_text(page):
    page.find("#text").send_keys(HOSTILE)
    page.until(lambda: page.find(".heatmap"))
    assert page.driver.execute_script("return window.hacked") is None
    assert page.find_all("main img") == []


def test_samples_are_those_of_the_seed(page, translator):
    page.find("input[value=sample]").click()
    page.fill("#samples", 3)
    page.fill("#temperature", 2)
    page.fill("#seed", 5)
    page.find("#text").send_keys(SENTENCE)
    expected = translator.sample([SENTENCE], 3, seed=5, temperature=2.0)[0]
    page.until(lambda: page.is_showing(expected))
    page.find("#draw-again").click()
    page.until(lambda: not page.is_showing(expected))
    seed = int(page.find("#seed").get_property("value"))
    expected = translator.sample([SENTENCE], 3, seed=seed, temperature=2.0)[0]
    page.until(lambda: page.is_showing(expected))


def test_more_outputs_need_a_larger_beam(page, translator):
    page.fill("#n-best", 6)
    assert page.find("#beam").get_property("value") == "6"
    page.fill("#beam", 2)
    assert page.find("#n-best").get_property("value") == "2"


def test_only_the_latest_answer_is_shown_and_one_request_runs_at_a_time(
    page, app, translator, monkeypatch
):
    """The first request waits until two more have been typed: the second of them is answered."""
    service = page_service(app)
    engine, first, release = service.find().engine, threading.Event(), threading.Event()
    answer, asked = engine.answer, []

    def slow(batch):
        asked.extend(batch.sources)
        first.set()
        release.wait(SECONDS)
        return answer(batch)

    monkeypatch.setattr(engine, "answer", slow)
    page.find("#text").send_keys("They eat")
    assert first.wait(SECONDS)
    assert page.find("section").get_attribute("aria-busy") == "true"
    shown = "return window.shown"
    page.driver.execute_script(
        "window.shown = []; new MutationObserver(() => window.shown.push("
        "[...document.querySelectorAll('.written')].map((each) => each.textContent)))"
        ".observe(document.getElementById('results'), {childList: true, subtree: true})"
    )
    question = "return JSON.parse(panels[0].question).text[0]"
    for part in (" the bread", " and the old"):
        page.find("#text").send_keys(part)
        page.until(lambda end=part: page.driver.execute_script(question).endswith(end))
    release.set()
    latest = "They eat the bread and the old"
    results = translator.translate([latest], beam_size=4, n_best=3)[0]
    page.until(lambda: page.is_showing(results))
    assert asked == ["They eat", latest]
    texts = [text for text in page.driver.execute_script(shown) if text]
    assert {tuple(text) for text in texts} == {tuple(each.text for each in results)}


def page_service(app):
    """The `NotebookService` of an app."""
    return app._server.config.app.state.service


def test_messages_of_the_server_are_shown(driver, app):
    page = Page(driver, app.url)
    page.fill("#beam", 99)
    page.find("#text").send_keys(SENTENCE)
    alert = page.until(lambda: page.find("section [role=alert]"))
    assert alert.text == "beam must be at most 16; received 99"
    page.fill("#beam", 4)
    page.until(lambda: len(page.texts(".written")) == 3)
    assert page.find_all("section [role=alert]") == []
    page.find("#beam").clear()
    page.until(lambda: page.find("#status").text.startswith("beam size: "))


@pytest.mark.slow  # makes graphs of two models
def test_two_models_side_by_side(driver, translator):
    second = untrained_reader(["cell=lstm"], *translator.codecs.descriptions)
    app = second.app(translator)
    try:
        page = Page(driver, app.url)
        page.fill("#n-best", 1)
        page.find("#text").send_keys(SENTENCE)
        page.find("#other option[value=other]").click()
        expected = [each.translate([SENTENCE], 4)[0].text for each in (second, translator)]
        page.until(lambda: page.texts(".written") == expected)
        assert page.texts("h2") == ["translator", "other"]
        left, right = (section.rect for section in page.find_all("section"))
        assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
        assert page.console_messages() == []
    finally:
        app.stop()


def test_real_values_are_drawn_as_curves(driver, values_app, values_translator):
    page = Page(driver, values_app.url, field="values")
    page.find("#values").send_keys("0.5 -1\n2, 0.25\n1;")
    assert page.until(lambda: page.find("#values-error").text).startswith(
        "Line 3: expected 2 numbers; received “1;”."
    )
    page.find("#values").send_keys(" 1")
    page.fill("#steps", 4)
    source = np.array([[0.5, -1.0], [2.0, 0.25], [1.0, 1.0]])
    (expected,) = values_translator.predict([source], 4)
    page.until(lambda: len(page.find_all("section tbody tr td[data-t]")) == 4 * 3)
    for curve, values in (("#source-curve", source), ("section", expected.values)):
        lines = page.find_all(f"{curve} svg[role=img] polyline")
        assert len(lines) == values.shape[1]
        cells = page.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0] + ' .curve tbody tr')].map("
            "(row) => [...row.cells].slice(1).map((cell) => cell.textContent))",
            curve,
        )
        shown = [[float(text.replace("−", "-")) for text in row] for row in cells]
        np.testing.assert_allclose(shown, values, rtol=1e-3)
        for line, column in zip(lines, values.T):
            points = [point.split(",") for point in line.get_attribute("points").split()]
            x, y = np.array(points, float).T
            assert np.all(np.diff(x) > 0)
            # Higher values are drawn higher, in proportion.
            assert np.corrcoef(y, column)[0, 1] == pytest.approx(-1.0)
    require_weights(page.weights(), expected.attention)
    page.find("#example").click()
    page.until(lambda: len(page.find_all("#source-curve tbody tr")) == 40)
    assert page.console_messages() == []


def test_the_page_fits_the_screen_of_a_phone(driver, app, values_app):
    use_phone(driver)
    try:
        page = Page(driver, app.url)
        page.find("#text").send_keys("I see the house and the big red car " * 2 + "x" * 60)
        page.until(lambda: page.find(".heatmap"))
        page.find("input[value=sample]").click()
        for details in page.find_all("summary"):
            details.click()
        width = "return document.documentElement.scrollWidth"
        assert driver.execute_script(width) <= 360
        page = Page(driver, values_app.url, field="values")
        page.find("#example").click()
        page.until(lambda: page.find("section .curve"))
        assert driver.execute_script(width) <= 360
    finally:
        use_desktop(driver)


def test_everything_can_be_used_with_the_keyboard_and_has_a_name(page, translator):
    results = translator.translate([SENTENCE], beam_size=4, n_best=3)[0]
    assert page.driver.switch_to.active_element == page.find("#text")
    page.actions().send_keys(SENTENCE).perform()
    page.until(lambda: page.is_showing(results))
    seen = []
    while not seen or seen[-1].get_attribute("data-source") is None:
        page.actions().send_keys(page.keys.TAB).perform()
        seen.append(page.driver.switch_to.active_element)
        assert len(seen) < 20
        style = seen[-1].value_of_css_property("outline-style")
        assert style == "solid", seen[-1].get_attribute("outerHTML")
    assert {"beam", "n-best"} <= {element.get_attribute("id") for element in seen}
    assert len([each for each in seen if each.get_attribute("aria-pressed") is not None]) == 4
    page.actions().send_keys(page.keys.ARROW_DOWN, page.keys.ARROW_RIGHT).perform()
    cell = page.driver.switch_to.active_element
    assert (cell.get_attribute("data-s"), cell.get_attribute("data-t")) == ("1", "0")
    assert page.find(".readout").text.startswith(cell.get_attribute("aria-label"))
    fields = page.find_all("input, textarea, select, button, .heatmap, fieldset")
    shown = [field for field in fields if field.is_displayed()]
    assert len(shown) > 10 and all(field.accessible_name for field in shown)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_enough_contrast(driver, app, scheme):
    """4.5, as level AA of WCAG 2.2 asks."""
    use_colours(driver, scheme)
    try:
        page = Page(driver, app.url)
        page.find("#text").send_keys(SENTENCE)
        page.until(lambda: page.find(".heatmap"))
        contrasts = driver.execute_script(CONTRASTS)
        page.fill("#beam", 99)
        page.until(lambda: page.find("section [role=alert]"))
        contrasts += driver.execute_script(CONTRASTS)
        assert len(contrasts) > 30
        assert min(contrasts)[0] >= 4.5, min(contrasts)
        paper = page.find("body").value_of_css_property("background-color")
        assert (sum(map(int, re.findall(r"\d+", paper)[:3])) > 300) == (scheme == "light")
    finally:
        use_colours(driver, "light")


def test_a_cell_that_runs_again_shows_the_same_app(translator, app):
    assert translator.app(height=321) is app
    assert f'src="{app.url}"' in app._repr_html_() and 'height="321"' in app._repr_html_()
    with pytest.raises(TypeError, match="compare_with must be a Translator; received 'en-fr'"):
        translator.app("en-fr")


def test_a_stopped_app_closes_its_port_and_another_can_be_started(values_translator):
    app = values_translator.app(values_translator)
    assert status_of(app.url) == 200
    assert status_of(f"http://127.0.0.1:{app.port}/") == 404, "who does not know the path"
    again = values_translator.app()  # without another model it is another app
    with pytest.raises(OSError):
        status_of(app.url)
    again.stop()
    with pytest.raises(OSError):
        status_of(again.url)


def status_of(url):
    address = urllib.parse.urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(address.netloc, timeout=60)) as server:
        server.request("GET", f"{address.path}models")
        return server.getresponse().status


@pytest.mark.slow  # starts a kernel
def test_a_notebook_shows_the_page_and_its_kernel_ends_it(small_run):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    code = f"import kseq\nkseq.Translator.load({str(small_run)!r}).app()"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    client = nbclient.NotebookClient(notebook, timeout=300)
    with client.setup_kernel():
        client.execute_cell(notebook.cells[0], 0)
        (shown,) = [o for o in notebook.cells[0].outputs if o.output_type == "execute_result"]
        (url,) = re.findall(r'<iframe src="(http://127.0.0.1:\d+/)"', shown["data"]["text/html"])
        assert status_of(url) == 200
    with pytest.raises(OSError):
        status_of(url)


@pytest.mark.slow  # starts a server process
def test_the_page_waits_for_models_and_tries_again_if_the_queue_is_full(
    driver, small_run, tmp_path
):
    words = [small_run, "--workers", "1", "--queue", "1", "--max-sources", "1"]
    with Served(tmp_path, *words) as server:
        page = Page(driver, f"http://127.0.0.1:{server.port}/")  # before the model is loaded
        is_refused = threading.Event()
        numbers = itertools.count(1)

        def keep_busy(_):
            while not is_refused.is_set():
                server.ask("/translate", {"text": SENTENCE, "alpha": 1 + next(numbers) / 1000})

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            pool.map(keep_busy, range(3))
            page.find("#text").send_keys(SENTENCE)
            message = page.until(lambda: page.texts("section [role=alert]"))[0]
            assert page.texts("section .note") == ["The page asks again in 1 s."]
            is_refused.set()
        assert message.startswith("too many requests: ")
        page.until(lambda: len(page.texts(".written")) == 3)
