# %% [markdown]
# # How many bicycles will be rented tomorrow?
#
# A forecast continues a series of numbers. Often something is known about the future: tomorrow is a Sunday, and it will rain. Such covariates are read by the decoder next to the value of the step before. In this notebook we make up a town with bicycles for hire, train a model without and one with covariates, compare both with the week before, and ask what would happen if it rained. As the town is made up, we also know how good a forecast can be at best.

# %% [markdown] lang="zh"
# # 明天会租出多少辆自行车？
#
# 预测（forecasting）就是把一列数接着写下去。关于未来，往往有些事情是已知的：明天是星期日，而且会下雨。这样的协变量（covariate）由解码器（decoder）与上一步的值一起读取。在这个笔记本中，我们虚构一座出租自行车的小城，训练一个不用协变量的模型和一个使用协变量的模型，把两者与上一周的数字比较，再问一问如果下雨会怎样。小城是虚构的，所以我们还知道预测最好能好到什么程度。

# %%
# Where kseq is missing, as in a fresh Colab, this installs its wheel: a name, a file or an address.
import importlib.util
import subprocess
import sys

wheel = "kseq"
if importlib.util.find_spec("kseq") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", wheel], check=True)

# %% tags=["parameters"]
# The number of training epochs of each of two models. One takes 1 to 4 seconds on two CPU cores.
epochs = 12

# %% [markdown]
# ## A town
#
# On working days people ride to work and back, on free days in the afternoon. Warm weather brings more of them, rain keeps most at home. A few weekdays are holidays. Besides, the town has moods that last for days: nobody knows why, but they show in the numbers of the last days. What remains is chance, 10%.

# %% [markdown] lang="zh"
# ## 一座小城
#
# 工作日人们骑车上下班，休息日在下午骑。天气暖和时人多一些，下雨时大多数人待在家里。有几个平日是节假日。此外，小城还有持续数日的情绪：没有人知道原因，但从最近几天的数字中看得出来。剩下的是偶然因素，10%。

# %%
import numpy as np

DAY, WEEK, WEEKS = 24, 168, 32  # hours, hours, weeks
rng = np.random.default_rng(2)
hours = np.arange(WEEKS * WEEK)
hour, day = hours % DAY, hours // DAY


def wander(count, memory, spread):
    """Returns values that depend on the one before, and on chance."""
    values = np.zeros(count)
    for n in range(1, count):
        values[n] = memory * values[n - 1] + rng.normal(0, spread)
    return values


def peak(center, width):
    return np.exp(-0.5 * ((hour - center) / width) ** 2)


holidays = rng.choice(WEEKS * 7, size=WEEKS // 2, replace=False)
is_free = (day % 7 >= 5) | np.isin(day, holidays)
temperature = 17 - 5 * np.cos(2 * np.pi * (hour - 3) / DAY) + wander(len(hours), 0.99, 0.5)
is_raining = wander(len(hours), 0.9, 1) > 2.5
mood = np.exp(wander(WEEKS * 7, 0.9, 0.08))[day]

working_day = peak(8, 1.2) + peak(17.5, 1.6) + 0.4 * peak(13, 3)
free_day = 0.9 * peak(14.5, 3.5) + 0.2 * peak(20, 2)
expected = 200 * mood * (0.05 + np.where(is_free, free_day, working_day))
expected *= np.clip(temperature / 20, 0.2, 1.5) * np.where(is_raining, 0.35, 1)
rented = expected * np.exp(rng.normal(0, 0.1, len(hours)))

# %%
# %matplotlib inline
import matplotlib.pyplot as plt


def draw(axis, first, count):
    """Draws some hours, with rain in blue and free days in grey behind them."""
    part = slice(first, first + count)
    axis.plot(hours[part], rented[part], color="black", label="rented")
    highest = 1.05 * rented[part].max()
    for is_true, color in ((is_free, "0.9"), (is_raining, "#a8cbe8")):
        axis.fill_between(hours[part], highest, where=is_true[part], color=color, step="mid")
    axis.set(xlim=(first, first + count - 1), ylim=(0, highest), ylabel="bicycles in an hour")
    axis.set_xticks(range(first, first + count, DAY))


figure, axis = plt.subplots(figsize=(10, 3), layout="constrained")
draw(axis, 28 * WEEK, 2 * WEEK)
axis.set(xlabel="hour")
plt.show()

# %% [markdown]
# ## What is known beforehand
#
# There are 7 numbers for each hour: the time of day as an angle (sine and cosine, once and twice around), whether the day is free, temperature and rain. A forecast of the weather would be wrong now and then; ours never is.

# %% [markdown] lang="zh"
# ## 事先知道什么
#
# 每小时 7 个数：用角度表示的一天中的时刻（正弦和余弦，一天转一圈的和转两圈的），是否休息日，温度，以及是否下雨。真正的天气预报有时会出错，我们的从不出错。

# %%
angle = 2 * np.pi * hour / DAY
columns = [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]
known = np.stack([*columns, is_free, temperature, is_raining], axis=1)

# %% [markdown]
# ## Windows
#
# A source is two days, the target is the day after them, beginning at any hour. 25 weeks are for training, 2 for validation, and the last 4 for the test.

# %% [markdown] lang="zh"
# ## 窗口
#
# 源是两天，目标是随后的一天，可以从任何一个小时开始。25 周用于训练，2 周用于验证，最后 4 周用于测试。


# %%
def window_starts(first_week, last_week, step):
    return np.arange(first_week * WEEK, last_week * WEEK - DAY + 1, step)


starts = {
    "train": window_starts(1, 26, 2),
    "valid": window_starts(26, 28, 3),
    "test": window_starts(28, 32, 1),
}


def make_pairs(split, has_covariates):
    """Returns the sources, the targets, and perhaps the covariates of a split."""
    past = starts[split][:, None] + np.arange(-2 * DAY, 0)
    future = starts[split][:, None] + np.arange(DAY)
    if not has_covariates:
        return list(rented[past][..., None]), list(rented[future][..., None])
    sources = np.concatenate([rented[past][..., None], known[past]], axis=2)
    return list(sources), list(rented[future][..., None]), list(known[future])


for arrays in make_pairs("test", True):
    print(len(arrays), "arrays", arrays[0].shape)

# %% [markdown]
# ## Something to beat
#
# The same hour of the week before is a good guess, except after holidays and when the weather changes. On the other side, nobody can foresee the 10% of chance. Errors are the root of the mean squared error, in bicycles an hour.

# %% [markdown] lang="zh"
# ## 要超过的对手
#
# 上一周同一小时的数字是个不错的猜测，除非碰上节假日或者天气变化。另一方面，那 10% 的偶然因素谁也无法预见。误差是均方误差的平方根，单位是每小时的自行车数。

# %%
future = starts["test"][:, None] + np.arange(DAY)
forecasts = {"the week before": rented[future - WEEK]}


def error(forecast):
    return np.sqrt(np.mean((forecast - rented[future]) ** 2))


print(f"the week before      {error(forecasts['the week before']):5.1f}")
print(f"best possible        {error(expected[future]):5.1f}")

# %% [markdown]
# ## Two models
#
# An LSTM with attention, once without and once with covariates. When it is used, each prediction is the input of the next step; kseq calls this a free run. With scheduled sampling, three quarters of the inputs in training are predictions, too, and the weights with the best free runs are kept.

# %% [markdown] lang="zh"
# ## 两个模型
#
# 一个带注意力（attention）的 LSTM，一次不用协变量，一次使用。使用模型时，每一步的预测都是下一步的输入，kseq 称之为自由运行（free run）。使用计划采样（scheduled sampling）时，训练中也有四分之三的输入是预测值；自由运行效果最好的权重会被保留。

# %%
import kseq

settings = [
    *("cell=lstm", "units=64", "attention=luong_general", "dropout=0.1"),
    *("batch_size=64", "learning_rate=0.004", "warmup_steps=50", "patience=20"),
    *("scheduled_sampling=0.75", "sampling_schedule=constant"),
    *("monitor=val_free_run_error", "decoded_pairs=200", f"epochs={epochs}"),
]


def train(has_covariates, out):
    pairs, valid = (make_pairs(split, has_covariates) for split in ("train", "valid"))
    corpus = kseq.load_corpus(*pairs, valid=valid)
    return kseq.train(corpus, corpus.config.with_settings(settings), out=out, overwrite=True)


plain = train(False, "runs/plain")

# %%
informed = train(True, "runs/informed")

# %%
sources, _ = make_pairs("test", False)
predictions = plain.predict(sources, steps=DAY)
forecasts["without covariates"] = np.stack([each.values[:, 0] for each in predictions])
sources, _, covariates = make_pairs("test", True)
predictions = informed.predict(sources, covariates=covariates)
forecasts["with covariates"] = np.stack([each.values[:, 0] for each in predictions])
for name, forecast in forecasts.items():
    print(f"{name:20} {error(forecast):5.1f}")
print(f"{'best possible':20} {error(expected[future]):5.1f}")

# %% [markdown]
# Without covariates, the model is somewhat better than the week before. With them, most of the error that can be avoided is gone.
#
# ## Look at the days
#
# A week of forecasts, each made at midnight for the next day. Free days are grey, rain is blue. The Monday at the left is a holiday.

# %% [markdown] lang="zh"
# 不用协变量时，模型比上一周的数字好一些。使用协变量后，可以避免的误差大部分都消失了。
#
# ## 看看每一天
#
# 一周的预测，每次都在午夜为接下来的一天做出。灰色是休息日，蓝色是下雨。最左边的星期一是节假日。

# %%
figure, axes = plt.subplots(2, 1, figsize=(10, 5.6), sharex=True, layout="constrained")
for axis, name in zip(axes, ("without covariates", "with covariates")):
    draw(axis, future[0, 0], WEEK)
    for number in range(0, WEEK, DAY):
        axis.plot(future[number], forecasts[name][number], color="tab:red")
    axis.set(title=name)
axes[1].set(xlabel="hour")
plt.show()

# %% [markdown]
# Two days do not say what kind of day comes next: without covariates, the model expects people on their way to work even on the weekend. With covariates, it knows better, and it follows single hours of rain.
#
# ## How far ahead?
#
# In a free run, errors could build up: a wrong step is the input of the next one. The mean error of each hour ahead shows whether they do.

# %% [markdown] lang="zh"
# 两天的数据说明不了接下来是哪一种日子：不用协变量时，模型在周末也预测有人骑车上班。使用协变量后，它就清楚了，连个别下雨的小时也能跟上。
#
# ## 能看多远？
#
# 自由运行时，误差可能累积：错误的一步是下一步的输入。提前各个小时的平均误差说明是否如此。

# %%
figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
for name, forecast in {**forecasts, "best possible": expected[future]}.items():
    errors = np.sqrt(np.mean((forecast - rented[future]) ** 2, axis=0))
    axis.plot(range(1, DAY + 1), errors, label=name)
axis.set(xlabel="hours ahead", ylabel="error", ylim=0)
axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# Without covariates they grow from hour to hour. With covariates the last hour is hardly worse than the first.
#
# ## What if it rained?
#
# The covariates can be changed. Let it rain from 15 to 20 o'clock on the first dry working day of the test, or declare it a holiday.

# %% [markdown] lang="zh"
# 不用协变量时，误差逐小时增大。使用协变量时，最后一小时几乎不比第一小时差。
#
# ## 如果下雨呢？
#
# 协变量可以更改。让测试部分第一个没有雨的工作日从 15 点到 20 点下雨，或者宣布它是节假日。

# %%
dry = [n for n in range(0, len(future), DAY) if not (is_raining | is_free)[future[n]].any()][0]
rainy, holiday = covariates[dry].copy(), covariates[dry].copy()
rainy[15:20, 6] = 1
holiday[:, 4] = 1
figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
for name, each in (("as it is", covariates[dry]), ("rain", rainy), ("a holiday", holiday)):
    values = informed.predict([sources[dry]], covariates=[each])[0].values
    axis.plot(range(DAY), values, label=name)
axis.set(xlabel="hour of the day", ylabel="bicycles in an hour")
axis.legend()
plt.show()

# %% [markdown]
# Rain takes away the ride home, and nothing before it. A holiday turns the two peaks into one. Such questions are only as good as the data: the model has seen both often enough, and nothing else changed with them.
#
# ## Where it looks
#
# The source is below the attention: two days, with the rented bicycles at the bottom and what is known above them. The forecast is at the left.

# %% [markdown] lang="zh"
# 下雨使人们不再骑车回家，对此前没有影响。节假日把两个高峰变成一个。这类问题的答案只能和数据一样可靠：两种情况模型都见过很多次，而且没有别的东西随之改变。
#
# ## 它在看哪里
#
# 源在注意力图的下方：两天的数据，最下面是租出的自行车，其上是已知的信息。预测在左边。

# %%
kseq.plot_attention(predictions[dry])
plt.show()

# %% [markdown]
# For the peaks at 8 and at 17 o'clock, the model reads the early afternoon of both days, which shows how busy they were; for the hours of the night it reads nights.
#
# What to try next: predict three days instead of one; give the model a forecast of the weather with errors; or leave out the source's days, and see what the mood of the town is worth. [docs/forecasting.md](../docs/forecasting.md) has the same comparison on the electricity demand of England and Wales.

# %% [markdown] lang="zh"
# 写 8 点和 17 点的高峰时，模型读的是这两天午后的几个小时，从中看得出这两天有多忙；写夜间的小时时，它读的是夜间。
#
# 接下来可以试试：预测三天而不是一天；给模型带有误差的天气预报；或者去掉源中的两天，看看小城的情绪有多大价值。[docs/forecasting.md](../docs/forecasting.md) 在英格兰和威尔士的用电量上做了同样的比较。
