# %% [markdown]
# # Speech to text: which number did they dial?
#
# A source can be a recording. In this notebook a model listens to a telephone that is being dialled, and writes the number. The sounds are made with NumPy, so that the notebook runs everywhere; the last section says how real speech goes. We look at the frames that the model reads, train it, watch where it listens, add noise until it fails, and then find a weakness that has nothing to do with noise, and its remedy.

# %% [markdown] lang="zh"
# # 语音转文本：拨的是哪个号码？
#
# 源可以是录音。在这个笔记本中，模型聆听电话拨号的声音，写出号码。声音用 NumPy 合成，因此在任何地方都能运行；最后一节说明如何处理真实的语音。我们先看模型读取的帧（frame），再训练模型，观察它在听哪里，不断加大噪声直到它出错；然后找出一个与噪声无关的弱点，以及补救的办法。

# %%
# Where kseq is missing, as in a fresh Colab, this installs its wheel: a name, a file or an address.
import importlib.util
import subprocess
import sys

wheel = "kseq"
if importlib.util.find_spec("kseq") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", wheel], check=True)

# %% tags=["parameters"]
# The number of training epochs of each of two models. One takes 2 to 5 seconds on two CPU cores.
epochs = 12

# %% [markdown]
# ## How a telephone says a number
#
# Each key sounds as two tones at once: one for its row, one for its column. Whoever dials holds a key for a while, pauses, and presses the next one, sometimes fast, sometimes slowly. The line adds noise; its loudness is given in decibels below the tones.

# %% [markdown] lang="zh"
# ## 电话怎样念号码
#
# 每个按键同时发出两个音：一个表示行，一个表示列。拨号的人按住一个键一会儿，停一下，再按下一个，时快时慢。线路会加上噪声；噪声的大小用比按键音低多少分贝来表示。

# %%
import numpy as np
from IPython.display import Audio

rate = 8_000  # samples per second, as on the telephone
rows, columns = (697, 770, 852, 941), (1209, 1336, 1477)  # Hz
tones = {key: (rows[n // 3], columns[n % 3]) for n, key in enumerate("123456789*0#")}


def dial(number, decibels, rng):
    """Returns the sound of a number; the tones are louder than the noise, by these decibels."""
    tempo = rng.uniform(0.8, 1.6)

    def seconds(low, high):
        return np.arange(int(rate * rng.uniform(low, high) * tempo)) / rate

    parts = [0 * seconds(0.05, 0.4)]
    for key in number:
        time = seconds(0.06, 0.15)
        parts.append(
            sum(rng.uniform(0.5, 1) * np.sin(2 * np.pi * pitch * time) for pitch in tones[key])
        )
        parts.append(0 * seconds(0.05, 0.12))
    parts.append(0 * seconds(0.05, 0.4))
    sound = np.concatenate(parts)
    loudness = np.sqrt(np.mean(sound[sound != 0] ** 2))
    sound += rng.normal(0, loudness * 10 ** (-decibels / 20), len(sound))
    return 0.9 * sound / np.abs(sound).max()


clear = dial("5501", 20, np.random.default_rng(1))
noisy = dial("5501", -5, np.random.default_rng(1))
Audio(clear, rate=rate)

# %%
Audio(noisy, rate=rate)

# %% [markdown]
# ## What the model reads
#
# 8,000 numbers a second are too many to read one by one. kseq computes a log-mel spectrogram: every 20 milliseconds a frame, which holds the logarithm of the energy in 32 bands of frequencies. Both pictures show 5501. The double 5 is the difficult part: the same sound twice, and only the pause says that there are two.

# %% [markdown] lang="zh"
# ## 模型读到的是什么
#
# 每秒 8,000 个数太多，无法逐个读取。kseq 计算对数梅尔谱（log-mel spectrogram）：每 20 毫秒一帧，内容是 32 个频带中能量的对数。两幅图都是 5501。难点在于连续的两个 5：同样的声音出现了两次，只有停顿说明这是两个。

# %%
# %matplotlib inline
import matplotlib.pyplot as plt

import kseq
from kseq.pipeline.log_mel import LogMel

spectrogram = LogMel(rate, mel_bands=32, frame_length=0.04, frame_step=0.02)
figure, axes = plt.subplots(1, 2, figsize=(10, 2.6), sharey=True, layout="constrained")
for axis, sound, title in zip(axes, (clear, noisy), ("20 dB below", "5 dB above")):
    frames = spectrogram(kseq.Recording(sound, rate))
    axis.imshow(
        frames.T, origin="lower", aspect="auto", extent=(0, len(sound) / rate, 0, 32), cmap="magma"
    )
    axis.set(xlabel="seconds", title=f"noise {title} the tones")
axes[0].set_ylabel("band")
plt.show()

# %% [markdown]
# ## Recordings and an index
#
# A corpus of recordings is a folder of `.wav` files and an index with their names and texts. We write 1,500 recordings of 3 to 7 digits for training, 200 for validation and 200 for the test. No number is in two of them.

# %% [markdown] lang="zh"
# ## 录音与索引
#
# 录音语料由一个装有 `.wav` 文件的文件夹和一个索引组成，索引中是文件名和文本。我们写出 1,500 段录音用于训练，各有 3 到 7 个数字，另有 200 段用于验证，200 段用于测试。没有号码同时出现在两个部分中。

# %%
import pathlib
import wave

rng, taken = np.random.default_rng(2), set()
pathlib.Path("recordings").mkdir(exist_ok=True)
for split, count in {"train": 1500, "valid": 200, "test": 200}.items():
    lines = []
    while len(lines) < count:
        number = "".join(map(str, rng.integers(10, size=rng.integers(3, 8))))
        if number in taken:
            continue
        taken.add(number)
        path = f"recordings/{split}-{len(lines):04}.wav"
        with wave.open(path, "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))  # one channel, two bytes a sample
            sound = dial(number, rng.uniform(-8, 20), rng)
            file.writeframes((sound * 32767).astype("<i2").tobytes())
        lines.append(f"{path}\t{number}\n")
    pathlib.Path(f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
print(*lines[:3], sep="")
kseq.inspect("train.tsv", verbose=False)

# %% [markdown]
# ## Train
#
# The encoder has two layers; `pyramid=true` lets the second one read two frames at a time, so that the memory has a vector for every 40 milliseconds. The decoder writes characters.

# %% [markdown] lang="zh"
# ## 训练
#
# 编码器（encoder）有两层；`pyramid=true` 让第二层每次读两帧，因此记忆（memory）中每 40 毫秒有一个向量。解码器（decoder）逐个字符地写。

# %%
corpus = kseq.load_corpus("train.tsv", valid="valid.tsv", test="test.tsv")
settings = [
    *("mel_bands=32", "frame_length=0.04", "frame_step=0.02", "target_tokenizer=character"),
    *("encoder_layers=2", "pyramid=true", "units=96", "embedding_dim=16", "dropout=0.3"),
    *("batch_size=32", "learning_rate=0.005", "warmup_steps=100", f"epochs={epochs}"),
]
config = corpus.config.with_settings([*settings, "attention=bahdanau"])
translator = kseq.train(corpus, config, out="runs/dialled", overwrite=True)

# %% [markdown]
# ## Transcribe recordings that it has never heard
#
# A recording is given by the name of its file, or as `kseq.Recording`. `token_error_rate` is the percentage of digits that are wrong, missing or too many.

# %% [markdown] lang="zh"
# ## 转写从未听过的录音
#
# 录音可以用文件名给出，也可以是一个 `kseq.Recording`。`token_error_rate` 是写错、漏写或多写的数字所占的百分比。

# %%
lines = pathlib.Path("test.tsv").read_text(encoding="utf-8").splitlines()
names, numbers = zip(*(line.split("\t") for line in lines))
for number, result in zip(numbers[:8], translator.translate(names[:8])):
    print(f"dialled {number:8} heard {result.text}")
metrics = translator.evaluate(corpus.test)
print(f"{metrics['token_error_rate']:.1f}% of the digits are wrong")
print(f"{metrics['exact_match']:.1f}% of the numbers are right")

# %% [markdown]
# ## Where it listens
#
# The mistake in the last line is the one to be expected: of two equal digits, one is missing. How does the model tell a double 5 from one 5 that is held for long?
#
# Time runs from left to right, in the attention above and in the spectrogram below it; every row is a character that the model writes. Nobody told it when a key was pressed: it has learnt that from recordings and numbers alone.

# %% [markdown] lang="zh"
# ## 它在听哪里
#
# 最后一行的错误正是意料之中的那一种：两个相同的数字只写出了一个。模型怎样区分连续的两个 5 和按得很久的一个 5 呢？
#
# 时间从左到右，上面是注意力（attention），下面是对数梅尔谱；每一行是模型写出的一个字符。没有人告诉它按键是什么时候按下的：它只从录音和号码中学会了这一点。

# %%
kseq.plot_attention(translator.translate([kseq.Recording(clear, rate)])[0])
plt.show()

# %% [markdown]
# ## How much noise is too much?
#
# In training, the noise was between 20 decibels below the tones and 8 above them. We dial 60 numbers of 6 digits for each loudness, and go on beyond what the model knows.

# %% [markdown] lang="zh"
# ## 多大的噪声才算太大？
#
# 训练时，噪声最小比按键音低 20 分贝，最大比它高 8 分贝。我们对每种大小的噪声各拨 60 个 6 位号码，并超出模型见过的范围。


# %%
def error_rate(translator, digits, decibels):
    """Returns the percentage of wrong digits in 60 numbers."""
    rng = np.random.default_rng(3)
    numbers = ["".join(map(str, rng.integers(10, size=digits))) for _ in range(60)]
    pairs = [(kseq.Recording(dial(number, decibels, rng), rate), number) for number in numbers]
    return translator.evaluate(pairs)["token_error_rate"]


loudness = [-20, -15, -10, -5, 0, 5, 10, 15, 20]
errors = [error_rate(translator, 6, -level) for level in loudness]
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
axis.plot(loudness, errors, marker="o")
axis.axvspan(-20, 8, color="0.92", label="noise in training")
axis.set(xlabel="noise, in decibels above the tones", ylabel="wrong digits (%)", ylim=0)
axis.legend(loc="upper left")
plt.show()

# %% [markdown]
# As long as the tones are no more than 5 decibels below the noise, the model hardly notices it. Louder noise than in training is another matter.
#
# ## Longer numbers
#
# Now without much noise, but with more than 7 digits: a number in London, dialled from abroad, has 14.

# %% [markdown] lang="zh"
# 只要按键音比噪声低得不超过 5 分贝，模型就几乎不受影响。比训练时更大的噪声则是另一回事。
#
# ## 更长的号码
#
# 这次噪声很小，但数字多于 7 个：从国外拨打伦敦的号码，共有 14 位。

# %%
london = "00442079460958"
recording = kseq.Recording(dial(london, 20, np.random.default_rng(4)), rate)
result = translator.translate([recording])[0]
print("dialled", london)
print("heard  ", result.text)
kseq.plot_attention(result)
plt.show()

# %% [markdown]
# The attention of Bahdanau et al. searches the memory by content. A 0 sounds like any other 0, and nothing in the content says which ones have been written; what the state of the decoder keeps of that has only been trained for 7 digits. So it loses its place. Location-aware attention (Chorowski et al. 2015) also sees where it was in the step before. It is one setting.

# %% [markdown] lang="zh"
# Bahdanau 等人的注意力按内容在记忆中查找。这个 0 和任何别的 0 听起来都一样，内容本身说明不了哪些已经写过；解码器的状态对此所记住的，只按 7 个数字训练过。因此它找不到自己的位置。位置感知（location-aware）注意力（Chorowski 等人 2015）还能看到上一步读的是哪里。只需更改一个设置。

# %%
config = corpus.config.with_settings([*settings, "attention=location_aware"])
aware = kseq.train(corpus, config, out="runs/aware", overwrite=True, verbose=False)
result = aware.translate([recording])[0]
print("dialled", london)
print("heard  ", result.text)
kseq.plot_attention(result)
plt.show()

# %%
lengths = [2, 4, 6, 8, 10, 12, 16]
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for name, model in (("bahdanau", translator), ("location_aware", aware)):
    axis.plot(lengths, [error_rate(model, length, 10) for length in lengths], "o-", label=name)
axis.axvspan(3, 7, color="0.92", label="lengths in training")
axis.set(xlabel="digits in the number", ylabel="wrong digits (%)", ylim=0)
axis.legend(loc="upper left")
plt.show()

# %% [markdown]
# With the lengths that both models know, both hear nearly everything. Of the numbers with 16 digits, the first one gets half of the digits wrong, and the second one very few. The error with familiar lengths does not show this difference.
#
# ## Real speech
#
# Nothing changes but the recordings: an index of your own `.wav` files and their texts takes the place of `train.tsv`. A recording with another rate is resampled. With the speech synthesiser espeak-ng, `python examples/spoken_digits.py` makes a corpus of spoken digits in many voices, trains on it and draws the attention. The settings are described in [docs/speech.md](../docs/speech.md).
#
# What to try next: keys that are held so briefly that the pauses vanish, two telephones at once, or `attention=coverage`, which sees everything that it has read so far.

# %% [markdown] lang="zh"
# 对于两个模型都熟悉的长度，两者几乎都能听对。对于 16 位的号码，第一个模型写错了一半的数字，第二个只错了很少几个。只看熟悉长度上的错误率，看不出这个差别。
#
# ## 真实的语音
#
# 除了录音，什么都不用改：用自己的 `.wav` 文件及其文本的索引代替 `train.tsv` 即可。采样率不同的录音会被重采样。有了语音合成器 espeak-ng，`python examples/spoken_digits.py` 会用许多种嗓音合成一个数字语音语料，用它训练，并画出注意力。各项设置见 [docs/speech.md](../docs/speech.md)。
#
# 接下来可以试试：把键按得很短，短到听不出停顿；两部电话同时拨号；或者 `attention=coverage`，它能看到至今读过的所有位置。
