"""Pictures and pyplot: whose figure it is, what is drawn where, and what remains open."""

import subprocess
import sys

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from results import make_translation, random_attention
from untrained import untrained_translator

from kseq import inspect, plot_attention, plot_inspection, save_heatmap
from kseq.inspection.plots import save_inspection

RESULT = make_translation(random_attention(3, 4), ["x", "y", "<end>"], ["a", "b", "c", "<end>"])


@pytest.fixture(scope="module")
def inspection(tmp_path_factory):
    path = tmp_path_factory.mktemp("inspection") / "pairs.tsv"
    path.write_text("".join(f"a{n % 7} b{n}\tx{n} y\n" for n in range(30)))
    return inspect(path, verbose=False)


@pytest.fixture(scope="module")
def translator():
    return untrained_translator([], ["a", "b"], ["x", "y"])


def is_drawn(picture):
    """Whether the picture in a file has something other than a single colour in it."""
    pixels = matplotlib.image.imread(picture)[..., :3]
    return pixels.min() < pixels.max()


def heatmaps(figure):
    return [axes for axes in figure.axes if axes.images and axes.get_label() != "<colorbar>"]


@pytest.fixture(params=["one result", "several results", "an inspection", "a sentence"])
def draw(request, translator, inspection):
    """A function that draws without `ax`."""
    return {
        "one result": lambda: plot_attention(RESULT),
        "several results": lambda: plot_attention([RESULT, RESULT]),
        "an inspection": lambda: plot_inspection(inspection),
        "a sentence": lambda: translator.plot("a b", minimum_length=2),
    }[request.param]


def test_pyplot_saves_and_titles_what_was_drawn(draw, tmp_path):
    axes = np.ravel(draw())
    figure = axes[0].figure
    plt.title("the title")
    plt.tight_layout()
    plt.savefig(tmp_path / "a.png")
    assert is_drawn(tmp_path / "a.png")
    assert plt.gcf() is figure and len(plt.get_fignums()) == 1
    assert "the title" in [panel.get_title() for panel in axes]


def test_each_call_draws_a_new_figure(draw):
    assert np.ravel(draw())[0].figure is not np.ravel(draw())[0].figure
    assert len(plt.get_fignums()) == 2


def test_a_heatmap_is_drawn_on_empty_axes_that_the_user_has_made(translator, tmp_path):
    figure = plt.figure(figsize=(7, 5))
    assert translator.plot("a b", minimum_length=2).figure is figure
    plt.tight_layout()
    plt.savefig(tmp_path / "a.png")
    assert matplotlib.image.imread(tmp_path / "a.png").shape[:2] == (500, 700)
    figure = plt.figure()
    for number in (1, 2):
        place = plt.subplot(1, 2, number)
        assert plot_attention(RESULT) is place
    assert len(heatmaps(figure)) == 2 and len(plt.get_fignums()) == 2


def test_a_figure_in_which_something_is_drawn_is_left_alone(draw):
    plt.plot([1, 2])
    before = plt.gcf()
    assert np.ravel(draw())[0].figure is not before and len(before.axes) == 1


def test_importing_the_plotting_functions_does_not_import_pyplot():
    """(Keras imports it.) Nor does it change the settings of Matplotlib."""
    # The name of the backend is left out: reading it imports pyplot.
    program = "import sys; from matplotlib import rcParams"
    program += "; read = lambda: {name: rcParams[name] for name in rcParams if name != 'backend'}"
    program += "; before = read(); from kseq import plot_attention, plot_inspection, save_heatmap"
    program += "; assert read() == before"
    program += "; assert 'matplotlib.figure' in sys.modules; print([*sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0 and "matplotlib.pyplot" not in run.stdout, run.stderr


def test_given_axes_need_no_pyplot(translator):
    left, right = Figure().subplots(1, 2)
    assert translator.plot("a", ax=left, minimum_length=2) is left
    assert plot_attention(RESULT, ax=right) is right
    assert not plt.get_fignums()


def test_a_sentence_is_drawn_with_options_of_the_picture_and_of_the_search(translator):
    axes = translator.plot(
        "a b", 2, colormap="Greys", low_probability=0, prefix="x", forbid=["<unk>"], n_best=2
    )
    assert axes.shape == (2,)
    for panel in axes:
        assert panel.images[0].get_cmap().name == "Greys"
        assert panel.get_yticklabels()[0].get_text() == "x"


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"axes": None}, ValueError, "unknown option of plot: 'axes'; did you mean 'ax'"),
        ({"colourmap": "Greys"}, ValueError, "'colourmap'; did you mean 'colormap'"),
        ({"alhpa": 0.5}, ValueError, "'alhpa'; did you mean 'alpha'"),
        ({"colormap": "Grays2"}, ValueError, "no colormap 'Grays2'; did you mean one of Grays"),
        ({"ax": 5}, TypeError, "ax must be matplotlib Axes.*; received 5"),
        ({"ax": "figure"}, TypeError, "ax must be matplotlib Axes.*; received 'figure'"),
    ],
)
def test_a_wrong_option_of_a_picture_is_an_error_and_leaves_no_figure(
    translator, options, error, message
):
    with pytest.raises(error, match=message):
        translator.plot("a", **options)
    assert not plt.get_fignums()


def test_the_parameter_for_axes_is_called_ax_as_everywhere():
    with pytest.raises(ValueError, match="unknown option of a heatmap: 'axes'; did you mean 'ax'"):
        plot_attention(RESULT, axes=Figure().subplots())


def test_pictures_for_files_and_notebooks_leave_no_figure_open(inspection, tmp_path):
    save_heatmap([RESULT, RESULT], tmp_path / "heatmap.png")
    save_inspection(inspection, tmp_path / "inspection.png")
    assert is_drawn(tmp_path / "heatmap.png") and is_drawn(tmp_path / "inspection.png")
    assert RESULT._repr_png_()
    assert not plt.get_fignums()
