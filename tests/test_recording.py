"""What avsync.recording and avsync.clip promise: one door from a file to its speech and its faces, one word for each
refusal, and face clips whose parts show and say the same as the whole."""

import numpy as np
import pytest
from talking import face, resized, voice, write

import avsync.media.audio
from avsync.clip import SAMPLES
from avsync.errors import CannotJudge, Reason
from avsync.media import RATE
from avsync.recording import open_recording
from avsync.speech import SpeechActivity

GREY = np.full((75, 192, 192), 90, np.uint8)
QUIET = np.zeros(3 * RATE, np.float32)


def said(raised):
    return raised.value.reason, raised.value.detail


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Three seconds of a talking face."""
    return write(tmp_path_factory.mktemp("file") / "talking.mkv", face(), voice(), codec="pcm_s16le")


@pytest.fixture(scope="module")
def clip(path):
    (clip,) = open_recording(path).face_clips()
    return clip


@pytest.fixture
def decoded(monkeypatch):
    """The files whose sound is decoded, in order."""
    files, decode = [], avsync.media.audio.audio_blocks

    def noted(path, *words):
        files.append(path)
        return decode(path, *words)

    monkeypatch.setattr(avsync.media.audio, "audio_blocks", noted)
    return files


class TestRefusals:
    @pytest.mark.parametrize(
        ("pictures", "sound", "said_"),
        [
            (None, voice(), (Reason.NO_VIDEO, "the file has no moving picture")),
            (GREY, None, (Reason.NO_AUDIO, "the file has no sound")),
            (GREY, QUIET, (Reason.NO_SPEECH, "no speech is heard")),
            (GREY, voice(), (Reason.NO_FACE, "no face is seen while somebody speaks")),
        ],
        ids=["no_video", "no_audio", "no_speech", "no_face"],
    )
    def test_each_has_one_wording(self, tmp_path, pictures, sound, said_):
        recording = open_recording(write(tmp_path / "clip.mkv", pictures, sound))
        with pytest.raises(CannotJudge) as raised:
            list(recording.face_clips())
        assert said(raised) == said_

    def test_of_a_small_face_says_how_small(self, tmp_path):
        small = [resized(picture, 66) for picture in face()]
        recording = open_recording(write(tmp_path / "clip.mkv", small, voice()))
        with pytest.raises(CannotJudge, match=r"^low_resolution: the face is 3\d pixels wide; 40 are needed$"):
            list(recording.face_clips())

    def test_of_what_is_no_file_come_at_once(self, tmp_path):
        with pytest.raises(CannotJudge) as raised:
            open_recording(tmp_path / "missing.mp4")
        assert said(raised) == (Reason.UNREADABLE, "no such file")

    @pytest.mark.parametrize(
        ("needs", "reason"), [(("face",), Reason.NO_VIDEO), (("face", "speech"), Reason.NO_VIDEO), (("speech",), None)]
    )
    def test_of_a_file_of_sound_alone_depend_on_what_is_needed(self, tmp_path, needs, reason):
        recording = open_recording(write(tmp_path / "sound.mkv", None, voice()))
        if reason is None:
            recording.require(*needs)
        else:
            with pytest.raises(CannotJudge, match=reason):
                recording.require(*needs)

    def test_of_a_file_of_pictures_alone_depend_on_what_is_needed(self, tmp_path):
        recording = open_recording(write(tmp_path / "pictures.mkv", face()[:25], None))
        recording.require("face")
        with pytest.raises(CannotJudge, match=Reason.NO_AUDIO):
            recording.require("speech")

    def test_of_a_face_that_is_seen_only_in_silence(self, tmp_path):
        pictures, sound = GREY.copy(), voice().copy()
        pictures[:25], sound[: round(1.5 * RATE)] = face()[:25], 0
        recording = open_recording(write(tmp_path / "clip.mkv", pictures, sound))
        with pytest.raises(CannotJudge, match=Reason.NO_FACE):
            list(recording.face_clips())
        assert len(next(recording.face_clips(whole=True))) > 20


class TestOpening:
    def test_decodes_nothing(self, path, decoded):
        recording = open_recording(path)
        assert (recording.info.width, recording.info.fps, recording.info.audio_rate) == (192, 25, RATE)
        assert recording.known_activity is None
        assert decoded == []

    def test_sound_of_a_short_file_is_decoded_once(self, path, decoded):
        recording = open_recording(path)
        for _ in range(2):
            list(recording.face_clips())
        assert decoded == [path]

    def test_activity_that_is_known_already_is_not_found_again(self, path, decoded):
        recording = open_recording(path)
        known = SpeechActivity(np.array([[1.0, 2.0]]), 3.0)
        recording.activity = known
        recording.require("face", "speech")
        assert recording.known_activity is recording.activity is known
        assert decoded == []

    @pytest.mark.parametrize(("trim", "start"), [("none", 0.0), ("default", 0.16)])
    def test_the_rule_of_trimming_is_that_of_the_recording(self, path, trim, start):
        assert open_recording(path, trim=trim).activity.start == pytest.approx(start, abs=0.1)

    def test_another_face_detector_can_look(self, path):
        class Blind:
            key = "blind/1"

            def find(self, image):
                return []

            find_harder = find

        recording = open_recording(path, detector=Blind())
        assert recording.faces.key == "blind/1"
        with pytest.raises(CannotJudge, match=Reason.NO_FACE):
            list(recording.face_clips())


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Other speech of the same voice, in a file of sound alone."""
    return write(tmp_path_factory.mktemp("other") / "other.mkv", None, voice(take=1), codec="pcm_s16le")


class TestSoundBesideTheVideo:
    def test_is_heard_in_place_of_its_own(self, path, other, decoded):
        (clip,) = open_recording(path, other).face_clips()
        begin = round(clip.start * RATE)
        np.testing.assert_allclose(clip.waveform, voice(take=1)[begin : begin + len(clip.waveform)], atol=1e-3)
        assert decoded == [other]

    def test_makes_a_video_without_sound_whole(self, tmp_path, other):
        recording = open_recording(write(tmp_path / "silent.mkv", face(), None), other)
        assert len(list(recording.face_clips())) == 1

    def test_is_part_of_the_key_of_the_content(self, path, other):
        alone, beside = open_recording(path), open_recording(path, other)
        assert alone.content_key == alone.sha256 == beside.sha256
        assert beside.content_key == f"{alone.sha256}-{open_recording(other).sha256}"

    def test_that_has_no_sound_is_refused(self, path, tmp_path):
        recording = open_recording(path, write(tmp_path / "silent.mkv", face()[:25], None))
        with pytest.raises(CannotJudge, match=Reason.NO_AUDIO):
            recording.require("speech")

    def test_that_is_missing_is_refused(self, path, tmp_path):
        recording = open_recording(path, tmp_path / "missing.wav")
        with pytest.raises(CannotJudge, match=Reason.UNREADABLE):
            recording.require("speech")
        with pytest.raises(CannotJudge, match=Reason.UNREADABLE):
            _ = recording.content_key


class TestFaceClips:
    def test_last_as_long_as_the_speech(self, path, clip):
        activity = open_recording(path).activity
        assert clip.start == pytest.approx(activity.start, abs=0.04)
        assert clip.end == pytest.approx(activity.stop, abs=0.08)
        np.testing.assert_array_equal(clip.speech_share, activity.on_frames(clip.start, len(clip)))

    def test_of_the_whole_file_show_what_is_outside_of_speech_too(self, path, clip):
        (whole,) = open_recording(path).face_clips(whole=True)
        assert (whole.start, len(whole)) == (0, 75)
        before = round(clip.start * 25)
        assert before > 1
        assert whole.speech_share[: before - 1].max() == 0
        apart = np.abs(whole.landmarks[before + 10 : before + 50] - clip.landmarks[10:50])
        assert np.median(apart) < 0.01 * (clip.box[2] - clip.box[0])

    def test_are_cut_at_the_length_that_is_asked_for(self, path, clip):
        parts = list(open_recording(path).face_clips(seconds=1))
        assert [len(part) for part in parts[:-1]] == [25] * (len(parts) - 1)
        assert sum(map(len, parts)) == len(clip)
        assert {part.track for part in parts} == {clip.track}
        np.testing.assert_array_equal(np.concatenate([part.waveform for part in parts]), clip.waveform)

    def test_tell_how_far_the_file_is_read(self, path):
        told = []
        list(open_recording(path, on_progress=lambda *step: told.append(step)).face_clips(whole=True))
        done, of = zip(*[(done, of) for stage, done, of in told if stage == "faces"], strict=True)
        assert list(done) == sorted(set(done))
        assert of == pytest.approx([3.0] * len(of), abs=0.05)
        assert len(done) > 2
        assert done[-1] == pytest.approx(of[-1], abs=0.1)


class TestFaceClip:
    def test_a_slice_keeps_pictures_and_sound_together(self, clip):
        part = clip[20:45]
        assert (len(part), part.start, part.end) == (
            25,
            pytest.approx(clip.start + 0.8),
            pytest.approx(clip.start + 1.8),
        )
        np.testing.assert_array_equal(part.waveform, clip.waveform[20 * SAMPLES : 45 * SAMPLES])
        np.testing.assert_array_equal(part.patches, clip.patches[20:45])
        np.testing.assert_array_equal(part.landmarks, clip.landmarks[20:45])
        np.testing.assert_array_equal(part.speech_share, clip.speech_share[20:45])

    @pytest.mark.parametrize("span", [slice(0, 13), slice(20, 45), slice(50, None)], ids=str)
    def test_mouths_of_a_slice_are_the_slice_of_the_mouths(self, clip, span):
        """Training crops whole clips, scoring crops windows: both see the same pixels."""
        np.testing.assert_array_equal(clip[span].mouths, clip.mouths[span])
        np.testing.assert_array_equal(clip[5:][span].mouths, clip.mouths[5:][span])

    def test_parts_that_are_joined_are_the_whole_again(self, clip):
        again = clip[:30] + clip[30:]
        assert (again.track, again.start, len(again)) == (clip.track, clip.start, len(clip))
        np.testing.assert_array_equal(again.waveform, clip.waveform)
        np.testing.assert_array_equal(again.speech_share, clip.speech_share)
        np.testing.assert_array_equal(again.mouths, clip.mouths)

    def test_mouths_are_96_pixels_wide(self, clip):
        assert clip.mouths.shape == (len(clip), 96, 96)
        assert clip.mouths.dtype == np.uint8

    def test_the_box_is_the_median_of_the_face(self, clip):
        box = clip[10:60].box
        np.testing.assert_allclose(box[2] - box[0], np.median(clip.squares[10:60, 2]) / 1.6, rtol=0.01)
