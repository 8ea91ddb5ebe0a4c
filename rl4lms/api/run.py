"""A finished run as a Python program sees it, and two of them side by side."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from rl4lms.core.errors import DataError
from rl4lms.core.registry import Registry
from rl4lms.results.comparison import Comparison, compared
from rl4lms.results.drawing import Drawing
from rl4lms.results.method_comparison import compared_methods
from rl4lms.results.method_comparison_text import MethodComparisons
from rl4lms.results.run_directory import SPLITS, RunDirectory
from rl4lms.results.run_figure import plot_groups
from rl4lms.results.run_groups import grouped
from rl4lms.tokenization.tokenizer import build_tokenizer
from rl4lms.training.model_checks import model_config

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Imports torch, and must not before `train` has settled the kernels that its run asks for.
_LOADERS = Registry("loader", {"model": "rl4lms.policies.language_models:load_language_model"})


class Run:
    """What lies in the directory of a run. Raises DataError where there is none."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.directory = RunDirectory.open(self.path)

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {value:.3g}" for name, value in self.metrics.items())
        return f"Run({str(self.path)!r}{': ' if scores else ''}{scores})"

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, in the published schema."""
        return self.directory.config

    @property
    def metrics(self) -> dict[str, float]:
        """Result key -> value on the test split, or else on val, as last evaluated; empty if nothing was."""
        splits = self.directory.splits
        return self.directory.metrics(splits[0]) if splits else {}

    @cached_property
    def curves(self) -> pd.DataFrame:
        """What was logged at every iteration, the index: rollout/<name>, train/<name>, and val/<metric> (NaN between).

        Row k is what was seen before update k, so 0 is the starting point.
        """
        return self.directory.curves

    def samples(self, split: str | None = None) -> pd.DataFrame:
        """One row a sample of a split as last evaluated: sample_id, prompt_text, generated_text, ref_text, scores.

        split: None is test, or else val. Raises DataError where the run generated nothing.
        """
        for name in SPLITS if split is None else (split,):
            if self.directory.predictions_file(name) is not None:
                return self.directory.samples(name)
        raise DataError(f"{self.path}: no generations of {split or 'test or val'}; train with metrics to have them.")

    def plot(self, *columns: str) -> Drawing:
        """A panel for each of these columns of `curves`, by iteration; `python -m rl4lms plot` draws several runs.

        Without columns: the reward and its parts, the KL to the starting model, and metrics on val.
        """
        return plot_groups(grouped([self.path]), metrics=columns)

    def model(self) -> PreTrainedModel:
        """The trained language model, on the CPU and in eval mode."""
        name = str(self._model_directory)
        loaded: PreTrainedModel = _LOADERS.load("model")(name, seq2seq=bool(model_config(name).is_encoder_decoder))
        return loaded

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the trained model."""
        return build_tokenizer({**self.config.get("tokenizer", {}), "model_name": str(self._model_directory)})

    @property
    def _model_directory(self) -> Path:
        directory = self.directory.run / "model"
        if not directory.is_dir():
            raise DataError(f"{directory}: no model there; the run has not ended. The same call of train goes on.")
        return directory


def load(path: str | os.PathLike[str]) -> Run:
    """The run in a directory: of `train`, of the training script, or of a stage. Raises DataError if there is none."""
    return Run(path)


Place = Run | str | os.PathLike[str]


@overload
def compare(a: Place, b: Place, *, split: str | None = None, seed: int = 0) -> Comparison: ...


@overload
def compare(
    a: list[Place] | tuple[Place, ...], b: list[Place] | tuple[Place, ...], *, split: str | None = None, seed: int = 0
) -> MethodComparisons: ...


def compare(
    a: Place | list[Place] | tuple[Place, ...],
    b: Place | list[Place] | tuple[Place, ...],
    *,
    split: str | None = None,
    seed: int = 0,
) -> Comparison | MethodComparisons:
    """What differs between two runs, and which differences of score are real; printed, it is a text of 80 columns.

    Of two lists, the methods in `a`, several seeds each, against the one in `b`. split: whose scores; None is test if
    all have it, else val. seed: of the test. Raises DataError, ConfigError.
    """
    if isinstance(a, list | tuple) or isinstance(b, list | tuple):
        ours, theirs = ([_path(run) for run in (side if isinstance(side, list | tuple) else [side])] for side in (a, b))
        return MethodComparisons(compared_methods(ours, theirs, split, seed=seed))
    return compared(_path(a), _path(b), split, seed=seed)


def _path(run: Any) -> Path:
    return run.path if isinstance(run, Run) else Path(run)
