"""Scores of frames, and the segments that they propose."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsync import Detector
from avsync.demo import make_clips
from avsync.errors import UsageError
from avsync.evaluate.protocols import segments
from avsync.evaluate.results import Settings, StoredVerdict
from avsync.media import FPS
from avsync.media.write import write_clip
from avsync.score.frames import MOMENT, MOST_PROPOSALS, FrameScores, moments, propose
from avsync.score.verdict import CheckResult, Proposal, Verdict

RNG = np.random.default_rng(3)


def frames(scores, start=0.0):
    return FrameScores(start + (np.arange(len(scores)) + 0.5) / FPS, np.asarray(scores, np.float64))


def bump(count, begin, end, height=4.0, noise=0.1):
    scores = RNG.normal(0, noise, count)
    scores[begin:end] += height
    return scores


class TestMoments:
    def test_it_is_the_mean_over_the_frames_around(self):
        values = RNG.normal(size=60)
        found = moments(values, np.ones(60))
        assert found[30] == pytest.approx(values[30 - MOMENT // 2 : 30 + MOMENT // 2 + 1].mean(), abs=1e-6)

    def test_at_the_ends_it_is_that_of_the_first_and_last_whole_moment(self):
        found = moments(RNG.normal(size=60), np.ones(60))
        assert set(found[:7]) == {found[7]}
        assert set(found[-7:]) == {found[-8]}

    def test_frames_count_by_their_speech(self):
        values, weight = RNG.normal(size=60), np.ones(60)
        weight[::2] = 0.0
        louder = np.where(weight, values, 100.0)
        np.testing.assert_allclose(moments(louder, weight), moments(values, weight), atol=1e-6)

    def test_what_is_not_known_does_not_count(self):
        values = RNG.normal(size=60)
        holes = np.where(np.arange(60) % 3, values, np.nan)
        np.testing.assert_allclose(moments(holes, np.ones(60)), moments(values, np.arange(60) % 3 > 0), atol=1e-6)

    def test_silence_has_none(self):
        weight = np.ones(100)
        weight[40:80] = 0.0
        found = moments(np.zeros(100), weight)
        assert np.isnan(found[50:70]).all()
        assert not np.isnan(found[:30]).any()
        assert np.isnan(moments(np.zeros(20), np.zeros(20))).all()

    def test_a_short_window_is_one_moment(self):
        assert moments(np.arange(5.0), np.ones(5)).tolist() == [2.0] * 5


class TestPropose:
    def test_the_best_is_the_stretch_that_stands_out(self):
        (first, *_) = propose(frames(bump(200, 60, 100), start=3.0), 2)
        assert (first.start, first.end) == (
            pytest.approx(3 + 60 / FPS, abs=0.05),
            pytest.approx(3 + 100 / FPS, abs=0.05),
        )
        assert first.track == 2

    def test_two_stretches_are_two_proposals(self):
        scores = bump(300, 60, 90) + bump(300, 200, 260)
        found = [round(proposal.start, 1) for proposal in propose(frames(scores), 0)[:4]]
        assert found[0] == pytest.approx(8.0, abs=0.05)
        assert 2.4 in found

    def test_a_higher_stretch_ranks_above_a_lower_one(self):
        (high, *_), (low, *_) = (propose(frames(bump(200, 60, 100, height)), 0) for height in (4.0, 2.0))
        assert high.score > low.score

    def test_a_short_gap_is_bridged(self):
        scores = bump(200, 60, 100, noise=0.0)
        scores[78:81] = np.nan
        assert (propose(frames(scores), 0)[0].start, propose(frames(scores), 0)[0].end) == (2.4, 4.0)

    def test_a_moment_of_less_than_a_fifth_of_a_second_is_none(self):
        assert propose(frames(bump(200, 60, 64, noise=0.0)), 0) == []

    @pytest.mark.parametrize("scores", [[], [np.nan] * 50, [1.0] * 50])
    def test_where_nothing_stands_out_there_is_none(self, scores):
        assert propose(frames(scores), 0) == []

    @given(st.lists(st.floats(-5, 5), min_size=1, max_size=400))
    def test_they_lie_in_the_recording_and_the_best_comes_first(self, scores):
        found = propose(frames(scores), None)
        assert len(found) <= MOST_PROPOSALS
        assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
        assert all(-1e-3 <= p.start < p.end <= len(scores) / FPS + 1e-3 for p in found)


@pytest.fixture(scope="module")
def spliced(tmp_path_factory):
    """The demo's clip in sync, and a copy in which the dubbed speech is heard from 3 to 5 s."""
    folder = tmp_path_factory.mktemp("spliced")
    in_sync, dubbed = make_clips(folder, seconds=8.0)
    from avsync.media import RATE, Sound
    from avsync.media.packets import decoded
    from avsync.media.probe import open_media, video_stream

    own, other = (Sound(path).reader().read(0, 8 * RATE) for path in (in_sync, dubbed))
    sound = own.copy()
    sound[3 * RATE : 5 * RATE] = other[3 * RATE : 5 * RATE]
    with open_media(in_sync) as container:
        pictures = [picture.to_ndarray(format="rgb24") for _, picture in decoded(container, video_stream(container))]
    write_clip(folder / "spliced.mp4", pictures, sound)
    return in_sync, folder / "spliced.mp4"


class TestDetector:
    def test_the_lips_check_proposes_the_stretch_with_other_speech(self, spliced):
        verdict = Detector(checks="lips").score(spliced[1])
        best = verdict.checks["lips"].proposals[0]
        assert best.start == pytest.approx(3.0, abs=0.5)
        assert best.end == pytest.approx(5.0, abs=0.5)
        whole = Detector(checks="lips").score(spliced[0]).checks["lips"].proposals
        assert best.score > max((proposal.score for proposal in whole), default=0.0)

    def test_every_check_has_a_score_for_every_frame(self, spliced):
        verdict = Detector().score(spliced[0], keep={"figures"})
        assert {curve.check for curve in verdict.figures.curves} == {"lips", "voice"}  # the face check has its windows
        for curve in verdict.figures.curves:
            assert np.diff(curve.times).min() == pytest.approx(1 / FPS, abs=0.011)


SETTINGS = Settings("toy", "ab" * 32, ("lips", "voice"), "default", "dlib", 0.05)


class TestProtocol:
    @pytest.fixture
    def clips(self, tmp_path):
        """Four people, each with a real clip and one that is fake from 2 to 3 s; "lips" finds half of them."""
        from avsync.datasets.record import ClipRecord

        records, results = [], {}
        for number in range(4):
            for label in ("real", "fake"):
                name = f"{number}-{label}.mp4"
                spans = ((2.0, 3.0),) if label == "fake" else ()
                record = ClipRecord(
                    tmp_path / name, name, label, "RealVideo-FakeAudio", "cut", f"p{number}", f"p{number}"
                )
                records.append(replace(record, fake_spans=spans, audio_fake_spans=spans, visual_fake_spans=()))
                found = label == "fake" and number % 2 == 0
                lips = [Proposal(2.0, 3.1, 5.0, 0)] if found else [Proposal(0.2, 1.0, 1.0 + number / 10, 0)]
                checks = {"lips": CheckResult(1.0, 0.5, proposals=lips), "voice": CheckResult(1.0, 0.5)}
                verdict = Verdict(str(record.path), "consistent", anomaly_score=1.0, duration=6.0, checks=checks)
                results[name] = StoredVerdict({}, verdict)
        return records, results

    def test_half_of_the_stretches_found_first_are_half_of_the_precision(self, clips):
        summary = segments.summarise(*clips, SETTINGS)
        lips = next(of for of in summary.located if (of.side, of.check) == ("picture or sound", "lips"))
        assert lips.spans == 4
        assert lips.segments.average_precision[0.75].value == pytest.approx(0.5)
        assert lips.segments.average_recall[5].value == pytest.approx(0.5 * 0.9, abs=0.06)
        assert 0.5 < lips.frames.value < 1

    def test_a_check_without_proposals_finds_nothing(self, clips):
        summary = segments.summarise(*clips, SETTINGS)
        voice = next(of for of in summary.located if of.check == "voice")
        assert voice.segments.average_precision[0.5].value == 0
        assert voice.frames.value == 0.5

    def test_sides_are_told_apart_where_the_data_set_does(self, clips):
        assert {of.side for of in segments.summarise(*clips, SETTINGS).located} == {"picture or sound", "sound"}
        records, results = clips
        untold = [replace(record, audio_fake_spans=None, visual_fake_spans=None) for record in records]
        assert {of.side for of in segments.summarise(untold, results, SETTINGS).located} == {"picture or sound"}

    def test_fakes_that_do_not_say_where_are_left_out_and_counted(self, clips):
        records, results = clips
        told = [replace(record, fake_spans=()) if record.name == "0-fake.mp4" else record for record in records]
        summary = segments.summarise(told, results, SETTINGS)
        assert summary.left_out == 1
        assert "Left out: 1 fakes" in " ".join(summary.notes())

    def test_a_data_set_that_says_nowhere_is_refused(self, clips):
        records, results = clips
        with pytest.raises(UsageError, match="no clip of this data set says where it is fake"):
            segments.summarise([replace(record, fake_spans=()) for record in records], results, SETTINGS)

    def test_its_figures_are_tables_and_plain_data(self, clips):
        summary = segments.summarise(*clips, SETTINGS)
        assert [len(rows) for rows in summary.tables().values()] == [6, 6]
        assert summary.to_dict()["protocol"] == "segments"
