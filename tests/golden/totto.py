"""Golden numbers of the ToTTo metrics, from the ToTTo authors' own scripts:

    pip install --target OLD --no-deps sacrebleu==1.4.9 absl-py six portalocker
    PYTHONPATH=OLD:LANGUAGE:. python -m tests.golden.totto --moses MOSES           writes tests/golden/totto.json
    PYTHONPATH=OLD:LANGUAGE:. python -m tests.golden.totto --moses MOSES --rows FILE --texts FILE    prints them instead

LANGUAGE: a checkout of github.com/google-research/language (language/totto as of 3fd2df3); MOSES: one of
github.com/moses-smt/mosesdecoder (detokenizer.perl as of 07de444). sacrebleu 1.4.9 still has the `tokenizer` module
that the scripts call. The steps are those of totto_eval.sh in mode dev; PARENT is asked for its unrounded values.
--texts: one generation a line.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")
SUBSETS = {"overall": "", "overlap": "overlap_", "non_overlap": "nonoverlap_"}
Row = dict[str, Any]


def _cell(value: str, is_header: bool = False) -> dict[str, Any]:
    return {"value": value, "is_header": is_header, "column_span": 1, "row_span": 1}


def _hard_row(values: Sequence[str], references: Sequence[str], overlap: bool, text: str = "") -> Row:
    """A table of one row whose every second cell is highlighted."""
    return {
        "table": [[_cell(v, i == 0) for i, v in enumerate(values)]],
        "table_page_title": 'The " Quoted " Title (2012 film)',
        "table_section_title": "Awards | nominations",
        "table_section_text": text,
        "highlighted_cells": [[0, i] for i in range(0, len(values), 2)],
        "example_id": len(values),
        "overlap_subset": overlap,
        "sentence_annotations": [{"final_sentence": reference} for reference in references],
    }


def hard_rows() -> list[tuple[Row, str]]:
    """Rows with texts for which the steps before scoring matter: spaced punctuation, escapes, bars, other scripts."""
    return [
        (_hard_row(["Year", "1,250", "50 %", "O' Brien 's"], ["In 1999 , O' Brien 's won 50 % ( half ) ."], True),
         "O'Brien's won 50% (half) in 1999."),
        (_hard_row(["a|b", "", "東京 タワー", "&amp; Sons", "€ 5"],
                   ["Tower in 東京 タワー cost € 5 &amp; more", "It cost 5 euros."], False,
                   "A section text, with \" quotes \" and James ' house."),
         'The " tower " of 東京 タワー & Sons cost € 5.'),
        (_hard_row(["Name", "Ada", "Born"], ["Ada."], False), "Ada"),
        (_hard_row(["Name", "Ada", "Born"], ["Ada was born.", "Born: Ada.", "Ada's birth."], True), ""),
        (_hard_row(["x", "y", "z"], ["<null> is a tag", "words none share"], True), "q q q q q q"),
    ]  # fmt: skip


def samples() -> tuple[list[Row], list[str]]:
    """Rows of this project's generator with edited references as texts, and the hard ones."""
    from rl4lms.tasks.task import task_of
    from tests.metrics.conftest import edited

    rng = random.Random(4)
    kept = ("table", "table_page_title", "table_section_title", "table_section_text", "highlighted_cells", "example_id",
            "overlap_subset")  # fmt: skip
    rows, texts = [], []
    for row in task_of("totto").generate("val", 10, seed=3):
        sentences = [annotation["final_sentence"] for annotation in row["sentence_annotations"]]
        rows.append(
            {name: row[name] for name in kept} | {"sentence_annotations": [{"final_sentence": s} for s in sentences]}
        )
        texts.append(edited(rng, sentences[0]))
    for row, text in hard_rows():
        rows.append(row)
        texts.append(text)
    return rows, texts


def official(rows: Sequence[Row], texts: Sequence[str], moses: Path) -> dict[str, Any]:
    """PARENT (fractions, and F a row) and BLEU of each subset that has rows."""
    scores: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (folder / "texts.txt").write_text("".join(text + "\n" for text in texts), encoding="utf-8")
        run("prepare_references_for_eval", f"--input_path={folder}/rows.jsonl", f"--output_dir={folder}", "--mode=dev")
        run("prepare_predictions_for_eval", f"--input_prediction_path={folder}/texts.txt",
            f"--input_target_path={folder}/rows.jsonl", f"--output_dir={folder}")  # fmt: skip
        for subset, prefix in SUBSETS.items():
            names = [f"{prefix}{name}" for name in ("predictions", "tables_parent_precision_format",
                     "tables_parent_recall_format", *(f"references-multi{i}" for i in range(3)))]  # fmt: skip
            if (folder / names[0]).stat().st_size:
                paths = [detokenize(moses, folder / name) for name in names]
                scores |= score(f"table_to_text/%s_{subset}", paths)
    return scores


def run(script: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", f"language.totto.{script}", *arguments], check=True, capture_output=True)


def detokenize(moses: Path, path: Path) -> Path:
    program = ["perl", str(moses / "scripts/tokenizer/detokenizer.perl"), "-q", "-l", "en"]
    target = path.with_name(f"detok_{path.name}")
    with open(path) as source, open(target, "w") as out:
        subprocess.run(program, stdin=source, stdout=out, check=True)
    return target


def score(key: str, paths: Sequence[Path]) -> dict[str, Any]:
    """key: with a place for the metric's name; paths: generations, the two tables, three references."""
    import sacrebleu
    from language.totto import totto_parent_eval as authors

    texts, precision_tables, recall_tables, *references = paths
    tokens = [authors._text_reader(path) for path in references]
    precision, recall, f_score, rows = authors.parent(
        authors._text_reader(texts),
        [list(refs) for refs in zip(*tokens, strict=True)],
        list(authors._table_reader(precision_tables)),
        list(authors._table_reader(recall_tables)),
        lambda_weight=None,
    )
    lines = [path.read_text(encoding="utf-8").split("\n")[:-1] for path in (texts, *references)]
    bleu = sacrebleu.corpus_bleu(lines[0], lines[1:])
    parent = key % "parent"
    return {
        f"{parent}/precision": precision / 100,
        f"{parent}/recall": recall / 100,
        f"{parent}_f_score": f_score / 100,
        f"{parent}_f_score/texts": [f / 100 for f in rows],
        key % "bleu": bleu.score / 100,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moses", type=Path, required=True)
    parser.add_argument("--rows", type=Path, help="ToTTo rows as jsonl")
    parser.add_argument("--texts", type=Path)
    args = parser.parse_args()
    if args.rows:
        rows = [json.loads(line) for line in args.rows.read_text(encoding="utf-8").splitlines()]
        print(json.dumps(official(rows, args.texts.read_text(encoding="utf-8").splitlines(), args.moses)))
        return
    rows, texts = samples()
    golden = {
        "made_by": "python -m tests.golden.totto --moses MOSES",
        "sources": {"google-research/language": "3fd2df3", "moses-smt/mosesdecoder": "07de444", "sacrebleu": "1.4.9"},
        "scores": official(rows, texts, args.moses),
        "texts": texts,
        "rows": rows,
    }
    FILE.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{FILE}: {len(golden['scores'])} numbers of {len(rows)} rows")


if __name__ == "__main__":
    main()
