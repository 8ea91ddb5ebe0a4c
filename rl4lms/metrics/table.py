"""PARENT on ToTTo, with the preparation of the ToTTo authors' evaluation scripts."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rl4lms.core.errors import DataError
from rl4lms.metrics.base import BaseMetric, MetaInfo, MetricResult, check_texts, mean
from rl4lms.metrics.parent import Parent, parent

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NULL = "<null>"
N_REFERENCES = 3
SUBSETS = {"overall": None, "overlap": True, "non_overlap": False}


@functools.cache
def _tokenizer() -> Any:
    from sacrebleu.tokenizers import tokenizer_13a

    module: Any = tokenizer_13a
    return module.Tokenizer13a()


@functools.lru_cache(maxsize=1 << 16)
def words(text: str) -> tuple[str, ...]:
    """Lower case, split as mteval-v13a does. Cached: the tables come back with every text that is scored."""
    return tuple(str(_tokenizer()(" ".join(text.lower().split()))).split())


class TableExample(NamedTuple):
    """What PARENT needs of a ToTTo row."""

    table_words: frozenset[str]
    entries: list[tuple[str, ...]]
    references: list[tuple[str, ...]]
    overlap: bool


def _final_sentences(row: Mapping[str, Any]) -> list[str]:
    """From the authors' list of annotations or the hub's dict of lists."""
    annotations = row["sentence_annotations"]
    if isinstance(annotations, Mapping):
        return list(annotations["final_sentence"])
    return [annotation["final_sentence"] for annotation in annotations]


def _values(cells: Iterable[Mapping[str, Any]], *texts: str | None) -> list[tuple[str, ...]]:
    """The words of each cell and title that has any."""
    values = [*(cell["value"] for cell in cells), *(text or "" for text in texts)]
    tokenized = (words(value.replace("|", "-")) for value in values if value.strip())
    return [value for value in tokenized if value]


def read_example(row: Mapping[str, Any]) -> TableExample:
    """row: one ToTTo row. Raises DataError for a missing field or a highlighted cell outside the table.

    Supporting words: every cell, page title, section title and section text. Entries to mention: the highlighted
    cells and the two titles. As the authors do, a row with fewer than three references is filled up with "<null>",
    against which a text is scored by the table alone.
    """
    name = f"ToTTo row {row.get('example_id', '?')}"
    try:
        table, titles = row["table"], (row["table_page_title"], row["table_section_title"])
        supporting = _values((cell for line in table for cell in line), *titles, row["table_section_text"])
        highlighted = [table[line][column] for line, column in row["highlighted_cells"]]
        references = [sentence or NULL for sentence in _final_sentences(row)]
        overlap = str(row["overlap_subset"]) == "True"
    except KeyError as error:
        raise DataError(f"{name}: no field {error}; PARENT needs the fields of the published data set.") from None
    except IndexError:
        raise DataError(f"{name}: a highlighted cell lies outside the table.") from None
    references += [NULL] * (N_REFERENCES - len(references))
    return TableExample(
        table_words=frozenset(word for value in supporting for word in value),
        entries=_values(highlighted, *titles),
        references=[words(reference) for reference in references],
        overlap=overlap,
    )


class ParentToTTo(BaseMetric):
    """`table_to_text/parent_<subset>/precision`, `.../recall` and `table_to_text/parent_<subset>_f_score`.

    Subsets: overall, overlap and non_overlap (rows whose header combination was, or was not, seen in training); a
    subset without rows has no keys. meta_infos hold the row as `raw_table`. The authors' scripts also run the Moses
    detokenizer in Perl over every text before they tokenize it again; that step is left out.
    """

    name = "parent_totto"

    def _example(self, index: int, info: MetaInfo) -> TableExample:
        if not info or "raw_table" not in info:
            found = ", ".join(sorted(info)) if info else "nothing"
            raise DataError(f'metric {self.name}: meta info of text {index} has no "raw_table"; found {found}.')
        return read_example(info["raw_table"])

    def compute(
        self,
        prompt_texts: Sequence[str] | None,
        generated_texts: Sequence[str],
        reference_texts: Sequence[Sequence[str]] | None,
        meta_infos: Sequence[MetaInfo] | None = None,
        model: PreTrainedModel | None = None,
        split_name: str | None = None,
    ) -> MetricResult:
        check_texts(self.name, generated_texts, **{"meta infos": meta_infos})
        examples = [self._example(i, info) for i, info in enumerate(meta_infos or ())]
        scores = [
            parent(words(text.strip() or NULL), example.references, example.table_words, example.entries)
            for text, example in zip(generated_texts, examples, strict=True)
        ]
        result: MetricResult = {}
        for subset, overlap in SUBSETS.items():
            rows = [s for s, e in zip(scores, examples, strict=True) if overlap is None or e.overlap == overlap]
            if rows:
                result |= self._summary(f"table_to_text/parent_{subset}", rows, per_text=overlap is None)
        return result

    @staticmethod
    def _summary(key: str, rows: list[Parent], per_text: bool) -> MetricResult:
        columns = {name: [getattr(row, name) for row in rows] for name in Parent._fields}
        return {
            f"{key}/precision": (columns["precision"] if per_text else None, mean(columns["precision"])),
            f"{key}/recall": (columns["recall"] if per_text else None, mean(columns["recall"])),
            f"{key}_f_score": (columns["f_score"] if per_text else None, mean(columns["f_score"])),
        }
