"""Settings of the training: batches, optimizer, precision and checkpoints."""

import dataclasses
from typing import Literal

from kseq.errors import SettingError
from kseq.fields import Section, number

# Validation figures that need outputs of the model.
DECODED_TEXT = ("val_exact_match", "val_token_error_rate", "val_bleu", "val_chrf")
DECODED_VALUES = ("val_free_run_error",)
DECODED = DECODED_TEXT + DECODED_VALUES

_DECODED_PAIRS = 500  # whose outputs decide on the best weights, unless another number is set
# The parts of a model, in the order of its data flow.
Part = Literal["source_embedding", "encoder", "attention", "decoder", "target_embedding", "output"]


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Section):
    """How a model is trained.

    Args:
        epochs: Maximum number of passes over the training split.
        batch_size: Number of sentences in a batch.
        batch_tokens: Maximum number of tokens in a batch, padding included, on the side that has
            more; it replaces `batch_size`. 0 for batches of `batch_size` sentences.
        optimizer: Optimizer, one of those of Keras. `"adamw"` is Adam with `weight_decay`.
        learning_rate: Highest learning rate, which is reached after the warm-up.
        schedule: How the learning rate falls after the warm-up. `"cosine"` and `"linear"`: down to
            a twentieth at the end of the last epoch (with `batch_tokens` a little before, because
            the number of batches is an estimate). `"inverse_sqrt"`: with the square root of the
            step (Vaswani et al. 2017, arXiv 1706.03762, equation 3). `"plateau"`: it is halved
            after each validation without an improvement. `"constant"`: it does not fall.
        warmup_steps: Number of steps in which the learning rate rises from 0; at most a tenth of
            all steps.
        weight_decay: Share of every weight, except for biases, that a step at a learning rate of 1
            subtracts (Loshchilov and Hutter 2019, arXiv 1711.05101); at a lower rate
            proportionally less.
        gradient_accumulation: Number of batches whose mean gradient makes one update.
        gradient_clip: Maximum of the gradient's global norm; larger gradients are scaled down.
        ema: Decay of the exponential moving average of the weights, such as 0.999; the averages are
            validated and kept in place of the weights. 0 for none.
        label_smoothing: Share of the probability that is spread over the whole vocabulary.
        subword_sampling: 0 for the best segmentation into subwords. Otherwise every sentence is
            segmented at random in every epoch, without a seed: with
            `subword_algorithm="unigram"` this is the exponent of a segmentation's probability
            (0.1 to 0.5; the smaller, the more varied), with `"bpe"` the probability of leaving
            out a merge (0.1).
        word_dropout: Share of the words that the encoder and the decoder read that become UNK in
            each training step (Bowman et al. 2016; Sennrich et al. 2016); labels do not change.
        scheduled_sampling: Share of the decoder's inputs that come from the model itself instead of
            the correct target, at the end of the schedule (Bengio et al. 2015). Words are drawn
            from the model's distribution; real values are its predictions.
        sampling_schedule: How that share grows from 0: `"linear"`, `"exponential"` or
            `"inverse_sigmoid"`; `"constant"` is the whole share from the first step on.
        sampling_steps: Number of training steps after which the share is reached, to within 1% of
            it; 0 for all steps of the training.
        guided_alignment: Weight of a loss that draws the attention towards the word alignments of
            the training pairs (Chen et al. 2016), which come with the corpus (`train_alignments`).
        coverage_loss_start: Number of training steps before `coverage_loss` sets in. See et al.
            2017 added it for the last 3,000 of 233,000 steps.
        precision: `"float32"`; or `"mixed_bfloat16"`, with products in bfloat16, which are
            faster on GPUs and on processors with AVX512-BF16 or AMX. Weights, softmax, loss and
            every use of the trained model stay in float32. `"mixed_float16"` is the same in
            float16 with loss scaling, for GPUs that are too old for bfloat16 (NVIDIA's before
            Ampere). `"auto"` measures whether this machine multiplies faster in half precision,
            and the run records the choice.
        maximum_length: Pairs with more tokens than this on either side are left out.
        maximum_frames: Pairs with more steps of real values than this are left out.
        monitor: Validation figure that decides on the best weights, on early stopping and on
            `schedule="plateau"`. `"auto"` is the cross-entropy per token, or for real values the
            error per step. For the last five, the model writes outputs in each validation.
        validate_every: Number of batches between two validations within an epoch, in addition to
            the validation at its end; 0 for none.
        decoded_pairs: Number of validation pairs for which the model writes outputs in each
            validation, by greedy search or a free run; some are shown. 0 for none, or for 500 if
            `monitor` needs outputs. A smaller split is decoded as a whole.
        patience: Number of validations without an improvement after which training stops.
        checkpoints: Number of last epochs whose weights are kept in addition to the best weights;
            `kseq average` averages them.
        save_minutes: Minutes of training after which its state is saved again, so that training can
            go on from there; it is also saved after epochs. Another value does not change the
            weights.
        source_vectors: File of pretrained source embeddings, in the text format of word2vec or
            GloVe; `""` for none.
        target_vectors: File of pretrained target embeddings, likewise.
        freeze_vectors: Whether embeddings from such a file are frozen; those of other words are
            trained in either case.
        grow_vocabulary: Whether the vocabularies of the run that training starts from get the new
            words (or characters) of the training split, as many as `minimum_frequency` and
            `maximum_vocabulary_size` allow. Subwords can spell new words and stay as they are.
        freeze: Parts of the model that keep the weights of the run that training starts from, such
            as `("encoder", "source_embedding")`: see `kseq.models.parts`.
        seed: Seed of weights, dropout and the order of the batches. The same seed gives the same
            training on any machine and any number of devices, except for rounding.

    Raises:
        ValueError: A value is out of range, or contradicts another.
        TypeError: A value has the wrong type.
    """

    epochs: int = number(10, minimum=1, maximum=1_000_000)
    batch_size: int = number(128, minimum=1, maximum=1_000_000)
    batch_tokens: int = number(0, minimum=0, maximum=100_000_000)
    optimizer: Literal[
        "adam", "adamw", "adafactor", "adagrad", "lamb", "lion", "nadam", "rmsprop", "sgd"
    ] = "adam"
    learning_rate: float = number(1e-3, minimum=1e-8, maximum=10.0)
    schedule: Literal["cosine", "linear", "inverse_sqrt", "plateau", "constant"] = "cosine"
    warmup_steps: int = number(400, minimum=0, maximum=1_000_000)
    weight_decay: float = number(0.0, minimum=0.0, maximum=1.0)
    gradient_accumulation: int = number(1, minimum=1, maximum=10_000)
    gradient_clip: float = number(1.0, minimum=1e-6, maximum=1e6)
    ema: float = number(0.0, minimum=0.0, maximum=0.999999)
    label_smoothing: float = number(0.0, minimum=0.0, maximum=0.9)
    subword_sampling: float = number(0.0, minimum=0.0, maximum=1.0)
    word_dropout: float = number(0.0, minimum=0.0, maximum=0.95)
    scheduled_sampling: float = number(0.0, minimum=0.0, maximum=1.0)
    sampling_schedule: Literal["constant", "linear", "exponential", "inverse_sigmoid"] = "linear"
    sampling_steps: int = number(0, minimum=0, maximum=1_000_000_000)
    guided_alignment: float = number(0.0, minimum=0.0, maximum=1000.0)
    coverage_loss_start: int = number(0, minimum=0, maximum=1_000_000_000)
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"] = "float32"
    maximum_length: int = number(100, minimum=1, maximum=1_000_000)
    maximum_frames: int = number(3000, minimum=1, maximum=1_000_000)
    monitor: Literal[
        "auto",
        "val_loss",
        "val_cross_entropy",
        "val_perplexity",
        "val_accuracy",
        "val_mean_squared_error",
        "val_binary_cross_entropy",
        "val_exact_match",
        "val_token_error_rate",
        "val_bleu",
        "val_chrf",
        "val_free_run_error",
    ] = "auto"
    validate_every: int = number(0, minimum=0, maximum=1_000_000_000)
    decoded_pairs: int = number(0, minimum=0, maximum=1_000_000)
    patience: int = number(3, minimum=1, maximum=1_000_000)
    checkpoints: int = number(0, minimum=0, maximum=1000)
    save_minutes: float = number(10.0, minimum=0.0, maximum=1e6)
    source_vectors: str = ""
    target_vectors: str = ""
    freeze_vectors: bool = False
    grow_vocabulary: bool = False
    freeze: tuple[Part, ...] = ()
    seed: int = number(1, minimum=0, maximum=2**32 - 1)

    def __post_init__(self):
        super().__post_init__()
        if self.batch_tokens and self.batch_size != type(self).batch_size:
            raise SettingError(
                "{batch_size}={0} has no effect with {batch_tokens}={1}; leave one of them out",
                *(self.batch_size, self.batch_tokens),
            )
        if self.freeze_vectors and not (self.source_vectors or self.target_vectors):
            raise SettingError("{freeze_vectors}=true needs {source_vectors} or {target_vectors}")
        if self.optimizer == "adamw" and not self.weight_decay:
            raise SettingError("{optimizer}=adamw needs {weight_decay}; set weight_decay=0.01")
        if self.optimizer == "adam" and self.weight_decay:
            raise SettingError("{weight_decay}={0} needs {optimizer}=adamw", self.weight_decay)
        if self.monitor in DECODED and not self.decoded_pairs:
            object.__setattr__(self, "decoded_pairs", _DECODED_PAIRS)
        for name in ("sampling_schedule", "sampling_steps"):
            value = getattr(self, name)
            if value != getattr(type(self), name) and not self.scheduled_sampling:
                raise SettingError(
                    "{field}={0} needs {scheduled_sampling}, such as {scheduled_sampling}=0.5",
                    value,
                    field=name,
                )
        if self.sampling_steps and self.sampling_schedule == "constant":
            raise SettingError(
                "{sampling_steps}={0} has no effect with {sampling_schedule}=constant; leave one "
                "of them out",
                self.sampling_steps,
            )
