"""Manipulations of clips: what each does to size, length, frame rate and sound, and that lips stay in sync."""

import random
import struct

import numpy as np
import pytest
import talking

from avsync.errors import CannotJudge, UsageError
from avsync.evaluate.manipulations import MANIPULATIONS, CannotManipulate, Source, named, of_suite
from avsync.evaluate.manipulations.graphs import filtered_samples
from avsync.evaluate.manipulations.mixing import SHARES, mix
from avsync.evaluate.manipulations.noise import speech_level
from avsync.evaluate.manipulations.rewrite import Heard, Pictures, read_sound, rewrite
from avsync.media import FPS, RATE, frames, read_headers, write_clip
from avsync.media.probe import probe

ORDINARY = [one.name for one in of_suite("full")]
PICTURES = [name for name in ORDINARY if MANIPULATIONS[name].kind == "picture"]
SOUNDS = [name for name in ORDINARY if MANIPULATIONS[name].kind == "sound"]
STRETCHES = {"stretch -20 %": 0.8, "stretch -10 %": 0.9, "stretch +10 %": 1.1, "stretch +20 %": 1.2}
RATES = {f"frame rate {rate}": rate for rate in (15, 24, 30, 60)}
SIZES = {"half size": (160, 120), "quarter size": (80, 60), "crop": (272, 204)}


@pytest.fixture(scope="module")
def moment_clip(tmp_path_factory, flash_and_click):
    """A clip of 320 × 240 with a flash and a click at the same time, which is returned too (s)."""
    path = tmp_path_factory.mktemp("flash") / "clip.mp4"
    return path, flash_and_click(path, at=1.2, seconds=3.0, size=(320, 240), rate=48_000)


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A face that talks for three seconds, with its voice."""
    return talking.write(tmp_path_factory.mktemp("talk") / "talk.mp4", talking.face(), talking.voice())


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """The sound of other people, as FLAC."""
    folder = tmp_path_factory.mktemp("voices")
    return tuple(
        talking.write(folder / f"{seed}.flac", None, talking.voice(2.0, seed), codec="flac") for seed in (5, 6)
    )


@pytest.fixture
def make(tmp_path, voices):
    """Makes a copy of a clip; `others` are two voices."""

    def make(name, path, audio=None, seed=1, stem="copy"):
        source = Source(path, audio, voices)
        return MANIPULATIONS[name].make(source, tmp_path / stem, random.Random(seed))

    return make


def pictures_of(path):
    return np.stack([frame.image for frame in frames(path)]).astype(float)


def flash_of(path):
    """When the picture becomes bright (s)."""
    shown = [(frame.time, frame.image.mean()) for frame in frames(path)]
    levels = [level for _, level in shown]
    return next(time for time, level in shown if level > (min(levels) + max(levels)) / 2)


def click_of(path):
    """When the sound is loudest (s)."""
    return np.abs(read_sound(path)).argmax() / RATE


def level_db(samples):
    return 10 * np.log10(np.square(samples, dtype=np.float64).mean())


class TestRegistry:
    def test_names_kinds_and_strengths_are_there(self):
        for name, one in MANIPULATIONS.items():
            assert one.name == name
            assert one.strength

    def test_quick_is_a_part_of_full(self):
        assert {one.name for one in of_suite("quick")} < {one.name for one in of_suite("full")}

    def test_full_has_what_the_literature_lists(self):
        wanted = [f"pitch {n}" for n in ("-2", "-1", "+1", "+2")] + list(STRETCHES) + list(RATES) + list(SIZES)
        wanted += ["reverb", "band reject", "low shelf", "high shelf", "high pass", "low pass", "gain -20", "gain +10"]
        wanted += ["noise 20", "pink noise 20", "babble 20", "x264 crf 28", "x264 crf 35", "x264 crf 40", "x265", "VP9"]
        wanted += [f"{codec} {rate} kbps" for codec in ("MP3", "AAC", "Opus") for rate in (64, 16)]
        wanted += ["brightness", "contrast", "gamma", "mirror", "turn 5", "blur", "denoise", "sharpen"]
        wanted += ["subtitles", "logo", "screen"]
        for beginning in wanted:
            assert any(name.startswith(beginning) for name in ORDINARY), beginning

    def test_an_unknown_suite_is_wrong_usage(self):
        with pytest.raises(UsageError, match="quick, full"):
            of_suite("some")

    def test_rows_are_chosen_by_the_beginning_of_their_names(self):
        found = [one.name for one in named("packet loss 1,half, packet loss")]
        assert found[:3] == ["packet loss 1.0%", "packet loss 10.0%", "half size"]
        assert len(found) == len(set(found)) == 6

    def test_a_beginning_that_nothing_has_is_wrong_usage(self):
        with pytest.raises(UsageError, match="haalf: no manipulation begins so"):
            named("half,haalf")


class TestEvery:
    @pytest.mark.parametrize("name", ORDINARY)
    def test_flash_and_click_stay_together_and_the_length_is_kept(self, make, moment_clip, name):
        clip, moment = moment_clip
        copy = make(name, clip)
        factor, frame = STRETCHES.get(name, 1.0), 1 / min(FPS, RATES.get(name, FPS))
        assert abs(flash_of(copy) - moment * factor) <= frame + 1e-6
        assert abs(click_of(copy) - moment * factor) <= 0.04
        assert abs(flash_of(copy) - click_of(copy)) <= frame + 1e-6
        header = read_headers(copy)
        assert header.video.seconds == pytest.approx(3.0 * factor, abs=0.08)
        assert header.audio.seconds == pytest.approx(3.0 * factor, abs=0.1)
        assert (header.video.width, header.video.height) == SIZES.get(name, (320, 240))
        assert header.video.fps == pytest.approx(RATES.get(name, FPS / factor), rel=0.02)

    @pytest.mark.parametrize("name", PICTURES)
    def test_of_pictures_the_sound_is_copied_without_loss(self, make, talk, name):
        assert np.array_equal(read_sound(make(name, talk)), read_sound(talk))

    @pytest.mark.parametrize("name", SOUNDS)
    def test_of_sound_the_pictures_are_copied_without_loss(self, make, talk, name):
        assert np.array_equal(pictures_of(make(name, talk)), pictures_of(talk))

    @pytest.mark.parametrize("name", SOUNDS)
    def test_of_sound_alone_a_sound_file_is_made(self, make, voices, name):
        copy = make(name, voices[0])
        assert copy.suffix in (".flac", ".mp3", ".m4a", ".ogg")
        assert len(read_sound(copy)) == pytest.approx(2.0 * RATE, abs=0.1 * RATE)

    @pytest.mark.parametrize("name", [name for name in ORDINARY if name not in ("x264 crf 20", "AAC 128 kbps")])
    def test_something_is_changed(self, make, talk, name):
        copy = make(name, talk)
        if MANIPULATIONS[name].kind != "picture":
            before, after = read_sound(talk), read_sound(copy)
            count = min(len(before), len(after))
            assert np.abs(before[:count] - after[:count]).max() > 0.01
        if MANIPULATIONS[name].kind != "sound" and name not in RATES and name not in STRETCHES:
            before, after = pictures_of(talk), pictures_of(copy)
            assert before.shape != after.shape or np.abs(before - after).max() > 5

    @pytest.mark.parametrize("name", ["noise 20 dB", "babble 10 dB", "reverb", "frozen 0.5 s", "packet loss 5.0%"])
    def test_the_same_chance_gives_the_same_copy(self, make, talk, name):
        first, second, third = (make(name, talk, seed=seed, stem=stem) for seed, stem in ((1, "a"), (1, "b"), (2, "c")))
        assert first.read_bytes() == second.read_bytes()
        assert first.read_bytes() != third.read_bytes()

    @pytest.mark.parametrize("name", [one.name for one in MANIPULATIONS.values() if one.suite == "limits"])
    def test_steps_of_the_scripts_give_files_with_pictures(self, make, talk, name):
        assert len(pictures_of(make(name, talk))) >= 1


class TestWhatIsDone:
    def test_pitch_moves_the_tone_and_not_the_tempo(self, tmp_path):
        seconds = np.arange(2 * RATE) / RATE
        tone = (0.3 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
        path = talking.write(tmp_path / "a.flac", None, tone, codec="flac")
        for name, factor in (("pitch +2 semitones", 2 ** (2 / 12)), ("pitch -1 semitone", 2 ** (-1 / 12))):
            copy = read_sound(MANIPULATIONS[name].make(Source(path), tmp_path / "b", random.Random(0)))
            assert len(copy) == len(tone)
            spectrum = np.abs(np.fft.rfft(copy * np.hanning(len(copy))))
            assert spectrum.argmax() / 2 == pytest.approx(440 * factor, abs=3)

    @pytest.mark.parametrize(
        ("name", "hertz", "decibels"),
        [
            ("low pass", 7000, (-90, -20)),
            ("low pass", 1000, (-1, 1)),
            ("high pass", 60, (-40, -20)),
            ("high pass", 2000, (-1, 1)),
            ("band reject", 1414, (-90, -15)),
            ("band reject", 100, (-1, 1)),
            ("low shelf +10 dB", 50, (3, 5)),
            ("low shelf +10 dB", 4000, (-7, -5)),
            ("high shelf -10 dB", 7000, (-11, -8)),
            ("high shelf -10 dB", 300, (-1, 1)),
            ("telephone", 6000, (-90, -20)),
            ("telephone", 1000, (-2, 2)),
            ("8 kHz and back", 6000, (-90, -20)),
        ],
    )
    def test_equalisers_pass_and_stop_what_they_say(self, tmp_path, name, hertz, decibels):
        tone = (0.2 * np.sin(2 * np.pi * hertz * np.arange(2 * RATE) / RATE)).astype(np.float32)
        path = talking.write(tmp_path / "a.flac", None, tone, codec="flac")
        copy = read_sound(MANIPULATIONS[name].make(Source(path), tmp_path / "b", random.Random(0)))
        middle = slice(RATE // 2, 3 * RATE // 2)
        gain = level_db(copy[middle]) - level_db(tone[middle])
        assert decibels[0] <= gain <= decibels[1]

    @pytest.mark.parametrize(
        ("name", "below"), [("noise 20 dB", 20), ("noise 10 dB", 10), ("pink noise 20 dB", 20), ("babble 10 dB", 10)]
    )
    def test_what_is_added_lies_so_far_below_the_speech(self, make, voices, name, below):
        before, after = read_sound(voices[0]), read_sound(make(name, voices[0]))
        ratio = 20 * np.log10(speech_level(voices[0], before)) - level_db(after - before)
        assert ratio == pytest.approx(below, abs=0.5)

    def test_pink_noise_is_stronger_below(self, make, voices):
        noise = read_sound(make("pink noise 10 dB", voices[0])) - read_sound(voices[0])
        power = np.square(np.abs(np.fft.rfft(noise)))
        octaves = [power[len(power) // 2**n : len(power) // 2 ** (n - 1)].sum() for n in (1, 3, 5)]
        assert np.ptp(10 * np.log10(octaves)) < 2

    @pytest.mark.parametrize(("name", "gain"), [("gain -20 dB", -20), ("gain +10 dB", 10)])
    def test_loudness(self, make, voices, name, gain):
        before, after = read_sound(voices[0]), read_sound(make(name, voices[0]))
        assert np.allclose(after, (before * 10 ** (gain / 20)).clip(-1, 1), atol=1e-4)

    def test_reverb_goes_on_after_the_click_and_keeps_the_level(self, make, moment_clip):
        clip, moment = moment_clip
        after, before = read_sound(make("reverb", clip)), read_sound(clip)
        behind = slice(round((moment + 0.1) * RATE), round((moment + 0.2) * RATE))
        assert np.square(after[behind]).mean() > 100 * np.square(before[behind]).mean()
        assert level_db(after) == pytest.approx(level_db(before), abs=1)

    def test_mirror_swaps_left_and_right(self, make, talk):
        assert np.abs(pictures_of(make("mirror", talk))[..., ::-1] - pictures_of(talk)).mean() < 3

    def test_turning_is_clockwise_with_black_corners(self, tmp_path):
        picture = np.full((120, 120), 200, np.uint8)
        picture[:10, 55:65] = 30  # twelve o'clock
        write_clip(tmp_path / "a.mp4", [picture] * 5, None, crf=1)
        copy = MANIPULATIONS["turn 5 degrees"].make(Source(tmp_path / "a.mp4"), tmp_path / "b", random.Random(0))
        turned = pictures_of(copy)[0]
        assert turned[0, 0] < 40
        assert turned[5, 64] < 100 < turned[5, 56]

    @pytest.mark.parametrize(
        ("name", "low", "high"),
        [("brightness +20 %", 30, 60), ("brightness -20 %", -60, -30), ("gamma 0.6", 8, 60), ("gamma 1.6", -60, -8)],
    )
    def test_tone(self, make, talk, name, low, high):
        assert low < pictures_of(make(name, talk)).mean() - pictures_of(talk).mean() < high

    @pytest.mark.parametrize(("name", "more"), [("contrast 1.4", True), ("contrast 0.6", False)])
    def test_contrast(self, make, talk, name, more):
        assert bool(pictures_of(make(name, talk)).std() > pictures_of(talk).std()) is more

    @pytest.mark.parametrize(("name", "sharper"), [("sharpen", True), ("blur", False), ("denoise", False)])
    def test_detail(self, make, talk, name, sharper):
        def detail(pictures):
            return np.abs(np.diff(pictures, axis=-1)).mean()

        carrier = detail(pictures_of(make("x264 crf 20", talk)))
        assert bool(detail(pictures_of(make(name, talk))) > carrier) is sharper

    def test_subtitles_are_below_and_the_logo_is_above_right(self, make, talk):
        carrier = pictures_of(make("x264 crf 20", talk, stem="carrier"))
        rows, columns = carrier.shape[1:]
        encoding = 20  # grey levels that a pixel may change because it is encoded again
        for name, there in (
            ("subtitles", np.s_[:, 3 * rows // 4 :, :]),
            ("logo", np.s_[:, : rows // 3, columns // 2 :]),
        ):
            changed = np.abs(pictures_of(make(name, talk, stem=name)) - carrier) > encoding
            elsewhere = changed.sum() - changed[there].sum()
            assert changed[there].sum() > 10 * elsewhere

    @pytest.mark.parametrize(
        ("name", "codec"), [("x265 crf 32", "hevc"), ("VP9 crf 40", "vp9"), ("x264 crf 40", "h264")]
    )
    def test_codecs_of_pictures(self, make, talk, name, codec):
        assert read_headers(make(name, talk)).video.codec.startswith(codec)

    @pytest.mark.parametrize(
        ("name", "codec"), [("MP3 16 kbps", "mp3"), ("AAC 16 kbps", "aac"), ("Opus 16 kbps", "opus")]
    )
    def test_codecs_of_sound(self, make, talk, name, codec):
        header = read_headers(make(name, talk)).audio
        assert codec in header.codec
        assert header.bit_rate < 24_000

    def test_fewer_bits_are_fewer_bytes(self, make, talk):
        sizes = [make(f"x264 crf {crf}", talk).stat().st_size for crf in (20, 28, 35, 40)]
        assert sizes == sorted(sizes, reverse=True)


class TestTiming:
    def test_stretching_adds_no_picture(self, make, talk):
        with_times = {name: read_headers(make(name, talk)).video for name in STRETCHES}
        assert {round(video.fps * video.seconds) for video in with_times.values()} == {3 * FPS}

    @pytest.fixture
    def counted(self, tmp_path):
        """Pictures that grow lighter by three levels each, so that each can be told."""
        pictures = [np.full((48, 64), 20 + 3 * n, np.uint8) for n in range(50)]
        write_clip(tmp_path / "counted.mp4", pictures, None, crf=1)
        return tmp_path / "counted.mp4"

    def shown(self, path):
        return [round((image.mean() - 20) / 3) for image in pictures_of(path)]

    @pytest.mark.parametrize("rate", [1, 5, 12, 15])
    def test_repeated_pictures_stay_until_the_next_is_due(self, make, counted, rate):
        due = np.floor(np.arange(0, 50, FPS / rate)).astype(int)
        wanted = due[np.searchsorted(due, np.arange(50), side="right") - 1]
        assert self.shown(make(f"repeated pictures {rate}", counted)) == wanted.tolist()

    @pytest.mark.parametrize("rate", [5, 10, 15, 24, 30, 60])
    def test_another_frame_rate_shows_the_last_picture_at_each_time(self, make, counted, rate):
        copy = make(f"frame rate {rate}", counted)
        header = read_headers(copy).video
        assert header.fps == pytest.approx(rate)
        assert round(header.seconds * rate) == 2 * rate

    def test_a_frozen_picture_stands_still_once(self, make, counted):
        steps = np.diff(self.shown(make("frozen 0.5 s", counted)))
        count = round(0.5 * FPS)
        still = int(np.flatnonzero(steps == 0)[0])
        assert steps[still : still + count - 1].tolist() == [0] * (count - 1)
        assert steps[still + count - 1] == count
        assert (steps == 0).sum() == count - 1


class TestMixing:
    def test_weights_go_from_the_other_to_the_own_sound(self):
        own, other = np.ones(5, np.float32), np.full(3, -1, np.float32)
        assert (SHARES[0], SHARES[-1], len(SHARES)) == (0.0, 1.0, 10)
        assert mix(own, other, 0.0).tolist() == [-1, -1, -1]
        assert mix(own, other, 0.75).tolist() == [0.5, 0.5, 0.5]

    def test_copies_go_from_another_person_to_the_own_voice(self, make, talk):
        before = read_sound(talk)
        alike = []
        for number, share in enumerate(SHARES):
            after = read_sound(make(f"own speech {share:.2f}", talk, stem=str(number)))[: len(before)]
            alike.append(np.corrcoef(before[: len(after)], after)[0, 1])
        assert np.all(np.diff(alike) > 0)
        assert alike[0] < 0.2
        assert alike[-1] > 0.98

    def test_the_other_voice_is_as_loud(self, make, talk):
        copy = make("own speech 0.00", talk)
        assert level_db(read_sound(copy)) == pytest.approx(level_db(read_sound(talk)), abs=2.5)

    @pytest.mark.parametrize("name", ["own speech 0.50", "babble 10 dB"])
    def test_without_other_people_it_is_refused(self, tmp_path, talk, name):
        name = "own speech 0.56" if "own" in name else name
        with pytest.raises(CannotManipulate, match="no real speech of other people"):
            MANIPULATIONS[name].make(Source(talk), tmp_path / "a", random.Random(0))


class TestFiles:
    def test_a_clip_without_sound_has_no_other_sound(self, make, tmp_path):
        write_clip(tmp_path / "mute.mp4", [np.zeros((48, 64), np.uint8)] * 5, None)
        with pytest.raises(CannotManipulate, match="no sound"):
            make("noise 20 dB", tmp_path / "mute.mp4")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mute.mp4"]

    def test_sound_alone_has_no_other_pictures(self, make, voices):
        with pytest.raises(CannotManipulate, match="no picture"):
            make("half size", voices[0])

    @pytest.mark.parametrize("name", ["half size", "noise 20 dB", "stretch +10 %", "packet loss 5.0%", "frozen 0.5 s"])
    def test_what_is_no_media_file_cannot_be_judged(self, make, tmp_path, name):
        (tmp_path / "bad.mp4").write_bytes(b"?" * 100)
        with pytest.raises(CannotJudge):
            make(name, tmp_path / "bad.mp4")
        assert [path.name for path in tmp_path.iterdir()] == ["bad.mp4"]

    def test_sound_beside_the_video_is_put_into_the_copy(self, make, voices, tmp_path):
        write_clip(tmp_path / "mute.mp4", [np.zeros((48, 64), np.uint8)] * 50, None)
        before = read_sound(voices[0])
        for name in ("gain -20 dB", "half size"):
            copy = make(name, tmp_path / "mute.mp4", audio=voices[0], stem=name)
            after = read_sound(copy)[: len(before)]
            assert np.corrcoef(before[: len(after)], after)[0, 1] > 0.95

    def test_a_rotation_in_the_header_is_kept(self, make, tmp_path):
        quarters = np.kron(np.array([[255, 170], [85, 0]], np.uint8), np.ones((24, 32), np.uint8))
        path = tmp_path / "turned.mp4"
        write_clip(path, [quarters] * 10, np.zeros(RATE, np.float32), crf=1)
        data = bytearray(path.read_bytes())
        at = data.index(b"tkhd") + 44
        data[at : at + 20] = struct.pack(">5i", 0, 1 << 16, 0, -1 << 16, 0)
        path.write_bytes(data)
        upright = next(frames(path)).image
        assert upright.shape == (64, 48)
        for name in ("x264 crf 20", "AAC 128 kbps", "subtitles"):
            image = next(frames(make(name, path, stem=name))).image
            assert np.abs(image[:40].astype(float) - upright[:40]).mean() < 4, name

    @pytest.mark.parametrize("clock", [0.0, 1.4])
    def test_time_stamps_that_start_late_keep_lips_in_sync(self, make, tmp_path, flash_and_click, clock):
        path = tmp_path / "late.ts"
        flash_and_click(path, clock=clock, rate=48_000, options={"mpegts_copyts": "1"})
        for name in ("half size", "gain -20 dB", "stretch +20 %"):
            copy, factor = make(name, path, stem=name), STRETCHES.get(name, 1)
            assert flash_of(copy) == pytest.approx(flash_of(path) * factor, abs=0.021), name
            assert click_of(copy) == pytest.approx(click_of(path) * factor, abs=0.021), name

    def test_sound_that_starts_late_stays_late(self, make, tmp_path):
        path = talking.write(tmp_path / "late.mp4", talking.face(), talking.voice(), sound_at=0.4)
        before, after = read_sound(path), read_sound(make("noise 20 dB", path))
        count = min(len(before), len(after))
        assert np.corrcoef(before[:count], after[:count])[0, 1] > 0.9

    def test_streams_that_mp4_does_not_hold_are_copied_into_matroska(self, make, tmp_path, flash_and_click):
        flash_and_click(tmp_path / "old.avi", picture="mjpeg", pix_fmt="yuvj420p", sound="pcm_s16le")
        assert make("half size", tmp_path / "old.avi").suffix == ".mkv"
        assert make("noise 20 dB", tmp_path / "old.avi", stem="b").suffix == ".mkv"

    def test_odd_sides_become_even(self, make, tmp_path, flash_and_click):
        flash_and_click(tmp_path / "odd.mkv", picture="ffv1", pix_fmt="yuv444p", size=(65, 49), sound="flac")
        info = probe(make("mirror", tmp_path / "odd.mkv"))
        assert (info.width, info.height) == (64, 48)


def test_a_chain_of_filters_keeps_samples_that_it_does_not_change():
    samples = np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)
    assert np.array_equal(filtered_samples(samples, ()), samples)


def test_a_painter_gets_the_size_after_the_filters(talk, tmp_path):
    asked = []

    def painter(height, width):
        asked.append((height, width))
        return lambda pixels: pixels

    change = Pictures(chain=(("scale", "64:48"),), painter=painter)
    rewrite(Source(talk), tmp_path / "a", random.Random(0), pictures=change, heard=Heard())
    assert asked == [(48, 64)]


def test_a_stop_in_the_middle_leaves_no_half_copy(talk, tmp_path):
    seen = []

    def painter(height, width):
        def paint(pixels):
            seen.append(pixels)
            if len(seen) == 30:
                raise KeyboardInterrupt
            return pixels

        return paint

    with pytest.raises(KeyboardInterrupt):
        rewrite(Source(talk), tmp_path / "a", random.Random(0), pictures=Pictures(painter=painter))
    assert list(tmp_path.iterdir()) == []
