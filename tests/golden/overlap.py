"""Golden numbers of the overlap metrics, from the official scorers alone:

    pip install --no-deps pycocoevalcap==1.2            (and a Java runtime, for its PTB tokenizer)
    python -m tests.golden.overlap                      writes tests/golden/overlap.json

With setuptools<81, without which py-rouge is not imported. METEOR with WordNet and ROUGE with Punkt are measured where
nltk finds their data (scripts/nltk_wordnet.py; python -m nltk.downloader punkt_tab). Nothing of this project is scored
here; its word tokenizer and METEOR's tables are handed to scorers that ask for tokens or synonyms.
"""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rl4lms.core.io import write_json
from rl4lms.metrics.synonyms import synonym_source
from rl4lms.metrics.words import word_tokenize
from tests.golden.texts import REFERENCES, TEXTS

FILE = Path(__file__).with_suffix(".json")
Case = dict[str, Any]


def case(metric: str, args: dict[str, Any], key: str, texts: list[float], whole: float | None = None) -> Case:
    """whole: the score of the set, the mean of the texts' unless given."""
    whole = sum(texts) / len(texts) if whole is None else whole
    return {"metric": metric, "args": args, "key": key, "set": whole, "texts": texts}


def sacrebleu_cases() -> Iterator[Case]:
    from sacrebleu.metrics import BLEU, CHRF, TER

    streams = [[refs[i] if i < len(refs) else None for refs in REFERENCES] for i in range(max(map(len, REFERENCES)))]
    settings: list[tuple[str, str, Callable[..., Any], list[dict[str, Any]]]] = [
        ("sacre_bleu", "lexical/sacrebleu", BLEU, [
            {}, {"tokenize": "intl", "lowercase": True}, {"effective_order": True}, {"tokenize": "char"},
            {"smooth_method": "add-k", "smooth_value": 1.0}, {"smooth_method": "floor"},
        ]),
        ("chrf", "lexical/chrf", CHRF, [{}, {"word_order": 2}, {"lowercase": True, "char_order": 4, "beta": 1}]),
        ("ter", "lexical/ter", TER, [{}, {"normalized": True, "no_punct": True}, {"case_sensitive": True}]),
    ]  # fmt: skip
    for metric, key, scorer, arguments in settings:
        for args in arguments:
            texts = [
                scorer(**args).corpus_score([text], [[reference] for reference in references]).score / 100
                for text, references in zip(TEXTS, REFERENCES, strict=True)
            ]
            yield case(metric, args, key, texts, scorer(**args).corpus_score(TEXTS, streams).score / 100)


def rouge_cases() -> Iterator[Case]:
    from rouge_score.rouge_scorer import RougeScorer

    types = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    scorer = RougeScorer(types, use_stemmer=True)
    rows = [
        [scorer.score(reference, text) for reference in references]
        for text, references in zip(TEXTS, REFERENCES, strict=True)
    ]
    for single in (True, False):
        for name in types:
            texts = [max(s[name].fmeasure for s in (row[:1] if single else row)) for row in rows]
            yield case("rouge", {"use_single_ref": single}, f"lexical/rouge_{name}", texts)


def py_rouge_cases() -> Iterator[Case]:
    """The package asks nltk for sentences before words; its texts have no punctuation left, so each is one."""
    import nltk
    import rouge

    words = nltk.NLTKWordTokenizer()
    rouge.Rouge.tokenize_text = staticmethod(lambda text, language="english": words.tokenize(text))
    narrative_qa = {"max_n": 4, "limit_length": True, "length_limit": 100, "length_limit_type": "words",
                    "apply_avg": True, "apply_best": True, "alpha": 0.5, "weight_factor": 1.2,
                    "stemming": True}  # fmt: skip
    settings: list[dict[str, Any]] = [
        narrative_qa,
        {},
        {"alpha": 0.8, "stemming": False},
        {"length_limit": 20},
        {"length_limit": 5, "length_limit_type": "words", "apply_avg": False, "apply_best": True},
        {"limit_length": False, "weight_factor": 2.0},
    ]
    if nltk_has("tokenizers/punkt_tab"):
        settings += [{"ensure_compatibility": False}, {"ensure_compatibility": False, "length_limit": 30}]
    for args in settings:
        rouge.Rouge.WORDNET_KEY_VALUE.clear()  # kept between instances, whatever their arguments
        rouge.Rouge.load_wordnet_db(args.get("ensure_compatibility", True))
        rouge.Rouge.load_stemmer(args.get("ensure_compatibility", True))
        scorer = rouge.Rouge(metrics=["rouge-l"], **args)
        texts = [
            max(f_score(scorer, text, reference) for reference in references)
            for text, references in zip(TEXTS, REFERENCES, strict=True)
        ]
        yield case("rouge_l_max", args, "lexical/rouge_l_max", texts)


def f_score(scorer: Any, text: str, reference: str) -> float:
    """py-rouge's F; 0 for an empty text, which it gives itself at line breaks and refuses at Punkt's sentences."""
    return float(scorer.get_scores(text, [reference])["rouge-l"]["f"]) if text and reference else 0.0


def nltk_has(data: str) -> bool:
    import nltk

    try:
        nltk.data.find(data)
    except LookupError:
        print(f"left out: what needs {data}, which nltk does not find")
        return False
    return True


def meteor_cases() -> Iterator[Case]:
    import nltk
    from nltk.translate.meteor_score import meteor_score

    sources: dict[str, Any] = {"tables": synonym_source("tables")}
    if nltk_has("corpora/wordnet"):
        sources["wordnet"] = nltk.corpus.wordnet
    for name, source in sources.items():
        texts = [
            meteor_score([word_tokenize(r) for r in references], word_tokenize(text), wordnet=source)
            for text, references in zip(TEXTS, REFERENCES, strict=True)
        ]
        yield case("meteor", {"wordnet": name}, "lexical/meteor", texts)


def cider_cases() -> Iterator[Case]:
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    def by_words(samples: dict[int, list[str]]) -> dict[int, list[str]]:
        return {i: [" ".join(word_tokenize(text)) for text in texts] for i, texts in samples.items()}

    def by_ptb(samples: dict[int, list[str]]) -> dict[int, list[str]]:
        return PTBTokenizer().tokenize({i: [{"caption": text} for text in texts] for i, texts in samples.items()})

    given, answers = dict(enumerate(REFERENCES)), {i: [text] for i, text in enumerate(TEXTS)}
    for name, tokenize in (("words", by_words), ("ptb", by_ptb)):
        whole, texts = Cider().compute_score(tokenize(given), tokenize(answers))
        yield case("cider", {"tokenizer": name}, "lexical/cider", [float(x) for x in texts], float(whole))


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    packages = ("sacrebleu", "rouge-score", "py-rouge", "nltk", "FactualSceneGraph", "pycocoevalcap")
    cases = [*sacrebleu_cases(), *rouge_cases(), *py_rouge_cases(), *meteor_cases(), *cider_cases()]
    versions = {name: importlib.metadata.version(name) for name in packages}
    write_json(FILE, {"made_by": "python -m tests.golden.overlap", "versions": versions, "cases": cases})
    print(f"{FILE}: {len(cases)} cases of {len(TEXTS)} texts")


if __name__ == "__main__":
    main()
