# %% [markdown]
# # Translate, and see what the model attends to
#
# This notebook trains an encoder-decoder with Bahdanau attention on 20,000 English-French pairs (about two minutes on two CPU cores). The model then translates sentences that it has never seen, and shows which source words it attended to while it wrote each word.

# %% [markdown] lang="zh"
# # 翻译，并观察模型关注了什么
#
# 这个笔记本用 20,000 个英法句对训练一个带 Bahdanau 注意力（attention）的编码器-解码器（encoder-decoder），在两个 CPU 核心上大约需要两分钟。然后，模型翻译它从未见过的句子，并显示写每个词时关注了哪些源词。

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

# %% [markdown] lang="zh"
# ## 训练
#
# `kseq.train` 建立词表，以教师强制（teacher forcing）方式训练，并保留验证损失最低的那个轮次（epoch）的权重。它产生的一切都在运行目录中：设置、词表、权重、训练历史和学习曲线图。

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

# %% [markdown] lang="zh"
# ## 翻译
#
# 束搜索（beam search）同时跟踪多个候选（hypothesis）。每条结果都有译文、得分、词元（token）和注意力。

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

# %% [markdown] lang="zh"
# ## 观察注意力
#
# 上方是源词，左侧是输出词，每一行之和为 1。法语的形容词大多放在名词之后，宾语代词放在动词之前，否定要用两个词：请看权重在哪里离开了对角线。
#
# 翻译结果直接显示为热图。`kseq.plot_attention` 有更多选项，也能把几条结果画成网格。

# %%
results[0]

# %%
axes = kseq.plot_attention(results[1:], colormap="magma")

# %% [markdown]
# ## Control the search
#
# You can limit what a translation contains and how long it is, or set how it begins. You can also draw samples instead of taking the best translation. All of these are options of the same search.

# %% [markdown] lang="zh"
# ## 控制搜索
#
# 可以限定译文包含什么、长度是多少，也可以指定译文怎样开头。还可以不取最好的译文，而是采样（sampling）。这些都是同一个搜索的选项。

# %%
print(translator.translate(sentences[:1], beam_size=5, prefix="Cette voiture")[0].text)
print(translator.translate(sentences[:1], forbid=["rouge"])[0].text)
for result in translator.sample(sentences[:1], samples=3, temperature=1.5, seed=1)[0]:
    print(f"{result.text:40} {result.log_probability:.3f}")

# %% [markdown]
# ## Evaluate
#
# These sentences were held out from training. The corpus has gold word alignments, so the attention can be evaluated, too: the alignment error rate is 0 if the attention links exactly the words that belong together.

# %% [markdown] lang="zh"
# ## 评测
#
# 这些句子没有参加训练。这个语料有标准词对齐（gold alignment），因此注意力也能评测：如果注意力连起来的恰好是相互对应的词，对齐错误率（alignment error rate）就是 0。

# %%
translator.evaluate(corpus.test, corpus.alignments("test"))

# %% [markdown]
# A report shows how the attention behaves over the whole test split. Open `runs/notebook/report.html`, and point at a word.

# %% [markdown] lang="zh"
# 报告显示注意力在整个测试集上的表现。打开 `runs/notebook/report.html`，把鼠标移到一个词上。

# %%
kseq.attention_report(translator, corpus, "runs/notebook/report.html")

# %% [markdown]
# ## Take it elsewhere
#
# `kseq.Translator.load` needs only the run directory. The SavedModel takes strings and returns strings, without kseq.

# %% [markdown] lang="zh"
# ## 带到别处使用
#
# `kseq.Translator.load` 只需要运行目录。SavedModel 输入字符串，输出字符串，不需要 kseq。

# %%
import tensorflow as tf

translator.export("runs/notebook/saved_model", beam_size=5)
serve = tf.saved_model.load("runs/notebook/saved_model").signatures["serving_default"]
serve(text=tf.constant(sentences))["translation"].numpy()[0].decode()

# %% [markdown]
# What to try next: `kseq.load_corpus("dates")` is the other embedded corpus, with dates in 28 languages that are read character by character. `kseq.load_corpus("pairs.tsv")` opens your own file.

# %% [markdown] lang="zh"
# 接下来可以试试：`kseq.load_corpus("dates")` 是另一个内置语料，包含 28 种语言的日期，逐字符读取。`kseq.load_corpus("pairs.tsv")` 打开你自己的文件。
