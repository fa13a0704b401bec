"""MediaPipe's face landmarker behind `--faces mesh`.

The real model cannot be shipped. A tiny one in the same format (tiny_bundle.py), read by the real package, stands for
it.
"""

import pickle
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from talking import face, people, voice, voxceleb, write

import avsync.face.mesh as module
from avsync import Detector
from avsync.calibrate import calibrate
from avsync.checks.load import load_setup
from avsync.datasets.splits import calibration_records
from avsync.errors import UsageError
from avsync.face import FACE_DETECTORS, PATCH_SIDE, load_face_detector
from avsync.face.crop import CONTEXT, cut_patch, square_around
from avsync.face.dlib import DlibFaceDetector
from avsync.face.landmarks import BROWS, JAW, LEFT_EYE, LIPS, MIRROR, NOSE, RIGHT_EYE, looks_like_a_face
from avsync.face.mesh import POINTS, MeshFaceDetector
from avsync.files import sha256_of
from avsync.weights.catalogue import KNOWN

# Where points of the mesh lie on average in patches of real recordings (127 frames of 44 people), in pixels.
# fmt: off
MEAN = {
    0: (96, 117), 2: (96, 105), 4: (96, 95), 5: (96, 88), 13: (96, 122), 14: (96, 126), 17: (96, 134), 33: (61, 70),
    37: (90, 116), 39: (84, 118), 58: (48, 122), 61: (77, 124), 63: (56, 54), 66: (73, 52), 70: (51, 59), 78: (79, 123),
    82: (92, 122), 84: (90, 134), 87: (91, 126), 93: (42, 97), 97: (90, 105), 98: (83, 104), 105: (64, 52),
    107: (84, 53), 127: (41, 75), 133: (82, 71), 136: (58, 140), 144: (67, 73), 148: (86, 158), 149: (72, 151),
    152: (96, 159), 153: (75, 73), 158: (74, 67), 160: (66, 67), 168: (95, 66), 172: (53, 132), 181: (85, 132),
    197: (96, 78), 234: (42, 86), 263: (130, 69), 267: (102, 116), 269: (108, 117), 288: (142, 121), 291: (115, 123),
    293: (134, 53), 296: (117, 51), 300: (139, 58), 308: (112, 123), 312: (100, 122), 314: (102, 134), 317: (101, 126),
    323: (147, 96), 326: (102, 105), 327: (109, 104), 334: (127, 51), 336: (107, 52), 356: (148, 74), 362: (109, 71),
    365: (133, 139), 373: (123, 72), 377: (106, 157), 378: (120, 150), 380: (115, 72), 385: (116, 66), 387: (124, 67),
    397: (138, 131), 405: (107, 131), 454: (148, 85),
}
# fmt: on
PLACES = np.array([MEAN[point] for point in POINTS], np.float32)


class TestThe68Points:
    def test_are_68_different_points_of_the_mesh(self):
        assert len(POINTS) == len(set(POINTS)) == 68
        assert all(0 <= point < 468 for point in POINTS)

    def test_mirrored_points_are_mirrored(self):
        mirrored = PLACES[MIRROR]
        np.testing.assert_allclose(PLACES[:, 0] + mirrored[:, 0], 2 * PLACES[8, 0], atol=4)
        np.testing.assert_allclose(PLACES[:, 1], mirrored[:, 1], atol=2)

    def test_the_jaw_runs_from_the_right_ear_over_the_chin_to_the_left_ear(self):
        jaw = PLACES[JAW]
        assert (np.diff(jaw[:, 0]) >= 0).all()
        assert (np.diff(jaw[:9, 1]) > 0).all()
        assert (np.diff(jaw[8:, 1]) < 0).all()

    @pytest.mark.parametrize(("eye", "brow"), [(RIGHT_EYE, slice(17, 22)), (LEFT_EYE, slice(22, 27))])
    def test_an_eye_lies_below_its_brow_and_between_its_ends(self, eye, brow):
        eye, brow = PLACES[eye], PLACES[brow]
        assert eye[:, 1].min() > brow[:, 1].max()
        assert brow[:, 0].min() < eye[:, 0].min() < eye[:, 0].max() < brow[:, 0].max()
        assert (np.diff(brow[:, 0]) > 0).all()
        assert eye[0, 0] == eye[:, 0].min()
        assert eye[3, 0] == eye[:, 0].max()
        assert eye[1:3, 1].max() < eye[4:, 1].min()

    def test_the_inner_edge_of_the_lips_lies_inside_the_outer_edge(self):
        outer, inner = PLACES[48:60], PLACES[60:68]
        assert outer[0, 0] < inner[0, 0] < inner[4, 0] < outer[6, 0]
        assert outer[3, 1] < inner[2, 1] < inner[6, 1] < outer[9, 1]
        assert (np.diff(outer[:7, 0]) > 0).all()
        assert (np.diff(outer[6:, 0]) < 0).all()

    def test_lie_on_the_contours_that_mediapipe_names(self):
        landmarker = pytest.importorskip("mediapipe.tasks.python.vision.face_landmarker", reason="needs avsync[mesh]")
        contours = landmarker.FaceLandmarksConnections
        for part, names in (
            (JAW, ["FACE_OVAL"]),
            (slice(17, 22), ["RIGHT_EYEBROW"]),
            (slice(22, 27), ["LEFT_EYEBROW"]),
            (RIGHT_EYE, ["RIGHT_EYE"]),
            (LEFT_EYE, ["LEFT_EYE"]),
            (LIPS, ["LIPS"]),
        ):
            lines = [line for name in names for line in getattr(contours, f"FACE_LANDMARKS_{name}")]
            assert set(POINTS[part]) <= {end for line in lines for end in (line.start, line.end)}

    def test_are_those_of_dlib_in_kind(self):
        for part in (JAW, BROWS, NOSE, RIGHT_EYE, LEFT_EYE, LIPS):
            shape = dlib_points() * np.ptp(PLACES[JAW, 0]) / np.ptp(dlib_points()[JAW, 0])
            shape += PLACES.mean(axis=0) - shape.mean(axis=0)
            assert np.linalg.norm(shape[part].mean(axis=0) - PLACES[part].mean(axis=0)) < 0.06 * PATCH_SIDE


@cache
def dlib_points():
    """The demo's face: float32 [68, 2] in pixels of its picture."""
    picture = face(1.0)[0]
    detector = DlibFaceDetector()
    return detector.landmarks(cut_patch(picture, square_around(detector.find(picture)[0]))[None])[0].astype(np.float64)


@pytest.fixture(scope="module")
def shape():
    """The demo's face, float [68, 2] in shares of a picture whose middle 1 / CONTEXT it fills."""
    points = dlib_points()
    left, top, right, bottom = MeshFaceDetector.box_of(None, points)
    return (points - [(left + right) / 2, (top + bottom) / 2]) / (right - left) / CONTEXT + 0.5


@pytest.fixture(scope="module")
def bundle(shape, tmp_path_factory):
    pytest.importorskip("mediapipe", reason="needs avsync[mesh]")
    import tiny_bundle

    return tiny_bundle.write(tmp_path_factory.mktemp("weights") / "face_landmarker.task", shape)


@pytest.fixture
def detector(bundle, monkeypatch):
    """The detector of `--faces mesh` with the tiny bundle in the folder of weights."""
    monkeypatch.setenv("AVSYNC_WEIGHTS", str(bundle.parent))
    monkeypatch.setitem(KNOWN, "face_landmarker", replace(KNOWN["face_landmarker"], sha256=sha256_of(bundle)))
    return load_face_detector("mesh")


GREY = np.full((PATCH_SIDE, PATCH_SIDE), 90, np.uint8)


class TestTheDetector:
    def test_has_a_key_of_its_own(self):
        assert FACE_DETECTORS["mesh"].type.key == "mesh-68/1"

    def test_reads_the_68_points_in_pixels_of_each_patch(self, detector, shape):
        points = detector.landmarks(np.stack([GREY, GREY + 50]))
        assert points.dtype == np.float32
        np.testing.assert_allclose(points, np.stack([shape * PATCH_SIDE - 0.5] * 2), atol=1e-3)

    def test_a_patch_without_a_face_has_no_points(self, detector):
        points = detector.landmarks(np.stack([np.zeros_like(GREY), GREY]))
        assert np.isnan(points[0]).all()
        assert np.isfinite(points[1]).all()
        assert not looks_like_a_face(points[0])
        assert looks_like_a_face(points[1])

    def test_of_no_patches_there_are_no_points(self, detector):
        assert detector.landmarks(np.empty((0, PATCH_SIDE, PATCH_SIDE), np.uint8)).shape == (0, 68, 2)

    def test_of_several_faces_in_a_patch_it_reads_the_one_in_the_middle(self, detector, monkeypatch):
        left, middle = np.full((68, 2), 40, np.float32), np.full((68, 2), 90, np.float32)
        monkeypatch.setattr(detector, "_faces", lambda patch: [left, middle])
        np.testing.assert_array_equal(detector.landmarks(GREY[None])[0], middle)

    def test_finds_boxes_in_pixels_of_the_picture(self, detector):
        (box,) = detector.find(np.full((160, 160), 90, np.uint8))
        np.testing.assert_allclose(box, [29.5, 29.5, 129.5, 129.5], atol=0.1)
        assert detector.find(np.zeros((160, 160), np.uint8)) == []

    def test_the_box_of_the_points_is_the_middle_of_the_patch(self, detector):
        box = detector.box_of(detector.landmarks(GREY[None])[0])
        margin = PATCH_SIDE * (1 - 1 / CONTEXT) / 2
        np.testing.assert_allclose(box, [margin - 0.5] * 2 + [PATCH_SIDE - margin - 0.5] * 2, atol=0.1)

    def test_the_box_is_the_one_that_dlib_draws(self):
        points = dlib_points().astype(np.float32)
        np.testing.assert_allclose(MeshFaceDetector.box_of(None, points), DlibFaceDetector().box_of(points), atol=1e-3)

    def test_the_harder_look_sees_what_is_small(self, detector):
        picture = np.zeros((200, 400), np.uint8)
        picture[100:200, 250:350] = 120  # lights less than an eighth of the picture, and a whole square
        assert detector.find(picture) == []
        found = detector.find_harder(picture)
        assert any(250 <= (left + right) / 2 <= 350 and (top + bottom) / 2 >= 100 for left, top, right, bottom in found)

    def test_confirms_a_box_that_a_closer_look_finds_again(self, detector):
        picture = np.zeros((200, 400), np.uint8)
        picture[:, 200:] = 90
        assert detector.confirm(picture, (260.0, 60.0, 340.0, 140.0))
        assert not detector.confirm(picture, (60.0, 60.0, 140.0, 140.0))
        assert not detector.confirm(picture, (4000.0, 60.0, 4080.0, 140.0))

    @pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 3), (0, 5)])
    def test_pictures_of_a_few_pixels_do_no_harm(self, detector, size):
        picture = np.full(size, 90, np.uint8)
        assert isinstance(detector.find_harder(picture), list)

    def test_the_same_picture_gives_the_same_points(self, detector):
        first, second = (detector.landmarks(face(1.0)[:3]) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_travels_to_worker_processes(self, detector):
        there = pickle.loads(pickle.dumps(detector))
        np.testing.assert_array_equal(there.landmarks(GREY[None]), detector.landmarks(GREY[None]))

    def test_nothing_is_written_to_standard_error(self, bundle):
        code = (
            "import sys, numpy as np; from pathlib import Path; import avsync.face.mesh as mesh\n"
            "mesh.published_file = lambda name: Path(sys.argv[1])\n"
            "print(len(mesh.MeshFaceDetector().find(np.full((99, 99), 90, np.uint8))))"
        )
        done = subprocess.run([sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr) == ("1\n", "")


class TestWhatItNeeds:
    def test_without_the_package_the_error_says_how_to_install_it(self, monkeypatch):
        def missing(name):
            raise PackageNotFoundError(name)

        monkeypatch.setattr(module, "version", missing)
        with pytest.raises(
            UsageError, match=r"^--faces mesh needs the package mediapipe: pip install 'avsync\[mesh\]'$"
        ):
            load_face_detector("mesh")

    @pytest.mark.parametrize("release", ["0.10.21", "0.10.34", "0.10.35", "1.2.3", "2"])
    def test_releases_that_report_their_use_are_refused(self, release, monkeypatch):
        monkeypatch.setattr(module, "version", lambda name: release)
        with pytest.raises(UsageError, match=rf"^mediapipe {re.escape(release)}: .*pip install 'avsync\[mesh\]'$"):
            load_face_detector("mesh")

    def test_without_the_model_the_error_says_how_to_get_it(self, monkeypatch, tmp_path):
        monkeypatch.setattr(module, "version", lambda name: "0.10.31")
        monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path))
        with pytest.raises(UsageError, match="not on this machine; run: avsync weights pull face_landmarker"):
            load_face_detector("mesh")

    def test_another_model_is_not_read(self, monkeypatch, tmp_path):
        monkeypatch.setattr(module, "version", lambda name: "0.10.31")
        monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path))
        (tmp_path / "face_landmarker.task").write_bytes(b"PK\x03\x04 something else")
        with pytest.raises(
            UsageError, match="not the published file, its sha256 is another; delete it, then run: avsync"
        ):
            load_face_detector("mesh")


class TestWithTheChecks:
    def test_the_embedded_model_needs_a_calibration_of_its_own(self, detector):
        with pytest.raises(UsageError, match="detector dlib-68/2, asked with mesh-68/1: run avsync calibrate ROOT"):
            Detector(faces="mesh")

    def test_it_calibrates_and_scores(self, detector, tmp_path):
        clip = write(tmp_path / "talking.mkv", face(), voice(), codec="pcm_s16le")
        tree = voxceleb(tmp_path / "people", people("calibrate", 2))
        setup = load_setup(checks="lips", faces="mesh", calibrating=True)
        calibrate(calibration_records(tree), setup, tmp_path / "new.safetensors", fewest_people=2)
        verdict = Detector(tmp_path / "new.safetensors", checks="lips", faces="mesh").score(clip)
        assert verdict.p_value is not None
