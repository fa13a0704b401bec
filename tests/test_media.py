"""What avsync.media promises: one clock for pictures and sound, whatever file holds them; else a typed reason.

Almost every clip here is dark and silent but for one white flash and one click at the same moment.
"""

import os
import random
import re
import shutil
import struct
import subprocess
import time
import wave
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from av.stream import Disposition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avsync.errors import CannotJudge, Reason
from avsync.media import (
    FPS,
    RATE,
    AudioReader,
    CondensedSound,
    Sound,
    StreamFacts,
    audio_blocks,
    frames,
    write_clip,
)
from avsync.media.probe import DEMUXERS, probe

STEP = 1 / FPS
Maker = Callable[..., tuple[Path, float]]
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")
on_fixtures = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def make(tmp_path: Path, flash_and_click: Callable[..., float]) -> Maker:
    """Writes a clip to the test's folder and returns its path and the time of its flash and click."""
    return lambda name="clip.mp4", **recipe: (tmp_path / name, flash_and_click(tmp_path / name, **recipe))


def sound(path, warnings=None):
    return np.concatenate([np.zeros(0, np.float32), *audio_blocks(path, warnings)])


def reader_of(path):
    return AudioReader(audio_blocks(path))


def flashes(path, warnings=None):
    return [f.time for f in frames(path, warnings=warnings) if f.image.mean() > 128]


def click(path, warnings=None):
    return int(np.abs(sound(path, warnings)).argmax()) / RATE


def assert_together(path, moment, source_step=STEP, padding=0.0):
    """Click and flash are at `moment` or up to `padding` later, without warnings."""
    warnings = []
    seen, heard = flashes(path, warnings)[0], click(path, warnings)
    assert moment - 1e-3 <= heard <= moment + padding + 1e-3
    assert seen == pytest.approx(heard, abs=STEP / 2 + source_step / 2 + 1e-6)
    assert moment - STEP / 2 - source_step / 2 <= seen + 1e-6
    assert warnings == []


def ffmpeg(*arguments):
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def read_all(path):
    """Read a whole file: (information, number of frames, number of samples, warnings)."""
    warnings = []
    return probe(path), len(list(frames(path, warnings=warnings))), len(sound(path, warnings)), warnings


class TestOneClock:
    @pytest.mark.parametrize("fps", [24, 25, 30_000 / 1001, 30, 50, 60])
    def test_any_frame_rate(self, make, fps):
        path, moment = make(fps=fps)
        assert_together(path, moment, 1 / fps)
        assert len(list(frames(path))) == np.ceil(round(probe(path).duration, 3) * FPS)
        assert probe(path).fps == pytest.approx(fps, rel=1e-4)

    @pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
    def test_variable_frame_rate(self, make, name):
        times = np.cumsum(np.random.default_rng(0).integers(10, 80, 50)) / 1000
        assert_together(*make(name, times=times), source_step=0.08)

    @pytest.mark.parametrize(
        ("rate", "layout", "channels"),
        [(8000, "mono", 1), (16_000, "stereo", 2), (22_050, "mono", 1), (44_100, "stereo", 2), (48_000, "5.1", 6)],
    )
    def test_any_sample_rate_and_layout(self, make, rate, layout, channels):
        path, moment = make(rate=rate, layout=layout)
        assert_together(path, moment)
        assert (probe(path).audio_rate, probe(path).channels) == (rate, channels)

    @pytest.mark.parametrize(
        ("name", "recipe"),
        [
            ("clip.mkv", {}),
            ("clip.mov", {"sound": "pcm_s16le", "rate": 44_100}),
            ("clip.avi", {"picture": "mpeg4", "sound": "pcm_s16le"}),
            ("clip.webm", {"picture": "libvpx", "sound": "libopus", "rate": 48_000}),
            ("of-a-browser.webm", {"picture": "libvpx", "sound": "libopus", "rate": 48_000, "options": {"live": "1"}}),
            ("clip.mpg", {"picture": "mpeg2video", "sound": "mp2", "rate": 48_000}),
            ("fragmented.mp4", {"options": {"movflags": "frag_keyframe+empty_moov"}}),
            ("clip.ts", {"clock": 1.4}),
            ("late.mkv", {"clock": 5.0}),
            ("late.mp4", {"clock": 5.0}),
        ],
    )
    def test_any_container(self, make, name, recipe):
        """Time 0 is the start of the first stream, whatever time the container gives it."""
        path, moment = make(name, **recipe)
        # If the container cannot mark the 64 ms of padding at the start of AAC, the padding is the file's start.
        assert_together(path, moment, padding=0.065)
        assert probe(path).duration == pytest.approx(2.0, abs=0.12)

    @pytest.mark.parametrize(
        ("recipe", "pictures_from", "sound_until"),
        [
            ({"stretches": [(0.4, 2.0)]}, 0.0, 2.0),
            ({"times": np.arange(10, 50) / 25}, 0.4, 2.0),
            ({"stretches": [(0.0, 1.3)]}, 0.0, 1.3),
            ({"stretches": [(0.0, 3.0)]}, 0.0, 3.0),
            ({"stretches": [(0.0, 0.5), (0.8, 2.0)]}, 0.0, 2.0),
        ],
        ids=["sound-late", "sound-early", "sound-short", "sound-long", "sound-with-a-hole"],
    )
    def test_streams_that_do_not_cover_each_other(self, make, recipe, pictures_from, sound_until):
        path, moment = make("clip.mkv", sound="pcm_s16le", **recipe)
        assert_together(path, moment)
        assert next(frames(path)).time == pytest.approx(pictures_from, abs=1e-3)
        assert len(sound(path)) / RATE == pytest.approx(sound_until, abs=2e-3)

    @needs_ffmpeg
    @pytest.mark.parametrize(
        ("arguments", "flash_at", "click_at"),
        [
            ("-ss 0.4 -i IN -c copy", 0.6, 0.6),
            ("-i IN -itsoffset 0.4 -i IN -map 0:v -map 1:a -c copy", 1.0, 1.4),
            ("-itsoffset 0.4 -i IN -i IN -map 0:v -map 1:a -c copy", 1.4, 1.0),
            ("-i IN -itsoffset -0.4 -i IN -map 0:v -map 1:a -c copy", 1.0, 0.6),
        ],
        ids=["cut-between-keyframes", "sound-delayed", "picture-delayed", "sound-advanced"],
    )
    def test_edit_lists(self, make, tmp_path, arguments, flash_at, click_at):
        path, _ = make()
        ffmpeg(*(path if a == "IN" else a for a in arguments.split()), tmp_path / "edited.mp4")
        warnings = []
        assert flashes(tmp_path / "edited.mp4", warnings)[0] == pytest.approx(flash_at, abs=STEP)
        assert click(tmp_path / "edited.mp4", warnings) == pytest.approx(click_at, abs=1e-3)
        assert warnings == []

    def test_a_clip_of_a_third_of_a_second(self, make):
        path, moment = make(seconds=0.32, at=0.1)
        assert_together(path, moment)
        assert len(list(frames(path))) == 8


class TestGrid:
    @on_fixtures
    @given(gaps=st.lists(st.integers(5, 300), min_size=1, max_size=12), lead=st.integers(0, 500), data=st.data())
    def test_shows_the_nearest_picture(self, make, gaps, lead, data):
        """Exactly 25 frames per second from the first picture on; in a long pause the last picture is repeated."""
        times = (lead + np.cumsum([0, *gaps])) / 1000
        at = data.draw(st.sampled_from(list(times)))
        path, moment = make("clip.mkv", times=times, at=at, sound="pcm_s16le")
        switches = times[1:] - np.minimum(np.diff(times), STEP) / 2
        shown = list(frames(path))
        np.testing.assert_allclose([f.time for f in shown], times[0] + STEP * np.arange(len(shown)), atol=1e-6)
        assert shown[-1].time <= times[-1] + STEP
        for frame in shown:
            source = times[np.searchsorted(switches, frame.time + 1e-5)]
            if np.abs(switches - frame.time).min() > 1e-3:  # Matroska rounds to milliseconds
                assert (frame.image.mean() > 128) == (moment - 1e-6 <= source < moment + 0.1195)

    @pytest.mark.parametrize("fps", [25, 30, 60])
    def test_a_later_start_does_not_move_the_grid(self, make, fps):
        path, _ = make(fps=fps)
        window = list(frames(path, 0.51, 1.5))
        assert window[0].time == pytest.approx(0.52)
        assert len(window) == 25
        whole = {round(frame.time, 6): frame.image for frame in frames(path)}
        assert all((whole[round(frame.time, 6)] == frame.image).all() for frame in window)


class TestTransportStreamsJoined:
    """Joins MPEG-TS files by joining their bytes."""

    @pytest.fixture
    def join(self, make, tmp_path):
        def joined(**second):
            parts = make("a.ts", clock=1.4)[0], make("b.ts", **second)[0]
            (tmp_path / "joined.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
            return tmp_path / "joined.ts"

        return joined

    def test_another_sample_rate_layout_and_size_after_a_while(self, join):
        path = join(clock=3.5, at=1.2, rate=44_100, layout="stereo", size=(96, 80))
        clicks = np.flatnonzero(np.abs(sound(path)) > 0.3) / RATE
        assert flashes(path)[0] == pytest.approx(clicks[0], abs=STEP)
        assert next(t for t in flashes(path) if t > 2) == pytest.approx(clicks[-1], abs=STEP)
        assert clicks[-1] - clicks[0] == pytest.approx(2.3, abs=0.05)
        assert {f.image.shape for f in frames(path)} == {(48, 64)}

    def test_a_gap_is_silence_without_pictures(self, join):
        path = join(clock=10.0)
        shown = [frame.time for frame in frames(path)]
        assert len(shown) == 4 * FPS
        assert max(np.diff(shown)) == pytest.approx(6.6, abs=0.05)
        assert shown[-1] == pytest.approx(10.6, abs=0.05)
        assert len(sound(path)) / RATE == pytest.approx(10.7, abs=0.15)

    @pytest.mark.parametrize("clock", [1.4, 5000.0])
    def test_only_the_first_recording_counts_where_times_jump(self, join, clock):
        _, pictures, samples, warnings = read_all(join(clock=clock))
        assert pictures == 2 * FPS
        assert samples / RATE == pytest.approx(2.1, abs=0.05)
        assert [line.split(":")[0] for line in warnings] == ["video damaged", "audio damaged"]


class TestGaps:
    """Gaps in timestamps cost neither time nor memory, and the times after them stay true."""

    def test_in_pictures_have_no_frames(self, make):
        times = [*np.arange(25) / 25, *(100 + np.arange(25) / 25)]
        path, _ = make("clip.mkv", times=times, sound=None, at=0.2)
        facts = StreamFacts()
        shown = [frame.time for frame in frames(path, facts=facts)]
        np.testing.assert_allclose(shown, times, atol=1e-3)
        assert (facts.holes, facts.missing) == (1, pytest.approx(99.04, abs=0.01))

    @pytest.mark.parametrize(("gap", "count"), [(0.9, 48), (1.1, 26)])
    def test_are_pauses_up_to_a_second(self, make, gap, count):
        path, _ = make("clip.mkv", times=[*np.arange(13) / 25, *(0.48 + gap + np.arange(13) / 25)], sound=None, at=0.2)
        assert len(list(frames(path))) == pytest.approx(count, abs=1)

    def test_do_not_move_the_grid(self, make):
        path, _ = make("clip.mkv", times=[*np.arange(25) / 25, *(5.013 + np.arange(25) / 25)], sound=None, at=0.2)
        whole = [frame.time for frame in frames(path)]
        assert [frame.time for frame in frames(path, 3.0)] == [time for time in whole if time > 3]
        assert np.array(whole) / STEP == pytest.approx(np.rint(np.array(whole) / STEP))

    def test_in_sound_that_add_up_to_hours_are_not_filled(self, make):
        stretches = [(590.0 * n, 590.0 * n + 0.1) for n in range(32)]
        path, _ = make("clip.mkv", picture=None, sound="pcm_s16le", stretches=stretches, at=0.05)
        facts, warnings = StreamFacts(), []
        begin = time.perf_counter()
        seconds = sum(map(len, audio_blocks(path, warnings, facts))) / RATE
        assert time.perf_counter() - begin < 2
        assert seconds == pytest.approx(590.1, abs=0.01)
        assert facts.missing == pytest.approx(589.9, abs=0.1)
        assert warnings == [f"audio damaged: frames out of place in time: {facts.misplaced}"]

    def test_as_many_as_there_is_sound_are_no_damage(self, make):
        """Sound that is sent only while somebody speaks is half gaps."""
        stretches = [(8.0 * n, 8.0 * n + 4.0) for n in range(200)]
        path, _ = make("clip.mkv", picture=None, sound="pcm_s16le", rate=8000, stretches=stretches)
        warnings = []
        assert len(sound(path, warnings)) / RATE == pytest.approx(1596, abs=0.1)
        assert warnings == []

    def test_in_sound_take_ten_seconds_of_a_voice_detector(self, make):
        path, moment = make(
            "clip.mkv", picture=None, sound="pcm_s16le", seconds=402, stretches=[(0, 2), (400, 402)], at=401.0
        )
        plain = Sound(path)
        condensed = CondensedSound(plain)
        short = np.concatenate(list(condensed.blocks()))
        assert len(short) / RATE == pytest.approx(10 + 1, abs=0.2)  # all but the click is zero
        at = np.abs(short).argmax() / RATE
        assert condensed.true_times(np.array([0.5, at])) == pytest.approx([0.5, moment], abs=1e-3)
        assert condensed.true_times(np.array([[len(short) / RATE]])) == pytest.approx(402)

    def test_short_enough_leave_the_sound_as_it_is(self, make):
        path, _ = make("clip.mkv", picture=None, sound="pcm_s16le", seconds=11, stretches=[(0, 2), (9, 11)], at=10.0)
        condensed = CondensedSound(Sound(path))
        np.testing.assert_array_equal(np.concatenate(list(condensed.blocks())), sound(path))
        assert condensed.true_times(np.array([10.5])) == [10.5]

    @pytest.mark.parametrize("rate", [2, 3999])
    def test_sound_of_a_few_samples_per_second_is_refused(self, tmp_path, rate):
        """3.9 MB at 2 samples per second last 11 days."""
        with wave.open(str(tmp_path / "slow.wav"), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(bytes(3_900_000))
        begin = time.perf_counter()
        with pytest.raises(CannotJudge, match=r"^unreadable: [^\n]*(hours of sound|samples per second)[^\n]*$"):
            sound(tmp_path / "slow.wav")
        assert time.perf_counter() - begin < 2


class TestMissingFragments:
    @pytest.fixture
    def fragmented(self, make):
        path, _ = make("clip.mp4", seconds=4.0, options={"movflags": "frag_every_frame+empty_moov"})
        return path

    def test_none_in_whole_files(self, make, fragmented):
        assert probe(fragmented).missing_fragments == probe(make("whole.mp4")[0]).missing_fragments == 0

    def test_are_counted_where_a_header_is_damaged(self, fragmented):
        data = bytearray(fragmented.read_bytes())
        at = [place.start() for place in re.finditer(b"moof", data)]
        for place in at[5:8]:
            data[place] ^= 1
        fragmented.write_bytes(data)
        assert probe(fragmented).missing_fragments == 3


class TestPictures:
    # White, light grey, dark grey and black quarters, row by row from the top left.
    QUARTERS = np.kron(np.array([[255, 170], [85, 0]], np.uint8), np.ones((24, 32), np.uint8))

    @pytest.fixture
    def turned(self, tmp_path):
        """A clip with a clockwise rotation in its header (ISO 14496-12: x' = ax + cy, y' = bx + dy)."""

        def turn(degrees):
            write_clip(tmp_path / "turned.mp4", [self.QUARTERS] * 3, None, crf=1)
            a, b = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
            data = bytearray((tmp_path / "turned.mp4").read_bytes())
            at = data.index(b"tkhd") + 44
            data[at : at + 20] = struct.pack(">5i", a << 16, b << 16, 0, -b << 16, a << 16)
            (tmp_path / "turned.mp4").write_bytes(data)
            return tmp_path / "turned.mp4"

        return turn

    @pytest.mark.parametrize("degrees", [0, 90, 180, 270])
    def test_rotation_flag(self, turned, degrees):
        image = next(frames(turned(degrees))).image
        np.testing.assert_allclose(image[::8, ::8], np.rot90(self.QUARTERS, -degrees // 90)[::8, ::8], atol=5)

    @needs_ffmpeg
    @pytest.mark.parametrize("degrees", [90, 270])
    def test_rotation_equals_that_of_ffmpeg(self, turned, degrees):
        image = next(frames(turned(degrees))).image
        raw = ffmpeg("-i", turned(degrees), "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-")
        np.testing.assert_allclose(image, np.frombuffer(raw, np.uint8).reshape(64, 48), atol=2)

    @pytest.mark.parametrize(
        ("name", "recipe", "shape"),
        [
            ("interlaced.mkv", {"picture": "mpeg2video", "codec_options": {"flags": "+ildct+ilme"}}, (48, 64)),
            ("ten-bit.mp4", {"pix_fmt": "yuv420p10le"}, (48, 64)),
            ("full-range.avi", {"picture": "mjpeg", "pix_fmt": "yuvj420p"}, (48, 64)),
            ("odd-sides.mkv", {"picture": "ffv1", "pix_fmt": "yuv444p", "size": (65, 49)}, (49, 65)),
            ("alpha.mkv", {"picture": "ffv1", "pix_fmt": "yuva420p"}, (48, 64)),
            ("rgb.mov", {"picture": "qtrle", "pix_fmt": "rgb24"}, (48, 64)),
            ("wide.mp4", {"size": (2560, 32)}, (16, 1280)),
        ],
    )
    def test_any_format(self, make, name, recipe, shape):
        path, _ = make(name, sound=None, seconds=0.6, at=0.2, **recipe)
        images = [f.image for f in frames(path)]
        assert {(i.shape, i.dtype.name) for i in images} == {(shape, "uint8")}
        assert images[0].mean() == pytest.approx(20, abs=3)
        assert images[6].mean() == pytest.approx(255, abs=3)


class TestMissingStreams:
    def test_no_sound(self, make):
        info, pictures, samples, warnings = read_all(make(sound=None)[0])
        assert (info.has_video, info.has_audio, pictures, samples, warnings) == (True, False, 50, 0, [])

    @pytest.mark.parametrize(
        ("name", "codec"), [("clip.m4a", "aac"), ("clip.mp3", "libmp3lame"), ("a.wav", "pcm_s16le")]
    )
    def test_no_pictures(self, make, name, codec):
        info, pictures, samples, warnings = read_all(make(name, picture=None, sound=codec)[0])
        assert (info.has_video, info.has_audio, pictures, warnings) == (False, True, 0, [])
        assert samples / RATE == pytest.approx(2.0, abs=0.1)

    def test_a_cover_image_is_not_a_moving_picture(self, tmp_path):
        with av.open(str(tmp_path / "clip.mp3"), "w") as container:
            audio, cover = container.add_stream("libmp3lame", rate=16_000), container.add_stream("png", rate=1)
            cover.width, cover.height, cover.pix_fmt, cover.disposition = 16, 16, "rgb24", Disposition.attached_pic
            container.mux(cover.encode(av.VideoFrame(16, 16, "rgb24")))
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 16_000
            container.mux(audio.encode(silence) + audio.encode(None))
        info, pictures, _, warnings = read_all(tmp_path / "clip.mp3")
        assert (info.has_video, info.has_audio, pictures, warnings) == (False, True, 0, [])


class TestDamage:
    def test_truncated_with_the_index_in_front(self, make, capfd):
        path, _ = make(
            seconds=4.0,
            options={"movflags": "faststart"},
            sound="pcm_s16le",
        )
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        info, pictures, samples, warnings = read_all(path)
        assert info.duration == pytest.approx(4.0, abs=0.1)
        assert 1.5 * FPS < pictures < 3.5 * FPS
        assert 1.5 * RATE < samples < 3.5 * RATE
        assert [line.split()[0] for line in warnings] == ["video", "audio"]
        assert all("of 4.0 s" in line for line in warnings)
        assert flashes(path)[0] == pytest.approx(1.0)
        assert capfd.readouterr() == ("", "")

    def test_truncated_with_the_index_missing(self, make):
        path, _ = make()
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        with pytest.raises(CannotJudge) as refusal:
            read_all(path)
        assert refusal.value.reason is Reason.UNREADABLE

    @pytest.mark.parametrize("sound", ["aac", "mp2"])
    def test_frames_without_a_time_of_their_own_are_no_hole(self, make, sound):
        """MPEG-TS puts several frames of sound into a packet, and only the first has a time."""
        path, _ = make("clip.ts", seconds=4.0, sound=sound, rate=48000, options={"max_delay": "700000"})
        heard = Sound(path)
        assert sum(map(len, heard.blocks())) / RATE == pytest.approx(4.0, abs=0.1)
        assert (heard.facts.holes, heard.facts.missing) == (0, 0)

    def test_a_hole_in_the_data_is_reported(self, make):
        path, _ = make("clip.ts", seconds=4.0)
        data = bytearray(path.read_bytes())
        data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
        path.write_bytes(data)
        _, pictures, samples, warnings = read_all(path)
        shown = [frame.time for frame in frames(path)]
        assert pictures == len(shown) < 3 * FPS
        assert shown[-1] == pytest.approx(4 - STEP, abs=2 * STEP)
        assert samples / RATE == pytest.approx(4.0, abs=0.15)
        assert any("packets that cannot be decoded well" in line for line in warnings)

    def test_a_hole_is_reported_if_only_what_comes_before_and_soon_after_it_is_read(self, make):
        path, _ = make("clip.ts", seconds=4.0)
        data, warnings = bytearray(path.read_bytes()), []
        data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
        path.write_bytes(data)
        assert list(frames(path, stop=0.5, warnings=warnings))
        assert warnings == []
        assert list(frames(path, stop=3.0, warnings=warnings))
        assert [line.split(":")[0] for line in warnings] == ["video damaged"]

    @pytest.mark.parametrize("sound", ["libopus", "aac", "flac"])
    def test_packets_that_are_there_twice_are_left_out_and_reported(self, make, tmp_path, sound):
        path, _ = make("clip.mkv", picture="mpeg4", sound=sound, rate=48_000)
        written = 0
        with av.open(str(path)) as source, av.open(str(tmp_path / "twice.mkv"), "w") as file:
            streams = [file.add_stream_from_template(stream) for stream in source.streams]
            file.start_encoding()
            for packet in source.demux():
                if packet.dts is not None:
                    copy = av.Packet(bytes(packet))
                    copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                    copy.is_keyframe, copy.duration = packet.is_keyframe, packet.duration
                    for one in (packet, copy):
                        one.stream = streams[packet.stream.index]
                        file.mux_one(one)
                    written += 1
        _, pictures, samples, warnings = read_all(tmp_path / "twice.mkv")
        assert (pictures, samples) == read_all(path)[1:3]
        assert sum(int(line.split(": ")[-1]) for line in warnings) == written

    @pytest.mark.parametrize(
        ("name", "recipe"),
        [
            ("clip.mp4", {}),
            ("clip.ts", {}),
            ("clip.mkv", {"sound": "flac"}),
            ("clip.avi", {"picture": "mpeg4", "sound": "mp2"}),
            ("clip.flv", {"rate": 44_100}),
        ],
    )
    def test_flipped_bits_never_raise_or_hang(self, make, name, recipe):
        path, _ = make(name, seconds=1.0, at=0.5, **recipe)
        whole, chance = path.read_bytes(), random.Random(0)
        for flips in [1, 2, 4, 8, 16, 32, 64] * 8:
            data = bytearray(whole)
            for _ in range(flips):
                # Half of them in the first and last 500 bytes, where the headers are.
                place = chance.choice([chance.randrange(len(data)), chance.randrange(-500, 500)])
                data[place] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
            begin = time.perf_counter()
            with suppress(CannotJudge):
                read_all(path)
            assert time.perf_counter() - begin < 10


class TestRefusals:
    @pytest.fixture
    def other(self, make):
        return make("other.mp4", seconds=0.2, at=0.0)[0]

    def refused(self, path):
        with pytest.raises(CannotJudge, match=r"^unreadable: [^\n]+$") as refusal:
            probe(path)
        with pytest.raises(CannotJudge):
            next(frames(path))
        return refusal.value.detail

    def test_no_file(self, tmp_path):
        assert self.refused(tmp_path / "missing.mp4") == "no such file"
        assert self.refused(tmp_path / "\0.mp4") == "no such file"
        assert "name too long" in self.refused(tmp_path / f"{'x' * 300}.mp4")

    def test_not_a_regular_file(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.mp4")
        assert self.refused(tmp_path) == "is a directory"
        assert self.refused(tmp_path / "pipe.mp4") == "is not a regular file"

    @pytest.mark.parametrize(
        "content", [b"", b"Not a film.\n" * 50, bytes(5000), b"PK\3\4" + bytes(range(256)) * 20, b"\x89PNG\r\n\x1a\n"]
    )
    def test_no_media(self, tmp_path, content):
        (tmp_path / "clip.mp4").write_bytes(content)
        self.refused(tmp_path / "clip.mp4")

    @pytest.mark.parametrize(
        "playlist",
        [
            "ffconcat version 1.0\nfile {}\n",
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.2,\n{}\n#EXT-X-ENDLIST\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        ],
        ids=["concat", "m3u8", "sdp"],
    )
    @pytest.mark.parametrize("suffix", ["mp4", "m3u8", "ffconcat", "sdp"])
    def test_lists_of_other_files(self, tmp_path, other, playlist, suffix):
        (tmp_path / f"list.{suffix}").write_text(playlist.format(other.name))
        self.refused(tmp_path / f"list.{suffix}")

    def test_a_picture_size_that_is_too_large(self, make):
        path, _ = make("clip.avi", picture="rawvideo", sound=None, pix_fmt="yuv420p", seconds=0.2, at=0.0)
        data = path.read_bytes()
        size = data.index(b"strf") + 12  # BITMAPINFOHEADER's biWidth, biHeight
        path.write_bytes(data[:size] + struct.pack("<2i", 30_000, 30_000) + data[size + 8 :])
        assert "too large" in self.refused(path)

    def test_every_container_we_allow_is_one_that_pyav_knows(self):
        assert set(DEMUXERS.split(",")) <= {name for names in av.formats_available for name in names.split(",")}

    @pytest.mark.parametrize(
        "name",
        ["здравствуй 你好 é.mp4", "http:x.mp4", "a:b.mp4", "-i.mp4", "%d.mp4", "concat:a|b.mp4", "pipe:0", "?*[x]"],
    )
    def test_file_names_are_never_taken_for_options_or_protocols(self, other, monkeypatch, name):
        monkeypatch.chdir(other.parent)
        shutil.copy(other, name) if not name.startswith("-") else shutil.copy(other, f"./{name}")
        assert probe(name).duration == pytest.approx(0.2, abs=0.1)
        assert len(list(frames(Path(name)))) == 5


class TestAudioReader:
    @on_fixtures
    @given(cuts=st.lists(st.integers(0, 40_000), max_size=12))
    def test_pieces_equal_the_whole_sound(self, make, cuts):
        path, _ = make(at=0.7, picture=None, sound="pcm_s16le", name="clip.wav")
        whole = np.pad(sound(path), (0, 10_000))
        reader, cuts = reader_of(path), sorted(cuts)
        for start, stop in pairwise(cuts):
            np.testing.assert_array_equal(reader.read(start, stop), whole[start:stop])

    def test_past_the_end_are_zeros(self, make):
        path, _ = make()
        samples = reader_of(path).read(60_000, 61_000)
        assert samples.dtype == np.float32
        np.testing.assert_array_equal(samples, np.zeros(1000))

    def test_backwards_is_an_error(self, make):
        reader = reader_of(make()[0])
        reader.read(8000, 9000)
        reader.read(8000, 9000)
        with pytest.raises(ValueError, match="forwards only"):
            reader.read(4000, 9000)


class TestSound:
    @pytest.fixture
    def opened(self, monkeypatch):
        """The files decoded so far, in order."""
        paths = []

        def counted(path, *found):
            paths.append(path)
            return audio_blocks(path, *found)

        monkeypatch.setattr("avsync.media.audio.audio_blocks", counted)
        return paths

    def passes(self, sound):
        """All samples by blocks, and by a reader in pieces of 0.3 s."""
        whole = np.concatenate(list(sound.blocks()))
        reader = sound.reader()
        pieces = [reader.read(start, min(start + 4800, len(whole))) for start in range(0, len(whole), 4800)]
        return whole, np.concatenate(pieces)

    def test_a_short_file_is_decoded_once(self, make, opened):
        path, _ = make(at=0.7)
        by_blocks, by_reader = self.passes(Sound(path))
        assert opened == [path]
        np.testing.assert_array_equal(by_blocks, sound(path))
        np.testing.assert_array_equal(by_reader, by_blocks)

    def test_a_file_longer_than_the_limit_is_decoded_on_every_pass_and_sounds_the_same(self, make, opened):
        path, _ = make(at=0.7)
        by_blocks, by_reader = self.passes(Sound(path, max_kept_seconds=0.5))
        assert opened == [path, path]
        np.testing.assert_array_equal(by_blocks, sound(path))
        np.testing.assert_array_equal(by_reader, by_blocks)

    def test_a_pass_that_ends_early_keeps_nothing(self, make, opened):
        path, _ = make()
        some = Sound(path)
        next(some.blocks())
        assert len(np.concatenate(list(some.blocks()))) == len(sound(path))
        assert opened == [path, path]

    @pytest.mark.parametrize("limit", [600.0, 0.0])
    def test_damage_is_reported_once(self, make, limit):
        path, _ = make(seconds=4.0, options={"movflags": "faststart"}, sound="pcm_s16le")
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        expected, warnings = [], []
        sound(path, expected)
        some = Sound(path, warnings, max_kept_seconds=limit)
        self.passes(some)
        assert warnings == expected != []


def test_memory_is_flat_in_length(make):
    """Ten minutes, three hundred times as many blocks, in the same memory."""
    path, _ = make("long.mkv", seconds=600, fps=5, picture="mpeg4", sound="pcm_s16le", rate=8000, size=(320, 240))
    reader, process, used = reader_of(path), psutil.Process(), []
    for index, frame in enumerate(frames(path)):
        reader.read(round(frame.time * RATE), round((frame.time + STEP) * RATE))
        if index % 1000 == 0:
            used.append(process.memory_info().rss)
    assert len(used) == 15
    assert max(used) - used[2] < 10e6


class TestWriteClip:
    @pytest.mark.parametrize(("rate", "fps"), [(16_000, 25), (44_100, 29.97), (48_000, 50)])
    def test_a_written_clip_reads_back(self, tmp_path, rate, fps):
        ramp = [np.full((48, 64, 3), 2 * index, np.uint8) for index in range(round(2 * fps))]
        tone = np.sin(np.arange(2 * rate) * 2 * np.pi * 440 / rate, dtype=np.float32)
        write_clip(tmp_path / "clip.mp4", ramp, tone, fps=fps, rate=rate)
        info, pictures, samples, warnings = read_all(tmp_path / "clip.mp4")
        assert (info.audio_rate, info.channels, info.width, info.height) == (rate, 1, 64, 48)
        assert (pictures, warnings) == (pytest.approx(2 * FPS, abs=1), [])
        assert samples / RATE == pytest.approx(2.0, abs=0.1)
        assert next(frames(tmp_path / "clip.mp4", 1.0)).image.mean() == pytest.approx(2 * fps, abs=3)
        heard, truth = sound(tmp_path / "clip.mp4")[8000:16_000], np.arange(8000, 16_000) * 2 * np.pi * 440 / RATE
        assert np.corrcoef(heard, np.sin(truth))[0, 1] > 0.99

    def test_a_failed_clip_leaves_no_file(self, tmp_path):
        def pictures():
            yield np.zeros((48, 64), np.uint8)
            raise RuntimeError("the renderer broke")

        with pytest.raises(RuntimeError, match="the renderer broke"):
            write_clip(tmp_path / "clip.mp4", pictures(), None)
        assert list(tmp_path.iterdir()) == []
