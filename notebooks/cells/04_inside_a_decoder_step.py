# %% [markdown]
# # Inside one decoder step
#
# A small model reads Roman numerals and writes numbers. We stop it in the middle of a number, and compute its next step by hand: every tensor in NumPy, by name and shape, beside its equation from Bahdanau et al. 2015 ([arXiv 1409.0473](https://arxiv.org/abs/1409.0473)). After each part we compare with the Keras model. At the end we move its attention with our own hands, and see what it would have written.

# %% [markdown] lang="zh"
# # 解码器一步的内部
#
# 一个小模型读罗马数字，写出阿拉伯数字。我们让它写到一半停下来，亲手算出它的下一步：每个张量都用 NumPy 计算，给出名称和形状，旁边是 Bahdanau 等人 2015（[arXiv 1409.0473](https://arxiv.org/abs/1409.0473)）的公式。每算完一部分，就与 Keras 模型比较。最后，我们亲手移动它的注意力（attention），看它会写出什么。

# %%
# Where kseq is missing, as in a fresh Colab, this installs its wheel: a name, a file or an address.
import importlib.util
import subprocess
import sys

wheel = "kseq"
if importlib.util.find_spec("kseq") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", wheel], check=True)

# %% tags=["parameters"]
# The number of training epochs. One epoch takes about a second on two CPU cores.
epochs = 12

# %% [markdown]
# ## A model of Roman numerals
#
# All numbers from 1 to 3999, of which one in twenty is held out for validation and one in twenty for testing. 32 units are enough, and make arrays that can be looked at.

# %% [markdown] lang="zh"
# ## 一个读罗马数字的模型
#
# 数据是从 1 到 3999 的所有数，每二十个留出一个用于验证，一个用于测试。32 个单元就够了，数组也小到可以直接看。

# %%
# %matplotlib inline
import kseq

numerals = {
    **{"M": 1000, "CM": 900, "D": 500, "CD": 400, "C": 100, "XC": 90, "L": 50},
    **{"XL": 40, "X": 10, "IX": 9, "V": 5, "IV": 4, "I": 1},
}


def to_roman(number):
    """Writes a number as a Roman numeral."""
    text = ""
    for numeral, value in numerals.items():
        text += numeral * (number // value)
        number %= value
    return text


corpus = kseq.load_corpus([(to_roman(number), str(number)) for number in range(1, 4000)])
config = kseq.Config().with_settings(
    [
        *("source_tokenizer=character", "target_tokenizer=character", "units=32"),
        *("embedding_dim=16", "batch_size=64", "learning_rate=0.01", "warmup_steps=50"),
        f"epochs={epochs}",
    ]
)
translator = kseq.train(corpus, config, out="runs/roman", overwrite=True, verbose=False)
print("exact match on test numerals:", translator.evaluate(corpus.test)["exact_match"])

# %%
result = translator.translate(["MCMXCIV"])[0]
print(result.text)
result

# %% [markdown]
# Our question: the model has written `1` and `9`. What exactly happens until it writes the next digit?

# %% [markdown] lang="zh"
# 我们的问题：模型已经写出 `1` 和 `9`。在它写出下一个数字之前，究竟发生了什么？

# %% [markdown]
# ## The weights are arrays
#
# `numpy_reference.from_keras` reads the weights of the model, by name. B is the number of sources, S their length, E the width of embeddings (16), H of the state, A of the keys, D of the memory (32 each), V the size of the target vocabulary.

# %% [markdown] lang="zh"
# ## 权重就是数组
#
# `numpy_reference.from_keras` 按名称读出模型的权重。B 是源的个数，S 是源的长度，E 是嵌入的宽度（16），H 是状态的宽度，A 是键（key）的宽度，D 是记忆（memory）的宽度（都是 32），V 是目标词表的大小。

# %%
import numpy as np

from kseq import numpy_reference as reference

weights = reference.from_keras(translator.model)
for name, array in weights.items():
    print(f"{name:45} {array.shape}")

# %% [markdown]
# ## The encoder
#
# Two numerals of different lengths, so that there is padding. The encoder runs once. It makes the memory h, the keys `U h`, the mask, and the state that the decoder starts from.

# %% [markdown] lang="zh"
# ## 编码器
#
# 取两个长度不同的罗马数字，这样就有填充（padding）。编码器（encoder）只运行一次，产生记忆 h、键 `U h`、掩码（mask），以及解码器（decoder）的初始状态。

# %%
sources = ["MCMXCIV", "XII"]
source_ids = translator.codecs.source.encode(sources).to_tensor().numpy()  # padded with 0
print(source_ids)

source, state, _ = reference.encode(weights, source_ids)
memory, keys, mask = source


def compare(name, ours, theirs):
    """Prints the shape of an array, and whether the tensor of Keras has the same values."""
    theirs = np.asarray(theirs)
    difference = np.abs(ours * 1.0 - theirs).max()
    is_close = np.allclose(ours, theirs, atol=1e-5)
    print(f"{name:15} {ours.shape!s:12} np.allclose {is_close}  difference {difference:.0e}")


encoder, decoder = translator.model.get_layer("encoder"), translator.model.get_layer("decoder")
encoded = encoder({"source_ids": source_ids})
compare("memory", memory, encoded["memory"])
compare("keys", keys, encoded["keys"])
compare("mask", mask, encoded["mask"])
compare("first state", state[0], encoded["state"].cells[0][0])

# %% [markdown]
# ## Stop in the middle
#
# The decoder has read START and the first token, and has written `19` and `12`. Its state s and the last tokens, `9` and `2`, are all that the next step gets from the past.

# %% [markdown] lang="zh"
# ## 停在中间
#
# 解码器已经读了 START 和第一个词元（token），写出了 `19` 和 `12`。状态 s 和最后的词元 `9`、`2`，就是下一步从过去得到的全部。

# %%
from kseq.special_tokens import START

written = translator.codecs.target.encode(["19", "12"]).to_tensor().numpy()[:, :2]
for ids in (np.full(2, START), written[:, 0]):
    _, _, state, _ = reference.decode_step(weights, ids, state, source)
last_ids = written[:, 1]
s = state[0]
y = weights["target_embedding/embeddings"][last_ids]
print("s", s.shape, " y", y.shape)

# %% [markdown]
# ## Energies
#
# How well does the query s fit each source position? A small network with one hidden layer says so (appendix A.1.2):
#
# $$e_j = v^\top \tanh(W s + U h_j)$$
#
# The keys `U h` are known. Only `W s` is new at each step.

# %% [markdown] lang="zh"
# ## 能量
#
# 查询（query）s 与每个源位置有多匹配？由一个只有一个隐藏层的小网络给出（附录 A.1.2）：
#
# $$e_j = v^\top \tanh(W s + U h_j)$$
#
# 键 `U h` 已经算好，每一步只有 `W s` 是新的。

# %%
W = weights["attention_decoder/attention/query/kernel"]
v = weights["attention_decoder/attention/energy"][:, 0]
query = s @ W  # [B, A]
hidden = np.tanh(query[:, None] + keys)  # [B, S, A]
energies = hidden @ v  # [B, S]
print(energies.round(2))

# %% [markdown]
# ## Mask and softmax
#
# $$\alpha_j = \frac{\exp(e_j)}{\sum_k \exp(e_k)}$$
#
# The second numeral has only four positions: three letters and END. The others are padding, and yet they have energies. Without the mask, padding would get weights, too.

# %% [markdown] lang="zh"
# ## 掩码与 softmax
#
# $$\alpha_j = \frac{\exp(e_j)}{\sum_k \exp(e_k)}$$
#
# 第二个罗马数字只有四个位置：三个字母和 END。其余是填充，但它们也有能量。没有掩码，填充也会分到权重。

# %%
exponentials = np.exp(energies)
careless = exponentials / exponentials.sum(axis=-1, keepdims=True)
exponentials = np.where(mask, exponentials, 0.0)
attention = exponentials / exponentials.sum(axis=-1, keepdims=True)  # [B, S]
print("without mask", careless[1].round(3))
print("with mask   ", attention[1].round(3))

# %%
import matplotlib.pyplot as plt

letters = [*sources[0], "END"]
figure, axes = plt.subplots(1, 3, figsize=(11, 3), width_ratios=(4, 1, 1), layout="constrained")
axes[0].imshow(hidden[0], cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
axes[0].set(title="tanh(W s + U h), [S, A]", xlabel="A", yticks=range(8), yticklabels=letters)
axes[1].barh(range(8), energies[0], color="0.5")
axes[2].barh(range(8), attention[0], color="tab:blue")
for ax, title in zip(axes[1:], ("energies", "weights")):
    ax.set(title=title, yticks=range(8), yticklabels=letters, ylim=(7.5, -0.5))

# %% [markdown]
# ## Context
#
# The weighted mean of the memory (equation 5):
#
# $$c = \sum_j \alpha_j h_j$$

# %% [markdown] lang="zh"
# ## 上下文向量
#
# 记忆的加权平均，即上下文向量（context；公式 5）：
#
# $$c = \sum_j \alpha_j h_j$$

# %%
c = np.einsum("bs,bsd->bd", attention, memory)  # [B, D]
print("c", c.shape)

# %% [markdown]
# ## The cell
#
# A GRU (Cho et al. 2014) makes the new state from the old one, from the last token y and from the context c. The update gate z decides, number by number, what stays; the reset gate r decides what the candidate may see of the old state:
#
# $$z = \sigma(x_z + p_z) \qquad r = \sigma(x_r + p_r) \qquad \tilde{s} = \tanh(x_s + r \, p_s) \qquad s' = z \, s + (1 - z) \, \tilde{s}$$
#
# x is made from y and c, p from s.

# %% [markdown] lang="zh"
# ## 循环单元
#
# GRU（Cho 等人 2014）由旧状态、上一个词元 y 和上下文向量 c 得到新状态。更新门 z 逐个数决定保留什么；重置门 r 决定候选状态能看到多少旧状态：
#
# $$z = \sigma(x_z + p_z) \qquad r = \sigma(x_r + p_r) \qquad \tilde{s} = \tanh(x_s + r \, p_s) \qquad s' = z \, s + (1 - z) \, \tilde{s}$$
#
# x 由 y 和 c 得到，p 由 s 得到。

# %%
name = "attention_decoder"
x = y @ weights[f"{name}/inputs_1/kernel"] + weights[f"{name}/inputs_1/bias"]
x = x + c @ weights[f"{name}/context/kernel"]  # [B, 3H]
p = s @ weights[f"{name}/cell_1/recurrent_kernel"]  # [B, 3H]
x_z, x_r, x_s = np.split(x, 3, axis=-1)
p_z, p_r, p_s = np.split(p, 3, axis=-1)
z = 1 / (1 + np.exp(-(x_z + p_z)))
r = 1 / (1 + np.exp(-(x_r + p_r)))
candidate = np.tanh(x_s + r * (p_s + weights[f"{name}/cell_1/recurrent_bias"]))
new_s = z * s + (1 - z) * candidate  # [B, H]

strips = {"s": s, "z": z, "r": r, "candidate": candidate, "s'": new_s}
figure, axes = plt.subplots(len(strips), 1, figsize=(11, 2.6), layout="constrained")
for (label, array), ax in zip(strips.items(), axes):
    ax.imshow(array[:1], cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    ax.set(xticks=[], yticks=[0], yticklabels=[label])

# %% [markdown]
# ## Readout and logits
#
# The new state, the context and the last token together make the readout, and the readout makes a logit for each token. The softmax of the logits is the distribution of the next token:
#
# $$t = \tanh(W_t [s'; c; y] + b_t) \qquad p(\text{next token}) = \operatorname{softmax}(W_o \, t + b_o)$$

# %% [markdown] lang="zh"
# ## 读出与 logits
#
# 新状态、上下文向量和上一个词元合成读出（readout），读出再为每个词元给出一个 logit。对 logits 作 softmax，就是下一个词元的概率分布：
#
# $$t = \tanh(W_t [s'; c; y] + b_t) \qquad p(\text{next token}) = \operatorname{softmax}(W_o \, t + b_o)$$

# %%
parts = np.concatenate([new_s, c, y], axis=-1)  # [B, H + D + E]
readout = np.tanh(parts @ weights["readout/kernel"] + weights["readout/bias"])  # [B, H]
logits = readout @ weights["logits/kernel"] + weights["logits/bias"]  # [B, V]
probabilities = np.exp(logits - logits.max(axis=-1, keepdims=True))
probabilities /= probabilities.sum(axis=-1, keepdims=True)

tokens = [
    token.decode() for token in translator.codecs.target.tokens(range(logits.shape[1])).numpy()
]
for text, row in zip(("MCMXCIV: 19…", "XII: 12…"), probabilities):
    best = np.argsort(-row)[:3]
    print(f"{text:15}", *(f"{tokens[n]} {row[n]:.3f}  " for n in best))

# %% [markdown]
# ## The same step in Keras
#
# A functional model gives its inner tensors: we ask the decoder for the outputs of its layers. The largest differences are roundings, as Keras computes in float32 and NumPy in float64.

# %% [markdown] lang="zh"
# ## Keras 中的同一步
#
# 函数式模型可以给出内部的张量：我们向解码器索取各层的输出。最大的差异只是舍入误差，因为 Keras 用 float32 计算，NumPy 用 float64。

# %%
import keras

layers = {layer: decoder.get_layer(layer).output for layer in ("attention_decoder", "readout")}
inside = keras.Model(decoder.input, {**layers, "logits": decoder.output["logits"]})
before = encoded["state"]._replace(cells=[[keras.ops.convert_to_tensor(s, "float32")]])
target_ids = keras.ops.convert_to_tensor(last_ids[:, None])
outputs = inside({**encoded, "state": before, "target_ids": target_ids})
new_state, context, weights_of_attention, _ = outputs["attention_decoder"]
compare("attention", attention, weights_of_attention[:, 0])
compare("context", c, context[:, 0])
compare("new state", new_s, new_state[:, 0])
compare("readout", readout, outputs["readout"][:, 0])
compare("logits", logits, outputs["logits"][:, 0])

# %% [markdown]
# ## From one step to a number
#
# All of the above is `reference.decode_step`. A loop over it translates: it takes the most probable token, and goes on until END.

# %% [markdown] lang="zh"
# ## 从一步到一个数
#
# 以上全部就是 `reference.decode_step`。对它作循环，就能翻译：取概率最大的词元，一直到 END。

# %%
from kseq.special_tokens import END

source, state, _ = reference.encode(weights, source_ids[:1])
ids, rows, text = np.array([START]), [], ""
for _ in result.tokens:
    logits, row, state, _ = reference.decode_step(weights, ids, state, source)
    ids = logits.argmax(axis=-1)
    rows.append(row[0])
    text += tokens[ids[0]] if ids[0] != END else ""
print("NumPy", text, " Keras", result.text)
compare("attention", np.array(rows), result.attention)

# %% [markdown]
# ## Move the attention by hand
#
# Is the attention the reason for what is written, or a mere ornament? We repeat the step, but put all of the weight on one position after the other. Each row of the picture is such a step, and shows the distribution of the next token.

# %% [markdown] lang="zh"
# ## 亲手移动注意力
#
# 注意力究竟是写出这个数字的原因，还是只是装饰？我们重复这一步，但把全部权重依次放到各个位置上。图中每一行就是这样的一步，显示下一个词元的概率分布。

# %%
from kseq.numpy_reference.cells import cell_step


def finish_step(c):
    """From contexts `[B, D]` to the distribution of the next token, `[B, V]`."""
    before, last = (np.repeat(array[:1], len(c), axis=0) for array in (s, y))
    x = last @ weights[f"{name}/inputs_1/kernel"] + weights[f"{name}/inputs_1/bias"]
    x = x + c @ weights[f"{name}/context/kernel"]
    (after,), _ = cell_step(weights, f"{name}/cell_1", x, [before])
    parts = np.concatenate([after, c, last], axis=-1)
    readout = np.tanh(parts @ weights["readout/kernel"] + weights["readout/bias"])
    exponentials = np.exp(readout @ weights["logits/kernel"] + weights["logits/bias"])
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


moved = finish_step(memory[0])  # all weight on one position: its memory is the context
as_it_was = finish_step(c[:1])
order = np.argsort(tokens)[:11]  # the digits, and END
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
image = ax.imshow(np.concatenate([moved, as_it_was])[:, order], cmap="viridis", vmin=0, vmax=1)
ax.set(xticks=range(11), xticklabels=[tokens[n] for n in order], xlabel="next token")
ax.set(yticks=range(9), yticklabels=[*letters, "as it was"], ylabel="all weight on")
bar = figure.colorbar(image, label="probability")

# %% [markdown]
# The letter that the step looks at decides what it writes. On `X` it writes 9, as it did. On `M` and on END it writes 0. On `V` the most probable token is 4 and the next 5: this is the `V` of `IV`, and a memory knows its neighbours. On the first `C` it writes 9 as well, although that is the 9 of the hundreds: the memory says which digit, and where to look says which place. So here, attention is a cause. It need not be everywhere: [What attention can tell, and what it cannot](../docs/explanation/what_attention_tells.md).
#
# Where to go on: [The model in plain NumPy](../docs/numpy.md) also has the backward pass, and trains without Keras. What to try next: freeze another step of `MCMXCIV`, or a numeral with a long `DCCCLXXXVIII`.

# %% [markdown] lang="zh"
# 这一步看哪个字母，决定了它写什么。看 `X` 时写 9，与原来一样。看 `M` 和 END 时写 0。看 `V` 时，概率最大的词元是 4，其次是 5：这是 `IV` 中的 `V`，而记忆知道自己的邻居。看第一个 `C` 时也写 9，尽管那是百位上的 9：记忆说明是哪个数字，看哪里则说明是哪一位。可见在这里，注意力是原因。但并非处处如此：[注意力能说明什么，不能说明什么](../docs/explanation/what_attention_tells.zh.md)。
#
# 接下来：[用纯 NumPy 写成的模型](../docs/numpy.md)还有反向传播，不用 Keras 也能训练。可以试试：停在 `MCMXCIV` 的另一步，或者换一个长的罗马数字 `DCCCLXXXVIII`。
