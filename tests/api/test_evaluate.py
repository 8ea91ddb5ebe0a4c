"""`rl4lms.evaluate`: the scores of a model are those of the stage, and of the metrics that are asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rl4lms
from tests.evaluation.test_evaluate_stage import REPOSITORY, TASK, read, run, world

pytestmark = pytest.mark.slow
__all__ = ["world"]


def test_a_task_is_scored_as_the_stage_scores_it(world: Path, tmp_path: Path) -> None:
    assert run(world, "zero_shot", 0, tmp_path) == 0
    stage = read(tmp_path, "zero_shot", 0)
    (tmp_path / "results/mini/data").mkdir(parents=True)
    (tmp_path / "results/mini/data" / TASK).symlink_to(world / "data")
    places = {"params": REPOSITORY / "params", "results": tmp_path / "results", "suite": "mini"}
    found = rl4lms.evaluate(world / "base", task=TASK, **places)
    elsewhere = ("kl/per_token", "kl/per_sequence", "base/perplexity")
    assert found.metrics == {name: value for name, value in stage.metrics.items() if name not in elsewhere}
    assert found.samples.to_dict("records") == stage.directory.predictions("test")
    with pytest.raises(
        rl4lms.DataError, match="no rows of imdb there; make them: python -m rl4lms prepare --task imdb"
    ):
        rl4lms.evaluate(world / "base", task="imdb", **places)


def test_rows_are_scored_by_functions_and_ids(model_dir: Any, tmp_path: Path) -> None:
    def n_words(completions: list[str], label: list[str], **columns: Any) -> dict[str, Any]:
        assert label == ["a", "b"]
        return {"words": [float(len(text.split())) for text in completions]}

    rows = [{"prompt": "w5 w6", "label": "a", "target": "w7"}, {"prompt": "w8", "label": "b", "target": "w9"}]
    found = rl4lms.evaluate(model_dir("gpt2"), data=rows, metrics=[n_words, "rouge_l_max"], max_new_tokens=5)
    assert found.samples.prompt_text.tolist() == ["w5 w6", "w8"]
    assert found.metrics["words"] == found.samples.words.mean() and len(found.metrics) == 2
    model = rl4lms.evaluate(model_dir("gpt2"), data=rows, metrics=[n_words], max_new_tokens=5, batch_size=1)
    assert model.texts == found.texts, "a text does not depend on its batch"
    for split, row in zip(("train", "test"), rows, strict=True):
        (tmp_path / f"{split}.jsonl").write_text(f"{json.dumps(row)}\n")
    for place in (tmp_path, str(tmp_path)):
        of_a_folder = rl4lms.evaluate(model_dir("gpt2"), data=place, metrics=["rouge_l_max"], max_new_tokens=5)
        assert of_a_folder.texts == found.texts[1:], "its split test"
    for wrong, said in (
        ({}, "expected either a task or data"),
        ({"data": rows}, "metrics missing; name at least one"),
        ({"data": rows, "metrics": ["rogue"]}, 'unknown metric "rogue". Did you mean "rouge"?'),
    ):
        with pytest.raises(rl4lms.ConfigError, match=said):
            rl4lms.evaluate(model_dir("gpt2"), **wrong)
