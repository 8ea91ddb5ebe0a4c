"""What a run needs besides weights, made once and thrown away: `--dry-run`, and the first thing that a run does.

`check_run` costs about a second and no model library, but where the configuration asks for more: `training_args` are
transformers' to judge, `optimizer_kwargs` torch's, and a model or tokenizer in a local directory is read as far as its
configuration (some seconds, of imports).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rl4lms.config.inputs import check_paths
from rl4lms.config.reader import where
from rl4lms.config.schema import AlgorithmConfig, ComponentConfig, RunConfig, SupervisedConfig
from rl4lms.config.signatures import read_arguments
from rl4lms.core.errors import ConfigError, DataError, UserError, explain, unknown
from rl4lms.core.pretrained import reason
from rl4lms.core.registry import Registry
from rl4lms.core.result_keys import REWARD
from rl4lms.core.tables import VERIFIABLE, DataPoolRegistry, MetricRegistry, PolicyRegistry, RewardFunctionRegistry
from rl4lms.data_pools.columns import Columns, MessagesPool
from rl4lms.data_pools.dataset import DataSet, Hub
from rl4lms.data_pools.sources import LocalSource, open_place, open_source
from rl4lms.metrics.base import BaseMetric
from rl4lms.policies.adapters import POLICY_LORA, SUPERVISED_LORA, with_adapters
from rl4lms.rewards.functions import reward_key
from rl4lms.rewards.metric_reward import pick
from rl4lms.rewards.shaping import Shaping
from rl4lms.tokenization.tokenizer import build_tokenizer
from rl4lms.training.model_checks import check_kind, check_lengths, check_weights, model_config
from rl4lms.training.trainer_arguments import check_training_arguments

# Shipped components whose constructor loads a model, or looks for a program.
_LOADS = frozenset(
    {"bert_score", "bleurt", "common_gen_preference_model", "evaluate", "intent_accuracy", "judge", "learned_reward"}
    | {"spice", "spider", "summaCConv", "summaCZS"}
)
_DEVICE = re.compile(r"(cpu|cuda|mps|xpu|auto)(:\d+)?")


def check_run(config: RunConfig, source: str) -> None:
    """Raises ConfigError or DataError, one line, for what would stop the run later. source: what the line starts with.

    Classes that a user registered are not constructed: they may do anything.
    """
    check_paths(config, source)
    check_components(config, source)
    with _told(source, "datapool"):
        _check_data(config.datapool)
    with _told(source, "tokenizer"):
        if Path(config.tokenizer.model_name).is_dir():
            build_tokenizer(config.to_dict()["tokenizer"])
    if isinstance(config.alg, SupervisedConfig):
        with _told(source, ""):
            check_training_arguments(config.alg.training_args, adapters=config.alg.lora is not None)
            seq2seq = config.alg.model_type == "seq2seq"
            model = _check_model(config.alg.model_name, seq2seq, "alg.model_name")
            if model is not None and (lora := config.alg.peft_arguments()) is not None:
                _check_adapters(model, seq2seq, lora, SUPERVISED_LORA)
    else:
        with _told(source, ""):
            _check_policy(config, config.alg)


def check_components(config: RunConfig, source: str) -> None:
    """The part of `check_run` that reads no file: the reward and the metrics, made and tried on a text.

    A component that has no more than an id is sound already: METEOR takes a second to make.
    """
    with _told(source, "datapool"):
        _is_users(DataPoolRegistry.table, config.datapool)
    if config.reward_fn is not None:
        with _told(source, "reward_fn"):
            _check_reward(config.reward_fn)
    known: list[str] | None = []
    for i, metric in enumerate(config.train_evaluation.metrics):
        with _told(source, f"train_evaluation.metrics[{i}]"):
            _check_metric(metric)
            found = result_keys(metric, config.reward_fn)
            twice = set(found or ()) & set(known or ())
            if twice:
                raise ConfigError(f'another metric gives "{min(twice)}", too; leave one of them out of the list.')
        known = None if known is None or found is None else [*known, *found]
    best = config.train_evaluation.keep_best
    if best is not None and known is not None and best.metric not in known:
        raise ConfigError(unknown("metric", best.metric, known, where(source, "train_evaluation.keep_best.metric")))


def result_keys(metric: ComponentConfig, reward_fn: ComponentConfig | None = None) -> tuple[str, ...] | None:
    """All names of results that a metric may give; None for one of which they are not known before it computes.

    reward_fn: what the metric "reward" scores; a weighted sum also gives its parts.
    """
    table = MetricRegistry.table
    if not table.is_shipped(metric.id):
        return None
    if metric.id == REWARD and reward_fn is not None and reward_fn.id == "weighted":
        return (REWARD, *(f"{REWARD}_{reward_key(part)}" for part in reward_fn.args["rewards"]))
    keys: tuple[str, ...] | None = table.load(metric.id).result_keys(metric.args)
    return keys


@contextlib.contextmanager
def _told(source: str, path: str) -> Iterator[None]:
    """Whatever is raised within, as one line that begins with the place."""
    here = where(source, path)
    try:
        yield
    except DataError as error:
        raise DataError(f"{here}: {error}") from None
    except UserError as error:
        raise ConfigError(f"{here}: {error}") from None
    except Exception as error:
        known = explain(error)
        raise ConfigError(f"{here}: {known or f'its arguments are refused ({reason(error)}).'}") from None


def _is_users(table: Registry, component: ComponentConfig) -> bool:
    """Whether a component is of a class of the user's, whose names of arguments are checked then."""
    if table.is_shipped(component.id):
        return False
    read_arguments(table, component.id, component.args, "", "args")
    return True


def _check_metric(component: ComponentConfig) -> None:
    """Raises what a shipped metric raises that is made with its arguments and tried on one short text."""
    if _is_users(MetricRegistry.table, component) or not component.args:
        return
    _check_classifier(component.args)
    path = component.args.get("path", "")
    if component.id == "evaluate" and path.startswith(("/", "./", "../", "~")) and not Path(path).exists():
        raise ConfigError(f"{path}: no such file or directory; expected a module of evaluate, or a hub id.")
    if component.id not in _LOADS:
        metric = MetricRegistry.get(component.id, component.args)
        if component.id != "causal_perplexity":  # it asks the model of the run
            _try(metric)


def _try(metric: BaseMetric) -> list[str] | None:
    """The keys of its results on one short text; None for a metric that needs more than a text and a reference."""
    try:
        return list(metric.compute(["a"], ["b c"], [["b c"]], [None], None, "val"))
    except DataError:
        return None


def _check_reward(component: ComponentConfig) -> None:
    named = {component.id, component.args.get("metric"), component.args.get("shaping_fn")}
    if _is_users(RewardFunctionRegistry.table, component) or not component.args:
        return
    if component.args.keys() == {"shaping_fn"}:
        Shaping(component.args["shaping_fn"])
        return
    for part in component.args.get("rewards", ()):
        _check_reward(ComponentConfig(part["id"], part["args"]))
    _check_classifier(component.args)
    for metric in ("cider", "spice"):  # of spider
        if f"{metric}_args" in component.args:
            _check_metric(ComponentConfig(metric, component.args[f"{metric}_args"] or {}))
    if named & _LOADS or component.id == "weighted":
        return
    reward = RewardFunctionRegistry.get(component.id, component.args)
    if component.id in VERIFIABLE:
        reward(["a"], ["1"], [["1"]], [True])
    if component.id == "metric_reward" and MetricRegistry.table.is_shipped(component.args["metric"]):
        keys = _try(reward.metric)
        if keys is not None:
            pick(dict.fromkeys(keys, (None, 0.0)), component.args.get("key"), component.id)


def _check_classifier(args: Mapping[str, Any]) -> None:
    """Of a model that arguments name by a local directory: its configuration, weights and labels."""
    name, label = args.get("model_name"), args.get("label_ix")
    _check_device(args.get("device"), "device")
    if isinstance(name, str) and Path(name).is_dir():
        config = model_config(name)
        check_weights(name)
        n_labels = config.num_labels or 0
        if label is not None and label >= n_labels:
            raise ConfigError(f'label_ix {label}: classifier "{name}" has labels 0 to {n_labels - 1}.')


def _check_device(device: str | None, key: str) -> None:
    if device is not None and not _DEVICE.fullmatch(device):
        raise ConfigError(f'{key}: "{device}"; expected cpu, cuda, cuda:0 and so on, mps or xpu.')


def _check_data(pool: ComponentConfig) -> None:
    """The first row of each split that a local file or directory has; a missing split is cut from train."""
    made, args = DataPoolRegistry.table.load(pool.id), pool.args
    says_columns = made in (Columns, MessagesPool)  # by arguments, so that `prepare` alone knows its data set
    if says_columns:
        place, dataset = open_place(Hub(args["path"], names={})), DataSet("samples", {})
    elif hasattr(made, "dataset"):
        place, dataset = open_source(args.get("data_dir")), made.dataset
    else:
        return
    if not isinstance(place, LocalSource):
        return
    for split in place.files(dataset) or ("train",):
        if says_columns:
            made.prepare(split, **args, n_rows=1)
        else:
            next(iter(place.stream(dataset, split)), None)


def _check_policy(config: RunConfig, alg: AlgorithmConfig) -> None:
    assert config.env is not None
    policy, name = alg.policy, alg.policy.model_name
    _check_device(alg.constructor_arguments().get("device"), "alg.args.device")
    if not PolicyRegistry.table.is_shipped(alg.policy.id):
        return
    if optimizer_kwargs := policy.argument("optimizer_kwargs"):
        _check_optimizer(optimizer_kwargs)
    seq2seq = "seq2seq" in alg.policy.id
    model = _check_model(name, seq2seq, "alg.policy.id", bool(policy.argument("trust_remote_code")))
    if model is not None:
        length = alg.policy.generation.max_new_tokens or config.env.args.max_episode_length
        check_lengths(model, name, config.env.args.max_prompt_length, length)
        if policy.argument("lora"):
            _check_adapters(model, seq2seq, alg.policy.constructor_arguments()["lora"], POLICY_LORA)


def _check_model(name: str, seq2seq: bool, key: str, trust_remote_code: bool = False) -> Any:
    """The configuration of a model in a local directory, checked; None for a hub id."""
    if not Path(name).is_dir():
        return None
    model = model_config(name, trust_remote_code)
    check_kind(model, name, seq2seq, key)
    check_weights(name)
    return model


def _check_optimizer(kwargs: Mapping[str, Any]) -> None:
    """One step of the policy's optimiser with these arguments."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    parameter = torch.nn.Parameter(torch.zeros(2, 2, device=device))
    parameter.grad = torch.zeros_like(parameter)
    try:
        arguments = {"fused": True, **kwargs, "lr": 1e-5}
        torch.optim.AdamW([{"params": [parameter], "weight_decay": 0.0}], **arguments).step()
    except Exception as error:
        raise ConfigError(f"alg.policy.args.optimizer_kwargs: AdamW refuses them ({reason(error)}).") from None


def _check_adapters(model: Any, seq2seq: bool, lora: Mapping[str, Any], key: str) -> None:
    """The adapters over the model's layers, without numbers in either."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    with torch.device("meta"):
        auto: Any = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
        with_adapters(auto.from_config(model), lora, seq2seq=seq2seq, key=key)
