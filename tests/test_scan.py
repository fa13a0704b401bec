"""How surprising the best stretch of a recording is: `avsync.score.scan` and `avsync.score.standout`."""

import numpy as np
import pytest

from avsync.score.calibration import Calibration, Conditions
from avsync.score.frames import FrameScores
from avsync.score.judge import Judged
from avsync.score.reference import Reference
from avsync.score.scan import Scan
from avsync.score.standout import find_standout, with_standout
from avsync.score.verdict import CheckScore, Proposal
from avsync.score.windows import Combined

TRUE = Scan(typical=0.7, scale=1.7)


def best_of_real(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The best stretches of recordings of 2 to 60 s, by the law itself."""
    rng = np.random.default_rng(seed)
    seconds = rng.uniform(2, 60, count)
    return drawn(rng.uniform(size=count), seconds), seconds


def drawn(share: np.ndarray, seconds: np.ndarray | float) -> np.ndarray:
    """The best stretches below which these shares of recordings of so many seconds lie."""
    return TRUE.typical - TRUE.scale * np.log(-np.log(share) / seconds)


def test_fitting_finds_the_law():
    best, seconds = best_of_real(2000)
    found = Scan.fit(best, seconds, [str(i) for i in range(2000)])
    assert found.typical == pytest.approx(TRUE.typical, abs=0.2)
    assert found.scale == pytest.approx(TRUE.scale, rel=0.05)


def test_every_person_weighs_the_same():
    best, seconds = best_of_real(60)
    people = [str(i) for i in range(60)]
    once = Scan.fit(best, seconds, people)
    copies = Scan.fit(np.r_[best, best[:1].repeat(50)], np.r_[seconds, seconds[:1].repeat(50)], [*people, *["0"] * 50])
    assert copies.typical == pytest.approx(once.typical, rel=1e-3)
    assert copies.scale == pytest.approx(once.scale, rel=1e-3)


@pytest.mark.parametrize("score", [0.0, 7.0])
def test_copies_of_one_recording_make_a_law_too(score: float):
    found = Scan.fit(np.full(20, score), np.full(20, 4.0), [str(i) for i in range(20)])
    assert Scan.from_dict(found.to_dict()) == found.from_dict(found.to_dict())
    assert found.p_value(score + 1, 4.0) < 0.05 < found.p_value(score - 1, 4.0)


@pytest.mark.parametrize("length", [3.0, 60.0, 3600.0])
def test_p_values_of_real_recordings_are_uniform_at_every_length(length: float):
    best = drawn(np.random.default_rng(1).uniform(size=5000), length)
    p_values = np.array([TRUE.p_value(score, length) for score in best])
    for level in (0.01, 0.05, 0.2, 0.5):
        assert (p_values <= level).mean() == pytest.approx(level, abs=0.02)


def test_the_same_stretch_is_less_surprising_in_a_longer_recording():
    p_values = [TRUE.p_value(12.0, seconds) for seconds in (3, 60, 3600)]
    assert p_values == sorted(p_values)
    assert p_values[1] == pytest.approx(20 * p_values[0], rel=0.05)  # as Bonferroni for windows, while small


def test_as_plain_data_and_back():
    assert Scan.from_dict(TRUE.to_dict()) == TRUE
    for damaged in (
        {"rate": 1.0},
        {"rate": -1, "decay": 1},
        {"rate": 1, "decay": np.nan},
        {"rate": [], "decay": 1},
    ):
        with pytest.raises((KeyError, TypeError, ValueError)):
            Scan.from_dict(damaged)


def test_both_parts_share_the_level():
    """Real recordings whose two p-values are uniform are called suspicious no more often than the level says."""
    whole, stretch = np.random.default_rng(2).uniform(size=(2, 4000))
    p_values = np.array([with_standout(0.0, a, b)[1] for a, b in zip(whole, stretch, strict=True)])
    for level in (0.01, 0.05, 0.2):
        assert (p_values <= level).mean() <= level + 0.01


def test_the_more_unusual_part_decides():
    score, p_value, rests = with_standout(0.3, 0.5, 0.002)
    assert (p_value, rests) == (pytest.approx(0.01), True)
    assert score == pytest.approx(2.0)
    score, p_value, rests = with_standout(2.0, 0.008, 0.5)
    assert (p_value, rests) == (pytest.approx(0.01), False)
    assert score == pytest.approx(2.0 + np.log10(0.8))


def judged(*proposals: Proposal, seconds: float = 10.0) -> Judged:
    count = round(seconds * 25)
    frames = FrameScores(np.arange(count) / 25, np.zeros(count))
    return Judged(CheckScore(0.0), [], 0.0, 3.0, Combined([], []), frames, list(proposals))


def calibrated(**scans: Scan | None) -> Calibration:
    one = np.ones(1)
    references = {name: Reference(one, one, {}, np.zeros((1, 101)), None, {}, scan) for name, scan in scans.items()}
    return Calibration(Conditions("default", "dlib"), references, {})


def test_the_most_surprising_stretch_of_all_checks_is_found():
    results = {
        "lips": {0: judged(Proposal(1.0, 2.0, 5.0, 0))},
        "voice": {None: judged(Proposal(4.0, 5.0, 15.0), Proposal(7.0, 8.0, 3.0))},
    }
    found = find_standout(results, [0], calibrated(lips=TRUE, voice=TRUE))
    assert found is not None
    assert (found.check, found.start, found.end, found.track) == ("voice", 4.0, 5.0, None)
    assert found.p_value == pytest.approx(2 * TRUE.p_value(15.0, 10.0))  # two checks looked


def test_faces_that_listen_do_not_count():
    results = {"lips": {0: judged(Proposal(1.0, 2.0, 5.0, 0)), 1: judged(Proposal(1.0, 3.0, 30.0, 1))}}
    found = find_standout(results, [0], calibrated(lips=TRUE))
    assert found is not None
    assert found.track == 0
    assert found.p_value == pytest.approx(TRUE.p_value(5.0, 10.0))


def test_the_speech_of_all_speakers_counts():
    results = {"lips": {0: judged(Proposal(1.0, 2.0, 9.0, 0)), 1: judged(seconds=50.0)}}
    found = find_standout(results, [0, 1], calibrated(lips=TRUE))
    assert found is not None
    assert found.p_value == pytest.approx(TRUE.p_value(9.0, 60.0))


@pytest.mark.parametrize("results", [{"face": {0: judged(Proposal(0.0, 3.0, 9.0, 0))}}, {"lips": {0: judged()}}])
def test_nothing_stands_out_where_no_check_looks_or_none_finds_anything(results: dict):
    assert find_standout(results, [0], calibrated(face=None, lips=TRUE)) is None
