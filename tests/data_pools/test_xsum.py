from __future__ import annotations

from rl4lms.data_pools.xsum import Xsum

from .conftest import Write


def test_prompt_is_the_document_with_what_is_put_around_it(write: Write) -> None:
    rows = [{"document": "It rained. It poured.", "target": "Rain fell.", "gem_id": "x"}]
    data_dir = str(write(train=rows, val=rows, test=rows))
    sample, _ = Xsum.prepare("val", data_dir=data_dir)[0]
    assert (sample.id, sample.prompt_or_input_text) == ("val_0", "It rained. It poured.TL;DR:")
    assert (sample.references, sample.meta_data) == (["Rain fell."], None)
    sample, _ = Xsum.prepare("test", "", "summarize: ", data_dir=data_dir)[0]
    assert sample.prompt_or_input_text == "summarize: It rained. It poured."


def test_missing_splits_are_cut_off_train(write: Write) -> None:
    rows = [{"document": f"Document {i}.", "target": "t"} for i in range(30)]
    data_dir = str(write(train=rows))
    pools = {split: Xsum.prepare(split, data_dir=data_dir) for split in ("train", "val", "test")}
    assert {split: len(pool) for split, pool in pools.items()} == {"train": 24, "val": 3, "test": 3}
