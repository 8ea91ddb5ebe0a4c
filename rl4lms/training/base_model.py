"""Base language models: a small GPT-2 or T5 trained from scratch on the tasks' text, or a published model as it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.io import canonical_json, sha256_text, write_json
from rl4lms.core.pretrained import model_from_pretrained, positions
from rl4lms.core.seeding import derive_seed
from rl4lms.core.work_directory import publish_run, work_directory, work_path
from rl4lms.tokenization.tokenizer import load_tokenizer, save_tokenizer, sentinel_tokens, train_bpe
from rl4lms.training.fitting import FitCheckpoints, Optimisation, fit
from rl4lms.training.lm_data import (
    IGNORE,
    Batch,
    Denoising,
    causal_batches,
    denoising_batches,
    encode_documents,
    pack,
    pad_pairs,
    pieces,
    read_documents,
    vocabulary_text,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

N_SENTINELS = 32
HELDOUT_TOKENS = 40_000  # of validation text, about: enough for three digits of perplexity
HELDOUT_BLOCK = 96
HELDOUT_BATCH = 16
DECLARED = (
    "config.json",
    "generation_config.json",
    "metrics.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)


@dataclass(frozen=True)
class TrainingSettings:
    """The numbers of `training` in params/base_models.yaml; the last three are for text-to-text models alone.

    embedding_learning_rate: see `Optimisation`; None is `learning_rate`.
    A step sees `batch_size` blocks of `block_size` tokens (causal), or as many source and target tokens (seq2seq).
    """

    n_steps: int
    batch_size: int
    block_size: int
    learning_rate: float
    warmup_steps: int = 0
    weight_decay: float = 0.0
    embedding_learning_rate: float | None = None
    seed: int = 0
    noise_density: float = 0.15
    mean_noise_span_length: float = 3.0
    continuation_share: float = 0.5

    @property
    def optimisation(self) -> Optimisation:
        return Optimisation(
            self.n_steps, self.learning_rate, self.warmup_steps, self.weight_decay, self.embedding_learning_rate
        )


@dataclass(frozen=True)
class BaseModelSettings:
    """One family of params/base_models.yaml.

    model_name: a directory or hub id whose weights are taken unchanged; None trains from scratch, with
    `architecture` (keys of GPT2Config or T5Config), `vocab_size` and `training`. file: which errors name.
    """

    family: str
    type: Literal["causal", "seq2seq"]
    tasks: Sequence[str]
    architecture: Mapping[str, Any]
    model_name: str | None = None
    vocab_size: int | None = None
    training: TrainingSettings | None = None
    file: str = "base_models.yaml"

    @classmethod
    def from_params(cls, family: str, params: Mapping[str, Any]) -> BaseModelSettings:
        training, tokenizer = params.get("training"), params.get("tokenizer") or {}
        return cls(
            family=family,
            type=params["type"],
            tasks=params["tasks"],
            architecture=params.get("architecture") or {},
            model_name=params.get("model_name"),
            vocab_size=tokenizer.get("vocab_size"),
            training=TrainingSettings(**training) if training else None,
        )


def train_base_model(settings: BaseModelSettings, data_dir: Path, out_dir: Path) -> None:
    """Write model, tokenizer and metrics.json into `out_dir`. data_dir holds <task>/{train,validation}.jsonl.

    Equal inputs give equal bytes on one machine and thread count; the same call goes on from its last checkpoint.
    """
    read = [data_dir / task / f"{split}.jsonl" for task in settings.tasks for split in ("train", "validation")]
    if settings.model_name is not None:
        read.append(Path(settings.model_name))  # of a hub id there is no file
    with work_directory(work_path(out_dir), asdict(settings), read) as work:
        heldout = [d for task in settings.tasks for d in read_documents(task, data_dir / task / "validation.jsonl")]
        if settings.model_name is None:
            model, tokenizer, metrics = _train_from_scratch(settings, data_dir, work / "checkpoints")
        else:
            model, metrics = load_model(settings.model_name, settings.type), {}
            tokenizer = load_tokenizer(settings.model_name)
        progress.phase("perplexity of held-out text")
        metrics["n_parameters"] = sum(p.numel() for p in model.parameters())
        metrics |= heldout_metrics(model, tokenizer, heldout)
        model.save_pretrained(work)
        save_tokenizer(tokenizer, work)
        write_json(work / "metrics.json", metrics)
        publish_run(work, out_dir, DECLARED)


def load_model(name: str, kind: Literal["causal", "seq2seq"]) -> PreTrainedModel:
    """A model by directory or hub id, float32, in eval mode. Raises ConfigError if there is none of that kind."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    auto = AutoModelForCausalLM if kind == "causal" else AutoModelForSeq2SeqLM
    model: PreTrainedModel = model_from_pretrained(auto, name, f"{kind} model", dtype=torch.float32)
    model.eval()
    return model


def _train_from_scratch(
    settings: BaseModelSettings, data_dir: Path, checkpoints: Path
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, Any]]:
    training, vocab_size = settings.training, settings.vocab_size
    if training is None or vocab_size is None:
        raise ConfigError(f"base_models.yaml: {settings.family}: expected model_name, or tokenizer and training.")
    documents = {task: read_documents(task, data_dir / task / "train.jsonl") for task in settings.tasks}
    causal = settings.type == "causal"
    progress.phase("learning a vocabulary")
    tokenizer = train_bpe(
        vocabulary_text(documents),
        vocab_size,
        flavour="gpt2" if causal else "t5",
        model_max_length=int(settings.architecture.get("n_positions", 512)),
        n_sentinels=0 if causal else N_SENTINELS,
    )
    model = initial_model(settings, tokenizer, training.seed)
    groups = [encode_documents(tokenizer, texts) for texts in documents.values()]
    progress.phase("training")
    saves = FitCheckpoints(checkpoints, sha256_text(canonical_json(asdict(settings))))
    batches = _batches(settings.family, training, tokenizer, groups, causal)
    losses = fit(model, batches, training.optimisation, saves)
    tail = losses[-max(len(losses) // 20, 1) :]
    metrics = {
        "train_loss": round(sum(tail) / len(tail), 6),
        "n_documents": sum(map(len, groups)),
        "n_text_tokens": sum(len(tokens) for group in groups for tokens in group),
        "vocab_size": len(tokenizer),
    }
    return model, tokenizer, metrics


def _batches(
    family: str,
    training: TrainingSettings,
    tokenizer: PreTrainedTokenizerBase,
    groups: Sequence[Sequence[Sequence[int]]],
    causal: bool,
) -> Iterator[Batch]:
    keys = (training.seed, "base-model", family)
    if causal:
        return causal_batches(groups, tokenizer.eos_token_id, training.block_size, training.batch_size, *keys)
    objective = Denoising(
        noise_density=training.noise_density,
        mean_span_length=training.mean_noise_span_length,
        continuation_share=training.continuation_share,
        sentinel_ids=tuple(tokenizer.get_vocab()[token] for token in sentinel_tokens(N_SENTINELS)),
        eos_id=tokenizer.eos_token_id,
    )
    return denoising_batches(groups, objective, tokenizer.pad_token_id, training.block_size, training.batch_size, *keys)


def initial_model(settings: BaseModelSettings, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A GPT-2 or T5 with random weights drawn from `seed`; dropout 0 unless the architecture says otherwise."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "base-model", settings.family, "weights"))
        model = (_gpt2 if settings.type == "causal" else _t5)(settings, tokenizer)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model


def _gpt2(settings: BaseModelSettings, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    from transformers.models.gpt2.configuration_gpt2 import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel

    eos = tokenizer.eos_token_id
    defaults = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
    fixed = {"vocab_size": len(tokenizer), "bos_token_id": eos, "eos_token_id": eos, "pad_token_id": eos}
    _check_architecture(settings, GPT2Config())
    config = GPT2Config(**{**defaults, **settings.architecture, **fixed})
    block_size = settings.training.block_size if settings.training else 0
    if block_size > config.n_positions:
        raise ConfigError(
            f"base_models.yaml: {settings.family}.training.block_size: {block_size}, expected at most "
            f"architecture.n_positions {config.n_positions}."
        )
    return GPT2LMHeadModel(config)


def _t5(settings: BaseModelSettings, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    from transformers.models.t5.configuration_t5 import T5Config
    from transformers.models.t5.modeling_t5 import T5ForConditionalGeneration

    pad = tokenizer.pad_token_id
    fixed = {
        "vocab_size": len(tokenizer),
        "pad_token_id": pad,
        "eos_token_id": tokenizer.eos_token_id,
        "decoder_start_token_id": pad,
    }
    _check_architecture(settings, T5Config())
    return T5ForConditionalGeneration(T5Config(**{"dropout_rate": 0.0, **settings.architecture, **fixed}))


def _check_architecture(settings: BaseModelSettings, default: Any) -> None:
    """A configuration class swallows keys it does not know; a typing error must not train another model silently."""
    known = default.to_dict()
    for key in settings.architecture:
        if key not in known:
            raise ConfigError(unknown("key", key, known, f"{settings.file}: {settings.family}.architecture"))


def heldout_metrics(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, documents: Sequence[str]
) -> dict[str, Any]:
    """Perplexity per token, eos included, and bits per byte of text, which is comparable across vocabularies.

    causal: documents packed into blocks. seq2seq: the second half of each piece given the first.
    """
    rows = encode_documents(tokenizer, documents)
    rows = rows[:: math.ceil(sum(map(len, rows)) / HELDOUT_TOKENS)]
    seq2seq = model.config.is_encoder_decoder
    nats, n_tokens, n_bytes = 0.0, 0, 0
    length = min(HELDOUT_BLOCK, positions(model.config) or HELDOUT_BLOCK)
    for batch in _halves(rows, tokenizer, length) if seq2seq else _blocks(rows, tokenizer, length):
        with torch.inference_mode():
            loss = model(**batch).loss.item()
        scored = batch["labels"] if seq2seq else batch["labels"][:, 1:]
        ids = [[i for i in row if i != IGNORE] for row in scored.tolist()]
        n = sum(map(len, ids))
        nats, n_tokens = nats + loss * n, n_tokens + n
        n_bytes += sum(len(text.encode()) for text in tokenizer.batch_decode(ids, skip_special_tokens=True))
    return {
        "heldout_perplexity": round(math.exp(nats / n_tokens), 4),
        "heldout_bits_per_byte": round(nats / math.log(2) / n_bytes, 6),
        "heldout_tokens": n_tokens,
    }


def _blocks(rows: Sequence[Sequence[int]], tokenizer: PreTrainedTokenizerBase, length: int) -> Iterator[Batch]:
    n_tokens = sum(map(len, rows)) + len(rows)
    for ids in pack(rows, tokenizer.eos_token_id, min(length, n_tokens)).split(HELDOUT_BATCH):
        yield {"input_ids": ids, "labels": ids}


def _halves(rows: Sequence[Sequence[int]], tokenizer: PreTrainedTokenizerBase, length: int) -> Iterator[Batch]:
    eos = tokenizer.eos_token_id
    parts = sorted(pieces(rows, length), key=len)
    pairs = [([*p[: len(p) // 2], eos], [*p[len(p) // 2 :], eos]) for p in parts]
    for start in range(0, len(pairs), HELDOUT_BATCH):
        yield pad_pairs(pairs[start : start + HELDOUT_BATCH], tokenizer.pad_token_id)
