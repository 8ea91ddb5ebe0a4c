"""Functions that process generated text before it is scored, by id (`generation_kwargs.post_processing_fn`)."""

from __future__ import annotations

import re

_SENTENCE = re.compile(r"[^.!?]*[.!?]+[\"')\]]*\s*|[^.!?]+$")


def three_sentence_summary(text: str) -> str:
    """The first three sentences of `text`, one per line. A sentence ends at '.', '!' or '?' and closing quotes."""
    sentences = [s.strip() for s in _SENTENCE.findall(text) if s.strip()]
    return "\n".join(sentences[:3])
