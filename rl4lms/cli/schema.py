"""`schema`: every key of a run file and of params/, with what it takes, its default and one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rl4lms.config.keys import Key, KeyTable, tables
from rl4lms.core.errors import ConfigError, did_you_mean

HEAD = """# Every key

What a run file and the files of `params/` may say. This page is what `python -m rl4lms schema --markdown` prints; with
a key (`python -m rl4lms schema alg.args`) it prints those that begin so. `--set key=value` puts a value in place of a
file's ([Published configurations](configurations.md)). A mapping whose keys are not listed below it has those of the
first one of its kind in the table, or those of the run's section or class that its sentence names.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", nargs="?", default="", help="only keys that begin so, such as alg.args (default: all)")
    parser.add_argument("--markdown", action="store_true", help="as the page docs/keys.md")


def run(args: argparse.Namespace) -> None:
    chosen = [KeyTable(t.title, tuple(key for key in t.keys if key.name.startswith(args.key))) for t in tables()]
    if not any(table.keys for table in chosen):
        near = did_you_mean(args.key, {key.name for table in tables() for key in table.keys})
        raise ConfigError(f'no key begins with "{args.key}".{near}')
    shown = [table for table in chosen if table.keys]
    print(keys_as_markdown(shown) if args.markdown else keys_as_text(shown))


def keys_as_markdown(shown: Sequence[KeyTable]) -> str:
    lines = [HEAD]
    for table in shown:
        lines += [f"## {table.title}\n", "| key | takes | default | |", "|---|---|---|---|"]
        lines += [f"| `{k.name}` | {_cell(k.kind)} | {_cell(k.default)} | {_cell(k.sentence)} |" for k in table.keys]
        lines.append("")
    return "\n".join(lines).rstrip()


def keys_as_text(shown: Sequence[KeyTable]) -> str:
    return "\n\n".join("\n".join([table.title, *(_line(key) for key in table.keys)]) for table in shown)


def _line(key: Key) -> str:
    default = key.default if key.default == "required" else f"default {key.default}"
    return f"  {key.name}: {key.kind}; {default}\n      {key.sentence}"


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("<", "&lt;")
