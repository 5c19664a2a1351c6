"""The part of benchmarks/peers.py that runs a plain PyTorch model, written as tutorials teach it.

A bidirectional GRU encoder, additive attention and a GRU decoder (Bahdanau et al. 2015), with a
loop in Python over the target: one step of embedding, attention, GRU and output layer after the
other. Usage, with a Python that has PyTorch:

    python benchmarks/peers_pytorch.py learn DATA FOLDER
    python benchmarks/peers_pytorch.py decode DATA FOLDER NAME

Both print lines of JSON. DATA holds files of tokens separated by spaces, FOLDER settings.json.
"""

import json
import pathlib
import random
import sys
import time

import torch
from torch import nn

PAD, START, END, UNKNOWN = range(4)
MAXIMUM_STEPS = 100


class Encoder(nn.Module):
    """Reads a source `[B, S]`; returns the memory `[B, S, H]` and a state `[1, B, H]`."""

    def __init__(self, vocabulary, settings):
        super().__init__()
        units = settings["units"]
        self.embedding = nn.Embedding(vocabulary, settings["embedding_dim"], padding_idx=PAD)
        self.dropout = nn.Dropout(settings["dropout"])
        self.gru = nn.GRU(
            settings["embedding_dim"], units // 2, batch_first=True, bidirectional=True
        )
        self.bridge = nn.Linear(units, units)

    def forward(self, source):
        """See the class."""
        embedded = self.dropout(self.embedding(source))
        lengths = (source != PAD).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(
            embedded, lengths, batch_first=True, enforce_sorted=False
        )
        memory, states = self.gru(packed)
        memory, _ = nn.utils.rnn.pad_packed_sequence(memory, batch_first=True)
        state = torch.tanh(self.bridge(torch.cat([states[0], states[1]], dim=1)))
        return memory, state.unsqueeze(0)


class Decoder(nn.Module):
    """One step: from a token `[B]` and a state `[1, B, H]` to logits `[B, V]` and a new state."""

    def __init__(self, vocabulary, settings):
        super().__init__()
        units, width = settings["units"], settings["embedding_dim"]
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.dropout = nn.Dropout(settings["dropout"])
        self.energy = nn.Linear(2 * units, units)
        self.score = nn.Linear(units, 1, bias=False)
        self.gru = nn.GRU(width + units, units, batch_first=True)
        self.output = nn.Linear(2 * units + width, vocabulary)

    def forward(self, token, state, memory, mask):
        """See the class; `mask` `[B, S]` is true on tokens."""
        embedded = self.dropout(self.embedding(token)).unsqueeze(1)
        queries = state[0].unsqueeze(1).expand(-1, memory.shape[1], -1)
        energies = self.score(torch.tanh(self.energy(torch.cat([queries, memory], dim=2))))
        energies = energies.squeeze(2).masked_fill(~mask, -1e10)
        context = torch.bmm(torch.softmax(energies, dim=1).unsqueeze(1), memory)
        output, state = self.gru(torch.cat([embedded, context], dim=2), state)
        logits = self.output(torch.cat([output, context, embedded], dim=2))
        return logits.squeeze(1), state


class Model(nn.Module):
    """The encoder and the decoder, with the two loops over the target."""

    def __init__(self, sizes, settings):
        super().__init__()
        self.encoder = Encoder(sizes[0], settings)
        self.decoder = Decoder(sizes[1], settings)

    def forward(self, source, target):
        """Logits `[B, T, V]` by teacher forcing; `target` starts with START."""
        memory, state = self.encoder(source)
        mask, steps = source != PAD, []
        for position in range(target.shape[1] - 1):
            logits, state = self.decoder(target[:, position], state, memory, mask)
            steps.append(logits)
        return torch.stack(steps, dim=1)

    @torch.no_grad()
    def decode(self, source):
        """Ids of the outputs by greedy search, a list of lists."""
        memory, state = self.encoder(source)
        mask, steps = source != PAD, []
        token = torch.full([len(source)], START)
        have_ended = torch.zeros(len(source), dtype=torch.bool)
        while len(steps) < MAXIMUM_STEPS and not have_ended.all():
            logits, state = self.decoder(token, state, memory, mask)
            token = logits.argmax(1)
            have_ended |= token == END
            steps.append(token)
        rows = torch.stack(steps, dim=1).tolist()
        return [row[: row.index(END)] if END in row else row for row in rows]


class Pairs:
    """Pairs of tokens as ids, with vocabularies from the training pairs."""

    def __init__(self, data):
        self._data = data
        self.vocabularies = [
            {token: number for number, token in enumerate(self._tokens(side), start=UNKNOWN + 1)}
            for side in ("source", "target")
        ]
        self.sizes = [len(vocabulary) + UNKNOWN + 1 for vocabulary in self.vocabularies]

    def _lines(self, name, side):
        lines = self._read(name, side)
        if side == "source" and (self._data / f"{name}.features").exists():
            features = [
                [f"[{feature}]" for feature in line] for line in self._read(name, "features")
            ]
            lines = [tags + line for tags, line in zip(features, lines)]
        return lines

    def _read(self, name, side):
        lines = (self._data / f"{name}.{side}").read_text(encoding="utf-8").splitlines()
        return [line.split() for line in lines]

    def _tokens(self, side):
        return sorted({token for line in self._lines("train", side) for token in line})

    def read(self, name):
        """Reads a split: lists of source ids with END, and of target ids between START and END."""
        source, target = self.vocabularies
        sources = [
            [*(source.get(token, UNKNOWN) for token in line), END]
            for line in self._lines(name, "source")
        ]
        targets = [
            [START, *(target.get(token, UNKNOWN) for token in line), END]
            for line in self._lines(name, "target")
        ]
        return list(zip(sources, targets))

    def spell(self, ids):
        """The tokens of a target, joined by spaces."""
        names = {number: token for token, number in self.vocabularies[1].items()}
        return " ".join(names.get(number, "?") for number in ids)


def pad(rows):
    """Pads lists of ids to a tensor."""
    return nn.utils.rnn.pad_sequence(
        [torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD
    )


def batches(pairs, size):
    """Yields padded batches of pairs in their order."""
    for start in range(0, len(pairs), size):
        sources, targets = zip(*pairs[start : start + size])
        yield pad(sources), pad(targets)


def learn(pairs, folder, settings):
    """Trains, and prints the figures of each epoch."""
    torch.manual_seed(settings["seed"])
    shuffle = random.Random(settings["seed"]).shuffle
    train, valid = pairs.read("train"), pairs.read("valid")
    model = Model(pairs.sizes, settings)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
    criterion = nn.CrossEntropyLoss(ignore_index=PAD, label_smoothing=settings["label_smoothing"])
    started, validating = time.perf_counter(), 0.0
    for epoch in range(1, settings["epochs"] + 1):
        model.train()
        shuffle(train)
        for source, target in batches(train, settings["batch_size"]):
            optimizer.zero_grad()
            logits = model(source, target)
            criterion(logits.transpose(1, 2), target[:, 1:]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        trained = time.perf_counter()
        outputs = decode(model, valid, settings["batch_size"])
        correct = sum(output == row[1][1:-1] for output, row in zip(outputs, valid))
        validating += time.perf_counter() - trained
        seconds = time.perf_counter() - started
        figures = {
            "epoch": epoch,
            "seconds": round(seconds, 3),
            "training_seconds": round(seconds - validating, 3),
            "exact_match": correct / len(valid),
        }
        print(json.dumps(figures), flush=True)
    torch.save(model.state_dict(), folder / "weights.pt")


def decode(model, pairs, batch_size):
    """Ids of the outputs for the sources of pairs."""
    model.eval()
    return [ids for source, _ in batches(pairs, batch_size) for ids in model.decode(source)]


def measure_decoding(pairs, folder, settings, name):
    """Decodes a split, writes the outputs and prints the time."""
    model = Model(pairs.sizes, settings)
    model.load_state_dict(torch.load(folder / "weights.pt"))
    rows = pairs.read(name)
    started = time.perf_counter()
    outputs = decode(model, rows, settings["batch_size"])
    print(json.dumps({"seconds": time.perf_counter() - started}))
    text = "".join(f"{pairs.spell(ids)}\n" for ids in outputs)
    (folder / "outputs").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    verb, data_folder, run_folder, *names = sys.argv[1:]
    run_folder = pathlib.Path(run_folder)
    given = json.loads((run_folder / "settings.json").read_text())
    {"learn": learn, "decode": measure_decoding}[verb](
        Pairs(pathlib.Path(data_folder)), run_folder, given, *names
    )
