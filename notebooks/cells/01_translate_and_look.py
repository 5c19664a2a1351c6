# %% [markdown]
# # Translate, and see what the model attends to
#
# This notebook trains an encoder-decoder with Bahdanau attention on 20,000 English-French pairs (about two minutes on two CPU cores). The model then translates sentences that it has never seen, and shows which source words it attended to while it wrote each word.

# %%
# Where kseq is missing, as in a fresh Colab, this installs its wheel: a name, a file or an address.
import importlib.util
import subprocess
import sys

wheel = "kseq"
if importlib.util.find_spec("kseq") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", wheel], check=True)

# %% tags=["parameters"]
# The number of training epochs. One epoch takes about 15 seconds on two CPU cores.
epochs = 8

# %%
# %matplotlib inline
import itertools

import kseq

corpus = kseq.load_corpus("en-fr")
for source, target in itertools.islice(corpus.train, 5):
    print(f"{source:50} {target}")

# %% [markdown]
# ## Train
#
# `kseq.train` builds the vocabularies, trains with teacher forcing, and keeps the weights of the epoch with the lowest validation loss. Everything that it produces is in the run directory: the settings, the vocabularies, the weights, the training history and a plot of the learning curves.

# %%
config = corpus.config.with_settings([f"epochs={epochs}"])
translator = kseq.train(corpus, config, out="runs/notebook", overwrite=True)

# %%
from IPython.display import Image

Image("runs/notebook/curves.png", width=800)

# %% [markdown]
# ## Translate
#
# Beam search follows several hypotheses at once. A result has the text, the score, the tokens and the attention.

# %%
sentences = [
    "The red car is old.",
    "He doesn't see them.",
    "Do they want to sell the armchair?",
]
results = translator.translate(sentences, beam_size=5)
for result in results:
    print(f"{result.source:40} {result.text:40} {result.score:.3f}")

# %% [markdown]
# ## Look at the attention
#
# Source words are at the top, output words at the side, and every row sums to 1. French puts most adjectives after the noun and object pronouns before the verb, and it negates with two words: look where the weights leave the diagonal.
#
# A result displays itself. `kseq.plot_attention` has options, and can draw several results in a grid.

# %%
results[0]

# %%
kseq.plot_attention(results[1:], colormap="magma")
# %% [markdown]
# ## Control the search
#
# You can limit what a translation contains and how long it is, or set how it begins. You can also draw samples instead of taking the best translation. All of these are options of the same search.

# %%
print(translator.translate(sentences[:1], beam_size=5, prefix="Cette voiture")[0].text)
print(translator.translate(sentences[:1], forbid=["rouge"])[0].text)
for result in translator.sample(sentences[:1], samples=3, temperature=1.5, seed=1)[0]:
    print(f"{result.text:40} {result.log_probability:.3f}")

# %% [markdown]
# ## Evaluate
#
# These sentences were held out from training. The corpus has gold word alignments, so the attention can be evaluated, too: the alignment error rate is 0 if the attention links exactly the words that belong together.

# %%
translator.evaluate(corpus.test, corpus.alignments("test"))

# %% [markdown]
# A report shows how the attention behaves over the whole test split. Open `runs/notebook/report.html`, and point at a word.

# %%
kseq.attention_report(translator, corpus, "runs/notebook/report.html")

# %% [markdown]
# ## Take it elsewhere
#
# `kseq.Translator.load` needs only the run directory. The SavedModel takes strings and returns strings, without kseq.

# %%
import tensorflow as tf

translator.export("runs/notebook/saved_model", beam_size=5)
serve = tf.saved_model.load("runs/notebook/saved_model").signatures["serving_default"]
serve(text=tf.constant(sentences))["translation"].numpy()[0].decode()

# %% [markdown]
# What to try next: `kseq.load_corpus("dates")` is the other embedded corpus, with dates in 28 languages that are read character by character. `kseq.load_corpus("pairs.tsv")` opens your own file.
