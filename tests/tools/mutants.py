"""The mutants of `mutate.py`: mistakes that a person could make, each in one place of the package.

The place is found by its text, which occurs once in the package, so files can be moved. If the
code changes, change the text here; `mutate.py --list` reports texts that no longer occur once.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A mistake in the package.

    Attributes:
        name: A short name, for the command line.
        text: A text that occurs once in the package.
        mistake: The text that replaces it.
        effect: The consequence.
        tests: The test files to run first, without `test_` and `.py`.
    """

    name: str
    text: str
    mistake: str
    effect: str
    tests: str


MUTANTS = [
    # Files and settings
    Mutant(
        "lock-of-a-removed-file",
        "if is_free and _is_there(descriptor, folder / MARK):",
        "if is_free:",
        "two processes write to the same place at the same time",
        "locks",
    ),
    Mutant(
        "restore-lost",
        "        else:\n            old.rename(place)",
        "        else:\n            shutil.rmtree(old)",
        "a run that was being replaced when the process was killed is not restored",
        "files",
    ),
    Mutant(
        "leftover-kept",
        "            unfinished.unlink()",
        "            pass",
        "an interrupted write leaves its unfinished file",
        "files",
    ),
    Mutant(
        "contradiction-accepted",
        "if self.batch_tokens and self.batch_size != type(self).batch_size:",
        "if self.batch_tokens and self.batch_size == 0:",
        "a batch size that has no effect is accepted",
        "config",
    ),
    # runs
    Mutant(
        "command-with-folders",
        'return name + equals + _FOLDERS.sub("", value)',
        "return name + equals + value",
        "a run that is shared names folders of its author",
        "provenance",
    ),
    Mutant(
        "duration-of-one-process",
        'participants |= {"stopwatch": run.stopwatch} if run else {}',
        "pass",
        "a run records only the time of the last process that trained it",
        "resume",
    ),
    Mutant(
        "best-is-last",
        "return min(candidates, key=lambda row: sign * row[measure], default=None)",
        "return max(candidates, key=lambda row: sign * row[measure], default=None)",
        "the list of runs shows the worst epoch",
        "runs_overview",
    ),
    Mutant(
        "other-tokens-are-other-data",
        "if None not in fingerprints and _encoding(first_config) == _encoding(config):",
        "if None not in fingerprints:",
        "the same corpus with another tokenizer is said to be different",
        "runs_comparison",
    ),
    Mutant(
        "events-repeated",
        "kept = [(record, event) for record, event in records if event.step <= step]",
        "kept = list(records)",
        "a curve runs twice over the batches after which a training went on",
        "event_files",
    ),
    # analysis
    Mutant(
        "entropy-in-nats",
        "logarithms = np.log2(shares",
        "logarithms = np.log(shares",
        "entropies are in nats, not bits",
        "measures",
    ),
    Mutant(
        "coverage-of-targets",
        "return np.asarray(attention, np.float64).sum(axis=0)",
        "return np.asarray(attention, np.float64).sum(axis=1)",
        "coverage is summed over the wrong axis",
        "measures",
    ),
    Mutant(
        "error-rate-halved",
        "return 1.0 - 2.0 * shared / total",
        "return 1.0 - shared / total",
        "the alignment error rate counts shared links once",
        "alignment",
    ),
    Mutant(
        "reading-not-exchanged",
        "_swap(_strongest_links(weights.T)), method)",
        "_strongest_links(weights.T), method)",
        "source and target are exchanged in the links of the second direction",
        "alignment",
    ),
    Mutant(
        "error-rate-of-outputs",
        "100.0 * errors / sum(map(len, references))",
        "100.0 * errors / sum(map(len, outputs))",
        "the token error rate is relative to the outputs",
        "evaluation",
    ),
    Mutant(
        "probable-words-marked",
        "np.flatnonzero(log_probabilities < limit)",
        "np.flatnonzero(log_probabilities > limit)",
        "a heatmap marks the probable words",
        "heatmap",
    ),
    # cli
    Mutant(
        "answer-not-flushed",
        "show(line, flush=not options.files)",
        "show(line)",
        "a program that waits for an answer waits forever",
        "cli_search cli",
    ),
    Mutant(
        "option-ignored",
        "for name in _DATA_OPTIONS if name not in splits}",
        'for name in _DATA_OPTIONS if name not in (*splits, "apart")}',
        "--apart is ignored",
        "cli",
    ),
    # corpora
    Mutant(
        "duplicates-as-read",
        "not earlier.add(tidied)",
        "not earlier.add(tuple(pair))",
        "duplicates are looked for before pairs are tidied",
        "cleaning",
    ),
    Mutant(
        "test-pairs-not-apart",
        "train.apart_from(*filter(None, (valid, test)))",
        "train.apart_from(valid)",
        "training pairs share sentences with the test split",
        "corpora",
    ),
    Mutant(
        "wrong-piece-appended",
        "if not span or int(span[1]) != offset:",
        "if not span:",
        "a download appends a piece from another place in the file",
        "downloads",
    ),
    Mutant(
        "target-mistaken-for-source",
        '_fingerprint(f"\\t{target}")',
        '_fingerprint(f"{target}\\t")',
        "a target is the same as a source of the same letters",
        "fingerprints",
    ),
    Mutant(
        "spread-of-parts",
        "self._squares + squares + np.square(shift) * self.count * share",
        "self._squares + squares",
        "the standard deviation ignores how the means of arrays differ",
        "values",
    ),
    # inspection
    Mutant(
        "short-targets-pass",
        "distances = np.abs(_log_ratios(source_lengths, target_lengths) - np.log(self.ratio))",
        "distances = _log_ratios(source_lengths, target_lengths) - np.log(self.ratio)",
        "targets that are too short are not suspicious",
        "inspection",
    ),
    Mutant(
        "swapped-learnt-as-read",
        "self._counts[side ^ is_swapped] +=",
        "self._counts[side] +=",
        "swapped pairs are learnt as they are",
        "inspection",
    ),
    # kernels
    Mutant(
        "first-step-without-gradient",
        "            lambda time, *_: time >= 0,\n            body,",
        "            lambda time, *_: time > 0,\n            body,",
        "the backward pass of a loop leaves out the first step",
        "recurrence",
    ),
    Mutant(
        "gradient-transposed",
        "(columns, rows) if transposed else (rows, columns)",
        "(rows, columns) if transposed else (columns, rows)",
        "the gradient of keys and memory is transposed",
        "recurrence",
    ),
    Mutant(
        "gradient-stops-at-padding",
        "                tf.where(is_real[time], gradient, padding_gradient)",
        "                tf.where(is_real[time], gradient, tf.zeros_like(padding_gradient))",
        "gradients do not pass through padded steps",
        "layers",
    ),
    Mutant(
        "smoothing-without-gradient",
        "labels, batch_dims=1) - spread - (1 - label_smoothing)",
        "labels, batch_dims=1) - (1 - label_smoothing)",
        "the gradient at the label ignores its share of the label smoothing",
        "teacher",
    ),
    Mutant(
        "dropout-not-scaled",
        "tf.cast(_LEVELS / (_LEVELS - dropped), inputs.dtype)",
        "tf.cast(1.0, inputs.dtype)",
        "values that dropout keeps are not scaled",
        "dropout",
    ),
    Mutant(
        "adam-step-ahead",
        "tf.cast(self.iterations + 1, variable.dtype)",
        "tf.cast(self.iterations + 2, variable.dtype)",
        "the bias correction of Adam is one step ahead",
        "optimizer",
    ),
    # models
    Mutant(
        "coverage-forgotten",
        "return [state[0] + ops.squeeze(weights, 1)]",
        "return [ops.squeeze(weights, 1)]",
        "coverage holds the weights of the last step only",
        "attention combinations",
    ),
    Mutant(
        "window-past-the-end",
        "return ops.minimum(state[0], lengths - 1.0)",
        "return ops.minimum(state[0], lengths)",
        "monotonic attention goes one position past the source",
        "attention combinations",
    ),
    Mutant(
        "reversed-with-a-gap",
        "ops.where(mask, lengths - 1 - positions, positions)",
        "ops.where(mask, ops.maximum(lengths - 2 - positions, 0), positions)",
        "a reversed source loses its last position",
        "encoders combinations",
    ),
    Mutant(
        "update-gate-inverted",
        "return [candidate + update * (hidden - candidate)]",
        "return [hidden + update * (candidate - hidden)]",
        "the update gate of a GRU is inverted",
        "cells combinations",
    ),
    Mutant(
        "positions-from-zero",
        "first + ops.arange(ops.shape(embedded)[1], dtype=",
        "0 * first + ops.arange(ops.shape(embedded)[1], dtype=",
        "a Transformer decodes every step at position 0",
        "transformer combinations",
    ),
    Mutant(
        "next-token-seen",
        "ops.arange(total) <= last",
        "ops.arange(total) <= last + 1",
        "a Transformer attends to the token that it has to predict",
        "transformer combinations",
    ),
    Mutant(
        "memory-of-padding",
        "    return sequence * ops.expand_dims(ops.cast(mask, sequence.dtype), -1)\n",
        "    return sequence\n",
        "the memory of a Transformer is not 0 on padding",
        "transformer combinations",
    ),
    # pipeline
    Mutant(
        "padding-counts",
        "tf.sequence_mask(targets.row_lengths() - 1,",
        "tf.sequence_mask(targets.row_lengths(),",
        "a position of padding counts in the loss",
        "batches pipeline",
    ),
    Mutant(
        "longest-left-out",
        "fits &= (lengths >= codec.side.shortest) & (lengths <= limit)",
        "fits &= (lengths >= codec.side.shortest) & (lengths < limit)",
        "sequences of exactly the maximum length are left out",
        "pipeline",
    ),
    Mutant(
        "cache-of-other-settings",
        "*(config.training.maximum_length, config.training.subword_sampling > 0),",
        "config.training.subword_sampling > 0,",
        "a cached corpus is used for another maximum length",
        "encoded",
    ),
    Mutant(
        "ids-not-flushed",
        "        self._files[2 * column].flush()\n",
        "",
        "ids that are still buffered are not renumbered",
        "encoded",
    ),
    # runs
    Mutant(
        "changed-weights-accepted",
        "if written and _checksum(path) not in written:",
        "if False:",
        "damaged weights are loaded",
        "weights",
    ),
    Mutant(
        "average-of-weights",
        "model.set_weights([total / len(checkpoints) for total in sums])",
        "model.set_weights([total / (len(checkpoints) + 1) for total in sums])",
        "averaged weights are too small",
        "weights cli_search",
    ),
    Mutant(
        "edited-vocabulary-accepted",
        "        if not _has_checksum(folder / name, record.checksums.get(name)):",
        "        if name in record.checksums and not (folder / name).exists():",
        "a run whose vocabulary was edited is loaded",
        "translator training",
    ),
    # search
    Mutant(
        "coverage-penalty-added",
        "scores += coverage_penalty(hypotheses",
        "scores -= coverage_penalty(hypotheses",
        "the coverage penalty is a reward",
        "search",
    ),
    Mutant(
        "end-too-early",
        "too_early = (time + 1 < requirements.minimum_lengths)",
        "too_early = (time + 2 < requirements.minimum_lengths)",
        "outputs may be a token shorter than the minimum",
        "rules search",
    ),
    Mutant(
        "attention-of-another-hypothesis",
        "lambda array: read(array, parents), history.attention",
        "lambda array: read(array, places), history.attention",
        "a hypothesis has the attention of another one",
        "search",
    ),
    Mutant(
        "group-left-out",
        "best = tf.sort(tf.math.top_k(maxima, count + 1)[1], axis=1)",
        "best = tf.sort(tf.math.top_k(maxima, count)[1], axis=1)",
        "the best candidate is not considered where an id is required",
        "search",
    ),
    # text
    Mutant(
        "capitals-of-one-letter",
        "changes = follows | (tf.gather(first, run) == CAPITALS)",
        "changes = follows",
        "only the first letter of a word in capitals is restored",
        "letter_case",
    ),
    Mutant(
        "last-vector-wins",
        "for rank, row in tokens_by_word[word] if rank < ranks[row]]",
        "for rank, row in tokens_by_word[word] if rank <= ranks[row]]",
        "the last of several vectors of a word is used",
        "vectors",
    ),
    Mutant(
        "rare-words-chosen",
        "        (-count, token)\n",
        "        (count, token)\n",
        "the vocabulary is made of the rarest tokens",
        "text",
    ),
    # training
    Mutant(
        "layer-losses-by-part",
        "[added * tf.reduce_sum(shares) for added in self.losses]",
        "[added for added in self.losses]",
        "the coverage loss counts once for each part of a batch",
        "teacher",
    ),
    Mutant(
        "last-weights-saved",
        "return value > self.best if self.name in HIGHER_IS_BETTER else value < self.best",
        "return True",
        "the weights of the last epoch are saved, not the best ones",
        "training",
    ),
    Mutant(
        "patience-ignored",
        "self.monitor.without_improvement >= self._training.patience",
        "self.monitor.without_improvement >= 1",
        "training stops after the first epoch without an improvement",
        "training",
    ),
    Mutant(
        "dropout-repeats",
        '"model": teacher.model.variables,',
        '"model": teacher.model.weights,',
        "a training that goes on repeats the dropout of its beginning",
        "resume",
    ),
    Mutant(
        "optimizer-forgotten",
        '"optimizer": teacher.optimizer.variables,',
        '"optimizer": [],',
        "a training that goes on has lost the moments of Adam",
        "resume",
    ),
    Mutant(
        "validation-counted",
        '            variable.assign(value)\n        figures = {f"val_{name}"',
        '            pass\n        figures = {f"val_{name}"',
        "a validation within an epoch empties the metrics of training",
        "validation",
    ),
    Mutant(
        "weights-validated-for-averages",
        "with averages.in_place() if averages else contextlib.nullcontext():",
        "with contextlib.nullcontext():",
        "the weights are kept in place of their averages",
        "validation",
    ),
    Mutant(
        "biases-decay",
        '_WITHOUT_DECAY = ["bias", "gamma", "beta"]',
        '_WITHOUT_DECAY = ["gamma", "beta"]',
        "the weight decay pulls biases towards 0",
        "optimizer",
    ),
    Mutant(
        "infinite-gradients-applied",
        'norm = require_finite(tf.linalg.global_norm(gradients), "gradient")',
        "norm = tf.linalg.global_norm(gradients)",
        "an infinite gradient destroys the weights",
        "optimizer",
    ),
    Mutant(
        "epochs-alike",
        "first = self._seed * _EPOCHS + self.epoch",
        "first = self._seed * _EPOCHS",
        "all epochs have the same order",
        "pipeline",
    ),
    # several devices, and errors
    Mutant(
        "states-removed",
        "is_kept = error is not None and self._kind.can_go_on(self.folder)",
        "is_kept = False",
        "an error removes the states of a run that has no weights yet",
        "resume",
    ),
    Mutant(
        "rows-draw-alike",
        "skipped = tf.cast(batch.first_row, tf.int64)",
        "skipped = tf.cast(0, tf.int64)",
        "all parts of a batch have the dropout of its first rows",
        "dropout",
    ),
    Mutant(
        "rows-left-out",
        "own = slice(first, tf.maximum(end, first + 1))",
        "own = slice(first, first + 1)",
        "a device trains on one row of its portion",
        "portions",
    ),
    Mutant(
        "coverage-after-the-end",
        "(target_ids != PAD) & (target_ids != END)",
        "(target_ids != PAD)",
        "the coverage loss counts a step after the end of short sentences",
        "models",
    ),
    Mutant(
        "address-without-port",
        "if not (host and port.isdecimal()):",
        "if not host:",
        "a worker without a port is accepted",
        "workers",
    ),
    # translation
    Mutant(
        "last-translation-wins",
        "entries.setdefault(word, translation)",
        "entries[word] = translation",
        "the last of several translations of a word is used",
        "unknown_words",
    ),
    Mutant(
        "ensemble-geometric",
        "return tf.reduce_logsumexp(log_probabilities, axis=0) - math.log(len(outputs))",
        "return tf.reduce_mean(log_probabilities, axis=0)",
        "an ensemble averages log-probabilities where it should average probabilities",
        "inference decoding",
    ),
    Mutant(
        "seeds-repeat",
        "            first += len(chunk)\n",
        "",
        "the second chunk of sources is sampled with the seeds of the first",
        "decoding translator",
    ),
    Mutant(
        "exported-padding-read",
        '"source": tf.where(mask[:, :, None], codec.standardize(source), 0.0),',
        '"source": codec.standardize(source),',
        "an exported model reads the padding of a real-valued source",
        "export export_combinations value_models",
    ),
    # serving
    Mutant(
        "host-names-unchecked",
        'if scope["type"] == "http" and not self._is_known(name := _host_name(scope)):',
        'if scope["type"] == "never" and not self._is_known(name := _host_name(scope)):',
        "a page of a stranger whose name points at this machine reads the answers of a server",
        "serving",
    ),
    Mutant(
        "loopback-by-prefix",
        'return name == "localhost" or name.endswith(".localhost")',
        'return name.startswith("localhost")',
        "localhost.evil.example.org passes for this machine",
        "serving",
    ),
    # own parts
    Mutant(
        "own-weights-not-normalised",
        'if "feature_attention" in outputs or isinstance(config.attention, OwnPart):',
        'if "feature_attention" in outputs:',
        "a model that copies by weights of one's own gives no probabilities",
        "own_parts",
    ),
    Mutant(
        "inputs-of-a-sum-lost",
        "sums[index] = sums[index] + term if index in sums else term",
        "sums[index] = term",
        "of several terms of a sum only the last one counts",
        "own_parts cells",
    ),
    Mutant(
        "ensemble-refused-late",
        "    if not is_ensemble(folder):\n        write_ensemble(folder, numbers)\n",
        "",
        "models are trained for a folder that cannot become an ensemble",
        "ensembles",
    ),
    # plain NumPy
    Mutant(
        "reset-gate-gradient",
        "np.concatenate([*gates, candidate_gradient * reset], axis=-1),",
        "np.concatenate([*gates, candidate_gradient], axis=-1),",
        "the gradient of a GRU in NumPy passes a closed reset gate",
        "numpy_reference",
    ),
    # Conversations, recordings, forecasts, films
    Mutant(
        "one-turn-more",
        "for turn in turns[-count:])",
        "for turn in turns[-count - 1 :])",
        "a model of dialogue reads a turn more than its setting says",
        "dialogues",
    ),
    Mutant(
        "turns-split-apart",
        "        return pair[0].conversation",
        "        return pair[0]",
        "turns of a conversation are in different splits",
        "dialogues",
    ),
    Mutant(
        "reply-forgotten",
        "turns += [text] * bool(text)",
        "turns += []",
        "the model does not remember its own replies in a chat",
        "dialogues",
    ),
    Mutant(
        "frame-lost",
        "return (lengths - self.window) // self.hop + 1",
        "return (lengths - self.window) // self.hop",
        "the last frame of every recording is not read",
        "speech",
    ),
    Mutant(
        "natural-power",
        "tf.maximum(tf.matmul(power, _bands(self)), FLOOR)",
        "tf.maximum(tf.matmul(tf.sqrt(power), _bands(self)), FLOOR)",
        "bands hold magnitudes, not energies",
        "log_mel",
    ),
    Mutant(
        "first-channel",
        "return Recording(samples.mean(axis=1), sample_rate)",
        "return Recording(samples[:, 0], sample_rate)",
        "the second channel of a stereo recording is lost",
        "recordings",
    ),
    Mutant(
        "covariates-late",
        "return self.next_input(values, covariates[:, step])",
        "return self.next_input(values, covariates[:, step - 1])",
        "a free run reads what is known about the step before",
        "covariates",
    ),
    Mutant(
        "covariates-raw",
        "return (covariates - self.mean[self.features :]) / self.scale[self.features :]",
        "return covariates",
        "covariates of a prediction are not standardised",
        "covariates",
    ),
    Mutant(
        "film-stands-still",
        "axes.images[0].set_data(weights)",
        "axes.images[0].get_array()",
        "all frames of a film show the first weights",
        "film",
    ),
]
