"""The plain use of the library that a metric wraps: what its documentation shows, nothing kept between calls."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

from rl4lms.metrics.synonyms import SynonymSource

Plain = Callable[[list[str], list[list[str]], list[Any]], Any]


class Library(NamedTuple):
    """name: what it is and which call; build: from our metric to that call. Raises ImportError where not installed."""

    name: str
    build: Callable[[Any], Plain]


def _streams(references: list[list[str]]) -> list[tuple[str | None, ...]]:
    return list(itertools.zip_longest(*references))


def _sacrebleu(scorer: str, **args: Any) -> Callable[[Any], Plain]:
    def build(_: Any) -> Plain:
        import sacrebleu.metrics

        make = getattr(sacrebleu.metrics, scorer)
        return lambda texts, references, _: make(**args).corpus_score(texts, _streams(references))

    return build


def _meteor(metric: Any) -> Plain:
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.translate.meteor_score import meteor_score

    ours = metric._synonyms
    source: Any
    if ours.key == "wordnet":
        from nltk.corpus import wordnet as source
    else:
        source = type("Tables", (), {"synsets": staticmethod(SynonymSource("tables", "", ours._synonyms)._synsets)})

    def score(texts: list[str], references: list[list[str]], _: list[Any]) -> float:
        words = NLTKWordTokenizer().tokenize
        scores = [
            meteor_score([words(r) for r in refs], words(text), wordnet=source)
            for text, refs in zip(texts, references, strict=True)
        ]
        return sum(scores) / len(scores)

    return score


def _rouge_score(_: Any) -> Plain:
    from rouge_score.rouge_scorer import RougeScorer

    def score(texts: list[str], references: list[list[str]], _: list[Any]) -> Any:
        scorer = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=True)
        return [scorer.score(refs[0], text) for text, refs in zip(texts, references, strict=True)]

    return score


def _py_rouge(_: Any) -> Plain:
    import nltk
    import rouge

    words = nltk.NLTKWordTokenizer()  # the package asks nltk for sentences first, which needs a download
    rouge.Rouge.tokenize_text = staticmethod(lambda text, language="english": words.tokenize(text))

    def score(texts: list[str], references: list[list[str]], _: list[Any]) -> Any:
        scorer = rouge.Rouge(metrics=["rouge-l"])
        return [
            max(scorer.get_scores(text, [reference])["rouge-l"]["f"] for reference in refs)
            for text, refs in zip(texts, references, strict=True)
        ]

    return score


def _pycocoevalcap(_: Any) -> Plain:
    from nltk.tokenize import NLTKWordTokenizer
    from pycocoevalcap.cider.cider import Cider

    def score(texts: list[str], references: list[list[str]], _: list[Any]) -> Any:
        words = NLTKWordTokenizer().tokenize
        given = {i: [" ".join(words(r)) for r in refs] for i, refs in enumerate(references)}
        return Cider().compute_score(given, {i: [" ".join(words(text))] for i, text in enumerate(texts)})

    return score


def _bert_score(metric: Any) -> Plain:
    from bert_score import BERTScorer

    encoder = metric._encoder
    scorer = BERTScorer(model_type=encoder.model_name, num_layers=encoder.num_layers, device=encoder.device)
    return lambda texts, references, _: scorer.score(texts, references)


def _totto_bleu(_: Any) -> Plain:
    from sacrebleu.metrics import BLEU

    def score(texts: list[str], _: list[list[str]], infos: list[Any]) -> Any:
        rows = [[a["final_sentence"].lower() for a in info["raw_table"]["sentence_annotations"]] for info in infos]
        references = [refs + ["<null>"] * (3 - len(refs)) for refs in rows]
        overlap = [info["raw_table"]["overlap_subset"] for info in infos]
        for wanted in ((True, False), (True,), (False,)):
            chosen = [i for i, value in enumerate(overlap) if value in wanted]
            if chosen:
                BLEU().corpus_score([texts[i].lower() for i in chosen], _streams([references[i] for i in chosen]))

    return score


def _totto_parent(_: Any) -> Plain:
    from language.totto import prepare_references_for_eval as prepare
    from language.totto import totto_parent_eval as authors
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenize = Tokenizer13a()
    authors._normalize_text = lambda text: tokenize(text.strip().lower())

    def table(text: str) -> list[list[list[str]]]:
        return [[authors._normalize_text(m).split() for m in entry.split("|||")] for entry in text.split("\t")]

    def score(texts: list[str], _: list[list[str]], infos: list[Any]) -> Any:
        rows = [info["raw_table"] for info in infos]
        tables = [prepare.get_parent_tables(row)[:2] for row in rows]
        references = [[authors._normalize_text(r).split() for r in prepare.get_references(row)[0]] for row in rows]
        return authors.parent(
            [authors._normalize_text(text).split() for text in texts],
            references,
            [table(precision) for precision, _ in tables],
            [table(recall) for _, recall in tables],
            lambda_weight=None,
        )

    return score


LIBRARIES: dict[str, Library] = {
    "meteor": Library("nltk `meteor_score`", _meteor),
    "rouge": Library("rouge-score `RougeScorer`", _rouge_score),
    "rouge_l_max": Library("py-rouge `Rouge`", _py_rouge),
    "bleu": Library("sacrebleu `BLEU(tokenize=none)`", _sacrebleu("BLEU", tokenize="none", smooth_method="none")),
    "sacre_bleu": Library("sacrebleu `BLEU`", _sacrebleu("BLEU")),
    "chrf": Library("sacrebleu `CHRF`", _sacrebleu("CHRF")),
    "ter": Library("sacrebleu `TER`", _sacrebleu("TER")),
    "cider": Library("pycocoevalcap `Cider`", _pycocoevalcap),
    "parent_totto": Library("the authors' `totto_parent_eval`", _totto_parent),
    "bert_score": Library("bert-score `BERTScorer`", _bert_score),
    "bleu_totto": Library("sacrebleu `BLEU`, three subsets", _totto_bleu),
}
