# %% [markdown]
# # Attention mechanisms, side by side
#
# A decoder with attention decides at each step where to read. How does it decide? Ten models read the same dates, have the same sizes and differ in one setting only: their attention. A table shows what each of them reaches, and a grid of heatmaps shows why.

# %% [markdown] lang="zh"
# # 各种注意力机制并排比较
#
# 带注意力（attention）的解码器（decoder）每一步都要决定读哪里。它是怎样决定的？十个模型读同样的日期，大小相同，只有一项设置不同，就是注意力。一张表列出各自达到的水平，一组热图说明原因。

# %%
# Where kseq is missing, as in a fresh Colab, this installs its wheel: a name, a file or an address.
import importlib.util
import subprocess
import sys

wheel = "kseq"
if importlib.util.find_spec("kseq") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", wheel], check=True)

# %% tags=["parameters"]
# The number of training epochs of each model. Six epochs take about ten seconds on two CPU cores.
epochs = 6

# %% [markdown]
# ## The task
#
# Dates as people write them become dates as computers write them (ISO 8601). The model reads and writes characters. The year comes last in the source and first in the target, so a decoder has to jump; and a day has one or two digits, a weekday may come first, so it cannot learn positions by heart.

# %% [markdown] lang="zh"
# ## 任务
#
# 把人们书写的日期变成计算机书写的日期（ISO 8601）。模型逐字符读写。年份在源的末尾，在目标中却在开头，因此解码器必须跳着读；日可能是一位或两位数字，前面还可能有星期几，因此它无法把位置背下来。

# %%
# %matplotlib inline
import datetime
import random

import kseq

patterns = [
    "{0.day} {0:%B %Y}",
    "{0:%B} {0.day}, {0:%Y}",
    "{0:%A}, {0.day} {0:%B %Y}",
    "{0:%a %b} {0.day} {0:%Y}",
]


def write_pair(rng):
    """Returns a date as people write it, and the same date in ISO 8601."""
    date = datetime.date(1900, 1, 1) + datetime.timedelta(days=rng.randrange(73_000))
    return rng.choice(patterns).format(date), date.isoformat()


rng = random.Random(1)
corpus = kseq.load_corpus([write_pair(rng) for _ in range(4_000)])
for source, target in list(corpus.test)[:5]:
    print(f"{source:30} {target}")

# %% [markdown]
# ## The mechanisms
#
# A step has a query s (the state of the decoder) and, for each source position j, a vector of the memory `h_j` (an output of the encoder). A mechanism turns them into weights `a_j`, and the context is the weighted mean of the memory. The mechanisms differ in the energies `e_j`, of which the softmax makes the weights:
#
# | mechanism | energies | paper |
# |---|---|---|
# | none | the decoder gets one vector, and never looks back | Sutskever et al. 2014 |
# | additive | `v · tanh(W s + U h_j)` | Bahdanau et al. 2015 |
# | dot | `s · h_j` | Luong et al. 2015 |
# | general | `s · W h_j` | Luong et al. 2015 |
# | location | row j of `W s`: where to read, whatever stands there | Luong et al. 2015 |
# | trained query | `q · h_j`, with the same q at all steps | Felbo et al. 2017 |
# | local, moving | as general, in a window around the number of the step | Luong et al. 2015 |
# | local, predicted | as general, in a window whose centre is predicted from s | Luong et al. 2015 |
# | hard | one position, not a mean; summed over all positions | Wu et al. 2018 |
# | hard, monotonic | the same, and the position never moves back | Wu and Cotterell 2019 |

# %% [markdown] lang="zh"
# ## 机制
#
# 一步有一个查询（query）s，即解码器的状态；每个源位置 j 有一个记忆（memory）向量 `h_j`，即编码器（encoder）的一个输出。一种机制由它们得到权重 `a_j`，上下文向量（context）就是记忆的加权平均。各种机制的区别在于能量（energy）`e_j`，softmax 把它变成权重：
#
# | 机制 | 能量 | 论文 |
# |---|---|---|
# | none（无） | 解码器只得到一个向量，从不回头看 | Sutskever 等人 2014 |
# | additive（加性） | `v · tanh(W s + U h_j)` | Bahdanau 等人 2015 |
# | dot（点积） | `s · h_j` | Luong 等人 2015 |
# | general（一般形式） | `s · W h_j` | Luong 等人 2015 |
# | location（位置） | `W s` 的第 j 行：只决定读哪里，不管那里是什么 | Luong 等人 2015 |
# | trained query（可训练的查询） | `q · h_j`，每一步都用同一个 q | Felbo 等人 2017 |
# | local, moving（局部，移动） | 同 general，但只在以步的序号为中心的窗口内 | Luong 等人 2015 |
# | local, predicted（局部，预测） | 同 general，但窗口的中心由 s 预测 | Luong 等人 2015 |
# | hard（硬注意力） | 只读一个位置，而不是平均；对所有位置求和 | Wu 等人 2018 |
# | hard, monotonic（硬，单调） | 同上，而且位置从不后退 | Wu 和 Cotterell 2019 |

# %%
config = kseq.Config().with_settings(
    [
        *("source_tokenizer=character", "target_tokenizer=character", "units=64"),
        *("embedding_dim=32", "batch_size=64", "learning_rate=0.004", "warmup_steps=50"),
        f"epochs={epochs}",
    ]
)
mechanisms = {
    "none": ["attention=none"],
    "additive": ["attention=bahdanau"],
    "dot": ["attention=luong_dot"],
    "general": ["attention=luong_general"],
    "location": ["attention=location", "positions=32"],
    "trained query": ["attention=trained_query"],
    "local, moving": ["attention=local_m", "window=3"],
    "local, predicted": ["attention=local_p", "window=3"],
    "hard": ["attention=hard"],
    "hard, monotonic": ["attention=hard", "monotonic=true"],
}

# %% [markdown]
# ## Ten trainings
#
# Exact match is the percentage of test dates that are right to the last character.

# %% [markdown] lang="zh"
# ## 十次训练
#
# exact match（完全匹配）是测试日期中一字不差的百分比。

# %%
import time

translators, results = {}, {}
for number, (name, settings) in enumerate(mechanisms.items()):
    start = time.process_time()
    translators[name] = kseq.train(
        *(corpus, config.with_settings(settings)),
        out=f"runs/mechanism_{number}",
        overwrite=True,
        verbose=False,
    )
    results[name] = {"seconds": time.process_time() - start}
    results[name] |= translators[name].evaluate(corpus.test)
    print(f"{name:18} exact match {results[name]['exact_match']:5.1f}%")

# %% [markdown]
# ## One date, nine heatmaps
#
# `score` reads a given target, so that the rows of all heatmaps are the same characters. A row shows where a model looked before it wrote the character at the left. A line surrounds the windows of local attention. Before you read on: which models see the year while they write it, and which see the month and the day?

# %% [markdown] lang="zh"
# ## 一个日期，九张热图
#
# `score` 读的是给定的目标，因此所有热图的行都是同样的字符。每一行显示模型在写左侧的字符之前看了哪里。线条围出局部注意力的窗口。先不要往下读，请想一想：哪些模型写年份时看得到年份，哪些看得到月和日？

# %%
import matplotlib.pyplot as plt

pair = ("Saturday, 7 March 1998", "1998-03-07")
names = [name for name in mechanisms if translators[name].has_attention]
scored = [translators[name].score([pair])[0] for name in names]
figure, axes = plt.subplots(3, 3, figsize=(13, 12), layout="constrained")
axes = kseq.plot_attention(scored, ax=axes, titles=names, low_probability=0)

# %% [markdown]
# - **additive, dot, general** and **hard** read the year at the end of the source, and then go back to the month and the day. Additive attention spreads over all letters of the month; general and hard read one position at almost every step.
# - **location** knows the state but not the characters. It looks into the right region, but not at the right digit.
# - **trained query** has one answer to all questions: every row is the same.
# - **local, moving** is still in the weekday while it writes the year. What it knows of the year can only come from the first state of the decoder.
# - **local, predicted** has learnt to jump to the year and to walk back from there. Its window walks too far: it has passed the `7` when the `7` is written.
# - **hard, monotonic** reads the year perfectly. Then month and day are behind it, and it can never go back: it waits on END.

# %% [markdown] lang="zh"
# - **additive、dot、general** 和 **hard** 先读源末尾的年份，再回头读月和日。加性注意力分散在月份的所有字母上；general 和 hard 几乎每一步都只读一个位置。
# - **location** 知道状态，却不知道有哪些字符。它看的区域是对的，但没有看准数字。
# - **trained query** 对所有问题只有一个回答：每一行都一样。
# - **local, moving** 写年份时，窗口还在星期几上。它对年份的了解只能来自解码器的初始状态。
# - **local, predicted** 学会了跳到年份，再从那里往回走。它的窗口走过了头：写 `7` 的时候，窗口已经越过了 `7`。
# - **hard, monotonic** 读年份时完美无缺。但此后月和日都在它身后，而它永远不能后退，只好停在 END 上。

# %% [markdown]
# ## All test dates, in numbers
#
# One picture proves little. Over all test dates we measure
#
# - perplexity: 1 if the model is certain of every correct character;
# - seconds of processor time for the training, of all cores together;
# - the entropy of a row of weights, in bits: 0 if all weight is on one position, 2 if it is spread evenly over four;
# - the weight on the digit: a digit of the year is a copy of a known source position, so we can look up how much weight is there when the model writes it.

# %% [markdown] lang="zh"
# ## 全部测试日期的数字
#
# 一张图说明不了什么。我们在全部测试日期上度量：
#
# - 困惑度（perplexity）：如果模型对每个正确的字符都有十足的把握，就是 1；
# - 训练所用的处理器时间，以秒计，所有核心合计；
# - 一行权重的熵（entropy），以比特计：如果全部权重都在一个位置上，就是 0；如果平均分在四个位置上，就是 2；
# - 落在那个数字上的权重：年份的每个数字都抄自源中一个已知的位置，因此可以查出模型写它时那里有多少权重。

# %%
import numpy as np


def entropies(weights):
    """Returns the entropy of each row, in bits."""
    return -np.sum(weights * np.log2(np.maximum(weights, 1e-12)), axis=-1)


def weights_on_digit(result):
    """Returns the weights on the four digits of the year, each while it is written."""
    return [result.attention[digit, len(result.source) - 4 + digit] for digit in range(4)]


print("                   exact match  perplexity  seconds  entropy  on the digit")
for name, result in results.items():
    line = f"{name:18} {result['exact_match']:10.1f}%  {result['perplexity']:10.3f}"
    line += f"  {result['seconds']:7.0f}"
    if translators[name].has_attention:
        scored = translators[name].score(list(corpus.test))
        entropy = np.mean([entropies(each.attention) for each in scored])
        on_digit = np.mean([weights_on_digit(each) for each in scored])
        line += f"  {entropy:7.2f}  {on_digit:12.2f}"
    print(line)

# %% [markdown]
# - Without attention, the same training gets 0.9% of the dates right: everything has to pass through one vector, which the decoder reads once.
# - The four mechanisms that choose at every step, by content, among all positions get all test dates right. They do it in different ways: the entropy is 1.52 bits for additive attention, and 0.14 for general. The training takes about the same time with each.
# - To look is not enough, it also has to be at the right moment: the trained query sees all characters, and reaches 23.4%.
# - **hard, monotonic** has the best weight on the digit, 1.00, and an exact match of 0.9%. A beautiful heatmap is not a good model. Show a figure beside each picture.
#
# This is one seed and one task. Other tasks suit other mechanisms: where the output follows the order of the source, as in pronunciations, [monotonic hard attention](../docs/hard_attention.md) did better than additive attention. [The mechanisms compared](../docs/comparison.md) has larger corpora, and [Attention, mechanism by mechanism](../docs/explanation/attention.md) has the equations.
#
# What to try next: a larger `window` for local attention; `input_feeding=false` for the mechanisms of Luong et al.; and dates with the day first in the target, `{0:%d-%m-%Y}`. Which mechanisms gain?

# %% [markdown] lang="zh"
# - 没有注意力时，同样的训练只让 0.9% 的日期正确：一切都要通过一个向量，而解码器只读它一次。
# - 有四种机制每一步都按内容在所有位置中选择，它们在全部测试日期上都正确。做法却不同：加性注意力的熵为 1.52 比特，general 只有 0.14。各种机制的训练时间大致相同。
# - 光能看还不够，还要在恰当的时候看：trained query 看得到所有字符，却只达到 23.4%。
# - **hard, monotonic** 落在那个数字上的权重最高，为 1.00，完全匹配却只有 0.9%。热图漂亮，不等于模型好。每展示一张图，都请附上一个数字。
#
# 这只是一个种子、一个任务。不同的任务适合不同的机制：如果输出与源的顺序一致，例如发音，[单调的硬注意力](../docs/hard_attention.md)的结果就比加性注意力更好。[机制比较](../docs/comparison.md)使用更大的语料，[各种注意力机制](../docs/explanation/attention.zh.md)列出公式。
#
# 接下来可以试试：为局部注意力设置更大的 `window`；对 Luong 等人的机制设置 `input_feeding=false`；让目标以日开头，即 `{0:%d-%m-%Y}`。哪些机制会更好？
