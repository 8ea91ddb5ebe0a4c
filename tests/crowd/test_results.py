"""Answers in every form they come back in, and what is made of them."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import DataError
from rl4lms.crowd.annotations import Answer, answers_of, page_rows, read_handed_in
from rl4lms.crowd.results import preferences, results
from rl4lms.crowd.study import Study, make_study
from rl4lms.crowd.summary import summary
from rl4lms.results.table_formats import to_csv

from .conftest import HOSTILE, predictions, row

RATING = {"supervised": "2", "ppo": "4", "nlpo": "5"}


@pytest.fixture(scope="module")
def likert() -> Study:
    return make_study("likert", "imdb", predictions("imdb"), n_samples=6, per_page=9, seed=0)


@pytest.fixture(scope="module")
def pairwise() -> Study:
    return make_study("pairwise", "imdb", predictions("imdb"), n_samples=6, per_page=9, seed=0)


def read_answers(paths: list[Path], study: Study) -> list[Answer]:
    return answers_of(read_handed_in(paths, study), study)


def ratings(study: Study, *workers: str) -> list[Answer]:
    """Everybody gives a method's texts the same rating."""
    given = [(item.id, q, RATING[item.methods[0]]) for item in study.items for q in study.questions]
    return sorted(Answer(item, q, w, v) for w in workers for item, q, v in given)


def choices(study: Study, best: str, *workers: str) -> list[Answer]:
    """`best` wins all its pairs, the others tie."""
    chosen = {i.id: str(i.methods.index(best) + 1) if best in i.methods else "tie" for i in study.items}
    return sorted(Answer(item, "preference", w, v) for w in workers for item, v in chosen.items())


def page_json(study: Study, answers: list[Answer], worker: str) -> dict[str, Any]:
    fields = {f"{a.item}.{a.question}": a.value for a in answers if a.worker == worker}
    return {"study": study.digest, "page": "01", "worker": worker, "seconds": 3, "answers": fields, "comment": ""}


def table(rows: list[dict[str, str]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def test_every_form_of_file_says_the_same(likert: Study, tmp_path: Path) -> None:
    given = ratings(likert, "ann", "Bø, b")
    records = [page_json(likert, given, worker) for worker in ("ann", "Bø, b")]
    (tmp_path / "one.json").write_text(json.dumps(records[0]))
    (tmp_path / "all.json").write_text(json.dumps(records))
    long = [
        {
            "study": likert.digest,
            "page": "1",
            "worker": a.worker,
            "question": f"{a.item}.{a.question}",
            "answer": a.value,
        }
        for a in given
    ]
    (tmp_path / "long.csv").write_text("\ufeff" + table(long), encoding="utf-8")
    wide = [{"WorkerId": r["worker"], "HITId": "x", "Answer.study": r["study"]} for r in records]
    for line, record in zip(wide, records, strict=True):
        line |= {f"Answer.{field}": value for field, value in record["answers"].items()}
    (tmp_path / "mturk.csv").write_text(table(wide))
    assert read_answers([tmp_path / "one.json"], likert) == [a for a in given if a.worker == "ann"]
    for name in ("all.json", "long.csv", "mturk.csv"):
        assert read_answers([tmp_path / name], likert) == given, name
    assert read_answers([tmp_path / "one.json", tmp_path / "long.csv"], likert) == given


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"study": "0123"}, "answers to the study 0123; this key is of "),
        ({"worker": " "}, "answers without a worker"),
        ({"answers": {"i999.coherence": "1"}}, "i999.coherence: not a question of this study"),
        ({"answers": {"i001.beauty": "1"}}, "i001.beauty: not a question of this study"),
        ({"answers": {"i001.coherence": "6"}}, "i001.coherence: found '6'; expected one of 1, 2, 3, 4, 5."),
        ({"worker": None}, "answers without a worker"),
        ({"worker": ["ann"]}, "worker: expected text or a number, found list"),
        ({"worker": True}, "worker: expected text or a number, found bool"),
        ({"answers": {"i001.coherence": True}}, "i001.coherence: expected text or a number, found bool"),
        ({"answers": {"i001.coherence": [4]}}, "i001.coherence: expected text or a number, found list"),
        ({"answers": ["1"]}, 'expected an object with "worker" and "answers"'),
    ],
)
def test_answers_that_cannot_be_right_are_refused(
    change: dict[str, Any], message: str, likert: Study, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(page_json(likert, ratings(likert, "ann"), "ann") | change))
    with pytest.raises(DataError) as error:
        read_answers([path], likert)
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))


def test_an_answer_twice_counts_once_and_two_answers_are_refused(likert: Study, tmp_path: Path) -> None:
    record = {"worker": "ann", "answers": {"i001.coherence": "4", "i001.sentiment": ""}}
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(record))
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    assert read_answers(files, likert) == [Answer("i001", "coherence", "ann", "4")]
    record["answers"] = {"i001.coherence": 5}
    files[1].write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"ann answers i001\.coherence with 5, in .*a\.json with 4; keep one"):
        read_answers(files, likert)


def test_who_handed_in_which_page_in_what_time_with_what_comment(likert: Study, tmp_path: Path) -> None:
    record = page_json(likert, [], "ann") | {"comment": "one,\n=two"}
    (tmp_path / "a.json").write_text(json.dumps([record, record, record | {"page": "02", "seconds": 7}]))
    wide = {
        "WorkerId": "bob",
        "Answer.page": "01",
        "Answer.seconds": "60",
        "Answer.comment": "ok",
        "i001.coherence": "",
    }
    (tmp_path / "b.csv").write_text(table([wide, wide | {"WorkerId": ""}]))
    assert page_rows(read_handed_in([tmp_path / "a.json", tmp_path / "b.csv"], likert)) == [
        {"worker": "ann", "page": "01", "seconds": "3", "comment": "one,\n=two"},
        {"worker": "ann", "page": "02", "seconds": "7", "comment": "one,\n=two"},
        {"worker": "bob", "page": "01", "seconds": "60", "comment": "ok"},
    ]


def test_files_that_are_no_answers(likert: Study, tmp_path: Path) -> None:
    for name, text, message in (
        ("a.json", "{", "not valid JSON"),
        ("b.csv", "who,question\nann,1\n", "no column of workers; expected one of worker, .*, found who, question"),
        ("c.csv", "", "no column of workers; .*found none"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match=message):
            read_answers([tmp_path / name], likert)
    with pytest.raises(DataError, match="no such file"):
        read_answers([tmp_path / "absent.csv"], likert)
    with pytest.raises(DataError, match="the files hold no answer to this study"):
        results(likert, [])


def test_ratings_are_means_over_samples_of_means_over_workers(likert: Study) -> None:
    given = ratings(likert, "ann", "bob")
    found = results(likert, given)
    assert {(r.method, r.question): r.interval.mean for r in found.ratings} == {
        (m, q): float(RATING[m]) for m in RATING for q in ("coherence", "sentiment")
    }
    assert all(
        (r.interval.low, r.interval.high, r.n_answers) == (r.interval.mean, r.interval.mean, 12) for r in found.ratings
    )
    assert found.agreement["coherence"] == {"nominal": 1.0, "ordinal": 1.0, "interval": 1.0}
    # One sample's extra worker moves that sample alone: (1 + 4) / 2 of one, 4 of the five others.
    ppo = next(item for item in likert.items if item.methods == ("ppo",))
    more = [*ratings(likert, "ann"), Answer(ppo.id, "coherence", "eve", "1")]
    rating = next(r for r in results(likert, more).ratings if (r.method, r.question) == ("ppo", "coherence"))
    assert rating.interval.mean == pytest.approx((2.5 + 5 * 4) / 6)
    assert rating.interval.low < rating.interval.mean < rating.interval.high == 4
    assert results(likert, more).counts == {"answers": 37, "workers": 2, "items_answered": 18, "items": 18}


def test_win_rates_do_not_depend_on_which_text_came_first(pairwise: Study) -> None:
    found = {(r.method, r.other): r for r in results(pairwise, choices(pairwise, "ppo", "ann", "bob")).win_rates}
    ppo_first, ppo_second = found["ppo", "nlpo"], found["supervised", "ppo"]
    assert (ppo_first.interval.mean, ppo_first.wins, ppo_first.losses) == (1.0, 12, 0)
    assert (ppo_second.interval.mean, ppo_second.wins, ppo_second.losses) == (0.0, 0, 12)
    tied = found["supervised", "nlpo"]
    assert (tied.interval.mean, tied.ties) == (0.5, 12)


def test_the_interval_of_a_win_rate_covers_the_truth() -> None:
    rows = {m: [row(i, "p", f"{m} {i}") for i in range(200)] for m in ("a", "b")}
    study = make_study("pairwise", "imdb", rows, n_samples=None, per_page=50, seed=0)
    wins = {f"test_{i}" for i in range(140)}
    given = [
        Answer(item.id, "preference", "w", str(item.methods.index("a" if item.sample_id in wins else "b") + 1))
        for item in study.items
    ]
    interval = results(study, given).win_rates[0].interval
    assert interval.mean == 0.7
    # sqrt(0.7 * 0.3 / 200) = 0.0324: the normal interval is [0.636, 0.764]
    assert (interval.low, interval.high) == (pytest.approx(0.636, abs=0.01), pytest.approx(0.764, abs=0.01))


def test_preferences_are_majorities_with_the_texts_as_generated() -> None:
    texts = {"a": HOSTILE, "b": "Yes .<EOU>"}
    rows = {m: [row(i, f"prompt {i} <EOU>", f"{text} {i}") for i in range(3)] for m, text in texts.items()}
    study = make_study("pairwise", "daily_dialog", rows, n_samples=None, per_page=5, seed=3)
    by_sample = {item.sample_id: item for item in study.items}

    def vote(sample: str, worker: str, method: str) -> Answer:
        item = by_sample[sample]
        value = "tie" if method == "tie" else str(item.methods.index(method) + 1)
        return Answer(item.id, "preference", worker, value)

    given = [vote("test_0", w, m) for w, m in zip("xyz", ("a", "a", "b"), strict=True)]
    given += [vote("test_1", w, m) for w, m in zip("xyz", ("tie", "b", "tie"), strict=True)]
    given += [vote("test_2", w, m) for w, m in zip("xyz", ("a", "b", "tie"), strict=True)]
    found = {r["sample_id"]: r for r in preferences(study, given)}
    assert found["test_0"] == {
        "prompt": "prompt 0 <EOU>", "chosen": f"{HOSTILE} 0", "rejected": "Yes .<EOU> 0", "sample_id": "test_0"
    }  # fmt: skip
    assert found["test_1"]["chosen"] == "Yes .<EOU> 1"
    assert set(found) == {"test_0", "test_1"}


def test_what_is_chosen_does_not_depend_on_which_text_came_first(pairwise: Study) -> None:
    found = preferences(pairwise, choices(pairwise, "ppo", "ann"))
    assert {item.methods.index("ppo") for item in pairwise.items if "ppo" in item.methods} == {0, 1}
    assert len(found) == 12
    assert all(row["chosen"].startswith("ppo wrote") and not row["rejected"].startswith("ppo") for row in found)


def test_the_summary_shows_what_was_found(likert: Study, pairwise: Study) -> None:
    text = re.sub(" +", " ", summary(results(likert, ratings(likert, "ann", "bob")), 0))
    assert "72 answers of 2 workers, about 18 of 18 items." in text
    assert "| NLPO | 5.000 | 5.000 |" in text
    assert "| Coherence | 1.000 | 1.000 | 1.000 |" in text
    given = choices(pairwise, "ppo", "ann")
    text = summary(results(pairwise, given), len(preferences(pairwise, given)))
    assert max(map(len, text.splitlines()[:12])) <= 120
    text = re.sub(" +", " ", text)
    assert "12 of them are preferences, the others ties." in text
    assert "| PPO | NLPO | 1.000 | 6 | 0 | 0 | 0 |" in text
    assert "| Preference | – | – | – |" in text


def test_equal_answers_give_equal_results(likert: Study) -> None:
    given = ratings(likert, "ann", "bob")
    assert results(likert, given).to_dict() == results(likert, given[::-1]).to_dict()


def test_work_that_the_service_rejected_is_left_out_and_said(
    likert: Study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        {"WorkerId": worker, "AssignmentStatus": status, "Answer.i001.coherence": value}
        for worker, status, value in (("ann", "Approved", "4"), ("bob", "Rejected", "1"), ("eve", "Submitted", "5"))
    ]
    (tmp_path / "batch.csv").write_text(table(rows))
    assert [a.worker for a in read_answers([tmp_path / "batch.csv"], likert)] == ["ann", "eve"]
    assert "1 of 3 rows left out: the service says that their work was rejected." in caplog.text


def test_a_byte_order_mark_hides_no_other_study(likert: Study, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufeff" + table([{"study": "0123", "worker": "ann", "i001.coherence": "4"}]))
    with pytest.raises(DataError, match="answers to the study 0123"):
        read_answers([tmp_path / "a.csv"], likert)


@pytest.mark.parametrize("worker", ["=1+1", "+ann", "-ann", "@ann", "\uff1dann"])
def test_no_spreadsheet_computes_a_name_and_import_reads_it_as_it_was(
    worker: str, likert: Study, tmp_path: Path
) -> None:
    text = to_csv(
        [{"study": likert.digest, "worker": worker, "i001.coherence": "4"}], ["study", "worker", "i001.coherence"]
    )
    assert f",'{worker}," in text
    (tmp_path / "a.csv").write_text(text)
    assert read_answers([tmp_path / "a.csv"], likert) == [Answer("i001", "coherence", worker, "4")]


def test_numbers_stay_numbers_in_a_table() -> None:
    given = {"=head": "-3.5", "a": -1, "b": "+7", "c": None, "d": -0.25, "e": "-", "f": "\tx"}
    head, row = csv.reader(io.StringIO(to_csv([given], list(given))))
    assert head[0] == "'=head"
    assert row == ["-3.5", "-1", "+7", "", "-0.25", "'-", "'\tx"]


def test_brackets_without_end_are_no_answers(likert: Study, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(DataError, match="a.json: not valid JSON"):
        read_answers([tmp_path / "a.json"], likert)
