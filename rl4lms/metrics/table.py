"""PARENT and BLEU on ToTTo, with texts prepared as in the evaluation scripts of the ToTTo authors."""

from __future__ import annotations

import functools
import itertools
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sacrebleu.metrics.bleu import BLEU

from rl4lms.core.errors import DataError
from rl4lms.metrics.base import MetaInfo, MetricResult, SampleMetric, Samples, check_texts, mean
from rl4lms.metrics.detokenize import moses_detokenize
from rl4lms.metrics.parent import Parent, parent
from rl4lms.metrics.sacre_bleu import fraction

NULL = "<null>"
N_REFERENCES = 3
SUBSETS = {"overall": None, "overlap": True, "non_overlap": False}

Row = Mapping[str, Any]
Words = tuple[str, ...]


@functools.cache
def _tokenizer() -> Any:
    from sacrebleu.tokenizers import tokenizer_13a

    module: Any = tokenizer_13a
    return module.Tokenizer13a()


def detokenized(text: str) -> str:
    """`text` detokenized, as one line in lower case."""
    return moses_detokenize(" ".join(text.strip().splitlines()).lower())


@functools.lru_cache(maxsize=1 << 16)
def mteval_words(text: str) -> Words:
    """The words of a detokenized text, split as by mteval-v13a. Cached, because references are scored repeatedly."""
    return tuple(str(_tokenizer()(text.strip())).split())


@functools.lru_cache(maxsize=1 << 12)
def _table_words(values: Words) -> list[Words]:
    """The words of each value that has any. As in the authors' scripts, a table is detokenized as one line."""
    line = moses_detokenize("\t".join(f"cell|||{value}" for value in values).lower())
    tokenized = (mteval_words(entry.partition("|||")[2]) for entry in line.split("\t"))
    return [value for value in tokenized if value]


class TableExample(NamedTuple):
    """The parts of a ToTTo row that PARENT reads."""

    table_words: frozenset[str]
    entries: list[Words]
    references: list[Words]


def _row_name(row: Row) -> str:
    return f"ToTTo row {row.get('example_id', '?')}"


def _field(row: Row, name: str) -> Any:
    if name not in row:
        raise DataError(f"{_row_name(row)}: no field '{name}'; its metrics need the fields of the published data set.")
    return row[name]


def final_sentences(row: Row) -> list[str]:
    """The detokenized references, from the authors' list of annotations or the hub's dict of lists.

    As in the authors' scripts, a row with fewer than three gets "<null>" for the others.
    """
    annotations = _field(row, "sentence_annotations")
    if isinstance(annotations, Mapping):
        sentences = list(annotations["final_sentence"])
    else:
        sentences = [annotation["final_sentence"] for annotation in annotations]
    return [detokenized(sentence) for sentence in sentences] + [NULL] * (N_REFERENCES - len(sentences))


def is_overlap(row: Row) -> bool:
    """Whether the row's header combination was seen in training."""
    return str(_field(row, "overlap_subset")) == "True"


def _values(cells: Iterable[Mapping[str, Any]], *texts: str | None) -> list[Words]:
    """The words of each cell and title that has any."""
    values = [*(cell["value"] for cell in cells), *(text or "" for text in texts)]
    lines = (" ".join(value.replace("\t", " ").splitlines()).replace("|", "-").strip() for value in values)
    return _table_words(tuple(line for line in lines if line))


def read_example(row: Row) -> TableExample:
    """The words of a ToTTo row. Raises DataError for a missing field or a highlighted cell outside the table.

    All cells, the page title, the section title and the section text support a text. The entries to mention are the
    highlighted cells and the two titles.
    """
    table, titles = _field(row, "table"), (_field(row, "table_page_title"), _field(row, "table_section_title"))
    supporting = _values((cell for line in table for cell in line), *titles, _field(row, "table_section_text"))
    try:
        highlighted = [table[line][column] for line, column in _field(row, "highlighted_cells")]
    except IndexError:
        raise DataError(f"{_row_name(row)}: a highlighted cell lies outside the table.") from None
    return TableExample(
        table_words=frozenset(word for value in supporting for word in value),
        entries=_values(highlighted, *titles),
        references=[mteval_words(sentence) for sentence in final_sentences(row)],
    )


class _TableMetric(SampleMetric):
    """A metric that reads each text's ToTTo row, which is `raw_table` in its meta info."""

    @abstractmethod
    def score(self, texts: list[str], rows: list[Row]) -> MetricResult:
        """The scores of N > 0 texts, given their rows."""

    def _row(self, index: int, info: MetaInfo) -> Row:
        known = info if isinstance(info, Mapping) else {}
        row = known.get("raw_table")
        if not isinstance(row, Mapping):
            found = ", ".join(sorted(map(str, known))) or ("nothing" if info is None else type(info).__name__)
            raise DataError(f'metric {self.name}: meta info of text {index} has no table "raw_table"; found {found}.')
        return row

    def score_samples(self, samples: Samples) -> MetricResult:
        check_texts(self.name, samples.texts, **{"meta infos": samples.meta_infos})
        return self.score(list(samples.texts), [self._row(i, info) for i, info in enumerate(samples.meta_infos or ())])


def _subset(items: Sequence[Any], rows: Sequence[Row], overlap: bool | None) -> list[Any]:
    return [item for item, row in zip(items, rows, strict=True) if overlap is None or is_overlap(row) == overlap]


class ParentToTTo(_TableMetric):
    """`table_to_text/parent_<subset>/precision`, `.../recall` and `table_to_text/parent_<subset>_f_score`.

    The subsets are overall, overlap and non_overlap (rows whose header combination was, or was not, seen in training).
    A subset without rows has no keys. The scores are fractions; the authors' script prints per cent.
    """

    name = "parent_totto"

    @classmethod
    def result_keys(cls, args: Mapping[str, Any]) -> tuple[str, ...]:
        nothing = [Parent(0.0, 0.0, 0.0)]
        subsets = (cls._summary(f"table_to_text/parent_{subset}", nothing, per_text=False) for subset in SUBSETS)
        return tuple(key for summary in subsets for key in summary)

    def score(self, texts: list[str], rows: list[Row]) -> MetricResult:
        examples = [read_example(row) for row in rows]
        scores = [
            parent(mteval_words(detokenized(text) or NULL), example.references, example.table_words, example.entries)
            for text, example in zip(texts, examples, strict=True)
        ]
        result: MetricResult = {}
        for subset, overlap in SUBSETS.items():
            chosen = _subset(scores, rows, overlap)
            if chosen:
                result |= self._summary(f"table_to_text/parent_{subset}", chosen, per_text=overlap is None)
        return result

    @staticmethod
    def _summary(key: str, rows: list[Parent], per_text: bool) -> MetricResult:
        columns = {name: [getattr(row, name) for row in rows] for name in Parent._fields}
        return {
            f"{key}/precision": (columns["precision"] if per_text else None, mean(columns["precision"])),
            f"{key}/recall": (columns["recall"] if per_text else None, mean(columns["recall"])),
            f"{key}_f_score": (columns["f_score"] if per_text else None, mean(columns["f_score"])),
        }


class BLEUToTTo(_TableMetric):
    """`table_to_text/bleu_<subset>` in [0, 1]: sacrebleu's corpus BLEU against the row's three references.

    Subsets and keys are like those of `ParentToTTo`; overall has each text's BLEU, too. As in the authors' script, a
    "<null>" in place of a missing reference counts as a reference, also as the one closest in length to a short text.
    """

    name = "bleu_totto"

    @classmethod
    def result_keys(cls, args: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(f"table_to_text/bleu_{subset}" for subset in SUBSETS)

    def score(self, texts: list[str], rows: list[Row]) -> MetricResult:
        scorer: Any = BLEU()
        references = [final_sentences(row) for row in rows]
        streams = list(itertools.zip_longest(*references))
        statistics = scorer._extract_corpus_statistics([detokenized(text) or NULL for text in texts], streams)
        scores = [fraction(scorer._compute_score_from_stats(row)) for row in statistics]
        result: MetricResult = {}
        for subset, overlap in SUBSETS.items():
            chosen = _subset(statistics, rows, overlap)
            if chosen:
                value = fraction(scorer._aggregate_and_compute(chosen))
                result[f"table_to_text/bleu_{subset}"] = (scores if overlap is None else None, value)
        return result
