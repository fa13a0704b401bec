"""What Detector promises: a file in, a verdict out, whatever the file.

Every clip is the demo's: a face whose lips move as its voice does, at a third of its size, written anew as files of
every kind. What real clips are like is taken from the embedded checkpoint.
"""

import json
import random
import shutil
import struct
import subprocess
import sys
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from avsync import Detector
from avsync.align import EMBEDDED, load_checkpoint, save_checkpoint
from avsync.demo import make_clips
from avsync.demo.face import talk
from avsync.demo.voice import speak
from avsync.errors import Reason, UsageError
from avsync.media import FPS, RATE, frames
from avsync.score.reference import SHARES, Reference

SECONDS = 6.0
SIDE = 192  # the face is 93 pixels wide
LOSSLESS = {"qp": "0", "preset": "ultrafast"}
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")


def resized(picture, side=SIDE):
    return np.asarray(Image.fromarray(picture).resize((side, side)))


def write(
    path,
    pictures,
    sound,
    *,
    fps=FPS,
    times=None,
    options=None,
    codec="aac",
    rate=RATE,
    layout="mono",
    sound_at=0.0,
    container=None,
):
    """Write grey pictures [T, H, W] and mono 16 kHz sound (None: without) as a file, and return its path.

    `times` are those of the pictures (s), default: constant `fps`; the sound starts at `sound_at`.
    """
    exact = Fraction(fps).limit_denominator(1001)
    tick = 1 / exact if times is None else Fraction(1, 1000)
    packets = []
    with av.open(f"file:{path}", "w", options=container or {}) as file:
        video = file.add_stream("libx264", rate=exact, options=options or {"preset": "ultrafast", "crf": "18"})
        audio = file.add_stream(codec, rate=rate, layout=layout) if sound is not None else None
        video.height, video.width = pictures[0].shape
        video.pix_fmt, video.codec_context.time_base = "yuv420p", tick
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
            frame.pts, frame.time_base = index if times is None else round(times[index] * 1000), tick
            packets += video.encode(frame)
        packets += video.encode(None)
        if audio is not None:
            packets += _encoded(audio, sound, rate, sound_at)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            file.mux(packet)
    return path


def _encoded(audio, sound, rate, at):
    layout = audio.codec_context.layout
    wanted = np.arange(round(len(sound) * rate / RATE)) * RATE / rate
    samples = np.repeat(np.interp(wanted, np.arange(len(sound)), sound)[None], layout.nb_channels, axis=0)
    for done in range(0, samples.shape[1], 1024):
        piece = np.ascontiguousarray(samples[:, done : done + 1024], np.float32)
        block = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout.name)
        block.sample_rate, block.time_base, block.pts = rate, Fraction(1, rate), round(at * rate) + done
        yield from audio.encode(block)
    yield from audio.encode(None)


@pytest.fixture(scope="module")
def detector():
    return Detector()


@pytest.fixture(scope="module")
def score(detector):
    """Scores a file, and holds every verdict to what is true of any."""

    def checked(path):
        begin = time.perf_counter()
        verdict = detector.score(path)
        assert time.perf_counter() - begin < 20
        json.dumps(verdict.to_dict(), allow_nan=False)
        assert verdict.path == str(path)
        judged = verdict.verdict != "cannot_judge"
        assert judged == (verdict.reason is None) == bool(verdict.tracks) == (verdict.p_value is not None)
        assert judged == (verdict.detail == "")
        if judged:
            assert verdict.rests_on in {track.track for track in verdict.tracks}
            assert (verdict.verdict == "suspicious") == (verdict.p_value <= verdict.level)
        return verdict

    return checked


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("demo"), seconds=SECONDS)


@pytest.fixture(scope="module")
def pictures(demo):
    """The demo's pictures, small: uint8 [150, 192, 192]."""
    return np.array([resized(frame.image) for frame in frames(demo[0])])


@pytest.fixture(scope="module")
def voice():
    """What the lips of `pictures` say, float32 [96000]."""
    return speak(SECONDS, seed=0).waveform


@pytest.fixture(scope="module")
def plain(score, pictures, voice, tmp_path_factory):
    """The verdict on pictures and voice in an ordinary file."""
    return score(write(tmp_path_factory.mktemp("plain") / "plain.mp4", pictures, voice))


def the_track(verdict):
    (track,) = verdict.tracks
    return track


def agreement(track):
    return track.readings["agreement"].value


def assert_like(verdict, plain, within=0.6):
    """The same judgement: verdict, lag within a frame, and agreement closer than a dub's by far."""
    track = the_track(verdict)
    assert (verdict.verdict, verdict.reason) == (plain.verdict, None)
    assert abs(track.lag_ms - the_track(plain).lag_ms) <= 40
    assert agreement(track) == pytest.approx(agreement(the_track(plain)), abs=within)


class TestJudgement:
    def test_lips_fit_their_own_speech_better_than_a_dub(self, score, demo):
        in_sync, dubbed = (the_track(score(path)) for path in demo)
        assert agreement(in_sync) > agreement(dubbed) + 1
        assert in_sync.aspects["speech"] > dubbed.aspects["speech"]
        assert abs(in_sync.lag_ms) <= 40
        # The pictures are the same.
        assert in_sync.readings["mouth_detail"].value == pytest.approx(dubbed.readings["mouth_detail"].value, abs=0.2)

    def test_the_verdict_says_what_was_read_and_by_what(self, score, demo, detector):
        verdict, track = score(demo[0]), the_track(score(demo[0]))
        assert (verdict.width, verdict.height, verdict.fps, verdict.audio_rate) == (384, 384, 25, 16_000)
        assert verdict.duration == pytest.approx(SECONDS, abs=0.1)
        assert (len(verdict.sha256), verdict.resampled, verdict.warnings) == (64, False, [])
        assert verdict.weights_sha256 == detector.weights_sha256
        assert verdict.trimmed_head == pytest.approx(0.16, abs=0.12)
        assert verdict.trimmed_tail == pytest.approx(0.2, abs=0.2)
        assert track.start == pytest.approx(verdict.trimmed_head, abs=0.05)
        assert track.end == pytest.approx(SECONDS - verdict.trimmed_tail, abs=0.12)
        left, top, right, bottom = track.box
        assert 0 < left < 192 < right < 384
        assert 0 < top < 192 < bottom < 384
        assert 3 < track.speech_seconds < track.end - track.start + 0.1

    def test_the_same_file_gets_the_same_verdict_again(self, score, demo):
        first, _, again = score(demo[0]), score(demo[1]), score(demo[0])
        assert first == again

    def test_the_level_decides(self, pictures, voice, tmp_path):
        path = write(tmp_path / "photo.mp4", np.repeat(pictures[:1], 150, axis=0), voice)
        lenient, strict = (Detector(level=level).score(path) for level in (1e-6, 0.999))
        assert (lenient.verdict, lenient.level) == ("consistent", 1e-6)
        assert (strict.verdict, strict.level) == ("suspicious", 0.999)
        assert (lenient.p_value, lenient.oddness) == (strict.p_value, strict.oddness)

    def test_the_rule_of_trimming(self, pictures, voice, tmp_path):
        silence = np.zeros(RATE, np.float32)
        path = write(tmp_path / "late.mkv", pictures, np.concatenate([silence, voice[:-RATE]]), codec="pcm_s16le")
        default, paper, none = (Detector(trim=trim).score(path) for trim in ("default", "paper", "none"))
        assert default.trimmed_head == pytest.approx(1.16, abs=0.12)
        assert paper.trimmed_head == pytest.approx(1.0, abs=0.04)
        assert (none.trimmed_head, none.trimmed_tail) == (0, 0)
        assert the_track(none).start == 0

    @pytest.mark.parametrize("level", [0, 1, -0.1, 5, float("nan")])
    def test_a_level_that_is_no_share_is_a_usage_error(self, level):
        with pytest.raises(UsageError, match="between 0 and 1"):
            Detector(level=level)

    def test_a_trim_that_does_not_exist_is_a_usage_error(self):
        with pytest.raises(UsageError, match="default, paper, none"):
            Detector(trim="everything")

    def test_weights_that_cannot_be_used_are_a_usage_error(self, tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            Detector(tmp_path / "none.safetensors")
        save_checkpoint(load_checkpoint(EMBEDDED).model, tmp_path / "new.safetensors", {"calibration": {}})
        with pytest.raises(UsageError, match="run avsync calibrate"):
            Detector(tmp_path / "new.safetensors")


MASTER = 100  # pictures per second


@pytest.fixture(scope="module")
def fine():
    """Four seconds of the demo's face at 100 pictures a second, and its voice."""
    said, at = speak(4.0, seed=0), np.arange(4 * MASTER) / MASTER
    lips = (np.interp(at, (np.arange(100) + 0.5) / FPS, x).astype(np.float32) for x in (said.opening, said.width))
    return np.array([resized(picture[..., 1]) for picture in talk(*lips, seed=0)]), said.waveform


def shown(fine, times):
    return fine[0][np.minimum(np.rint(np.asarray(times) * MASTER).astype(int), len(fine[0]) - 1)]


@pytest.fixture(scope="module")
def at_25(fine, score, tmp_path_factory):
    return score(write(tmp_path_factory.mktemp("25") / "25.mp4", shown(fine, np.arange(100) / 25), fine[1]))


class TestFrameRates:
    @pytest.mark.parametrize("fps", [24, 30_000 / 1001, 30, 50, 60])
    def test_the_same_content_gets_the_same_judgement(self, fine, at_25, score, tmp_path, fps):
        path = write(tmp_path / "clip.mp4", shown(fine, np.arange(round(4 * fps)) / fps), fine[1], fps=fps)
        verdict = score(path)
        assert_like(verdict, at_25)
        assert verdict.resampled
        assert verdict.fps == pytest.approx(fps, rel=1e-4)

    def test_variable_frame_rate(self, fine, at_25, score, tmp_path):
        times = np.cumsum(np.random.default_rng(0).integers(15, 60, 105)) / 1000
        times = times[times < 3.98] - times[0]
        assert_like(score(write(tmp_path / "clip.mkv", shown(fine, times), fine[1], times=times)), at_25, within=1)

    def test_few_pictures_a_second_are_warned_of(self, fine, score, tmp_path):
        verdict = score(write(tmp_path / "clip.mp4", shown(fine, np.arange(48) / 12), fine[1], fps=12))
        assert verdict.warnings == ["only 12 pictures per second: lips are judged less surely"]


class TestFilesOfAnyKind:
    @pytest.mark.parametrize(
        "recipe",
        [
            {"rate": 8000},
            {"rate": 22_050},
            {"rate": 44_100, "layout": "stereo"},
            {"rate": 48_000, "layout": "5.1"},
            {"rate": 48_000, "codec": "libopus", "layout": "stereo"},
        ],
        ids=str,
    )
    def test_sound_of_any_rate_and_layout(self, score, pictures, voice, plain, tmp_path, recipe):
        assert_like(score(write(tmp_path / "clip.mp4", pictures, voice, **recipe)), plain)

    @pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
    @pytest.mark.parametrize(
        ("recipe", "lag"),
        [({"sound_at": 0.12}, 120), ({"times": 0.12 + np.arange(150) / FPS}, -120)],
        ids=["late", "early"],
    )
    def test_sound_that_is_late_or_early_is_reported_as_lag(
        self, score, pictures, voice, plain, tmp_path, name, recipe, lag
    ):
        verdict = score(write(tmp_path / name, pictures, voice, **recipe))
        assert the_track(verdict).lag_ms - the_track(plain).lag_ms == pytest.approx(lag, abs=40)
        assert (verdict.verdict, verdict.warnings) == (plain.verdict, [])
        assert agreement(the_track(verdict)) == pytest.approx(agreement(the_track(plain)), abs=0.6)

    def test_a_long_lag_is_warned_of(self, score, pictures, voice, tmp_path):
        verdict = score(write(tmp_path / "late.mp4", pictures, voice, sound_at=0.32))
        assert the_track(verdict).lag_ms == pytest.approx(320, abs=40)
        assert verdict.warnings == [
            f"the sound comes {the_track(verdict).lag_ms:.0f} ms after the lips: more than most real files"
        ]

    def test_sound_shorter_than_the_pictures(self, score, pictures, voice, plain, tmp_path):
        verdict = score(write(tmp_path / "clip.mp4", pictures, voice[: 3 * RATE]))
        assert_like(verdict, plain, within=1)
        assert the_track(verdict).end == pytest.approx(3.0, abs=0.15)

    def test_sound_longer_than_the_pictures(self, score, pictures, voice, plain, tmp_path):
        verdict = score(write(tmp_path / "clip.mp4", pictures, np.concatenate([voice, voice])))
        assert_like(verdict, plain)
        assert the_track(verdict).end == pytest.approx(SECONDS, abs=0.05)

    @pytest.mark.parametrize("degrees", [90, 180, 270])
    def test_rotation_flag(self, score, pictures, voice, plain, tmp_path, degrees):
        """The header asks to turn clockwise what is stored the other way round (ISO 14496-12, section 8.3.2)."""
        path = write(tmp_path / "clip.mp4", np.rot90(pictures, degrees // 90, axes=(1, 2)), voice)
        a, b = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
        data = bytearray(path.read_bytes())
        at = data.index(b"tkhd") + 44
        data[at : at + 20] = struct.pack(">5i", a << 16, b << 16, 0, -b << 16, a << 16)
        path.write_bytes(data)
        verdict = score(path)
        assert_like(verdict, plain)
        np.testing.assert_allclose(the_track(verdict).box, the_track(plain).box, atol=2)

    @needs_ffmpeg
    def test_an_edit_list_that_cuts_between_keyframes(self, score, pictures, voice, plain, tmp_path):
        whole, cut = write(tmp_path / "whole.mp4", pictures, voice), tmp_path / "cut.mp4"
        subprocess.run(["ffmpeg", "-v", "error", "-ss", "1.4", "-i", whole, "-c", "copy", cut], check=True)
        verdict = score(cut)
        assert_like(verdict, plain)
        assert the_track(verdict).end == pytest.approx(the_track(plain).end - 1.4, abs=0.1)

    def test_any_name(self, score, pictures, voice, plain, tmp_path):
        path = write(tmp_path / "clip.mp4", pictures, voice).rename(tmp_path / "здравствуй 你好 é #1.mp4")
        assert_like(score(path), plain)


class TestWhatIsSeen:
    def test_a_face_lost_for_seconds(self, score, pictures, voice, tmp_path):
        gone = pictures.copy()
        gone[60:100] = 128
        verdict = score(write(tmp_path / "clip.mp4", gone, voice))
        first, second = verdict.tracks
        assert first.end == pytest.approx(2.4, abs=0.05)
        assert second.start == pytest.approx(4.0, abs=0.45)
        assert all(abs(track.lag_ms) <= 40 and agreement(track) > -0.5 for track in verdict.tracks)

    def test_of_two_faces_the_one_that_talks_decides(self, score, pictures, voice, tmp_path):
        listener = np.roll(pictures, 40, axis=0)
        for order in ((pictures, listener), (listener, pictures)):
            verdict = score(write(tmp_path / "clip.mp4", np.concatenate(order, axis=2), voice))
            talker = next(track for track in verdict.tracks if track.track == verdict.rests_on)
            assert len(verdict.tracks) == 2
            assert (talker.box[0] < SIDE) == (order[0] is pictures)
            assert verdict.p_value == talker.p_value
            assert abs(talker.lag_ms) <= 40

    def test_a_cut_makes_two_tracks(self, score, pictures, voice, tmp_path):
        other = np.ascontiguousarray(255 - (255 - pictures[75:, :, ::-1].astype(int)) // 2).astype(np.uint8)
        verdict = score(write(tmp_path / "clip.mp4", np.concatenate([pictures[:75], other]), voice))
        first, second = verdict.tracks
        assert (first.end, second.start) == (pytest.approx(3.0, abs=0.01), pytest.approx(3.0, abs=0.01))
        assert all(abs(track.lag_ms) <= 40 and agreement(track) > -0.5 for track in verdict.tracks)

    def test_a_voice_over_a_photograph_does_not_agree(self, score, pictures, voice, plain, tmp_path):
        still = np.repeat(pictures[:1], 300, axis=0)
        verdict = score(write(tmp_path / "clip.mkv", still, np.concatenate([voice, voice]), options=LOSSLESS))
        assert agreement(the_track(verdict)) < agreement(the_track(plain)) - 1
        assert verdict.oddness > plain.oddness

    def test_pictures_a_few_pixels_high(self, score, voice, tmp_path):
        for height, width in ((2, 2), (2, 640), (640, 2), (16, 16)):
            flat = np.full((50, height, width), 90, np.uint8)
            assert score(write(tmp_path / "clip.mp4", flat, voice)).reason is Reason.NO_FACE


class TestRefusals:
    @pytest.fixture
    def refused(self, score, tmp_path):
        def reason(pictures, sound, name="clip.mp4", **recipe):
            verdict = score(write(tmp_path / name, pictures, sound, **recipe))
            assert (verdict.verdict, verdict.p_value, verdict.rests_on) == ("cannot_judge", None, None)
            assert "\n" not in verdict.detail
            return verdict.reason, verdict.detail

        return reason

    def test_no_sound(self, refused, pictures):
        assert refused(pictures, None) == (Reason.NO_AUDIO, "the file has no sound")

    @pytest.mark.parametrize("cover", [False, True], ids=["sound alone", "with a cover"])
    def test_no_pictures(self, score, voice, tmp_path, cover):
        with av.open(str(tmp_path / "song.mp3"), "w") as file:
            audio = file.add_stream("libmp3lame", rate=RATE)
            if cover:
                image = file.add_stream("png", rate=1)
                image.width, image.height, image.pix_fmt = 16, 16, "rgb24"
                image.disposition = Disposition.attached_pic
                file.mux(image.encode(av.VideoFrame(16, 16, "rgb24")))
            block = av.AudioFrame.from_ndarray(voice[None], format="fltp", layout="mono")
            block.sample_rate = RATE
            file.mux(audio.encode(block) + audio.encode(None))
        assert score(tmp_path / "song.mp3").reason is Reason.NO_VIDEO

    def test_nobody_is_seen(self, refused, pictures, voice):
        assert refused(np.full_like(pictures, 90), voice)[0] is Reason.NO_FACE
        noise = np.random.default_rng(0).integers(0, 256, pictures.shape, np.uint8)
        assert refused(noise, voice)[0] is Reason.NO_FACE

    def test_nobody_is_seen_while_somebody_speaks(self, refused, pictures, voice):
        empty = np.full_like(pictures, 90)
        empty[:45] = pictures[:45]
        silent = voice.copy()
        silent[: 2 * RATE] = 0
        assert refused(empty, silent)[0] is Reason.NO_FACE

    @pytest.mark.parametrize("level", [0.0, 0.001, 0.1], ids=["digital zero", "room tone", "loud noise"])
    def test_nobody_speaks(self, refused, pictures, level):
        noise = level * np.random.default_rng(0).standard_normal(round(SECONDS * RATE)).astype(np.float32)
        assert refused(pictures, noise)[0] is Reason.NO_SPEECH

    def test_hardly_anybody_speaks(self, refused, pictures, voice):
        """Words in the first and last moments hold too little speech, however long the file."""
        words = voice.copy()
        words[round(0.35 * RATE) : round(5.65 * RATE)] = 0
        assert refused(pictures, words)[0] is Reason.NO_SPEECH

    def test_too_short(self, refused, pictures, voice):
        """A third of a second is not enough, whether or not speech is found in it."""
        reason, _ = refused(pictures[20:28], voice[round(0.8 * RATE) : round(1.12 * RATE)])
        assert reason in (Reason.TOO_SHORT, Reason.NO_SPEECH)
        assert refused(pictures[10:40], voice[round(0.4 * RATE) : round(1.6 * RATE)])[0] is Reason.TOO_SHORT

    def test_a_face_too_small_to_read_lips_from(self, refused, pictures, voice):
        reason, detail = refused([resized(picture, 66) for picture in pictures], voice)
        assert reason is Reason.LOW_RESOLUTION
        assert "pixels wide" in detail

    def test_no_media_file(self, score, tmp_path):
        (tmp_path / "empty.mp4").touch()
        (tmp_path / "text.mp4").write_text("Not a film.\n" * 99)
        (tmp_path / "folder.mp4").mkdir()
        for name in ("empty.mp4", "text.mp4", "folder.mp4", "missing.mp4", "nul\0.mp4", "x" * 300):
            verdict = score(tmp_path / name)
            assert (verdict.reason, verdict.sha256) == (Reason.UNREADABLE, "")
            assert "\n" not in verdict.detail

    def test_a_path_may_be_text(self, detector, tmp_path):
        assert detector.score(str(tmp_path / "missing.mp4")).detail == "no such file"


class TestDamage:
    def test_truncated_without_its_index(self, score, pictures, voice, tmp_path):
        path = write(tmp_path / "clip.mp4", pictures, voice)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        assert score(path).reason is Reason.UNREADABLE

    @pytest.mark.parametrize(
        ("name", "container"), [("clip.mp4", {"movflags": "faststart"}), ("clip.mkv", {})], ids=["mp4", "mkv"]
    )
    def test_truncated_what_is_left_is_judged_with_a_warning(
        self, score, pictures, voice, plain, tmp_path, name, container
    ):
        path = write(tmp_path / name, pictures, voice, container=container)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        verdict = score(path)
        assert_like(verdict, plain, within=1)
        assert the_track(verdict).end < 5
        if name == "clip.mp4":  # only its index tells how long it was
            assert any("truncated" in warning for warning in verdict.warnings)

    @pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
    def test_flipped_bits_never_raise_or_hang(self, score, pictures, voice, tmp_path, name):
        whole = write(tmp_path / name, pictures[:75], voice[: 3 * RATE]).read_bytes()
        for seed in range(8):
            chance, data = random.Random(seed), bytearray(whole)
            for _ in range(4**seed if seed < 5 else 64):
                place = chance.choice([chance.randrange(len(data)), chance.randrange(-500, 500)])
                data[place] ^= 1 << chance.randrange(8)
            (tmp_path / name).write_bytes(data)
            score(tmp_path / name)


@pytest.fixture(scope="module")
def spread():
    """The standard deviation, on real clips of a length (s), of every reading, of oddness and of a p-value."""
    reference = Reference.from_dict(load_checkpoint(EMBEDDED).notes["calibration"])

    def at(table, seconds):
        return np.array([np.interp(seconds, reference.seconds, column) for column in table.T])

    def of(seconds):
        readings = {name: at(table, seconds).std() for name, table in reference.readings.items()}
        return {**readings, "oddness": at(reference.surprise, seconds).std(), "p": SHARES.std()}

    return of


@pytest.fixture(scope="module", params=[1.0, 0.2], ids=["usual voice", "quiet voice"])
def lossless(request, score, pictures, voice, tmp_path_factory):
    """Pictures and sound of a clip that ends within a word, and its verdict."""
    part = pictures[:88], request.param * voice[: round(3.5 * RATE)]
    path = tmp_path_factory.mktemp("lossless") / "plain.mkv"
    return *part, score(write(path, *part, codec="pcm_s16le", options=LOSSLESS))


def surrounded(path, pictures, voice, seconds, level, where, how):
    """The clip with `seconds` of noise at `level` and frozen or looped pictures around it, without any loss."""
    count, rng = round(seconds * FPS), np.random.default_rng(0)
    seen, heard = [pictures], [voice]
    if where != "after":
        seen.insert(0, np.repeat(pictures[:1], count, axis=0) if how == "frozen" else pictures[-count:])
        heard.insert(0, level * rng.standard_normal(round(seconds * RATE)))
    if where != "before":
        seen.append(np.repeat(pictures[-1:], count, axis=0) if how == "frozen" else pictures[:count])
        heard.append(level * rng.standard_normal(round(seconds * RATE)))
    return write(path, np.concatenate(seen), np.concatenate(heard), codec="pcm_s16le", options=LOSSLESS)


def scores(verdict):
    """Every number that a verdict on one track rests on."""
    track = the_track(verdict)
    readings = {name: reading.value for name, reading in track.readings.items()}
    return {**readings, "oddness": verdict.oddness, **{f"p of {name}": p for name, p in track.aspects.items()}}


class TestSilence:
    """Silence put before or after a clip moves no score by 5 % of the standard deviation of real clips' scores."""

    @pytest.mark.parametrize("seconds", [0.04, 0.52, 2.0])
    @pytest.mark.parametrize("level", [0.0, 0.0008, 0.001], ids=["digital zero", "room tone", "-60 dB"])
    @pytest.mark.parametrize("where", ["before", "after", "both"])
    def test_moves_no_score(self, score, lossless, spread, tmp_path, seconds, level, where):
        *clip, plain = lossless
        how = "looped" if where == "after" or (where == "both" and not level) else "frozen"
        verdict = score(surrounded(tmp_path / "clip.mkv", *clip, seconds, level, where, how))
        track, after = the_track(plain), scores(verdict)
        spreads = spread(track.end - track.start)
        for name, before in scores(plain).items():
            assert abs(after[name] - before) < 0.05 * spreads[name.split()[0]], name
        assert verdict.verdict == plain.verdict
        assert the_track(verdict).lag_ms == track.lag_ms


class TestLongFiles:
    @pytest.fixture
    def looped(self, pictures, voice, tmp_path):
        """Writes the clip over and over, without encoding it again."""
        once = write(tmp_path / "once.mkv", pictures, voice, codec="pcm_s16le")

        def write_loop(times):
            path = tmp_path / f"{times}.mkv"
            with av.open(str(path), "w") as file:
                for index in range(times):
                    with av.open(str(once)) as source:
                        if index == 0:
                            streams = [file.add_stream_from_template(stream) for stream in source.streams]
                        for packet in source.demux():
                            if packet.dts is None:
                                continue
                            shift = round(index * SECONDS / packet.time_base)
                            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                            packet.stream = streams[packet.stream.index]
                            file.mux(packet)
            return path

        return write_loop

    @pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
    def test_memory_does_not_grow_with_the_file(self, looped, plain):
        """Read in a process of its own. Its `ru_maxrss` would begin at that of the process that starts it.

        Both files have more passages of 30 s than are in memory at a time; a minute of pictures alone has 55 MB.
        """
        script = (
            "import re, sys; from avsync import Detector; from pathlib import Path\n"
            "detector = Detector(Path(sys.argv[1]))\n"
            "for path in sys.argv[2:]:\n"
            "    (track,) = detector.score(path).tracks\n"
            "    (peak,) = re.findall(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())\n"
            "    print(track.start, track.end, track.lag_ms, peak)\n"
        )
        command = [sys.executable, "-c", script, EMBEDDED, looped(15), looped(33)]
        output = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
        short, long = (list(map(float, line.split())) for line in output.splitlines())
        assert short[:3] == pytest.approx([the_track(plain).start, 90 - 0.15, the_track(plain).lag_ms], abs=0.2)
        assert long[:3] == pytest.approx([the_track(plain).start, 198 - 0.15, the_track(plain).lag_ms], abs=0.2)
        assert long[3] < 1.5e6  # kB
        assert long[3] - short[3] < 40e3
