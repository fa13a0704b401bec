"""The protocol "stress" on stored verdicts: what is compared with what, and what the tables say."""

import json
import math
from dataclasses import replace

import pytest

from avsync.datasets import ClipRecord, open_dataset
from avsync.errors import UsageError
from avsync.evaluate import PROTOCOLS, evaluate
from avsync.evaluate import Settings as JudgedWith
from avsync.reconstruct.face import REGIONS
from avsync.score.verdict import CheckResult, Verdict
from avsync.stress import Candidate, Settings, StressSet
from avsync.stress.measures import Quality

JUDGED_WITH = JudgedWith("toy", "ab" * 32, ("lips", "face"), "default", "dlib", 0.05)
GOOD = Quality(40, 0.99, 0, 0, 0, 0)
KINDS, BLENDINGS = ("smoothed", "flicker"), ("feathered", "poisson")


@pytest.fixture
def folder(tmp_path):
    """A set of six people: a real clip and two reconstructions of each, whose flaw grows with their place."""
    rows, candidates = ["path,label,type,method,identity,pair"], []
    (tmp_path / "clips").mkdir()
    for person in range(6):
        rows.append(f"clips/real_{person}.mp4,real,,,p{person},{person}")
        for kind, name in enumerate(KINDS):
            slot = 2 * person + kind
            file = f"clips/reconstruction_{slot}.mp4"
            rows.append(f"{file},fake,FakeVideo-RealAudio,{name},p{person},{person}")
            how = (name, "time", BLENDINGS[person % 2], "hull")
            candidates.append(Candidate(slot, 0, *how, "ab", GOOD, slot / 12, file))
    for row in rows[1:]:
        (tmp_path / row.split(",")[0]).write_bytes(b"clip")
    (tmp_path / "meta.csv").write_text("\n".join(rows) + "\n")
    made = StressSet(
        Settings("1", 1, 12, 1, dict.fromkeys(KINDS, ""), list(BLENDINGS), 0.8, "ab"), dict.fromkeys(REGIONS, GOOD)
    )
    made.candidates, made.complete = candidates, True
    made.save(tmp_path)
    return tmp_path


def judge(path, *, audio=None):
    """Flicker is seen by the check of the face, always; what is smoothed scores just below its own real clip."""
    name, number = path.stem.rsplit("_", 1)
    if name == "real":
        face, lips = int(number), 0.5
    elif int(number) % 2:
        face, lips = 10.0, 0.5
    else:
        face, lips = int(number) // 2 - 0.1, 0.5
    checks = {"lips": CheckResult(lips, 0.5, {}), "face": CheckResult(face, 0.5, {})}
    p_value = 0.01 if face == 10 else 0.5
    word = "suspicious" if face == 10 else "consistent"
    return Verdict(
        str(path), word, p_value=p_value, anomaly_score=face, duration=3.0, leading_silence=0.1, checks=checks
    )


@pytest.fixture
def summary(folder, tmp_path):
    return evaluate(open_dataset(folder), judge, tmp_path / "out", settings=JUDGED_WITH, protocol="stress")


def group(summary, by, name=""):
    return next(one for one in summary.groups if (one.by, one.name) == (by, name))


def test_each_kind_is_compared_with_all_real_clips(summary):
    assert group(summary, "kind", "flicker").auc.value == 1
    # Of six smoothed clips the k-th scores above k of the six real ones.
    assert group(summary, "kind", "smoothed").auc.value == pytest.approx(15 / 36)
    assert group(summary, "").auc.value == pytest.approx((1 + 15 / 36) / 2)


def test_a_reconstruction_is_compared_with_its_own_real_clip_too(summary):
    assert group(summary, "kind", "smoothed").above_own.value == 0
    assert group(summary, "kind", "flicker").above_own.value == 1


def test_each_check_stands_alone_beside_the_baselines(summary):
    flicker = group(summary, "kind", "flicker")
    assert flicker.checks["face"].value == 1
    assert flicker.checks["lips"].value == 0.5
    assert flicker.baselines["length"].value == 0.5
    assert flicker.flagged.value == 1
    assert summary.false_alarms.value == 0


def test_thirds_are_by_quality_from_the_best_on(summary):
    thirds = [one for one in summary.groups if one.by == "quality"]
    assert [(one.name, one.clips) for one in thirds] == [("best third", 4), ("middle third", 4), ("worst third", 4)]
    assert [one.flaw for one in thirds] == pytest.approx([1.5 / 12, 5.5 / 12, 9.5 / 12])


def test_intervals_draw_people_not_clips(summary):
    """Each person has one clip of either kind, so that half of the clips are flagged, whoever is drawn."""
    flagged = group(summary, "").flagged
    assert (flagged.low, flagged.value, flagged.high) == (0.5, 0.5, 0.5)


def test_every_kind_blending_and_third_has_a_row_in_both_tables(summary):
    names = [["all", "· flicker", "· smoothed", "· feathered", "· poisson"]]
    names[0] += ["· best third", "· middle third", "· worst third"]
    assert [[row["reconstructions"] for row in rows] for rows in summary.tables().values()] == names * 2
    assert any("no sample of the fakes" in line for line in summary.notes())


def test_its_data_is_plain(summary):
    data = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert data["protocol"] == "stress"
    assert data["groups"][0]["clips"] == 12


def test_clips_that_cannot_be_judged_are_counted(folder, tmp_path):
    def some(path, *, audio=None):
        found = judge(path)
        return replace(found, anomaly_score=None, p_value=None, checks={}) if "real_0" in path.name else found

    found = evaluate(open_dataset(folder), some, tmp_path / "out", settings=JUDGED_WITH, protocol="stress")
    assert (found.real.judged, found.real.clips) == (5, 6)
    assert group(found, "kind", "smoothed").above_own.value == 0


def test_nobody_judged_has_no_figure(folder, tmp_path):
    def none(path, *, audio=None):
        return Verdict(str(path), "cannot_judge")

    found = evaluate(open_dataset(folder), none, tmp_path / "out", settings=JUDGED_WITH, protocol="stress")
    assert math.isnan(group(found, "").auc.value)
    assert math.isnan(group(found, "").above_own.value)
    assert "unknown" in found.notes()[2]


def test_other_fakes_are_refused(tmp_path):
    clip = ClipRecord(tmp_path / "a.mp4", "a.mp4", "fake", "FakeVideo-RealAudio", "faceswap", "a", "a")
    with pytest.raises(UsageError, match="a folder that avsync stress made"):
        evaluate([clip], judge, tmp_path / "out", settings=JUDGED_WITH, protocol="stress")
    assert "stress" in PROTOCOLS
