"""What the report shows of a recording: drawn within bounds, and checked before a page takes it."""

import json
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image

from avsync import Detector
from avsync.demo import make_clips
from avsync.errors import UsageError
from avsync.figures.encode import heat, jpeg, veil
from avsync.figures.faces import on_grid
from avsync.figures.sound import spectrogram, voice_map
from avsync.figures.views import Thinned
from avsync.media import RATE, Sound
from avsync.media.probe import probe
from avsync.media.proxy import proxy
from avsync.media.still import still
from avsync.score.figures import Figures

SECONDS = 4.0


def pixels(address):
    return np.asarray(Image.open(BytesIO(b64decode(address.partition(",")[2]))).convert("RGBA"), np.int64)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("clips"), seconds=SECONDS)


@pytest.fixture(scope="module")
def verdict(clips):
    return Detector().score(clips[0], keep={"figures"})


@pytest.fixture(scope="module")
def figures(verdict):
    return verdict.figures


class TestDetector:
    def test_without_being_asked_there_are_none(self, clips):
        assert Detector(checks="face").score(clips[0]).figures is None

    def test_they_change_nothing_of_the_verdict(self, clips, verdict):
        assert Detector().score(clips[0]) == verdict
        assert verdict.artefacts == {}

    def test_boxes_lie_where_the_face_is(self, verdict, figures):
        face, left, right = figures.faces[0], verdict.tracks[0].box[0], verdict.tracks[0].box[2]
        assert (figures.width, figures.height) == (verdict.width, verdict.height)
        assert [box[0] for box in face.boxes] == pytest.approx([left] * len(face.boxes), abs=0.2 * (right - left))
        for box, mouth in zip(face.boxes, face.mouth_boxes, strict=True):
            middle = (mouth[1] + mouth[3]) / 2
            assert box[0] < mouth[0] < mouth[2] < box[2]
            assert (box[1] + box[3]) / 2 < middle < box[3]

    def test_views_come_five_times_per_second_and_stills_once(self, figures):
        face = figures.faces[0]
        assert np.diff(face.times) == pytest.approx([0.2] * (len(face.times) - 1), abs=0.021)
        assert np.diff([still.time for still in face.stills]) == pytest.approx([1.0] * (len(face.stills) - 1), abs=0.01)

    def test_the_lattice_is_brightest_at_the_lag(self, verdict, figures):
        face = figures.faces[0]
        assert (face.lattice.low, face.lattice.high) == (-600, 600)
        lag = verdict.tracks[0].lag_ms
        row = round((face.lattice.high - lag) / 40)
        brightness = pixels(face.lattice.picture)[..., :3].sum(axis=(1, 2))
        assert brightness.argmax() == row
        assert np.argmax(face.lag_curve) == 30 - row

    def test_real_scores_rise_and_the_verdict_has_its_place_in_them(self, verdict, figures):
        assert set(figures.real_scores) == {"lips", "face", "voice"}
        for name, scores in figures.real_scores.items():
            assert scores == sorted(scores)
            above = np.mean(np.array(scores) >= verdict.checks[name].anomaly_score)
            assert above == pytest.approx(verdict.checks[name].p_value, abs=0.1)

    def test_a_file_that_cannot_be_judged_still_has_a_picture_and_its_sound(self, verdict, clips, tmp_path):
        silent = tmp_path / "silent.mp4"
        with av.open(str(clips[0])) as source, av.open(str(silent), "w") as output:
            stream = output.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    output.mux(packet)
        refused = Detector().score(silent, keep={"figures"})
        assert refused.verdict == "cannot_judge"
        assert refused.figures.thumbnail is not None
        assert refused.figures.faces == []
        assert refused.figures.spectrogram is None

    def test_a_file_that_cannot_be_read_has_none(self, tmp_path):
        (tmp_path / "x.mp4").write_text("no video")
        assert Detector().score(tmp_path / "x.mp4", keep={"figures"}).figures is None

    def test_something_unknown_is_refused(self, clips):
        with pytest.raises(UsageError, match=r"keep: unknown poster; known: .*figures, media"):
            Detector(checks="face").score(clips[0], keep={"poster"})


class TestBounds:
    """However long a recording is, what is kept of it is bounded."""

    def test_values_are_thinned_evenly(self):
        thinned = Thinned(every=5, most=8)
        for frame in range(1000):
            if frame % thinned.every == 0:
                thinned.add(frame)
        assert len(thinned.values) <= 8
        assert set(np.diff(thinned.values)) == {thinned.every}

    def test_a_grid_has_at_most_1500_columns_and_keeps_its_means(self):
        times = np.arange(9000) / 25
        grid, start, end = on_grid(np.tile(times, (2, 1)).astype(np.float32), times, 0.04)
        assert grid.shape == (2, 1500)
        assert (start, end) == (0.0, pytest.approx(360.0))
        assert grid[0] == pytest.approx(np.arange(1500) * 0.24 + 0.1, abs=0.05)

    def test_a_gap_in_a_grid_is_not_known(self):
        times = np.array([0.0, 0.04, 0.2])
        grid, _, _ = on_grid(np.ones((1, 3), np.float32), times, 0.04)
        assert np.isnan(grid[0]).tolist() == [False, False, True, True, True, False]

    def test_a_long_spectrogram_has_at_most_1500_columns(self, wav_of):
        sound = wav_of(np.zeros(60 * RATE, np.float32))
        assert pixels(spectrogram(sound, 60.0).picture).shape[:2] == (128, 1500)


@pytest.fixture
def wav_of(tmp_path):
    """Writes samples as a file, and opens its sound."""

    def wav_of(samples):
        import wave

        path = tmp_path / "x.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((samples * 32767).astype("<i2").tobytes())
        return Sound(path)

    return wav_of


class TestSound:
    def test_a_tone_is_a_line_at_its_frequency(self, wav_of):
        tone = 0.5 * np.sin(2 * np.pi * 2000 * np.arange(2 * RATE) / RATE).astype(np.float32)
        plane = spectrogram(wav_of(tone), 2.0)
        brightness = pixels(plane.picture)[..., :3].sum(axis=(1, 2))
        row = 128 - 1 - round(2000 / 8000 * 128)
        assert abs(int(brightness.argmax()) - row) <= 1

    def test_a_click_is_a_column_at_its_time(self, wav_of):
        click = np.zeros(2 * RATE, np.float32)
        click[RATE // 2] = 0.9
        brightness = pixels(spectrogram(wav_of(click), 2.0).picture)[..., :3].sum(axis=(0, 2))
        assert int(brightness.argmax()) / len(brightness) == pytest.approx(0.25, abs=0.02)

    def test_the_map_is_transparent_where_recorded_speech_would_be_and_dense_far_beyond(self):
        values = np.full((14, 60), -1.0, np.float32)
        values[:, 30:] = 10.0
        arrays = {
            "voice_map": values,
            "voice_frequencies": np.linspace(200, 6400, 14),
            "voice_times": np.arange(60) / 31,
        }
        plane = voice_map(arrays, (-1.0, 0.0))
        density = pixels(plane.picture)[..., 3]
        assert density[:, :28].max() == 0
        assert density[:, 32:].min() > 200
        assert plane.low < 200
        assert plane.high > 6400

    def test_without_a_map_there_is_none(self):
        assert voice_map({}, None) is None


class TestMedia:
    def test_a_still_is_the_key_frame_before(self, flash_and_click, tmp_path):
        path = tmp_path / "x.mp4"
        flash_and_click(path, at=1.0, seconds=2.0, codec_options={"g": "25", "sc_threshold": "0"})
        time, picture = still(path, 1.5)
        assert time == pytest.approx(1.0, abs=0.05)
        assert picture.shape == (48, 64, 3)
        assert picture.mean() > 200  # the flash
        assert still(path, 0.5)[1].mean() < 60

    def test_of_no_video_there_is_none(self, tmp_path):
        (tmp_path / "x.mp4").write_text("no video")
        assert still(tmp_path / "x.mp4", 0.0) is None

    @pytest.mark.parametrize("clock", [0.0, 3.0])
    def test_a_proxy_keeps_picture_and_sound_in_their_places(self, flash_and_click, tmp_path, clock):
        path = tmp_path / "x.ts"
        moment = flash_and_click(path, at=1.0, seconds=2.0, sound="mp2", clock=clock)
        copy = tmp_path / "copy.mp4"
        copy.write_bytes(proxy(probe(path), Sound(path)))
        with av.open(str(copy)) as container:
            bright = [frame.time for frame in container.decode(video=0) if frame.to_ndarray(format="gray").mean() > 128]
        with av.open(str(copy)) as container:
            heard = [(f.time, np.abs(f.to_ndarray()[0])) for f in container.decode(audio=0)]
        loud = max((level.max(), time + level.argmax() / RATE) for time, level in heard)[1]
        assert bright[0] == pytest.approx(moment, abs=0.05)
        assert loud == pytest.approx(moment, abs=0.05)

    def test_a_recording_of_more_than_ten_minutes_has_no_proxy(self, flash_and_click, tmp_path):
        path = tmp_path / "x.mp4"
        flash_and_click(path)
        assert proxy(replace(probe(path), duration=601.0), Sound(path)) is None

    def test_sound_alone_has_a_proxy_too(self, wav_of, tmp_path):
        sound = wav_of(0.1 * np.ones(RATE, np.float32))
        (tmp_path / "copy.mp4").write_bytes(proxy(probe(tmp_path / "x.wav"), sound))
        assert probe(tmp_path / "copy.mp4").duration == pytest.approx(1.0, abs=0.15)


class TestEncode:
    def test_heat_goes_from_dark_to_bright_and_leaves_the_unknown_transparent(self):
        drawn = pixels(heat(np.array([[0.0, 0.5, 1.0, np.nan]]), 0.0, 1.0))[0]
        lightness = drawn[:3, :3].sum(axis=1)
        assert (np.diff(lightness) > 0).all()
        assert drawn[:, 3].tolist() == [255, 255, 255, 0]

    def test_a_veil_is_dense_where_values_are_high(self):
        assert pixels(veil(np.array([[0.0, 1.0, 9.0]]), 0.0, 1.0))[0, :, 3].tolist() == [0, 215, 215]

    def test_small_pictures_are_smaller(self):
        noise = np.random.default_rng(0).integers(0, 255, (96, 96), np.uint8)
        assert len(jpeg(noise, small=True)) < len(jpeg(noise))


class TestPlainData:
    def test_they_can_be_read_back(self, figures):
        assert Figures.from_dict(json.loads(json.dumps(figures.to_dict()))) == figures

    @pytest.mark.parametrize(
        "change",
        [
            {"media": "javascript:alert(1)"},
            {"media": "data:text/html;base64,AAAA"},
            {"media": 'data:video/mp4;base64,AAAA" onerror="alert(1)'},
            {"thumbnail": {"time": "<b>", "picture": "data:image/jpeg;base64,AAAA"}},
            {"thumbnail": {"time": 1.0, "picture": "data:image/svg+xml;base64,AAAA"}},
            {"thumbnail": 7},
            {"speech": [[0.0]]},
            {"speech": [[0.0, "1"]]},
            {"speech": [[0.0, float("nan")]]},
            {"faces": [{}]},
            {"faces": None},
            {"real_scores": {"lips": ["x"]}},
            {"real_scores": []},
            {"width": None},
        ],
    )
    def test_what_a_page_must_not_hold_is_refused(self, figures, change):
        with pytest.raises(ValueError):  # noqa: PT011
            Figures.from_dict({**figures.to_dict(), **change})

    def test_a_face_needs_a_box_at_each_time(self, figures):
        plain = figures.to_dict()
        plain["faces"][0]["boxes"].pop()
        with pytest.raises(ValueError, match="a box at each time"):
            Figures.from_dict(plain)
