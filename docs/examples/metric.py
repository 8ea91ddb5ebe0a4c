"""Your own metric: values per text and over all, under a name that tables and curves show."""

import sys
from typing import Any

from rl4lms.cli.train_text_generation import main
from rl4lms.envs.text_generation.metric import BaseMetric
from rl4lms.envs.text_generation.registry import MetricRegistry


class Questions(BaseMetric):
    """The share of texts that end as a question."""

    def compute(
        self,
        prompt_texts: list[str],
        generated_texts: list[str],
        reference_texts: list[list[str]] | None = None,
        meta_infos: list[dict[str, Any]] | None = None,
        model: Any = None,
        split_name: str | None = None,
    ) -> dict[str, tuple[list[float] | None, float]]:
        found = [float(text.rstrip().endswith("?")) for text in generated_texts]
        return {"style/questions": (found, sum(found) / len(found))}


if __name__ == "__main__":
    MetricRegistry.add("questions", Questions)
    sys.exit(main())
