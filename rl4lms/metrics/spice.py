"""SPICE (Anderson et al., 2016, arXiv:1607.08822): F over the objects, attributes and relations that texts propose.

The score is the authors' program's (SPICE 1.0, Java, inside pycocoevalcap), which parses with Stanford CoreNLP 3.6.0.
Nothing stands in for it if it is not installed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl4lms.core.errors import ConfigError, RunError
from rl4lms.metrics.base import MetricResult, ReferenceMetric, mean
from rl4lms.metrics.caption_words import Words, caption_tokenizer
from rl4lms.metrics.java import INSTALL, java_version, package_folder, run_java

JAR = "spice-1.0.jar"
MODELS = ("lib/stanford-corenlp-3.6.0.jar", "lib/stanford-corenlp-3.6.0-models.jar")
DOWNLOAD = f"{INSTALL} && python -m pycocoevalcap.spice.get_stanford_models"
NEWEST_JAVA = 14  # the program writes its results with the JavaScript engine that Java 15 took out


def spice_folder(folder: str | None, java: str, where: str) -> Path:
    """The folder of the program with its models, or a ConfigError that says what is missing and how to get it."""
    path = Path(folder).expanduser() if folder else package_folder("spice", where)
    for name in (JAR, *MODELS):
        if not (path / name).is_file():
            raise ConfigError(
                f'{where}: {path / name} is missing. Where there is network, "{DOWNLOAD}" brings SPICE and the '
                "Stanford models; elsewhere unpack them there, or give the folder that holds them as spice_dir."
            )
    version = java_version(java, where)
    if version > NEWEST_JAVA:
        raise ConfigError(
            f"{where}: {java} is Java {version}, but SPICE 1.0 runs on Java 8 to {NEWEST_JAVA}; give the path of "
            "such a program as java."
        )
    return path.resolve()


class SpiceMetric(ReferenceMetric):
    """`lexical/spice` in [0, 1]: per text the F over all proposed tuples, for the set the mean.

    All that it needs is looked for when it is built, before any training. spice_dir: the folder of spice-1.0.jar, that
    of pycocoevalcap if left out; java: the program, Java 8 to 14; memory: the heap of Java; cache_dir: if parses
    are kept between calls; tokenizer: see `caption_tokenizer`. Texts and references without a word propose nothing and
    are not sent: a text without a word, or with no other references, scores 0.
    """

    name = "spice"
    key = "lexical/spice"

    def __init__(
        self,
        tokenizer: str = "words",
        spice_dir: str | None = None,
        java: str = "java",
        memory: str = "8G",
        cache_dir: str | None = None,
    ) -> None:
        where = f"metric {self.name}"
        self._tokenize = caption_tokenizer(tokenizer, where)
        self._tokenizer_name = tokenizer
        self._folder = spice_folder(spice_dir, java, where)
        self._java, self._memory = java, memory
        self._cache_dir = str(Path(cache_dir).expanduser().resolve()) if cache_dir else None

    def labels(self) -> dict[str, str]:
        return {self.key: f"SPICE 1.0, Stanford CoreNLP 3.6.0, tokens: {self._tokenizer_name}"}

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        text_words = self._tokenize(texts)
        flat = iter(self._tokenize([text for refs in references for text in refs]))
        samples = []
        for place, (words, refs) in enumerate(zip(text_words, references, strict=True)):
            others = [_sentence(other) for other in (next(flat) for _ in refs) if other]
            if words and others:
                samples.append({"image_id": str(place), "test": _sentence(words), "refs": others})
        found = self._run(samples) if samples else {}
        scores = [found.get(str(place), 0.0) for place in range(len(texts))]
        return {self.key: (scores, mean(scores))}

    def _run(self, samples: Sequence[dict[str, Any]]) -> dict[str, float]:
        """The program's F of each sample, by its id."""
        with tempfile.TemporaryDirectory(prefix="spice-") as scratch:
            given, answer = Path(scratch, "samples.json"), Path(scratch, "scores.json")
            given.write_text(json.dumps(samples), encoding="utf-8")
            arguments = [f"-Xmx{self._memory}", "-jar", JAR, str(given), "-out", str(answer), "-silent"]
            if self._cache_dir:
                Path(self._cache_dir).mkdir(parents=True, exist_ok=True)
                arguments += ["-cache", self._cache_dir]
            run_java(self._java, arguments, f"metric {self.name}", self._folder)
            rows = json.loads(answer.read_text(encoding="utf-8"))
        found = {str(row["image_id"]): float(row["scores"]["All"]["f"]) for row in rows}
        if set(found) != {sample["image_id"] for sample in samples}:
            raise RunError(f"metric {self.name}: SPICE scored {len(found)} of {len(samples)} samples.")
        return found


def _sentence(words: Words) -> str:
    return " ".join(words)
