"""The pool `totto`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from rl4lms.config.kinds import DataDir
from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.data_pools.dataset import Row
from rl4lms.data_pools.row_pool import RowPool, Texts
from rl4lms.tasks.totto import ANNOTATION_FIELDS, TASK
from rl4lms.tasks.totto.table_text import full_table_text, subtable_text

REPRESENTATIONS = {"subtable": subtable_text, "fulltable": full_table_text}
HIDDEN = "none"  # what the hub writes for the sentences of the hidden test split


class ToTTo(RowPool):
    """Prompt: the table as text without titles, and at once again with page and section title, as RL4LMs has it.

    References: the final sentence of each annotation. RL4LMs gives every test sample the empty reference, because the
    published test split hides them; here only a test row without sentences gets it.
    meta_data["raw_table"]: the row, with `sentence_annotations` as a list of objects and `overlap_subset` as a boolean.
    """

    dataset = TASK.data

    @classmethod
    def prepare(
        cls,
        split: str,
        representation: Annotated[
            Literal["subtable", "fulltable"], "Show the highlighted cells, or the whole table."
        ] = "subtable",
        data_dir: DataDir = None,
    ) -> ToTTo:
        if representation not in REPRESENTATIONS:
            raise ConfigError(unknown("representation", representation, REPRESENTATIONS, "totto"))
        linearize = REPRESENTATIONS[representation]

        def texts(row: Row) -> Texts:
            table, cells = row["table"], row["highlighted_cells"]
            titles = row["table_page_title"], row["table_section_title"]
            prompt = linearize(table, cells, None, None) + linearize(table, cells, *titles)
            annotations = sentence_annotations(row.get("sentence_annotations"))
            references = [annotation["final_sentence"] for annotation in annotations]
            if not references and split != "test":
                raise DataError(
                    f"totto, split {split}, page {titles[0]}: sentence_annotations holds no final_sentence."
                )
            raw_table = row | {"sentence_annotations": annotations, "overlap_subset": _is_overlap(row)}
            return prompt, references or [""], {"raw_table": raw_table}

        return cls.of_rows(split, data_dir, texts)


def sentence_annotations(value: Any) -> list[dict[str, str]]:
    """The authors' list of objects, or the hub's object of lists, as a list of objects; [] where they are hidden."""
    if isinstance(value, dict):
        fields = [name for name in ANNOTATION_FIELDS if name in value]
        value = [dict(zip(fields, texts, strict=True)) for texts in zip(*(value[f] for f in fields), strict=True)]
    annotations = [{name: item.get(name, "") for name in ANNOTATION_FIELDS} for item in value or []]
    return [item for item in annotations if item["final_sentence"] not in ("", HIDDEN)]


def _is_overlap(row: Row) -> bool:
    return row.get("overlap_subset") in (True, "True")
