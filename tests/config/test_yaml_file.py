"""YAML as DVC writes it, and errors that name file and line."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.yaml"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-05", 1e-05),
        ("1E5", 1e5),
        ("2.5e-7", 2.5e-7),
        (".5", 0.5),
        ("-3.", -3.0),
        ("7", 7),
        ("010", 10),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("off", "off"),
        ("True", True),
        ("FALSE", False),
        ("2020-01-02", "2020-01-02"),
        ("1_000", "1_000"),
        ("e5", "e5"),
        ("'1e-5'", "1e-5"),
        ("", None),
        ("~", None),
    ],
)
def test_scalars_follow_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    read = load_yaml(write(tmp_path, f"key: {text}\n"))["key"]
    assert read == value
    assert type(read) is type(value)


MERGES = {
    "of a merge": ("b: &b {<<: *a, k: 2}\nc: {<<: *b}", {"k": 2, "x": 1}),
    "of a merge, in three steps": ("b: &b {<<: *a, k: 2}\nc: &c {<<: *b, k: 3}\nd: {<<: *c, x: 4}", {"k": 3, "x": 4}),
    "of a list": ("b: &b {<<: *a, k: 2}\nc: {<<: [*b, *a], y: 5}", {"k": 2, "x": 1, "y": 5}),
    "of a list, the first first": ("b: &b {<<: *a, k: 2}\nc: {<<: [*a, *b]}", {"k": 1, "x": 1}),
    "used again": ("b: &b {<<: *a, k: 2}\nc: {<<: *b}\nd: *b", {"k": 2, "x": 1}),
    "merged before it is built": ("c: {d: {<<: &b {<<: *a, k: 2}}}\ne: *b", {"k": 2, "x": 1}),
}


@pytest.mark.parametrize("name", MERGES)
def test_merges_nest(tmp_path: Path, name: str) -> None:
    text, expected = MERGES[name]
    values = list(load_yaml(write(tmp_path, f"a: &a {{k: 1, x: 1}}\n{text}\n")).values())
    assert values[-1] == expected


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    assert load_yaml(write(tmp_path, "a: &a {x: 1}\nb: {<<: *a, y: 2}\n"))["b"] == {"x": 1, "y": 2}


def test_json_is_yaml(tmp_path: Path) -> None:
    assert load_yaml(write(tmp_path, '{"seed": 3, "lr": 1e-05, "text": "a\\nb"}')) == {
        "seed": 3,
        "lr": 1e-05,
        "text": "a\nb",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 2\n  c: 3\n", ', line 4: not valid YAML (duplicate key "c").'),
        ("a: [1, 2\nb: 3\n", ", line 2: not valid YAML (did not find expected"),
        ("a: 1\n\tb: 2\n", ", line 2: not valid YAML (found character"),
        ("- 1\n- 2\n", ": expected a mapping of keys, found list."),
        ("", ": expected a mapping of keys, found nothing."),
        ("a: !!python/object:os.system x\n", ", line 1: not valid YAML (could not determine a constructor"),
    ],
)
def test_a_broken_file_is_one_line_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load_yaml(path)
    assert str(error.value).startswith(f"{path}{message.split('(did')[0].split('(found')[0].split('(could')[0]}")
    assert "\n" not in str(error.value)


CHAIN = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 3000))
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
MERGE_BOMB = "a0: &a0 {k: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}\n" for i in range(1, 40)
)
TEXT_BOMB = "a: &a " + "x" * 100_000 + "\nb: [" + ",".join(["*a"] * 5000) + "]\n"
HOSTILE = {
    "900 open brackets": ("a: " + "[" * 900, "nested more than 64 deep"),
    "900 brackets, closed": ("a: " + "[" * 900 + "]" * 900, "nested more than 64 deep"),
    "100,000 braces": ("a: " + "{b: " * 100_000, "nested more than 64 deep"),
    "900 levels of block": ("".join(" " * i + "k:\n" for i in range(900)), "nested more than 64 deep"),
    "900 dashes": ("a:\n" + "- " * 900 + "x", "nested more than 64 deep"),
    "a list as a key": ("? [a, b]\n: 1", "a sequence as a key, expected text"),
    "a mapping as a key": ("a: {{b: c}: 1}", "a mapping as a key, expected text"),
    "5,000 digits": ("a: " + "9" * 5000, "an integer of 5000 digits, expected at most 100"),
    "5,000 digits of hex": ("a: 0x" + "f" * 5000, "an integer of 5002 digits"),
    "!!int abc": ("a: !!int abc", '"abc" is no int'),
    "!!float abc": ("a: !!float abc", '"abc" is no float'),
    "!!bool abc": ("a: !!bool abc", '"abc" is no bool'),
    "!!int of a list": ("a: !!int [1]", "expected a scalar node"),
    "!!map of a scalar": ("a: !!map 3", "expected a mapping node"),
    "a date": ("a: !!timestamp 2020-01-02", 'unknown tag "timestamp"; values are text, numbers'),
    "a set": ("a: !!set {b, c}", 'unknown tag "set"'),
    "binary": ("a: !!binary zz", 'unknown tag "binary"'),
    "a tag of 10,000 letters": ("a: !" + "x" * 10_000 + " 1", "unknown tag"),
    "a loop": ("a: &a [*a]", "an alias that leads back to itself"),
    "a loop through a mapping": ("a: &a {b: {c: *a}}", "an alias that leads back to itself"),
    "a loop of merges": ("a: &a {<<: *a}", "an alias that leads back to itself"),
    "a bomb": (BOMB, "aliases that unfold to more than"),
    "a bomb of merges": (MERGE_BOMB, "aliases that unfold to more than"),
    "a bomb of text": (TEXT_BOMB, "aliases that unfold to more than"),
    "a chain of aliases": (CHAIN, "aliases that unfold to more than"),
    "10 MB of text": ("a: " + "x" * 10_000_000, "more than 1,000,000 bytes"),
    "10 MB of comments": ("#\n" * 5_000_000, "more than 1,000,000 bytes"),
    "100,000 keys": ("".join(f"k{i}: 1\n" for i in range(100_000)), "more than 100,000 keys and values; name a file"),
    "NUL": ("a: \0", "unacceptable character #x0000"),
    "two documents": ("a: 1\n---\nb: 2\n", "found another document"),
    "an unknown alias": ("a: *b", "undefined alias"),
    "a merge of a number": ("a: {<<: 3}", "expected a mapping or list of mappings for merging"),
    "half a character": ('a: "\\ud800"', "invalid Unicode character escape"),
    "a tab": ("a:\n\tb: 1", "cannot start any token"),
    "a duplicate below an alias": ("a: &a {b: {c: 1, c: 2}}\nd: *a\n", 'duplicate key "c"'),
    "a duplicate beside a merge": ("a: &a {k: 1}\nb: {<<: *a, c: 1, c: 2}\n", 'duplicate key "c"'),
    "a duplicate within a list of merges": ("a: {<<: [{k: 1, k: 2}]}\n", 'duplicate key "k"'),
    "a duplicate of another spelling": ("a: {1: x, 0x1: y}\n", "duplicate key 1"),
    "a list within a key's value": ("a: [[{[b]: c}]]\n", "a sequence as a key, expected text"),
    "a long duplicate": (f"{'k' * 900}: 1\n" * 2, 'duplicate key "kkk'),
}


@pytest.mark.parametrize(("text", "message"), HOSTILE.values(), ids=HOSTILE)
def test_no_file_costs_more_than_a_line_and_a_moment(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    started = time.process_time()
    with pytest.raises(ConfigError) as error:
        load_yaml(path)
    assert time.process_time() - started < 1
    assert message in str(error.value) and str(error.value).startswith(str(path))
    assert "\n" not in str(error.value) and len(str(error.value)) < len(str(path)) + 300


def test_what_is_large_but_a_configuration_is_read_in_a_moment(tmp_path: Path) -> None:
    """Aliases and merges as they are written by hand, a long text, a list of words, a deep but sane nesting."""
    shared = "".join(f"run{i}: {{<<: *base, seed: {i}}}\n" for i in range(500))
    text = "base: &base {alg: &alg {args: {lr: 1e-5}}, again: *alg}\n" + shared
    text += "words: [" + ", ".join(["word"] * 25_000) + "]\n"
    text += "text: " + "x" * 500_000 + "\ndeep: " + "[" * 60 + "]" * 60 + "\n"
    started = time.process_time()
    value = load_yaml(write(tmp_path, text))
    assert time.process_time() - started < 2
    assert value["run7"] == {"alg": {"args": {"lr": 1e-5}}, "again": {"args": {"lr": 1e-5}}, "seed": 7}
    assert len(value["text"]) == 500_000 and len(value["words"]) == 25_000
    assert len(load_yaml(write(tmp_path, "a:\n" + "- word\n" * 99_990))["a"]) == 99_990


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load_yaml(tmp_path / "bom.yaml") == {"a": 1}
    for encoding in ("utf-16", "utf-16-le"):
        (tmp_path / "wide.yaml").write_bytes("a: 1\n".encode(encoding))
        with pytest.raises(ConfigError, match=r"not UTF-8 text|unacceptable character"):
            load_yaml(tmp_path / "wide.yaml")


def test_pyyaml_without_its_c_parser_has_the_same_bounds() -> None:
    """The wheels bring it; where it is missing the loader is the one in Python."""
    code = """
import sys, yaml
del yaml.CSafeLoader
from rl4lms.config.yaml_file import CoreLoader, load_yaml
from rl4lms.core.errors import ConfigError
assert issubclass(CoreLoader, yaml.SafeLoader)
for path in sys.argv[1:]:
    try:
        print(load_yaml(path))
    except ConfigError as error:
        print(error)
"""
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for name, text in (("deep", "a: " + "[" * 100_000), ("bomb", BOMB), ("good", "a: &a [1e-5]\nb: *a\n")):
            paths.append(write_as(Path(directory, name), text))
        run = subprocess.run(
            [sys.executable, "-c", code, *paths], capture_output=True, text=True, timeout=60, check=True
        )
    deep, bomb, good = run.stdout.splitlines()
    assert "nested more than 64 deep" in deep and "unfold" in bomb and good == "{'a': [1e-05], 'b': [1e-05]}"


def write_as(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_missing_and_undecodable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file\.$"):
        load_yaml(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match=r"a directory, expected a YAML file\.$"):
        load_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4\n")
    with pytest.raises(ConfigError, match=r"not UTF-8 text"):
        load_yaml(tmp_path / "latin.yaml")


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "run.yml"
    path.write_bytes("\ufeffa: 1\r\nb: text\r\n".encode())
    assert load_yaml(path) == {"a": 1, "b": "text"}
