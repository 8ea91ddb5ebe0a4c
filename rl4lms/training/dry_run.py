"""What a run needs besides weights, made once and thrown away: `--dry-run`, and the check of a suite before its jobs.

`check_run` costs about a second and no model library, but where the configuration asks for more: supervised runs have
transformers read their `training_args`, and a model in a local directory has it read the model's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl4lms.config.inputs import check_paths
from rl4lms.config.reader import where
from rl4lms.config.schema import ComponentConfig, RunConfig
from rl4lms.core.errors import ConfigError, UserError, explain
from rl4lms.core.pretrained import reason
from rl4lms.core.tables import MetricRegistry, RewardFunctionRegistry

# Shipped components whose constructor loads a model, or runs a program.
_LOADS = frozenset(
    {"bert_score", "bleurt", "common_gen_preference_model", "evaluate", "intent_accuracy", "learned_reward"}
    | {"spice", "spider", "summaCConv", "summaCZS"}
)


def check_run(config: RunConfig, source: str) -> None:
    """Raises ConfigError or DataError, one line, for what would stop the run later. source: what the line starts with.

    Reward, metrics and what they name are constructed unless their constructor loads a model. Classes that a user
    registered are not: they may do anything.
    """
    check_paths(config, source)
    if config.reward_fn is not None:
        _construct(RewardFunctionRegistry, config.reward_fn, "reward_fn", source)
    for i, metric in enumerate(config.train_evaluation.metrics):
        _construct(MetricRegistry, metric, f"train_evaluation.metrics[{i}]", source)


def _construct(registry: Any, component: ComponentConfig, path: str, source: str) -> None:
    if registry.table.is_shipped(component.id) and not _loads(component.id, component.args):
        try:
            registry.get(component.id, component.args)
        except UserError as error:
            raise type(error)(f"{where(source, path)}: {error}") from None
        except Exception as error:
            raise explain(error) or ConfigError(
                f"{where(source, f'{path}.args')}: {component.id} refuses them ({reason(error)})."
            ) from None


def _loads(name: str, args: Mapping[str, Any]) -> bool:
    return name in _LOADS or args.get("metric") in _LOADS
