# %% [markdown]
# # Serve a model, and measure it
#
# A trained model becomes useful when other programs can ask it. Our model understands the time of day as people say it: "twenty to nine in the evening" is 20:40, as an alarm clock needs it. We train it in a minute, export it in two formats, start `kseq serve`, ask it in three protocols, draw attention that came as JSON, and watch how batches form when many clients come at once.

# %% [markdown] lang="zh"
# # 提供模型服务，并测量它
#
# 训练好的模型，要能被其他程序调用才有用。我们的模型听得懂人们所说的钟点："twenty to nine in the evening" 就是闹钟所需要的 20:40。我们用一分钟训练它，以两种格式导出，启动 `kseq serve`，用三种协议向它提问，把以 JSON 形式得到的注意力画出来，并观察许多客户端同时到来时批次是怎样形成的。

# %%
# Where kseq is missing, as in a fresh Colab, this installs its wheel: a name, a file or an address.
import importlib.util
import subprocess
import sys

wheel = "kseq[serve,lite]"
if not all(map(importlib.util.find_spec, ("kseq", "uvicorn", "ai_edge_litert"))):
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", wheel], check=True)

# %% tags=["parameters"]
# The number of training epochs. One epoch takes 2 to 4 seconds on two CPU cores.
epochs = 6

# %% [markdown]
# ## A model that can tell the time
#
# A small grammar says each minute of the day in several ways. The difficult word is "to", which turns the hour back. 6,000 sentences are drawn, and equal ones count once; some are held out for validation and for the test.

# %% [markdown] lang="zh"
# ## 一个会看钟点的模型
#
# 一套小语法用几种说法来说一天中的每一分钟。难的是 "to" 这个词，它把小时往回拨。我们抽取 6,000 个句子，相同的只算一个；其中一部分留作验证和测试。

# %%
import random

word_lists = (
    "zero one two three four five six seven eight nine",
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
)
digits, teens = map(str.split, word_lists)
words = [*digits, *teens, "twenty", *(f"twenty {digit}" for digit in digits[1:])]
openings = "Wake me at", "The train leaves at", "Let us meet at", "Remind me at", "It begins at"


def part_of_day(hour):
    if hour < 5 or hour > 20:
        return "at night"
    return "in the morning" if hour < 12 else "in the " + ("afternoon" if hour < 18 else "evening")


def say(hour, minute, rng):
    """Returns a time of day as somebody says it."""
    if minute == 0 and hour in (0, 12):
        return "midnight" if hour == 0 else "noon"
    is_before = minute > 30
    named = (hour + is_before) % 24
    count = 60 - minute if is_before else minute
    spoken = f"{words[named % 12 or 12]} {part_of_day(hour)}"
    if count in (0, 30):
        return f"half past {spoken}" if count else spoken
    distance = "a quarter" if count == 15 else words[count]
    if count % 5:
        distance += " minutes" if count > 1 else " minute"
    return f"{distance} {rng.choice(['to', 'before'] if is_before else ['past', 'after'])} {spoken}"


def write_pair(rng):
    hour, minute = rng.randrange(24), rng.choice([rng.randrange(60), rng.randrange(0, 60, 5)])
    return f"{rng.choice(openings)} {say(hour, minute, rng)}.", f"{hour:02}:{minute:02}"


rng = random.Random(1)
pairs = sorted({write_pair(rng) for _ in range(6_000)})
for pair in rng.sample(pairs, 5):
    print(*pair, sep="\t")

# %%
# %matplotlib inline
import kseq

corpus = kseq.load_corpus(pairs)
config = corpus.config.with_settings(
    [
        *("target_tokenizer=character", "minimum_frequency=1", "case=lower"),
        *("units=128", "embedding_dim=64", "batch_size=64", "learning_rate=0.004"),
        *("warmup_steps=50", f"epochs={epochs}"),
    ]
)
translator = kseq.train(corpus, config, out="runs/clock", overwrite=True)
print(f"{translator.evaluate(corpus.test)['exact_match']:.1f}% of the test times are right")

# %% [markdown]
# ## Export it twice
#
# A SavedModel runs wherever TensorFlow does. A model for LiteRT is a small file that needs no TensorFlow; here its weights are stored in 8 bits.

# %% [markdown] lang="zh"
# ## 导出两次
#
# SavedModel 可以在任何有 TensorFlow 的地方运行。LiteRT 模型是一个小文件，不需要 TensorFlow；这里把权重存为 8 位。

# %%
import pathlib

translator.export("exported/clock")
translator.export("exported/small", format="litert", quantize="dynamic")
for name in ("exported/clock", "exported/small"):
    size = sum(path.stat().st_size for path in pathlib.Path(name).rglob("*"))
    print(f"{name:15} {size / 1000:6,.0f} kB")

# %% [markdown]
# ## Start the server
#
# `kseq serve` is a program of its own; one can serve several models. With `--port 0` it takes any free port, and its log says which. The log is a file with a JSON object on each line. We wait until every model has translated a test batch. If the kernel ends, `atexit` ends the server, too.

# %% [markdown] lang="zh"
# ## 启动服务器
#
# `kseq serve` 是一个独立的程序，可以同时提供几个模型。使用 `--port 0` 时，它取任意一个空闲端口，日志会说明是哪一个。日志是一个文件，每行一个 JSON 对象。我们等到每个模型都翻译过一个测试批次为止。内核结束时，`atexit` 也会结束服务器。

# %%
import atexit
import json
import time
import urllib.error
import urllib.request

models = ["run=runs/clock", "saved=exported/clock", "small=exported/small"]
command = [sys.executable, "-m", "kseq", "serve", *models, "--port", "0", "--workers", "1"]
log_file, error_file = pathlib.Path("server.log"), pathlib.Path("server.err")
with log_file.open("w") as log, error_file.open("w") as errors:
    server = subprocess.Popen(command, stdout=log, stderr=errors)
atexit.register(server.kill)


def read_log(event):
    """Returns the log's entries of one kind."""
    lines = log_file.read_text(encoding="utf-8").splitlines()
    return [entry for entry in map(json.loads, lines) if entry["event"] == event]


start = time.monotonic()
while not read_log("serving"):
    if server.poll() is not None or time.monotonic() - start > 120:
        server.kill()
        raise RuntimeError(error_file.read_text(encoding="utf-8"))
    time.sleep(0.1)
address = read_log("listening")[0]["url"]
print(f"ready after {time.monotonic() - start:.1f} seconds")

# %% [markdown]
# ## Ask it
#
# Requests are JSON over HTTP, so any language will do. `POST /translate` is the simplest protocol, and takes all options of the search.

# %% [markdown] lang="zh"
# ## 向它提问
#
# 请求是通过 HTTP 发送的 JSON，因此用什么编程语言都可以。`POST /translate` 是最简单的协议，接受搜索的所有选项。


# %%
def ask(path, body=None):
    """Sends an object as JSON, or asks without a body; returns the answer."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(address + path, data, timeout=30) as response:
            answer = response.read().decode()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"
    return json.loads(answer) if answer.startswith("{") else answer


for model in ask("/models")["models"]:
    print(model["name"], model["task"], model["is_ready"])
sentence = "Wake me at twenty to nine in the evening."
answer = ask("/translate", {"model": "run", "text": [sentence], "beam": 5, "n_best": 3})
for translation in answer["translations"][0]:
    print(f"{translation['text']:8} {translation['score']:.3f}")

# %% [markdown]
# Two more protocols are those of other servers, so that their clients need no change: version 2 of the Open Inference Protocol, which KServe and Triton speak, and that of TensorFlow Serving.

# %% [markdown] lang="zh"
# 另外两种是其他服务器的协议，因此它们的客户端不必改动：KServe 和 Triton 所用的 Open Inference Protocol 第 2 版，以及 TensorFlow Serving 的协议。

# %%
tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [sentence]}
for output in ask("/v2/models/saved/infer", {"inputs": [tensor]})["outputs"]:
    print(output["name"], output["datatype"], output["shape"], output["data"])
print(ask("/v1/models/small:predict", {"instances": [sentence]}))

# %% [markdown]
# A mistake gets an answer that says what was expected.

# %% [markdown] lang="zh"
# 请求有错误时，回答会说明应该是什么。

# %%
print(ask("/translate", {"model": "run", "txt": [sentence]}))
print(ask("/translate", {"model": "clock", "text": [sentence]}))
print(ask("/translate", {"model": "run", "text": [sentence], "beam": 100}))

# %% [markdown]
# ## Attention as JSON
#
# With `"attention": true`, the answer has the tokens of both sides and the weights, which a web page or any other program can draw.

# %% [markdown] lang="zh"
# ## JSON 形式的注意力
#
# 使用 `"attention": true` 时，回答中有两侧的词元（token）和注意力（attention）权重，网页或其他任何程序都可以把它画出来。

# %%
import matplotlib.pyplot as plt

answer = ask("/translate", {"model": "run", "text": [sentence], "attention": True})
translation = answer["translations"][0]
print(translation.keys())
tokens, written = translation["source_tokens"], translation["tokens"]
figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
axis.imshow(translation["attention"], cmap="viridis", aspect="auto")
axis.set_xticks(range(len(tokens)), tokens, rotation=45, ha="left")
axis.xaxis.tick_top()
axis.set_yticks(range(len(written)), written)
plt.show()

# %% [markdown]
# The digits of the hour read "nine", those of the minutes mostly "twenty" and "to". Hardly any weight is on "evening", and yet 20 depends on it, and on "to" as well. The encoder reads in both directions, so its state at "nine" knows the words on either side. To see what matters, change a word and ask again:

# %% [markdown] lang="zh"
# 小时的数字读的是 "nine"，分钟的数字读的主要是 "twenty" 和 "to"。"evening" 几乎没有权重，但 20 取决于它，也取决于 "to"。编码器（encoder）从两个方向读，因此它在 "nine" 处的状态知道两侧的词。要看什么起作用，就换一个词再问一次：

# %%
changes = [("evening", "morning"), (" to ", " past "), ("nine", "eight")]
texts = [sentence, *(sentence.replace(old, new) for old, new in changes)]
answer = ask("/translate", {"model": "run", "text": texts})
for text, translation in zip(texts, answer["translations"]):
    print(translation["text"], text)

# %% [markdown]
# ## Do the three models agree?
#
# The run and the SavedModel compute the same. The weights of the small model are rounded, so we check.

# %% [markdown] lang="zh"
# ## 三个模型一致吗？
#
# 运行和 SavedModel 的计算相同。小模型的权重经过舍入，所以要检查一下。

# %%
sources, times = zip(*corpus.test)
for name in ("run", "saved", "small"):
    outputs = []
    for first in range(0, len(sources), 100):
        answer = ask("/translate", {"model": name, "text": sources[first : first + 100]})
        outputs += [translation["text"] for translation in answer["translations"]]
    right = sum(map(str.__eq__, outputs, times))
    print(f"{name:6} {right} of {len(times)} right")

# %% [markdown]
# ## Many clients at once
#
# A free worker takes everything that waits as one batch; nobody waits for others to come. So a lone client is answered at once, and batches grow with the crowd. We measure it: 1 to 32 clients, each sends one sentence after the other for a second and a half. The mean size of the batches is in the metrics of the server, the quotient of two numbers. The clients are threads of this notebook and share its two cores with the server, so these figures are for comparison with each other only.

# %% [markdown] lang="zh"
# ## 许多客户端同时到来
#
# 空闲的工作进程把所有等待的句子作为一个批次取走；没有谁要等别人到来。因此，单独一个客户端会立刻得到回答，而人越多，批次越大。我们来测量：1 到 32 个客户端，每个都在一秒半的时间里一句接一句地发送。批次的平均大小是服务器指标中两个数的商。客户端是这个笔记本的线程，与服务器共用两个核心，所以这些数字只能相互比较。

# %%
import concurrent.futures
import http.client
import itertools
import urllib.parse


def metric(name, model):
    """Returns a number from the metrics of the server."""
    start = f'{name}{{model="{model}"}} '
    return float(
        next(line for line in ask("/metrics").splitlines() if line.startswith(start)).split()[1]
    )


def send(model, first, end):
    """Sends sentences until the end; returns how many were answered."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=30)
    for count in itertools.count():
        if time.monotonic() > end:
            return count
        body = json.dumps({"model": model, "text": sources[(first + count) % len(sources)]})
        connection.request("POST", "/translate", body)
        connection.getresponse().read()


def measure(model, clients, seconds=1.5):
    """Returns the sentences per second, and the mean size of the batches."""
    names = ("kseq_batch_sources_sum", "kseq_batch_sources_count")
    before = [metric(name, model) for name in names]
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        end = time.monotonic() + seconds
        futures = [pool.submit(send, model, 7 * client, end) for client in range(clients)]
        answered = sum(future.result() for future in futures)
    total, batches = (metric(name, model) - old for name, old in zip(names, before))
    return answered / seconds, total / batches


crowds = [1, 2, 4, 8, 16, 32]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
for name in ("run", "saved", "small"):
    measure(name, 32, 1.0)  # a new size of batches costs time when it first appears
    speeds, sizes = zip(*(measure(name, clients) for clients in crowds))
    axes[0].plot(crowds, speeds, "o-", label=name)
    axes[1].plot(crowds, sizes, "o-", label=name)
axes[0].set(xlabel="clients", ylabel="sentences per second", ylim=0)
axes[1].set(xlabel="clients", ylabel="sentences in a batch", ylim=0)
axes[0].legend()
plt.show()

# %% [markdown]
# With 32 clients, a batch has about 16 sentences: while one half is computed, the other half waits. The run and the SavedModel answer many times as many sentences as with one client, since TensorFlow needs hardly longer for a batch than for a sentence. The small model computes its batches sentence by sentence, and is the fastest for a single client.
#
# ## What the server writes down
#
# `/metrics` is for Prometheus. The log has one line for each request, with its time, its queue and its batch, but never its text.

# %% [markdown] lang="zh"
# 有 32 个客户端时，一个批次约有 16 个句子：计算其中一半时，另一半在等待。与只有一个客户端时相比，运行和 SavedModel 回答的句子多出许多倍，因为 TensorFlow 计算一个批次并不比一个句子慢多少。小模型的批次是逐句计算的；只有单独一个客户端时，它最快。
#
# ## 服务器记录什么
#
# `/metrics` 供 Prometheus 使用。日志中每个请求占一行，有时间、排队和批次，但从不包含文本。

# %%
for line in ask("/metrics").splitlines():
    if line.startswith(("kseq_requests_total", "kseq_sources_total", "kseq_workers{")):
        print(line)
print([entry for entry in read_log("request") if "model" in entry][-1])
print("a sentence in the log:", sentence in log_file.read_text(encoding="utf-8"))

# %% [markdown]
# ## A page for people
#
# The server has a page at its address: whoever types a sentence sees the output and the attention. In a notebook, `translator.app()` shows the same page, served by a thread of the kernel until `stop()`. In the stored notebook it is empty, because nobody answers any more: run the cell, and leave out the last line. In Colab it needs one more line ([docs/serving.md](../docs/serving.md)).

# %% [markdown] lang="zh"
# ## 给人用的网页
#
# 服务器的地址上有一个网页：输入一个句子，就能看到输出和注意力。在笔记本中，`translator.app()` 显示同样的网页，由内核的一个线程提供，直到 `stop()` 为止。在保存的笔记本中它是空的，因为已经没有谁来回答：运行这个单元格，并去掉最后一行。在 Colab 中还需要一行代码（[docs/serving.md](../docs/serving.md)）。

# %%
from IPython.display import display

app = translator.app(height=450)
display(app)
with urllib.request.urlopen(app.url) as response:
    print(response.status, response.headers["Content-Type"])
app.stop()

# %% [markdown]
# ## Stop it
#
# On SIGTERM the server takes no new connections, answers what waits, ends its workers, and exits with code 0.

# %% [markdown] lang="zh"
# ## 停止服务器
#
# 收到 SIGTERM 后，服务器不再接受新的连接，回答仍在等待的请求，结束工作进程，然后以代码 0 退出。

# %%
server.terminate()
print("exit code", server.wait(60))
print([entry["event"] for entry in map(json.loads, log_file.read_text().splitlines())][-3:])

# %% [markdown]
# What to try next: put the models into a folder of versions, `1/` and `2/`, and watch the server change from one to the other while clients ask; [docs/serving.md](../docs/serving.md) tells how. [docs/fleet.md](../docs/fleet.md) has examples for containers, KServe, TensorFlow Serving and Ray Serve.

# %% [markdown] lang="zh"
# 接下来可以试试：把模型放进一个按版本划分的文件夹 `1/` 和 `2/`，观察服务器怎样在客户端提问的同时从一个版本换到另一个；做法见 [docs/serving.md](../docs/serving.md)。[docs/fleet.md](../docs/fleet.md) 有容器、KServe、TensorFlow Serving 和 Ray Serve 的例子。
