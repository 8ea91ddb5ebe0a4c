"""`rl4lms.evaluate`: a model's scores on a task of the benchmark or on rows, by the evaluator of every run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl4lms.api.configuration import data_section, named_component
from rl4lms.api.run import Run
from rl4lms.cli.main import quiet_libraries
from rl4lms.config.compose import task_params
from rl4lms.config.params import Params
from rl4lms.config.schema import ComponentConfig
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.result_keys import KL_PER_SEQUENCE, KL_PER_TOKEN
from rl4lms.core.tables import MetricRegistry
from rl4lms.evaluation.evaluator import EvaluationResult, evaluate_samples
from rl4lms.evaluation.generation import TextGenerator
from rl4lms.evaluation.task_scoring import TaskScoring
from rl4lms.policies.language_models import load_language_model
from rl4lms.tokenization.tokenizer import build_tokenizer
from rl4lms.training.model_checks import model_config
from rl4lms.training.pools import build_pool

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def evaluate(
    model: Run | PreTrainedModel | str | os.PathLike[str],
    task: str | None = None,
    *,
    data: Any = None,
    metrics: Sequence[Any] | None = None,
    split: str = "test",
    max_prompt_length: int = 128,
    max_new_tokens: int = 32,
    generation: Mapping[str, Any] | None = None,
    batch_size: int = 32,
    seed: int = 0,
    suite: str | None = None,
    params: str | os.PathLike[str] = "params",
    results: str | os.PathLike[str] = "results",
) -> EvaluationResult:
    """Generate a text for every sample of a split and score them: `.metrics` (a dict) and `.samples` (a DataFrame).

    model: a run, a model, its directory or hub id; its tokenizer lies with it. task: of the benchmark, on its test
    split, with the metrics, the reward and the decoding that `params` gives it; its rows are those in
    `results`/<suite>/data/<task>, which the stage `prepare` makes. Or else data: rows, which are scored whatever the
    split, or a file, folder or pool's id, as for `train`, of which `split` is scored; with metrics (ids, classes,
    functions), lengths in tokens, and `generation` (published keyword arguments; the default decodes greedily).
    seed: of sampling. Raises ConfigError or DataError for what is missing.
    """
    quiet_libraries()
    if (task is None) == (data is None):
        raise ConfigError("rl4lms.evaluate: expected either a task or data, and metrics with data.")
    name = str(model.path / "model") if isinstance(model, Run) else getattr(model, "name_or_path", None) or str(model)
    if task is not None:
        scoring = _task(task, Path(name), Params.open(Path(params), suite), Path(results))
        loaded = _loaded(model, name)
        found = scoring.score(loaded, loaded, seed=seed, epoch=0)
        kept = {key: value for key, value in found.metrics.items() if key not in (KL_PER_TOKEN, KL_PER_SEQUENCE)}
        return replace(found, metrics=kept)  # there is no other model that it could be compared with
    if not metrics:
        raise ConfigError('rl4lms.evaluate: metrics missing; name at least one, as ["diversity"].')
    named = isinstance(data, str | os.PathLike | Mapping | type)
    section = data_section(data if named else dict.fromkeys(("train", "val", "test"), data), seed)
    pool = build_pool(ComponentConfig(section["id"], section["args"]), split)
    chosen = [named_component(MetricRegistry.table, each, "metrics") for each in metrics]
    scorers = [MetricRegistry.get(each["id"], each.get("args")) for each in chosen]
    loaded = _loaded(model, name)
    generate = TextGenerator(
        loaded,
        build_tokenizer({"model_name": name}),
        generation={"do_sample": False, "max_new_tokens": max_new_tokens, **(generation or {})},
        max_prompt_length=max_prompt_length,
        batch_size=batch_size,
        seed=seed,
    )
    return evaluate_samples(generate, [sample for sample, _ in pool], scorers, split=split, epoch=0, model=loaded)


def _task(task: str, model: Path, params: Params, results: Path) -> TaskScoring:
    section, root = task_params(params, task), results / params.suite
    rows = root / "data" / task
    if not rows.is_dir():
        raise DataError(
            f"{rows}: no rows of {task} there; make them: python -m rl4lms prepare --task {task} --out {rows}"
        )
    named = [root / "models" / "reward" / name for name, each in params.reward_models().items() if each["task"] == task]
    classifier = next((directory for directory in named if directory.is_dir()), None)
    return TaskScoring.build(section, data_dir=rows, base_model=model, reward_model=classifier)


def _loaded(model: Any, name: str) -> Any:
    """The model itself, or the one of that name, on the GPU if there is one."""
    import torch

    if not isinstance(model, Run | str | os.PathLike):
        return model
    loaded = load_language_model(name, seq2seq=bool(model_config(name).is_encoder_decoder))
    return loaded.to("cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[arg-type]
