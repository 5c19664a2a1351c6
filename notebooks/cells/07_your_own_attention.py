# %% [markdown]
# # Your own attention
#
# kseq has a dozen attention mechanisms. This notebook adds one that it does not have: **sparsemax** (Martins and Astudillo 2016, [arXiv 1602.02068](https://arxiv.org/abs/1602.02068)). A softmax gives every position some weight, however little; a sparsemax gives most positions exactly none. We write the layer, train it, look at it, save it, load it again, and export it. The model learns Pig Latin.

# %% [markdown] lang="zh"
# # 自己的注意力
#
# kseq 有十几种注意力（attention）机制。这个笔记本增加一种它没有的：**sparsemax**（Martins 和 Astudillo 2016，[arXiv 1602.02068](https://arxiv.org/abs/1602.02068)）。softmax 给每个位置或多或少的权重；sparsemax 则让大多数位置的权重恰好为零。我们编写这一层，训练它，观察它，保存它，重新加载它，再导出它。模型要学的是 Pig Latin（“猪拉丁语”，一种英语儿童暗语）。

# %%
# Where kseq is missing, as in a fresh Colab, this installs its wheel: a name, a file or an address.
import importlib.util
import subprocess
import sys

wheel = "kseq"
if importlib.util.find_spec("kseq") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", wheel], check=True)

# %% tags=["parameters"]
# The number of training epochs. One epoch takes about two seconds on two CPU cores.
epochs = 10

# %% [markdown]
# ## Pig Latin
#
# Children's Pig Latin moves the consonants at the beginning of a word to its end, and adds *ay*: *string* becomes *ingstray*. A word that begins with a vowel only gets *way*. We need many words, so a small grammar invents some that could be English.

# %% [markdown] lang="zh"
# ## Pig Latin
#
# 儿童玩的 Pig Latin 把词首的辅音移到词尾，再加上 *ay*：*string* 变成 *ingstray*。以元音开头的词只在后面加 *way*。我们需要很多词，因此用一个小语法造一些看上去像英语的词。

# %%
# %matplotlib inline
import random

import kseq

onsets, vowels, codas = map(
    str.split,
    (
        "b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sc sch sh sl sm sn sp "
        "st str sw t th thr tr tw v w wh z",
        "a e i o u ai ea ee oo ou",
        "b ck d g ll m n nd ng nk nt p r rd rk rm rn s sh sk st t th x",
    ),
)


def write_pair(rng):
    """Returns an invented word, and the same word in Pig Latin."""
    onset = rng.choice([*onsets, "", "", "", "", "", ""])
    syllables = [rng.choice(vowels) + rng.choice(codas) for _ in range(rng.choice([1, 1, 2]))]
    rest = "".join(syllables) + rng.choice(["", "", "er", "ing", "y", "ow", "o", "a", "e", "le"])
    return onset + rest, f"{rest}{onset or 'w'}ay"


rng = random.Random(1)
corpus = kseq.load_corpus([write_pair(rng) for _ in range(4_000)])
for source, target in list(corpus.train)[:6]:
    print(f"{source:12} {target}")

# %% [markdown]
# ## First: only the energies
#
# A mechanism is a layer of Keras, derived from `kseq.Attention`. The least that it has to define is `energies`: for each query (a state of the decoder) and each key (a source position), how well they fit. kseq does the rest: it applies the mask and the softmax, and makes the context. Here, the energies are scaled dot products.
#
# `register_keras_serializable` gives the class a name, by which settings and saved runs find it.

# %% [markdown] lang="zh"
# ## 首先：只写能量
#
# 一种机制就是一个 Keras 层，派生自 `kseq.Attention`。至少要定义 `energies`（能量）：每个查询（query，即解码器的一个状态）与每个键（key，即一个源位置）有多匹配。其余的由 kseq 完成：施加掩码（mask）和 softmax，并计算上下文向量（context）。这里的能量是缩放点积。
#
# `register_keras_serializable` 给这个类起一个名字，设置和保存的运行都按这个名字找到它。

# %%
import keras
from keras import ops


@keras.saving.register_keras_serializable("notebook")
class DotAttention(kseq.Attention):
    """Scaled dot products of queries and keys, with the softmax of kseq."""

    def energies(self, parameters, queries, keys, state):
        products = ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))  # [B, Q, S]
        return products / queries.shape[-1] ** 0.5


# %% [markdown]
# ## Then: the sparsemax
#
# The sparsemax is the point of the simplex (weights that are at least 0 and sum to 1) that is closest to the energies. It subtracts a threshold τ from all of them, and what falls below 0 becomes 0:
#
# $$\alpha_j = \max(e_j - \tau, 0)$$
#
# τ is such that the sum is 1: with the energies in descending order, k is the largest number of them that can be kept, and τ is their sum minus 1, divided by k.

# %% [markdown] lang="zh"
# ## 然后：sparsemax
#
# sparsemax 是单纯形（权重不小于 0 且和为 1）中离能量最近的点。它把所有能量都减去一个阈值 τ，小于 0 的变为 0：
#
# $$\alpha_j = \max(e_j - \tau, 0)$$
#
# τ 使权重之和为 1：把能量从大到小排列，k 是最多能保留的个数，τ 就是这 k 个能量之和减去 1，再除以 k。


# %%
def sparsemax(energies):
    """Algorithm 1 of Martins and Astudillo 2016, over the last axis."""
    energies = energies - ops.max(energies, axis=-1, keepdims=True)  # changes nothing but rounding
    descending = ops.flip(ops.sort(energies, axis=-1), axis=-1)
    sums = ops.cumsum(descending, axis=-1)
    counts = ops.arange(1, ops.shape(energies)[-1] + 1, dtype="float32")
    is_kept = ops.cast(1 + counts * descending > sums, "int32")
    k = ops.sum(is_kept, axis=-1, keepdims=True)
    tau = (ops.take_along_axis(sums, k - 1, axis=-1) - 1) / ops.cast(k, "float32")
    return ops.maximum(energies - tau, 0)


examples = [[2.0, 1.0, 0.0], [1.0, 0.8, 0.1], [0.2, 0.1, 0.0]]
for energies in examples:
    softmax, sparse = ops.softmax(ops.array(energies)), sparsemax(ops.array(energies))
    print(energies, " softmax", softmax.numpy().round(2), " sparsemax", sparse.numpy().round(2))

# %% [markdown]
# A mechanism whose weights are no softmax defines `weigh` instead of leaving it to kseq. It gets the mask, and has to obey it. What if we forget?

# %% [markdown] lang="zh"
# 如果一种机制的权重不是 softmax，就要自己定义 `weigh`，而不是交给 kseq。它会得到掩码，而且必须遵守。如果忘了呢？


# %%
@keras.saving.register_keras_serializable("notebook")
class CarelessAttention(DotAttention):
    """Forgets the mask."""

    def weigh(self, parameters, queries, keys, mask, state):
        return sparsemax(self.energies(parameters, queries, keys, state))


try:
    config = kseq.ModelConfig(attention=CarelessAttention())
    kseq.build_seq2seq(config, source_vocabulary_size=20, target_vocabulary_size=20)
except ValueError as error:
    print(error)

# %% [markdown]
# kseq tries every new layer on a tiny source with padding, before any training. So, with the mask:

# %% [markdown] lang="zh"
# 在训练之前，kseq 会用一个带填充（padding）的微型源句试一试每个新的层。因此，加上掩码：


# %%
@keras.saving.register_keras_serializable("notebook")
class SparseAttention(DotAttention):
    """Scaled dot products with a sparsemax."""

    def weigh(self, parameters, queries, keys, mask, state):
        energies = ops.cast(self.energies(parameters, queries, keys, state), "float32")
        return sparsemax(ops.where(mask, energies, -1e9))


# %% [markdown]
# ## Train both
#
# Settings take the layer itself. Nothing else differs between the two models.

# %% [markdown] lang="zh"
# ## 训练两个模型
#
# 设置直接接受这个层。两个模型之间没有别的差别。

# %%
settings = [
    *("source_tokenizer=character", "target_tokenizer=character", "batch_size=64"),
    *("learning_rate=0.004", "warmup_steps=50", f"epochs={epochs}"),
]
translators = {}
for name, layer in {"softmax": DotAttention(), "sparsemax": SparseAttention()}.items():
    model = kseq.ModelConfig(attention=layer, units=64, embedding_dim=32)
    config = kseq.Config(model=model).with_settings(settings)
    translators[name] = kseq.train(
        corpus, config, out=f"runs/{name}", overwrite=True, verbose=False
    )
    score = translators[name].evaluate(corpus.test)
    print(
        f"{name:10} exact match {score['exact_match']:.1f}%  perplexity {score['perplexity']:.3f}"
    )

# %% [markdown]
# Real words, which the grammar may never have written:

# %% [markdown] lang="zh"
# 真正的词，小语法可能从未写过：

# %%
words = ["string", "school", "hello", "planet", "apple", "window", "quick", "thunder", "chocolate"]
print(f"{'':12}", *(f"{name:14}" for name in translators))
for results in zip(words, *(each.translate(words) for each in translators.values())):
    print(f"{results[0]:12}", *(f"{result.text:14}" for result in results[1:]))

# %% [markdown]
# Most of them are right. *hello* loses a letter in both models, and *chocolate*, which the grammar cannot write, is too hard for both.
#
# ## Look at both
#
# Both models read the same word and the same output. They take the rest of the word first, then go back to its beginning, and write *ay* while they look at END. At the right, black is exactly 0; at the left, it is only close to 0.

# %% [markdown] lang="zh"
# 大多数都对。*hello* 在两个模型那里都少了一个字母，*chocolate* 对两者来说都太难，因为小语法写不出这样的词。
#
# ## 观察两者
#
# 两个模型读同一个词和同样的输出。它们先取词的后半部分，再回到词首，写 *ay* 时看着 END。右图中，黑色恰好为 0；左图中，黑色只是接近 0。

# %%
import matplotlib.pyplot as plt
import numpy as np

pair = ("schooling", "oolingschay")
figure, axes = plt.subplots(1, 2, figsize=(12, 5.5), layout="constrained")
scored = [translator.score([pair])[0] for translator in translators.values()]
axes = kseq.plot_attention(
    scored, ax=axes, titles=list(translators), low_probability=0, colormap="magma"
)

# %% [markdown]
# Over all test words:

# %% [markdown] lang="zh"
# 在全部测试词上：

# %%
for name, translator in translators.items():
    rows = [row for result in translator.score(list(corpus.test)) for row in result.attention]
    zeros = np.mean([np.mean(row == 0) for row in rows])
    read = np.mean([np.sum(row > 0) for row in rows])
    print(f"{name:10} weights of exactly 0: {zeros:6.1%}   positions read at a step: {read:.1f}")

# %% [markdown]
# ## Save and load
#
# `kseq.train` has saved the run. The run holds the name of the class and its arguments, never its code: reading the run of a stranger executes nothing. So a program that loads it has to import the class first. This notebook has it. Another process does not, and gets an error that says what is missing.

# %% [markdown] lang="zh"
# ## 保存与加载
#
# `kseq.train` 已经保存了运行目录。其中是类的名字和参数，从来不是代码：读取陌生人的运行不会执行任何东西。因此，加载它的程序必须先导入这个类。这个笔记本里有它；另一个进程里没有，于是会被告知缺少什么。

# %%
loaded = kseq.Translator.load("runs/sparsemax")
print(loaded.translate(["planet"])[0].text)

program = """
import kseq
try:
    kseq.Translator.load("runs/sparsemax")
except ValueError as error:
    print(error)
"""
print(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout)

# %% [markdown]
# ## Export
#
# A SavedModel is a program: the equations of the layer are in it. It needs neither the class nor kseq.

# %% [markdown] lang="zh"
# ## 导出
#
# SavedModel 是程序：这一层的公式就在其中。它既不需要这个类，也不需要 kseq。

# %%
loaded.export("runs/sparsemax/saved_model", beam_size=5)
program = """
import sys
import tensorflow as tf, tensorflow_text
serve = tf.saved_model.load("runs/sparsemax/saved_model").signatures["serving_default"]
outputs = serve(text=tf.constant(["string", "planet"]))
print(*(text.decode() for text in outputs["translation"].numpy()), sep="\\n")
print("kseq imported:", "kseq" in sys.modules)
"""
print(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout)

# %% [markdown]
# Where to go on: [Attention and cells of one's own](../docs/own_parts.md) has all methods, cells, and `--import` for the command line. A mechanism to try next: entmax (Peters et al. 2019), which lies between softmax and sparsemax.

# %% [markdown] lang="zh"
# 接下来：[自己的注意力与循环单元](../docs/own_parts.md)列出全部方法，还介绍循环单元，以及命令行的 `--import`。下一个可以试的机制：entmax（Peters 等人 2019），它介于 softmax 与 sparsemax 之间。
