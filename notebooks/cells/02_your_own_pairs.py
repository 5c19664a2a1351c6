# %% [markdown]
# # Your own pairs, from raw text to a served model
#
# Any file with a source, a tab and a target on each line will do: questions and answers, articles and headlines, clumsy and clean spellings. In this example, the sources are lines of recipes as people type them, and the targets are the four columns of a shopping list. We inspect the file, clean it, train, evaluate, look at the attention, and serve the model.
#
# To use your own pairs, replace `ingredients.tsv` with the name of your file, and skip the next section.

# %% [markdown] lang="zh"
# # 自己的句对：从原始文本到上线的模型
#
# 只要每行依次是源、制表符、目标，什么文件都行：问与答、文章与标题、随手写的拼法与规范的拼法。在这个例子里，源是人们随手输入的食谱用料，目标是购物清单的四列。我们检查这个文件，清洗它，训练，评测，观察注意力（attention），最后让模型上线。
#
# 要使用自己的句对，请把 `ingredients.tsv` 换成你的文件名，并跳过下一节。

# %%
# Where kseq is missing, as in a fresh Colab, this installs its wheel: a name, a file or an address.
import importlib.util
import subprocess
import sys

wheel = "kseq"
if importlib.util.find_spec("kseq") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", wheel], check=True)

# %% tags=["parameters"]
# The number of training epochs. One epoch takes 10 to 35 seconds on two CPU cores.
epochs = 6

# %% [markdown]
# ## A file with realistic faults
#
# A small grammar writes 12,000 lines. As in files from the web, some lines are duplicates, some contain HTML, a few lack a side, and in one block the columns are swapped.

# %% [markdown] lang="zh"
# ## 一份带有真实毛病的文件
#
# 一个小语法写出 12,000 行。与来自网络的文件一样，有些行重复，有些行含有 HTML，少数行缺了一侧，还有一段左右两列写反了。

# %%
import pathlib
import random

units = {
    "cup": ["cup", "cups", "c."],
    "tablespoon": ["tbsp", "Tbsp.", "tablespoons", "T"],
    "teaspoon": ["tsp", "tsp.", "teaspoon"],
    "gram": ["g", "grams", "gr"],
    "pinch": ["pinch of"],
    "pound": ["lb", "lbs.", "pounds"],
    "ounce": ["oz", "oz.", "ounces"],
    "piece": [""],
}
amounts = {
    "0.25": ["1/4", "¼"],
    "0.5": ["1/2", "½", "half a"],
    "0.75": ["3/4", "¾"],
    "1": ["1", "one", "a"],
    "1.5": ["1 1/2", "1½", "one and a half"],
    "2": ["2", "two"],
    "2.5": ["2 1/2", "2½"],
    "3": ["3", "three"],
    "4": ["4", "four"],
    "12": ["12", "a dozen"],
    "250": ["250"],
}
word_lists = (
    "fresh dried ground frozen large small red green organic smoked unsalted",
    "onions tomatoes carrots garlic basil parsley butter flour sugar salt pepper rice beans peas "
    "mushrooms spinach chicken salmon bacon cream milk yogurt almonds walnuts raisins lemons "
    "ginger oats eggs potatoes corn cheddar paprika cumin cinnamon oregano thyme leeks cabbage "
    "shrimp",
    "chopped sliced diced melted grated toasted minced drained softened crushed peeled",
)
qualities, foods, preparations = map(str.split, word_lists)


def write_pair(rng):
    """Returns a line as somebody types it, and the four columns."""
    amount, unit = rng.choice(list(amounts)), rng.choice(list(units))
    food = " ".join([*rng.sample(qualities, rng.choice([0, 0, 1, 1, 2])), rng.choice(foods)])
    preparation = rng.choice(["", "", *preparations])
    words = " ".join([rng.choice(amounts[amount]), rng.choice(units[unit]), food]).split()
    typed = " ".join(words)
    if preparation:
        typed += rng.choice([", {}", " ({})", " - {}"]).format(preparation)
    if rng.random() < 0.1:
        typed = rng.choice([typed.upper, typed.capitalize])()
    return typed, " | ".join([amount, unit, food, preparation or "as is"])


rng = random.Random(1)
lines = ["\t".join(write_pair(rng)) for _ in range(12_000)]
for number in rng.sample(range(12_000), 300):
    lines[number] = rng.choice(["<li>{}", "\u200b{}", "{}\t"]).format(lines[number])
lines[5_000:5_200] = ["\t".join(reversed(line.split("\t")[:2])) for line in lines[5_000:5_200]]
lines[7_000:7_040] = [line.partition("\t")[0] + "\t" for line in lines[7_000:7_040]]
pathlib.Path("ingredients.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
print(*lines[:6], sep="\n")

# %% [markdown]
# ## Inspect it first
#
# `kseq.inspect` shows what is in the file: counts, lengths, scripts, and the pairs that look wrong, with their line numbers.

# %% [markdown] lang="zh"
# ## 先检查
#
# `kseq.inspect` 显示文件的内容：数目、长度、文字种类，以及看起来有问题的句对和它们的行号。

# %%
# %matplotlib inline
import kseq

inspection = kseq.inspect("ingredients.tsv", verbose=False)
inspection

# %% [markdown]
# It also suggests settings, each with its reason. We use them, but with subwords instead of whole words: a model of words cannot write anything that is not in its vocabulary.

# %% [markdown] lang="zh"
# 它还会建议设置，每项都说明理由。我们采用这些设置，但以子词代替整词：以词为词元（token）的模型写不出词表之外的任何东西。

# %%
suggestion = kseq.suggest_config(inspection)
print(suggestion.to_yaml())

# %% [markdown]
# ## Clean it
#
# The inspection found the block with swapped sides. We swap it back ourselves, since only we know which side is the source. `kseq.clean_files` (the command `kseq clean`) takes care of duplicates, empty sides, tags and invisible characters.

# %% [markdown] lang="zh"
# ## 清洗
#
# 检查发现有一段两侧写反了。我们自己把它换回来，因为只有我们知道哪一侧是源。重复的行、缺了一侧的行、标签和不可见字符，则由 `kseq.clean_files`（即命令 `kseq clean`）处理。

# %%
import pathlib

lines = pathlib.Path("ingredients.tsv").read_text(encoding="utf-8").splitlines()
for block in inspection.swapped_lines:
    rows = slice(block.first - 1, block.last)
    print(f"swapping the sides of lines {block.first} to {block.last}")
    lines[rows] = ["\t".join(reversed(line.split("\t")[:2])) for line in lines[rows]]
pathlib.Path("swapped_back.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
print(kseq.clean_files(["swapped_back.tsv"], "clean.tsv"))

# %% [markdown]
# ## Train
#
# One source line in twenty is held out for choosing the best epoch, and one in twenty for evaluation at the end. No source line is in two splits.

# %% [markdown] lang="zh"
# ## 训练
#
# 每二十个源留出一个用来选择最好的轮次（epoch），一个用于最后的评测。同一个源不会出现在两个划分中。

# %%
corpus = kseq.load_corpus("clean.tsv")
config = suggestion.config().with_settings(
    [
        *("source_tokenizer=subword", "target_tokenizer=subword", "share_vocabulary=true"),
        *("subword_vocabulary_size=400", "subword_sampling=0.2", "case=lower"),
        f"epochs={epochs}",
    ]
)
translator = kseq.train(corpus, config, out="runs/ingredients", overwrite=True)

# %%
from IPython.display import Image

Image("runs/ingredients/curves.png", width=800)

# %% [markdown]
# ## Evaluate on unseen lines
#
# `exact_match` is the percentage of outputs that are right to the last character.

# %% [markdown] lang="zh"
# ## 在没见过的行上评测
#
# `exact_match` 是一字不差的输出所占的百分比。

# %%
import itertools

sources, targets = zip(*itertools.islice(corpus.test, 5))
results = translator.translate(sources)
for result in results:
    print(f"{result.source:45} {result.text}")
translator.evaluate(corpus.test)

# %% [markdown]
# ## Look at the attention
#
# The heatmap shows where the model read while it wrote: `gram` in `gr`, the food in the middle, and the preparation at the end. For the amount, the weights are spread over the first tokens and END, whose memory holds the whole line.

# %% [markdown] lang="zh"
# ## 观察注意力
#
# 热图显示模型写的时候在读哪里：写 `gram` 时读 `gr`，中间读食材，最后读处理方法。写数量时，权重分散在最初几个词元和 END 上，而 END 处的记忆（memory）包含整行的内容。

# %%
axes = kseq.plot_attention(results[0])

# %% [markdown]
# Foods that are not in the file are the first thing to try with such a model. It could spell them with subwords, but with only 40 foods in 12,000 lines it had no reason to learn to copy, so it writes a food that it knows. The score gives a hint: confident answers have scores near 0. To fix this, add more kinds of food to the file; more lines with the same foods do not help.

# %% [markdown] lang="zh"
# 对这样的模型，首先应该试试文件里没有的食材。它本来可以用子词拼出这些词，但 12,000 行里只有 40 种食材，它没有理由去学会照抄，于是写出一种它认识的食材。得分会给出提示：有把握的回答，得分接近 0。要改进，就在文件里加入更多种类的食材；同样的食材再多几行也没有用。

# %%
for result in translator.translate(
    ["two cups spinach, minced", "two cups quinoa, minced", "½ tsp. GROUND NUTMEG"], beam_size=5
):
    print(f"{result.source:30} {result.text:45} {result.score:.2f}")

# %% [markdown]
# ## Serve it
#
# The SavedModel takes strings and returns strings. It can be loaded by any process that has TensorFlow and tensorflow-text; TensorFlow Serving works, too.

# %% [markdown] lang="zh"
# ## 上线
#
# SavedModel 输入字符串，输出字符串。任何装有 TensorFlow 和 tensorflow-text 的进程都能加载它，TensorFlow Serving 也可以。

# %%
import subprocess
import sys

translator.export("runs/ingredients/saved_model", beam_size=5)
program = """
import tensorflow as tf, tensorflow_text
serve = tf.saved_model.load("runs/ingredients/saved_model").signatures["serving_default"]
outputs = serve(text=tf.constant(["1 1/2 cups fresh spinach (chopped)", "a dozen large eggs"]))
print(*(text.decode() for text in outputs["translation"].numpy()), sep="\\n")
"""
print(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout)
