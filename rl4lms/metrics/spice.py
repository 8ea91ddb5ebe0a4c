"""SPICE (Anderson et al., 2016, arXiv:1607.08822): F over the objects, attributes and relations in texts.

The authors' program computes it (SPICE 1.0, Java, inside pycocoevalcap, which parses with Stanford CoreNLP 3.6.0).
There is no replacement if it is not installed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from rl4lms.config.kinds import CaptionWords
from rl4lms.core.errors import ConfigError, RunError
from rl4lms.metrics.base import MetricResult, ReferenceMetric, mean
from rl4lms.metrics.caption_words import caption_tokenizer
from rl4lms.metrics.java import INSTALL, java_version, package_folder, run_java

JAR = "spice-1.0.jar"
MODELS = ("lib/stanford-corenlp-3.6.0.jar", "lib/stanford-corenlp-3.6.0-models.jar")
DOWNLOAD = f"{INSTALL} && python -m pycocoevalcap.spice.get_stanford_models"
NEWEST_JAVA = 14  # the program needs the JavaScript engine that Java 15 removed


def spice_folder(folder: str | None, java: str, where: str) -> Path:
    """The folder of the program and its models. Raises ConfigError, with the way to get it, for what is missing."""
    path = Path(folder).expanduser() if folder else package_folder("spice", where)
    for name in (JAR, *MODELS):
        if not (path / name).is_file():
            raise ConfigError(
                f'{where}: {path / name} is missing. With network access, "{DOWNLOAD}" brings SPICE and the '
                "Stanford models; otherwise unpack them there, or give their folder as spice_dir."
            )
    version = java_version(java, where)
    if version > NEWEST_JAVA:
        raise ConfigError(
            f"{where}: {java} is Java {version}, but SPICE 1.0 runs on Java 8 to {NEWEST_JAVA}; give the path of "
            "such a program as java."
        )
    return path.resolve()


class SpiceMetric(ReferenceMetric):
    """`lexical/spice` in [0, 1]: F over the tuples that a text and its references propose, and the mean over the texts.

    The constructor checks that everything it needs is installed. spice_dir: the folder of spice-1.0.jar (default: that
    of pycocoevalcap); java: a Java program, 8 to 14; memory: the heap of Java; cache_dir: a folder that keeps parses
    between calls; tokenizer: see `caption_tokenizer`. A text without a word scores 0, and so does one whose references
    have no words.
    """

    name = "spice"
    key = "lexical/spice"

    def __init__(
        self,
        tokenizer: CaptionWords = "words",
        spice_dir: Annotated[str | None, "Folder of spice-1.0.jar; null takes pycocoevalcap's."] = None,
        java: Annotated[str, "The program, Java 8 to 14."] = "java",
        memory: Annotated[str, "Heap of Java."] = "8G",
        cache_dir: Annotated[str | None, "Where parses are kept between calls; null keeps none."] = None,
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
            others = [" ".join(other) for other in (next(flat) for _ in refs) if other]
            if words and others:
                samples.append({"image_id": str(place), "test": " ".join(words), "refs": others})
        found = self._run(samples) if samples else {}
        scores = [found.get(str(place), 0.0) for place in range(len(texts))]
        return {self.key: (scores, mean(scores))}

    def _run(self, samples: Sequence[dict[str, Any]]) -> dict[str, float]:
        """The F of each sample, by its id."""
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
