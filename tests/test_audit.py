"""avsync audit: what separates real from fake without a look at content, on data built to have it, and to have none."""

import json
import os
import time
import wave
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from browser import chromium, violations

import avsync.evaluate.audit.run
from avsync.cli import main
from avsync.datasets import ClipRecord
from avsync.engine import Limits
from avsync.errors import Reason, UsageError
from avsync.evaluate.audit import FACTS, audit
from avsync.evaluate.audit.cues import MeasuredClip, ceiling, find_cues
from avsync.evaluate.audit.folds import folds
from avsync.evaluate.audit.limited import File, Refused, measure_all
from avsync.evaluate.audit.measure import Measurer
from avsync.evaluate.audit.run import summarise
from avsync.evaluate.audit.scores import fact_scores, joint_scores
from avsync.evaluate.audit.store import FILE
from avsync.evaluate.metrics import auc
from avsync.media import read_headers

RATE = 16_000
NOTHING = dict.fromkeys(FACTS)


def write_sound(path: Path, silence: float = 0.0, seconds: float = 0.5, seed: int = 0) -> Path:
    """Noise after so many seconds of digital silence."""
    noise = np.random.default_rng(seed).normal(0, 3000, round((seconds - silence) * RATE))
    samples = np.concatenate([np.zeros(round(silence * RATE)), noise]).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


def silent_fakes(root: Path, people: int = 12) -> Path:
    """Of each person a real clip, and a fake that begins with 30 to 100 ms of silence, as AVH-Align found them."""
    for person in range(people):
        write_sound(root / f"real/p{person}/1.wav", seed=person)
        write_sound(root / f"fake/p{person}/1.wav", 0.03 + 0.07 * person / (people - 1), seed=100 + person)
    return root


def clip(name: str, label: str, identity: str, kind: str = "", page: str = "", **facts: float | str) -> MeasuredClip:
    """A clip that was measured, with some facts."""
    given = kind or ("RealVideo-RealAudio" if label == "real" else "FakeVideo-RealAudio")
    record = ClipRecord(Path(name), name, "real" if label == "real" else "fake", given, "m", identity, identity)
    return MeasuredClip(replace(record, page=page), {**NOTHING, **facts})


class TestMeasuring:
    def test_headers_are_read_without_decoding(self, tmp_path, flash_and_click):
        flash_and_click(
            tmp_path / "a.mp4",
            fps=30,
            seconds=2.0,
            codec_options={"g": "10", "sc_threshold": "0"},
            stretches=[(0.5, 2.0)],
        )
        found = read_headers(tmp_path / "a.mp4")
        assert found.container.startswith("mov,mp4")
        assert "Lavf" in found.encoder
        video, audio = found.video, found.audio
        assert (video.codec.split()[0], video.width, video.height, video.fps) == ("h264", 64, 48, 30.0)
        assert (video.pixel_format, video.key_frame_distance) == ("yuv420p", 10.0)
        assert (audio.codec, audio.rate, audio.channels) == ("aac LC", 16_000, 1)
        assert video.start == 0
        assert audio.start - video.start == pytest.approx(0.5, abs=0.07)
        assert video.end == pytest.approx(2.0, abs=0.01)
        size = (tmp_path / "a.mp4").stat().st_size * 8 / 2.0
        assert 0.3 * size < video.bit_rate < size

    def test_one_key_frame_tells_no_distance(self, tmp_path, flash_and_click):
        flash_and_click(tmp_path / "a.mp4", seconds=1.0, at=0.5)
        assert read_headers(tmp_path / "a.mp4").video.key_frame_distance is None

    def test_facts_of_a_video(self, tmp_path, flash_and_click):
        at = flash_and_click(tmp_path / "a.mp4")
        found = Measurer()(tmp_path / "a.mp4", None)
        assert found.keys() == FACTS.keys()
        assert found["leading_silence"] == pytest.approx(at, abs=0.1)
        assert found["trailing_silence"] == pytest.approx(2.0 - at, abs=0.15)
        assert (found["streams"], found["fps"], found["faces"]) == ("picture and sound", 25.0, None)

    def test_facts_of_sound_alone_and_of_sound_beside_the_video(self, tmp_path, flash_and_click):
        sound = write_sound(tmp_path / "a.wav", silence=0.1)
        flash_and_click(tmp_path / "a.mp4", sound=None)
        alone, beside = Measurer()(sound, None), Measurer()(tmp_path / "a.mp4", sound)
        assert (alone["streams"], beside["streams"]) == ("sound", "picture and sound")
        assert alone["leading_silence"] == beside["leading_silence"] == pytest.approx(0.1, abs=0.001)
        assert (alone["fps"], beside["fps"], beside["audio_codec"]) == (None, 25.0, "pcm_s16le")
        silent = Measurer()(tmp_path / "a.mp4", None)
        assert (silent["streams"], silent["leading_silence"], silent["loudness"]) == ("picture", None, None)

    def test_faces_are_measured_if_asked_for(self, tmp_path, flash_and_click):
        flash_and_click(tmp_path / "a.mp4")
        found = Measurer("dlib")(tmp_path / "a.mp4", None)
        assert (found["faces"], found["face_width"]) == (0.0, None)


def _obey(path: Path, audio: Path | None) -> dict[str, float | str | None]:
    """Does to its own process what the name of the file says."""
    match path.name:
        case "exit":
            os._exit(7)
        case "hang":
            time.sleep(600)
        case "eat":
            return {"size": float(len(b"x" * (1 << 46)))}  # more than any machine has
        case "raise":
            raise KeyError(path)
    return {"name": path.name}


def _obedient() -> object:
    return _obey


class TestLimits:
    def test_file_ends_nothing_but_its_own_process(self):
        names = ("a", "exit", "raise", "eat", "b", "hang", "c")
        files, limits = [File(Path(name)) for name in names], Limits(5.0, 4_000_000_000)
        found = dict(measure_all(files, _obedient, jobs=2, limits=limits))
        assert [found[place] for place in (0, 4, 6)] == [{"name": "a"}, {"name": "b"}, {"name": "c"}]
        assert [found[place].reason for place in (1, 2, 3, 5)] == [
            *(Reason.CRASHED, Reason.CRASHED, Reason.OUT_OF_MEMORY, Reason.TIMED_OUT),
        ]
        assert found[1].detail == "the worker process ended with exit status 7"
        assert found[2].detail == "an error in avsync (KeyError)"

    def test_broken_files_are_refused_with_their_reason(self, tmp_path):
        (tmp_path / "text.wav").write_text("no sound")
        (tmp_path / "text.flac").write_text("junk")
        names = (tmp_path / "text.wav", write_sound(tmp_path / "a.wav"), tmp_path / "none.wav", tmp_path / "text.flac")
        found = dict(measure_all([File(name) for name in names], partial(Measurer, None), jobs=1))
        assert (found[0].reason, found[2].detail) == (Reason.UNREADABLE, "no such file")
        assert found[3].detail == "it has neither pictures nor sound"
        assert found[1]["audio_rate"] == RATE


class TestFolds:
    def test_no_person_is_in_two_parts_and_every_part_has_both_classes(self):
        identities = [f"p{number // 4}" for number in range(80)]
        fake = np.arange(80) % 4 > 0
        tested = np.zeros(80, int)
        for train, test in folds(identities, fake):
            people = [{identities[index] for index in np.flatnonzero(side)} for side in (train, test)]
            assert not people[0] & people[1]
            assert {True, False} == set(fake[test].tolist())
            tested += test
        assert (tested == 1).all()

    def test_one_person_has_no_parts(self):
        assert list(folds(["ann"] * 4, np.array([True, True, False, False]))) == []


class TestScores:
    IDENTITIES = tuple(f"p{number}" for number in range(200))
    FAKE = np.arange(200) % 2 == 0

    def test_number_is_its_own_score(self):
        score = fact_scores([1, None, 2.5], ["a", "b", "c"], np.array([True, False, True]))
        assert np.array_equal(score, [1, np.nan, 2.5], equal_nan=True)

    def test_word_that_goes_with_fakes_scores_high_for_people_it_was_not_counted_on(self):
        words = ["lavf" if fake else "canon" for fake in self.FAKE]
        score = fact_scores(words, self.IDENTITIES, self.FAKE)
        assert auc(self.FAKE, score, np.ones(200)) == 1

    def test_word_of_each_person_alone_tells_nothing(self):
        """Counted on the same clips it would separate them perfectly."""
        score = fact_scores(list(self.IDENTITIES), self.IDENTITIES, self.FAKE)
        assert auc(self.FAKE, score, np.ones(200)) == pytest.approx(0.5, abs=0.05)

    def test_model_joins_facts_and_finds_what_lies_in_the_middle(self):
        rng = np.random.default_rng(0)
        middle = [25.0 if fake else float(rng.choice([24.0, 30.0])) for fake in self.FAKE]
        assert auc(self.FAKE, np.array(middle), np.ones(200)) == pytest.approx(0.5, abs=0.1)
        score = joint_scores([middle, rng.normal(size=200).tolist()], self.IDENTITIES, self.FAKE)
        assert auc(self.FAKE, score, np.ones(200)) > 0.95

    def test_missing_number_can_tell(self):
        missing = [None if fake else 1.0 for fake in self.FAKE]
        score = joint_scores([missing], self.IDENTITIES, self.FAKE)
        assert auc(self.FAKE, score, np.ones(200)) == 1


class TestCues:
    def clips(self, seed: int, people: int = 60, **effects: float) -> list[MeasuredClip]:
        """A real clip and a fake of each person; facts are noise, plus an effect on fakes."""
        rng = np.random.default_rng(seed)
        names = ("leading_silence", "clip_length", "fps", "loudness", "band_limit", "audio_bit_rate")
        return [
            clip(
                f"{label}{person}",
                label,
                f"p{person}",
                encoder=str(rng.choice(["a", "b", "c"])),
                **{name: rng.normal() + effects.get(name, 0.0) * (label == "fake") for name in names},
            )
            for person in range(people)
            for label in ("real", "fake")
        ]

    def test_fact_that_fakes_have_more_of_is_a_warning_with_its_side(self):
        cues = find_cues(self.clips(0, leading_silence=2.0, loudness=-1.5))
        assert [cue.fact for cue in cues[:2]] == ["leading_silence", "loudness"]
        silence, loudness = cues[:2]
        assert (silence.all.fakes_have, loudness.all.fakes_have) == ("more", "less")
        assert silence.all.auc.value == pytest.approx(0.92, abs=0.05)
        assert silence.all.auc.low < silence.all.auc.value < silence.all.auc.high
        assert [cue.fact for cue in cues if cue.warnings] == ["leading_silence", "loudness"]

    def test_random_labels_give_no_warning(self):
        """At a level of 0.05 for all facts together, about one of 20 audits may."""
        found = [summarise_of(self.clips(seed)) for seed in range(20)]
        assert sum(bool(one.warnings) for one in found) <= 1
        assert sum(one.ceiling["all"].warns for one in found) <= 1
        assert np.mean([one.ceiling["all"].auc.value for one in found]) == pytest.approx(0.5, abs=0.05)

    def test_line_beside_a_detector_names_the_worst(self):
        line = summarise_of(self.clips(0, leading_silence=2.0)).beside()
        assert line.startswith("Without a look at faces or voices: leading_silence alone reaches an AUC of 0.9")
        assert "all facts together reach 0.9" in line
        none = summarise_of(self.clips(0)).beside()
        assert none.startswith(
            "Without a look at faces or voices: no fact of the files alone separates fakes; all facts"
        )

    def test_strong_but_few_may_be_chance(self):
        found = summarise_of(self.clips(3, people=4, leading_silence=1.0))
        assert not found.warnings
        assert any(note.startswith("May be chance") for note in found.notes())

    def test_fact_of_one_type_is_told_of_that_type(self):
        quiet = self.clips(1)
        dubbed = [
            clip(
                f"d{person}", "fake", f"p{person}", "RealVideo-FakeAudio", **{**quiet[0].facts, "leading_silence": 9.0}
            )
            for person in range(12)
        ]
        (cue, *_) = [cue for cue in find_cues([*quiet, *dubbed]) if cue.fact == "leading_silence"]
        assert list(cue.types) == ["FakeVideo-RealAudio", "RealVideo-FakeAudio"]
        assert next(iter(cue.warnings)) == "RealVideo-FakeAudio"
        assert cue.types["RealVideo-FakeAudio"].typical == 9.0
        assert not cue.types["FakeVideo-RealAudio"].warns

    def test_fact_that_only_fakes_have_has_no_auc(self):
        clips = [clip(f"{label}{n}", label, f"p{n}") for n in range(9) for label in ("real", "fake")]
        clips = [
            one._replace(facts={**one.facts, "fps": float(place) if one.record.label == "fake" else None})
            for place, one in enumerate(clips)
        ]
        (cue,) = find_cues(clips)
        assert (cue.fact, cue.clips, cue.typical_real, cue.warnings) == ("fps", 9, None, {})
        assert np.isnan([cue.all.auc.value, cue.all.p_value]).all()

    def test_difference_between_pages_is_no_cue(self):
        """All clips of one page are long, and it has most of the fakes."""
        rng = np.random.default_rng(0)
        clips = [
            clip(f"{page}{label}{n}", label, f"{page}{n}", page=page, clip_length=rng.normal() + 9 * (page == "long"))
            for page, label, count in (
                ("long", "real", 5),
                ("long", "fake", 40),
                ("short", "real", 40),
                ("short", "fake", 5),
            )
            for n in range(count)
        ]
        assert find_cues([c._replace(record=replace(c.record, page="")) for c in clips])[0].warnings
        assert not find_cues(clips)[0].warnings

    def test_fact_that_is_the_same_everywhere_is_told_apart(self):
        found = summarise_of([one._replace(facts={**one.facts, "audio_rate": 16_000}) for one in self.clips(0)])
        assert {"audio_rate", "fps"} - set(found.same) == {"fps"}
        assert any("The same in all clips, or in none" in note and "audio_rate" in note for note in found.notes())

    def test_ceiling_of_a_type_is_of_a_model_of_its_own(self):
        """What tells one type speaks against the other: one model of both would tell neither."""
        clips = [
            clip(f"{kind}{person}", label, f"p{person}", kind, clip_length=value + 0.01 * person)
            for person in range(40)
            for label, kind, value in (
                ("real", "RealVideo-RealAudio", 2.0),
                ("fake", "FakeVideo-RealAudio", 3.0),
                ("fake", "RealVideo-FakeAudio", 1.0),
            )
        ]
        found = ceiling(clips)
        assert all(found[kind].auc.value > 0.99 for kind in ("FakeVideo-RealAudio", "RealVideo-FakeAudio"))


def summarise_of(clips: list[MeasuredClip]):
    return summarise([one.record for one in clips], {one.record.name: one.facts for one in clips})


class TestAudit:
    def test_silence_of_fakes_is_found(self, tmp_path, monkeypatch, capsys):
        """What AVH-Align found in FakeAVCeleb and AV-Deepfake1M."""
        (silent_fakes(tmp_path / "data") / "real/p0/broken.wav").write_text("no sound")
        status, out, _ = verb(monkeypatch, capsys, "audit", tmp_path / "data", "--output", tmp_path / "out")
        assert status == 0
        assert "Warning: leading_silence: fakes have more (real 0 s, fake 0.065 s); a detector" in out
        assert "reaches an AUC of 1.00. Cut the silence off both ends" in out
        assert "Not measured: 1 clips: real/p0/broken.wav (unreadable: not a readable media file" in out
        found = json.loads((tmp_path / "out/audit.json").read_text())
        assert (found["schema"], found["real"], found["fake"], found["identities"]) == ("avsync.audit/1", 12, 12, 12)
        assert found["warnings"][0]["fact"] == "leading_silence"
        assert found["ceiling"]["all"]["auc"]["value"] > 0.95
        page = (tmp_path / "out/audit.html").read_text()
        assert page.count("<svg") > len(found["cues"])
        assert "<script" not in page

    def test_json_is_what_is_written(self, tmp_path, monkeypatch, capsys):
        silent_fakes(tmp_path, people=3)
        arguments = (
            "--real",
            tmp_path / "real",
            "--fake",
            tmp_path / "fake",
            "--output",
            tmp_path / "out",
            "--json",
            "--jobs",
            1,
        )
        status, out, _ = verb(monkeypatch, capsys, "audit", *arguments)
        assert (status, json.loads(out)) == (0, json.loads((tmp_path / "out/audit.json").read_text()))

    def test_it_goes_on_where_it_was_stopped(self, tmp_path, monkeypatch):
        records = open_folders(silent_fakes(tmp_path / "data", people=3))
        asked = []

        def measure(files, **options):
            asked.append([str(file.path.relative_to(tmp_path / "data")) for file in files])
            yield from measure_all(files, **options)

        monkeypatch.setattr(avsync.evaluate.audit.run, "measure_all", measure)
        first = audit(records, tmp_path / "out", jobs=1)
        assert audit(records, tmp_path / "out", jobs=1) == first
        with (tmp_path / "out" / FILE).open("a") as file:
            file.write('{"name": "torn')
        write_sound(tmp_path / "data/real/p1/1.wav", seconds=0.6)
        audit(records, tmp_path / "out", jobs=1)
        audit(records, tmp_path / "out", faces="dlib", jobs=1)
        assert list(map(len, asked)) == [6, 0, 1, 6]
        assert asked[2] == ["real/p1/1.wav"]

    def test_missing_file_is_named_and_looked_for_again(self, tmp_path):
        records = open_folders(silent_fakes(tmp_path / "data", people=3))
        away = records[0].path.rename(tmp_path / "away.wav")
        assert audit(records, tmp_path / "out", jobs=1).refused == {"real/p0/1.wav": "unreadable: the file is missing"}
        away.rename(records[0].path)
        assert audit(records, tmp_path / "out", jobs=1).refused == {}

    def test_what_cannot_be_audited_is_told_before_any_work(self, tmp_path, monkeypatch, capsys):
        write_sound(tmp_path / "ann/1.wav")
        for arguments, message in (
            ((tmp_path,), "the data set lists no fake clip; an audit compares real clips with fakes"),
            ((), "give the folder of a data set, or --real DIR and --fake DIR"),
            ((tmp_path, "--faces", "x"), "no face detector is called 'x'"),
        ):
            status, _, err = verb(monkeypatch, capsys, "audit", *arguments, "--output", tmp_path / "out")
            assert (status, err.count("\n"), message in err) == (2, 1, True), err
        assert not (tmp_path / "out").exists()

    def test_folder_that_holds_something_else_is_told(self, tmp_path):
        records = open_folders(silent_fakes(tmp_path / "data", people=3))
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / FILE).write_text("[]\n")
        with pytest.raises(UsageError, match=r"facts\.jsonl line 1: no facts of a clip; choose another --output"):
            audit(records, tmp_path / "out", jobs=1)

    def test_none_that_can_be_read_is_told(self, tmp_path):
        records = open_folders(silent_fakes(tmp_path / "data", people=3))
        outcomes = {r.name: NOTHING if r.label == "real" else Refused(Reason.UNREADABLE, "empty") for r in records}
        with pytest.raises(UsageError, match=r"no fake clip could be measured; fake/p0/1\.wav: unreadable: empty"):
            summarise(records, outcomes)

    def test_names_of_files_and_tags_are_shown_as_text(self, tmp_path):
        from avsync.evaluate.audit.page import to_html

        clips = [
            clip(f"{label}{n}", label, f"p{n}", encoder="<script>" if label == "fake" else "\x1b[31m")
            for n in range(20)
            for label in ("real", "fake")
        ]
        found = summarise_of(clips)
        assert "\x1b" not in "".join(found.notes())
        page = to_html(found, clips)
        assert "<script" not in page
        assert "\x1b" not in page
        assert "&lt;script&gt;" in page


def test_the_page_is_accessible_and_loads_nothing(tmp_path):
    audit(open_folders(silent_fakes(tmp_path / "data", people=6)), tmp_path / "out", jobs=1)
    with chromium() as open_page:
        opened = open_page((tmp_path / "out/audit.html").as_uri())
        assert violations(opened.page) == []
        assert (opened.errors, opened.requests) == ([], [])


def open_folders(root: Path) -> list[ClipRecord]:
    from avsync.datasets.folders import records

    return records(root)


def verb(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["avsync", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err
