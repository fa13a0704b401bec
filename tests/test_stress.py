"""Stress sets: what is made of real clips, where it comes from, and how verdicts on it are summed up."""

from dataclasses import replace

import av
import numpy as np
import pytest
import talking
from typer.testing import CliRunner

import avsync.stress.assess
import avsync.stress.candidate
import avsync.stress.run
from avsync.cli import command_line
from avsync.datasets import ClipRecord, open_dataset
from avsync.datasets.splits import training_records
from avsync.errors import CannotJudge, UsageError
from avsync.media import FPS
from avsync.reconstruct.face import REGIONS, Rebuilt
from avsync.reconstruct.face.rebuild import rebuild_face
from avsync.stress import Settings, read_stress_set
from avsync.stress.assess import quality_of_real
from avsync.stress.measures import Quality, likeness
from avsync.stress.plan import drawn, slots, source_of
from avsync.stress.run import Recipe, make_stress_set
from avsync.stress.shot import open_shot, pieces

LOOSE = dict.fromkeys(REGIONS, Quality(psnr=15.0, ssim=0.2, sharpness=3.0, boundary=3.0, jitter=3.0, colour=50.0))
RECIPE = Recipe(["low_resolution", "carried_texture"], ["feathered"], "cpu")
SETTINGS = Settings("1", 1, 3, 2, dict.fromkeys(RECIPE.kinds, ""), RECIPE.blendings, 0.8, "ab")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A table of two real clips of two people, and a fake."""
    root = tmp_path_factory.mktemp("real")
    for seed in (0, 1):
        talking.write(root / f"{seed}.mp4", talking.face(2.4, seed=seed), talking.voice(2.4, seed=seed))
    rows = [("path", "label", "identity"), ("0.mp4", "real", "ann"), ("1.mp4", "real", "ben"), ("2.mp4", "fake", "ann")]
    (root / "meta.csv").write_text("".join(f"{','.join(row)}\n" for row in rows))
    return root


@pytest.fixture(scope="module")
def records(real):
    return [record for record in open_dataset(real) if record.label == "real"]


@pytest.fixture(scope="module")
def shot(records):
    return open_shot(records[0])


@pytest.fixture(scope="module")
def made(records, tmp_path_factory):
    """A set of three reconstructions, whose bounds let everything pass: its folder."""
    folder = tmp_path_factory.mktemp("stress") / "set"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(avsync.stress.run, "allowed", lambda *_: LOOSE)
        make_stress_set(records, folder, RECIPE, SETTINGS)
    return folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sound_packets(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


class TestShots:
    def test_a_face_is_cut_out_without_scaling(self, shot):
        """What is not rebuilt is the same to the last bit, also where the mask says that it is all rebuilt."""
        same = Rebuilt(shot.footage.pictures, np.ones(shot.footage.pictures.shape[:3], np.float32), "hull")
        for before, after in zip(shot.pictures(), shot.rebuilt_pictures(same), strict=True):
            np.testing.assert_array_equal(before, after)

    def test_nothing_outside_the_mask_changes(self, shot):
        rebuilt = rebuild_face(shot.footage, "low_resolution", np.random.default_rng(0), matched=True)
        for piece in pieces(shot):
            changed = (piece.rebuilt(rebuilt) != piece.pictures).any(axis=-1)
            assert changed.any()
            assert not changed[piece.masks(rebuilt.mask[piece.span]) == 0].any()

    def test_a_clip_without_a_face_is_refused(self, tmp_path):
        path = talking.write(tmp_path / "grey.mp4", np.full((60, 96, 96), 90, np.uint8), talking.voice(2.4))
        record = ClipRecord(path, path.name, "real", "RealVideo-RealAudio", "real", "a", "a")
        with pytest.raises(CannotJudge):
            open_shot(record)


class TestReal:
    def test_the_mouth_of_a_talking_face_changes_more_than_the_whole_face(self, shot):
        """So what is allowed there is more, too."""
        of = quality_of_real(shot)
        assert set(of) == set(REGIONS)
        assert of["mouth"].psnr < of["hull"].psnr - 1
        assert of["mouth"].ssim < of["hull"].ssim

    def test_pixels_are_compared_a_fifth_of_a_second_apart(self, shot, monkeypatch):
        seen = []
        monkeypatch.setattr(
            avsync.stress.assess,
            "likeness",
            lambda one, other, masks: seen.append((one, other)) or likeness(one, other, masks),
        )
        quality_of_real(shot)
        first = next(pieces(shot)).pictures
        np.testing.assert_array_equal(seen[0][0], first[:-5])
        np.testing.assert_array_equal(seen[0][1], first[5:])


class TestPlan:
    def test_kinds_and_blendings_are_even(self):
        wanted = slots(["a", "b", "c"], ["x", "y"], 12)
        assert {(s.kind, s.blending) for s in wanted} == {(k, b) for k in "abc" for b in "xy"}
        assert sum(s.kind == "a" for s in wanted) == 4

    def test_people_take_turns_in_the_order_that_a_seed_draws(self, tmp_path):
        clips = [
            ClipRecord(tmp_path / name, name, "real", "RealVideo-RealAudio", "real", name[0], name[0])
            for name in ("a1", "a2", "a3", "b1", "c1")
        ]
        order = drawn(clips, seed=5)
        assert sorted(record.identity for record in order[:3]) == ["a", "b", "c"]
        assert drawn(clips[::-1], seed=5) == order
        assert len(order) == 5

    def test_every_try_of_a_slot_takes_another_clip(self):
        (slot,) = slots(["a"], ["x"], 1)
        assert sorted(source_of(slot, tried, 3, seed=1) for tried in range(3)) == [0, 1, 2]

    def test_clips_have_like_many_reconstructions_and_not_all_of_one_kind(self):
        """As many clips as pairs of kind and blending: the same order each time would give a clip one pair alone."""
        wanted = slots(["a", "b", "c"], ["x", "y"], 24)
        of_clip = [[s for s in wanted if source_of(s, 0, 6, seed=1) == clip] for clip in range(6)]
        assert {len(of) for of in of_clip} == {4}
        assert max(len({(s.kind, s.blending) for s in of}) for of in of_clip) > 2


class TestMaking:
    def test_it_opens_as_a_data_set_of_real_clips_beside_their_reconstructions(self, made):
        clips = open_dataset(made)
        assert [clip.label for clip in clips] == ["real"] * 2 + ["fake"] * 3
        fakes = clips[2:]
        assert {clip.type for clip in fakes} == {"FakeVideo-RealAudio"}
        assert [clip.method for clip in fakes] == ["low_resolution", "carried_texture", "low_resolution"]
        pairs = {clip.pair: clip.identity for clip in clips[:2]}
        assert all(pairs[clip.pair] == clip.identity for clip in fakes)

    def test_every_file_says_what_it_is(self, made):
        for clip in open_dataset(made):
            with av.open(str(clip.path)) as container:
                comment = container.metadata["comment"]
            is_fake = clip.label == "fake"
            assert clip.path.name.startswith("reconstruction_" if is_fake else "real_")
            assert ("not a recording" in comment) == is_fake

    def test_the_sound_is_that_of_the_real_clip(self, made, real, records):
        sounds = [sound_packets(record.path) for record in records]
        for clip in open_dataset(made):
            copied = sound_packets(clip.path)
            whole = next(sound for sound in sounds if sound[: len(copied)] == copied)
            assert len(copied) > 0.9 * len(whole)

    def test_real_and_rebuilt_pictures_have_one_size_and_rate(self, made):
        seen = set()
        for clip in open_dataset(made):
            with av.open(str(clip.path)) as container:
                video = container.streams.video[0]
                seen.add((video.width, video.height, float(video.average_rate), video.frames))
        assert seen == {(192, 192, FPS, 60)}

    def test_provenance_names_clip_kind_seed_and_quality(self, made, records):
        found = read_stress_set(made)
        assert found.complete
        assert found.settings == SETTINGS
        assert {one.name for one in found.real} == {record.name for record in records}
        for candidate in found.kept:
            assert candidate.source in {one.sha256 for one in found.real}
            assert candidate.flaw == pytest.approx(candidate.quality.flaw(LOOSE[candidate.region]))

    def test_the_same_seed_gives_the_same_bytes_however_many_work_on_it(self, made, records, tmp_path, monkeypatch):
        monkeypatch.setattr(avsync.stress.run, "allowed", lambda *_: LOOSE)
        make_stress_set(records, tmp_path / "again", RECIPE, SETTINGS, jobs=2)
        assert contents(tmp_path / "again") == contents(made)

    def test_a_killed_run_is_continued_and_ends_the_same(self, made, records, tmp_path, monkeypatch):
        """The folder as it was when the second reconstruction was begun, and a file that was cut off."""
        folder = tmp_path / "set"
        before = read_stress_set(made)
        before.candidates, before.complete = before.candidates[:1], False
        (folder / "clips").mkdir(parents=True)
        kept = [one.file for one in (*before.real, *before.kept)]
        for name in kept:
            (folder / name).write_bytes((made / name).read_bytes())
        (folder / "clips" / f".{'0' * 32}.partial").write_bytes(b"half")
        before.save(folder)
        times = {name: (folder / name).stat().st_mtime_ns for name in kept}
        monkeypatch.setattr(avsync.stress.run, "allowed", lambda *_: LOOSE)
        make_stress_set(records, folder, RECIPE, SETTINGS)
        (folder / "clips" / f".{'0' * 32}.partial").unlink()
        assert contents(folder) == contents(made)
        assert {name: (folder / name).stat().st_mtime_ns for name in kept} == times

    def test_a_folder_of_another_set_or_of_other_files_is_refused(self, made, records, tmp_path):
        with pytest.raises(UsageError, match="changed: seed"):
            make_stress_set(records, made, RECIPE, replace(SETTINGS, seed=2))
        (tmp_path / "note.txt").write_text("mine")
        with pytest.raises(UsageError, match="other files"):
            make_stress_set(records, tmp_path, RECIPE, SETTINGS)

    def test_training_refuses_it(self, made):
        with pytest.raises(UsageError, match="real recordings only"):
            training_records(made)

    def test_what_does_not_pass_or_changes_nothing_is_not_in_the_set(self, records, tmp_path, monkeypatch):
        """A strict bound keeps the first kind out; the second leaves the pictures as they are."""

        def rebuild(footage, kind, rng, **options):
            if kind == "carried_texture":
                return Rebuilt(footage.pictures, np.ones(footage.pictures.shape[:3], np.float32), "hull")
            return Rebuilt(255 - footage.pictures, np.ones(footage.pictures.shape[:3], np.float32), "hull")

        monkeypatch.setattr(avsync.stress.candidate, "rebuild_face", rebuild)
        found = make_stress_set(records, tmp_path / "set", RECIPE, replace(SETTINGS, clips=2))
        assert found.kept == []
        failed = {one.kind: one.failed for one in found.candidates}
        assert "psnr" in failed["low_resolution"]
        assert failed["carried_texture"][-1] == "unchanged"
        assert [clip.label for clip in open_dataset(tmp_path / "set")] == ["real"] * 2


class TestVerb:
    def test_only_real_clips_are_used_and_it_says_so(self, real, tmp_path, monkeypatch):
        monkeypatch.setattr(avsync.stress.run, "allowed", lambda *_: LOOSE)
        words = ["stress", real, "--output", tmp_path / "set", "--clips", 1, "--role", "all"]
        words += ["--kinds", "low_resolution", "--blendings", "feathered"]
        result = CliRunner().invoke(command_line, [str(word) for word in words], catch_exceptions=False)
        assert result.exit_code == 0
        assert "1 clips are fakes or sound alone; only real videos are used." in result.stdout
        assert "1 of 1 reconstructions" in result.stdout
        assert "for testing detectors" in result.stdout
        assert {one.identity for one in read_stress_set(tmp_path / "set").real} <= {"ann", "ben"}

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--kinds", "swap"], "not a reconstruction of faces"),
            (["--blendings", "glue"], "not a way of blending"),
            (["--share", "2"], "between 0 and 1"),
        ],
    )
    def test_a_wrong_option_is_one_line(self, real, tmp_path, words, said):
        with pytest.raises(UsageError, match=said):
            CliRunner().invoke(
                command_line,
                ["stress", str(real), "--output", str(tmp_path / "set"), "--role", "all", *words],
                catch_exceptions=False,
            )

    def test_help_says_what_it_is_for(self):
        text = CliRunner().invoke(command_line, ["stress", "--help"]).stdout
        assert "test detectors" in text
        assert "keeps who speaks" in " ".join(text.split())
