"""The base class of actor-critic policies over Hugging Face language models, for Stable-Baselines3."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from rl4lms.config.arguments import refuse_float16
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.numerics.categorical import action_logprobs, logprobs_and_entropy, masked_logits
from rl4lms.policies.adapters import with_adapters
from rl4lms.policies.decoding import Decoded, LearnedMask, decode
from rl4lms.policies.language_models import (
    SequenceScorer,
    hidden_size,
    load_language_model,
    token_hidden,
    token_logits,
    token_logprobs,
    vocabulary_size,
)
from rl4lms.policies.precision import bfloat16
from rl4lms.policies.probe import check_decodes_as_it_scores, check_gives_states
from rl4lms.policies.recomputation import check_recomputes, recomputed
from rl4lms.policies.sequences import Sequences, TokenView, all_tokens
from rl4lms.policies.token_facts import resolved, set_start_token, token_facts
from rl4lms.policies.truncation import SamplingSpec
from rl4lms.tokenization.continuation import Continuation

# dtype -> that of the weights. They are float32 with bfloat16, which would round small steps of AdamW away.
WEIGHTS = {"float32": torch.float32, "bfloat16": torch.float32, "float64": torch.float64}
VALUE_MODELS = ("separate", "shared", "none")
# Limits for the number of rows in a forward without gradient: its logits have at most so many numbers (256 MB in
# float32), and on a CPU the output of a layer fits into the cache.
MAX_LOGITS = 64 * 2**20
MAX_POSITIONS_ON_CPU = 640


@dataclass(frozen=True)
class EvaluateActionsOutput:
    """The result of `evaluate_actions`, each (N,) float32. It unpacks as SB3's (values, log_prob, entropy).

    raw_log_prob: the log-probability without masks and temperature, which a KL to the reference needs; None if it was
    not asked for.
    """

    values: Tensor
    log_prob: Tensor
    entropy: Tensor
    raw_log_prob: Tensor | None = None

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.values, self.log_prob, self.entropy))


class LMActorCriticPolicy(BasePolicy):
    """A language model as policy, a value head on a copy of it (or on a shared trunk), and a frozen reference model.

    Arguments of RL4LMs: `model_name`, `optimizer_class`, `optimizer_kwargs`, `weight_decay`, `apply_model_parallel`,
    `generation_kwargs`, `prompt_truncation_side`. New ones:
    - value_model: "separate" (a copy of the trunk, as in RL4LMs), "shared", or "none" for an algorithm without a
      critic: there are no parameters for values, and all values are 0.
    - lora: arguments of `peft.LoraConfig`; the reference is then the base model without adapters.
    - dtype: "bfloat16" is the precision of the models' forward passes, also of the reference, so that its KL to an
      untrained policy is 0. Weights, gradients, optimiser state, logits, values and log-probabilities stay float32
      (docs/numerics.md, line 6). With "float64" everything is float64.
    - gradient_checkpointing: the backward pass of an update computes the activations of the blocks again.

    Dropout is off in rollout and update (docs/numerics.md, line 13): the policy is always in evaluation mode.
    """

    seq2seq: ClassVar[bool]
    scorer: ClassVar[SequenceScorer]

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        model_name: str,
        optimizer_kwargs: Mapping[str, Any] | None = None,
        weight_decay: float = 1e-6,
        use_sde: bool = False,
        apply_model_parallel: bool = True,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.AdamW,
        generation_kwargs: Mapping[str, Any] | None = None,
        prompt_truncation_side: str = "left",
        value_model: str = "separate",
        lora: Mapping[str, Any] | None = None,
        dtype: str = "float32",
        gradient_checkpointing: bool = False,
        trust_remote_code: bool = False,
    ) -> None:
        super().__init__(observation_space, action_space)
        if value_model not in VALUE_MODELS:
            raise ConfigError(unknown("choice", value_model, VALUE_MODELS, "alg.policy.args.value_model"))
        refuse_float16(dtype, "alg.policy.args.dtype")
        if dtype not in WEIGHTS:
            raise ConfigError(unknown("dtype", dtype, WEIGHTS, "alg.policy.args.dtype"))
        self.half_precision = dtype == "bfloat16"
        self.generation_kwargs = dict(generation_kwargs or {})
        self.prompt_truncation_side = prompt_truncation_side
        self.value_model_kind, self.gradient_checkpointing = value_model, gradient_checkpointing
        self.entropy_gradient = True  # in `evaluate_actions`; an algorithm that only logs the entropy sets it to False
        model = self._load_model(model_name, WEIGHTS[dtype], apply_model_parallel, trust_remote_code)
        self._take_token_facts(model)
        self._build_models(model, lora)
        self._setup_optimizer(lr_schedule(1.0), optimizer_class, dict(optimizer_kwargs or {}), weight_decay)
        self.set_training_mode(False)

    # -- construction ------------------------------------------------------------------------------------------------

    def _load_model(self, name: str, dtype: torch.dtype, parallel: bool, trust_remote_code: bool) -> Any:
        extra = {"device_map": "auto"} if parallel and torch.cuda.device_count() > 1 else {}
        model = load_language_model(
            name, seq2seq=self.seq2seq, dtype=dtype, trust_remote_code=trust_remote_code, **extra
        )
        check_decodes_as_it_scores(model)
        if self.gradient_checkpointing:
            check_recomputes(model, name)
        if self.value_model_kind == "separate":
            check_gives_states(model)
        return model

    def _take_token_facts(self, model: Any) -> None:
        """Add the model's token facts to `generation_kwargs`, except those that are given there."""
        n = vocabulary_size(model)
        facts = token_facts(model.generation_config, model.config, n)
        where = "alg.policy.args.generation_kwargs"
        self.generation_kwargs |= resolved(
            self.generation_kwargs, facts, tokenizer=None, vocab_size=n, causal=not self.seq2seq, where=where
        )
        set_start_token(model, self.generation_kwargs.get("decoder_start_token_id"))

    def _build_models(self, model: Any, lora: Mapping[str, Any] | None) -> None:
        self.vocab_size = vocabulary_size(model)
        self.uses_lora = lora is not None
        trunk = self.scorer.trunk(model)
        self.value_trunk: Any = copy.deepcopy(trunk) if self.value_model_kind == "separate" else None
        if self.value_trunk is not None and hasattr(self.value_trunk, "lm_head"):
            self.value_trunk.lm_head = nn.Identity()
        self.value_head: nn.Linear | None = None
        if self.has_critic:
            self.value_head = nn.Linear(hidden_size(model), 1, bias=False, device=model.device, dtype=model.dtype)
            nn.init.zeros_(self.value_head.weight)
        if lora is None:
            self.reference_model: Any = copy.deepcopy(model).requires_grad_(False)
        else:
            model = self._add_adapters(model, lora)
            self.reference_model = None
        self.policy_model: Any = model

    @property
    def has_critic(self) -> bool:
        return self.value_model_kind != "none"

    def _add_adapters(self, model: Any, lora: Mapping[str, Any]) -> Any:
        if self.value_trunk is not None:
            self.value_trunk = with_adapters(self.value_trunk, lora, seq2seq=None).base_model.model
        return with_adapters(model, lora, seq2seq=self.seq2seq)

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """The trainable parameters in two groups: matrices, with weight decay, and vectors (biases, norms), without."""
        trainable = [p for p in self.parameters() if p.requires_grad]
        return [
            {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": weight_decay},
            {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
        ]

    def _setup_optimizer(
        self, lr: float, optimizer_class: type[torch.optim.Optimizer], kwargs: dict[str, Any], weight_decay: float
    ) -> None:
        if optimizer_class is torch.optim.AdamW:
            kwargs.setdefault("fused", True)
        kwargs["lr"] = lr
        self.optimizer = optimizer_class(self.parameter_groups(weight_decay), **kwargs)

    # -- scoring -----------------------------------------------------------------------------------------------------

    def arithmetic(self, *models: nn.Module) -> AbstractContextManager[None]:
        """The context for every forward of the policy's models: autocast with dtype "bfloat16", else nothing.

        models: those that the block runs many times without gradients (see `rl4lms.policies.precision`).
        """
        return bfloat16(self.device.type, *models) if self.half_precision else nullcontext()

    @contextmanager
    def _scoring(self, model: Any) -> Iterator[None]:
        """The context for a forward of a model that may be learnt from."""
        with self.arithmetic(), recomputed(model) if self.gradient_checkpointing else nullcontext():
            yield

    def _logits(self, view: TokenView) -> tuple[Tensor, Tensor]:
        """The policy's (N, V) float32 logits and (N, D) last hidden states for the tokens of a view."""
        with self._scoring(self.policy_model):
            logits, hidden = token_logits(self.scorer, self.policy_model, view)
        return masked_logits(logits, None), hidden

    def _states(self, view: TokenView) -> tuple[Tensor, Tensor]:
        """(N, V) float32 logits and (N,) float32 values of the states in which the view's tokens are chosen."""
        logits, hidden = self._logits(view)
        return logits, self._values(hidden) if self.value_trunk is None else self._own_values(view)

    def _own_values(self, view: TokenView) -> Tensor:
        """(N,) values by the separate value model."""
        with self._scoring(self.value_trunk):
            hidden = self.scorer.hidden(self.value_trunk, view.sequences)
        return self._values(view.gather(hidden))

    def _values(self, hidden: Tensor) -> Tensor:
        dtype = torch.promote_types(hidden.dtype, torch.float32)
        if self.value_head is None:
            return hidden.new_zeros(hidden.shape[:-1], dtype=dtype)
        with torch.autocast(hidden.device.type, enabled=False):
            return nn.functional.linear(hidden.to(dtype), self.value_head.weight.to(dtype)).squeeze(-1)

    def evaluate_actions(self, observations: TokenView, actions: Tensor, raw: bool = False) -> EvaluateActionsOutput:
        """Values, log-probabilities and entropies, each (N,) float32, by one forward over the sequences of a minibatch.

        observations: a view of N tokens; actions: (N,) int64. Log-probabilities and entropies are those of the
        distribution that was sampled, with temperature and truncation as the rollout recorded them. raw: also compute
        the log-probabilities of the model itself.
        """
        logits, values = self._states(observations)
        mask = observations.action_mask(self.vocab_size)
        scaled = logits if mask is None and self.temperature == 1.0 else masked_logits(logits, mask, self.temperature)
        actions = actions.long().flatten()
        log_prob, entropy = logprobs_and_entropy(
            scaled, actions, truncated=mask is not None, entropy_gradient=self.entropy_gradient
        )
        if not raw:
            return EvaluateActionsOutput(values, log_prob, entropy)
        own = log_prob if scaled is logits else action_logprobs(logits, actions)
        return EvaluateActionsOutput(values, log_prob, entropy, own)

    def action_logits(self, observations: TokenView) -> Tensor:
        """(N, V) float32 logits of the sampled distributions, -inf for masked actions."""
        return masked_logits(self._logits(observations)[0], observations.action_mask(self.vocab_size), self.temperature)

    def evaluate_values(self, observations: TokenView) -> Tensor:
        """Only the values of `evaluate_actions`."""
        if self.value_trunk is not None:
            return self._own_values(observations)
        with self._scoring(self.policy_model):
            hidden = token_hidden(self.scorer, self.policy_model, observations)
        return self._values(hidden)

    @property
    def temperature(self) -> float:
        return float(self.generation_kwargs.get("temperature") or 1.0)

    def _chunks(self, sequences: Sequences) -> list[Tensor]:
        """The rows of each forward. Rows of similar length are together, so that there is little padding."""
        if (shared := sequences.prompts()) is not None:
            return self._group_chunks(sequences, shared[1])
        response = sequences.response_ids.shape[1]
        rows = MAX_LOGITS // max(1, response * self.vocab_size)
        if sequences.prompt_ids.device.type == "cpu":
            rows = min(rows, MAX_POSITIONS_ON_CPU // (sequences.prompt_ids.shape[1] + response))
        lengths = sequences.prompt_mask.sum(1) + sequences.response_mask.sum(1)
        return list(lengths.argsort(stable=True).split(max(1, rows)))

    def _group_chunks(self, sequences: Sequences, group: Tensor) -> list[Tensor]:
        """The rows of each forward if groups share prompts: whole groups, as many as the limits allow, at least one."""
        sizes = torch.bincount(group)
        largest, response = int(sizes.max()), sequences.response_ids.shape[1]
        n = MAX_LOGITS // max(1, largest * response * self.vocab_size)
        if group.device.type == "cpu":
            n = min(n, MAX_POSITIONS_ON_CPU // (sequences.prompt_ids.shape[1] + largest * response))
        n = max(1, n)
        order, ends = group.argsort(stable=True), sizes.cumsum(0)[n - 1 :: n]
        return [part for part in order.tensor_split(ends.cpu()) if len(part)]

    def _by_chunk(self, sequences: Sequences, score: Callable[[TokenView], Tensor]) -> Tensor:
        """(B, T) results of `score`, which maps a view of N tokens to (N,) numbers; 0 at padding."""
        out = torch.zeros(sequences.response_ids.shape, device=sequences.prompt_ids.device)
        for index in self._chunks(sequences):
            view = all_tokens(sequences.rows(index))
            scored = score(view)
            out = out.to(scored.dtype)
            out[index[view.rows], view.cols] = scored
        return out

    @torch.no_grad()
    def sequence_values(self, sequences: Sequences) -> Tensor:
        """(B, T) float32 values of the states before each response token; 0 without a critic."""
        if not self.has_critic:
            return torch.zeros(sequences.response_ids.shape, device=self.device)
        with self.arithmetic(self.policy_model if self.value_trunk is None else self.value_trunk):
            return self._by_chunk(sequences, self.evaluate_values)

    @torch.no_grad()
    def sequence_logprobs(self, sequences: Sequences) -> tuple[Tensor, Tensor]:
        """(B, T) log-probabilities under the sampled distribution and the model's own, computed as in the update."""
        shape, dtype = sequences.response_ids.shape, self.policy_model.dtype  # of its weights: float32 or float64
        raw = torch.zeros(shape, dtype=dtype, device=sequences.prompt_ids.device)
        sampled = torch.zeros_like(raw)
        with self.arithmetic(self.policy_model):
            for index in self._chunks(sequences):
                view = all_tokens(sequences.rows(index))
                tokens, places = view.gather(view.sequences.response_ids), (index[view.rows], view.cols)
                logits, _ = self._logits(view)
                scaled = masked_logits(logits, view.action_mask(self.vocab_size), self.temperature)
                sampled[places], raw[places] = action_logprobs(scaled, tokens), action_logprobs(logits, tokens)
        return sampled, raw

    @torch.no_grad()
    def reference_logprobs(self, sequences: Sequences) -> Tensor:
        """(B, T) float32 log-probabilities of the response under the frozen reference, unmasked and untempered."""
        with self._reference() as model, self.arithmetic(model):
            return self._by_chunk(sequences, lambda view: token_logprobs(self.scorer, model, view))

    @contextmanager
    def _reference(self) -> Iterator[Any]:
        """The frozen reference while the block runs: the initial model, or the policy's without its adapters."""
        with self.policy_model.disable_adapter() if self.reference_model is None else nullcontext():
            yield self.policy_model if self.reference_model is None else self.reference_model

    # -- generation --------------------------------------------------------------------------------------------------

    def before_rollout(self, iteration: int) -> None:
        """Called before the rollout of an iteration, from 0. Maskable policies refresh their mask here."""

    def learned_mask(self, eos_id: int | Collection[int] | None) -> LearnedMask | None:
        """A mask for rollout tokens in addition to `generation_kwargs`. Maskable policies override this."""
        return None

    def generate(
        self, prompt_ids: Tensor, prompt_mask: Tensor, spec: SamplingSpec, *, eos_id: int | Collection[int] | None,
        pad_id: int, uniforms: Tensor | None = None, n_per_prompt: int = 1, by_reference: bool = False,
        texts: Sequence[Continuation] | None = None,
    ) -> Decoded:  # fmt: skip
        """Generate responses to a batch of left-padded prompts; see `rl4lms.policies.decoding.decode`.

        by_reference: by the frozen reference model, without a learned mask.
        """
        learned = None if by_reference else self.learned_mask(eos_id)
        others = [] if learned is None or learned.model is None else [learned.model]
        with (
            self._reference() if by_reference else nullcontext(self.policy_model) as model,
            self.arithmetic(model, *others),
        ):
            return decode(
                model, prompt_ids, prompt_mask, spec, eos_id=eos_id, pad_id=pad_id, uniforms=uniforms,
                mask_session=learned, n_per_prompt=n_per_prompt, texts=texts,
            )  # fmt: skip

    def get_language_model(self) -> Any:
        """The Hugging Face model that is trained, with its adapters if there are any."""
        return self.policy_model

    # -- Stable-Baselines3's stepping interface ----------------------------------------------------------------------

    def set_training_mode(self, mode: bool) -> None:
        """Keep evaluation mode: with dropout, the scored policy would differ from the sampled one."""
        super().set_training_mode(False)

    def _next_token(self, obs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(B, V) logits and (B,) values for the observations of a token-level environment."""
        context_mask = obs["context_attention_mask_pt"].bool()
        lengths = context_mask.sum(1) - int(self.seq2seq)  # without the start token of an encoder-decoder's context
        t = int(lengths.max()) + 1
        ids = torch.zeros((len(lengths), t), dtype=torch.int64, device=context_mask.device)
        for i, n in enumerate(lengths.tolist()):
            ids[i, :n] = obs["context_encoded_pt"][i][context_mask[i]][-n:] if n else ids[i, :0]
        steps = torch.arange(t, device=ids.device)
        sequences = Sequences(
            prompt_ids=obs["prompt_or_input_encoded_pt"].long(),
            prompt_mask=obs["prompt_or_input_attention_mask_pt"].bool(),
            response_ids=ids,
            response_mask=steps <= lengths.unsqueeze(1),
        )
        return self._states(TokenView(sequences, torch.arange(len(lengths), device=ids.device), lengths))

    def forward(self, obs: Mapping[str, Tensor], deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """(actions, values, log_prob), each (B,), for one step of a token-level environment."""
        logits, values = self._next_token(obs)
        logits = masked_logits(logits, None, self.temperature)
        actions = logits.argmax(-1) if deterministic else torch.distributions.Categorical(logits=logits).sample()
        return actions, values, action_logprobs(logits, actions)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        return self.forward(observation, deterministic)[0]

    def predict_values(self, obs: Mapping[str, Tensor]) -> Tensor:
        """(B, 1) values for the observations of a token-level environment."""
        return self._next_token(obs)[1].unsqueeze(1)
