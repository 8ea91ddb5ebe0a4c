"""SPICE with a program in Java's place that speaks its protocol; the real one runs where its models are."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError, RunError
from rl4lms.core.tables import MetricRegistry
from rl4lms.metrics.java import java_version
from rl4lms.metrics.spice import JAR, MODELS, SpiceMetric

KEY = "lexical/spice"

# Scores the share of the text's words that are in some reference, rows in reverse; fails on the word "boom".
JAVA = """#!/usr/bin/env python3
import json, sys
from pathlib import Path
if "-version" in sys.argv:
    print('openjdk version "VERSION"', file=sys.stderr)
    sys.exit(0)
arguments = sys.argv[1:]
Path("arguments.json").write_text(json.dumps(arguments))
samples = json.loads(Path(arguments[arguments.index("JARNAME") + 1]).read_text(encoding="utf-8"))
rows = []
for sample in reversed(samples):
    words = sample["test"].split()
    if "boom" in words:
        print("Exception in thread main java.lang.OutOfMemoryError", file=sys.stderr)
        sys.exit(1)
    seen = {w for ref in sample["refs"] for w in ref.split()}
    f = sum(w in seen for w in words) / len(words)
    if "gone" not in words:
        rows.append({"image_id": sample["image_id"], "scores": {"All": {"f": f, "pr": 1.0, "re": 1.0}}})
Path(arguments[arguments.index("-out") + 1]).write_text(json.dumps(rows))
"""


def install(folder: Path, version: str = "11.0.2") -> dict[str, Any]:
    """Arguments of a metric whose program and models lie in `folder`."""
    for name in (JAR, *MODELS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    java = folder / "java"
    java.write_text(JAVA.replace("VERSION", version).replace("JARNAME", JAR))
    java.chmod(java.stat().st_mode | stat.S_IXUSR)
    return {"spice_dir": str(folder), "java": str(java)}


def test_scores_belong_to_samples(tmp_path: Path) -> None:
    metric = MetricRegistry.get("spice", install(tmp_path))
    texts = ["a cat", "a dog", "München x", "", "a dog"]
    references = [["a cat sits"], ["the cat"], ["in München", ""], ["a"], [""]]
    assert metric.compute(["same"] * 5, texts, references)[KEY] == ([1.0, 0.0, 0.5, 0.0, 0.0], pytest.approx(0.3))
    assert "-cache" not in json.loads((tmp_path / "arguments.json").read_text())
    assert metric.labels()[KEY].startswith("SPICE 1.0")


def test_texts_without_a_word_start_no_program(tmp_path: Path) -> None:
    assert SpiceMetric(**install(tmp_path)).compute(None, ["", " "], [["a"], ["b"]])[KEY] == ([0.0, 0.0], 0.0)
    assert not (tmp_path / "arguments.json").exists()


def test_arguments_of_the_program(tmp_path: Path) -> None:
    metric = SpiceMetric(**install(tmp_path), memory="2G", cache_dir=str(tmp_path / "cache"))
    metric.compute(None, ["a"], [["a"]])
    arguments = json.loads((tmp_path / "arguments.json").read_text())
    assert {"-Xmx2G", "-Dfile.encoding=UTF-8", "-silent"} <= set(arguments)
    assert arguments[arguments.index("-cache") + 1] == str(tmp_path / "cache")
    assert (tmp_path / "cache").is_dir()


def test_what_goes_wrong_in_the_program_is_told(tmp_path: Path) -> None:
    metric = SpiceMetric(**install(tmp_path))
    with pytest.raises(RunError, match="Java ended with code 1 .*OutOfMemoryError"):
        metric.compute(None, ["boom"], [["a"]])
    with pytest.raises(RunError, match="scored 1 of 2 samples"):
        metric.compute(None, ["gone", "a"], [["a"], ["a"]])


def test_what_is_missing_is_told_when_the_metric_is_built(tmp_path: Path) -> None:
    """So it is before any training, which builds its metrics first."""
    args = install(tmp_path)
    (tmp_path / MODELS[1]).unlink()
    with pytest.raises(ConfigError, match=r"models.jar is missing.*python -m pycocoevalcap.spice.get_stanford_models"):
        SpiceMetric(**args)
    with pytest.raises(ConfigError, match='no "no-such-java" on PATH'):
        SpiceMetric(**{**install(tmp_path), "java": "no-such-java"})


@pytest.mark.parametrize(("version", "number"), [("1.8.0_412", 8), ("11.0.2", 11), ("14", 14)])
def test_java_8_to_14(tmp_path: Path, version: str, number: int) -> None:
    args = install(tmp_path, version)
    assert java_version(args["java"], "test") == number
    SpiceMetric(**args)


def test_a_newer_java_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is Java 17, but SPICE 1.0 runs on Java 8 to 14"):
        SpiceMetric(**install(tmp_path, "17.0.15"))


@pytest.mark.system
def test_the_real_program() -> None:
    """An example of the paper's kind: same objects and relation, one attribute more in the reference."""
    try:
        metric = SpiceMetric(java=os.environ.get("SPICE_JAVA", "java"))
    except ConfigError as error:
        pytest.skip(str(error))
    scores, _ = metric.compute(
        None, ["A girl sits on a bench", "A car"], [["A young girl sits on a bench"], ["A dog"]]
    )[KEY]
    assert scores is not None and scores[0] > 0.7 and scores[1] == 0.0
