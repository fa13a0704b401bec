"""What avsync.face promises: faces found, followed and cut out upright, whatever their place and size in the picture.

Every picture is made of the astronaut of scikit-image, a public-domain photograph by NASA.
"""

import pkgutil
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

import avsync.face
from avsync.errors import UsageError
from avsync.face import (
    FACE_DETECTORS,
    PATCH_SIDE,
    FaceTracker,
    align_faces,
    face_boxes,
    load_face_detector,
    mouth_crops,
    sample,
    to_picture,
)
from avsync.face.crop import cut_patch, similarity, square_around
from avsync.face.dlib import DlibFaceDetector
from avsync.face.landmarks import (
    BROWS,
    EYES,
    HEAD_FRAME_POINTS,
    JAW,
    LEFT_EYE,
    LIPS,
    LIPS_AND_CHIN,
    MIRROR,
    MOUTH_ALIGNMENT_POINTS,
    NOSE,
    OUTER_EYE_CORNERS,
    RIGHT_EYE,
    looks_like_a_face,
)

CHIN = 8


@pytest.fixture(scope="module")
def detector():
    return load_face_detector()


@pytest.fixture(scope="module")
def photo():
    """The astronaut in grey, uint8 [512, 512]; her face is some 100 pixels wide, about (224, 120)."""
    with files("skimage").joinpath("data", "astronaut.png").open("rb") as file:
        return np.asarray(Image.open(file).convert("L"))


@pytest.fixture(scope="module")
def portrait(photo):
    """Head and shoulders, uint8 [240, 240]."""
    return photo[0:240, 104:344]


def resized(picture, side):
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def turned(picture, degrees=0.0, scale=1.0, shift=(0.0, 0.0)):
    """The picture turned counter-clockwise about its middle, scaled and shifted by bicubic interpolation."""
    side = picture.shape[0] / 2
    turn = np.exp(1j * np.radians(degrees)) / scale
    offset = side + 1j * side - turn * (side + shift[0] + 1j * (side + shift[1]))
    affine = (turn.real, -turn.imag, offset.real, turn.imag, turn.real, offset.imag)
    image = Image.fromarray(picture).transform(picture.shape[::-1], Image.Transform.AFFINE, affine, Image.BICUBIC)
    return np.array(image)


def follow(detector, pictures):
    return FaceTracker(detector).update([np.ascontiguousarray(picture) for picture in pictures])


def landmarks(face):
    return to_picture(face.points, face.square)


def alike(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


def read(detector, picture):
    """The one face of a picture."""
    ((face,),) = follow(detector, [picture])
    return face


class TestFinding:
    def test_one_face_is_found_where_it_is(self, detector, photo):
        ((left, top, right, bottom),) = detector.find(photo)
        assert left < 224 < right
        assert top < 120 < bottom
        assert 70 < right - left < 150

    def test_nothing_is_found_where_nobody_is(self, detector, photo):
        assert detector.find(photo[:, 300:]) == []
        assert follow(detector, [np.full((120, 160), 128, np.uint8)]) == [[]]

    def test_a_close_look_confirms_a_face_and_nothing_else(self, detector, photo):
        (box,) = detector.find(photo)
        assert detector.confirm(photo, box)
        assert not detector.confirm(photo, tuple(side + 260 for side in box))

    def test_a_close_look_confirms_no_box_beside_the_face(self, detector, photo):
        """The face is in the look, which shows twice the box, but it is not the face of this box."""
        left, top, right, bottom = detector.find(photo)[0]
        side = right - left
        assert not detector.confirm(photo, (left + 0.6 * side, top, right + 0.6 * side, bottom))
        assert not detector.confirm(photo, (-1e5, -1e5, 1e5, 1e5))

    def test_rows_of_a_picture_need_not_follow_each_other_in_memory(self, detector, photo):
        padded = np.concatenate([photo, np.full((512, 8), 99, np.uint8)], axis=1)
        assert detector.find(padded[:, :512]) == detector.find(photo)

    @pytest.mark.parametrize("size", [(256, 256), (1280, 720)])
    def test_a_harder_look_finds_small_faces(self, detector, photo, size):
        """Of 50 pixels, in a small picture and in a large one."""
        picture = np.full(size[::-1], 100, np.uint8)
        picture[-256:, -256:] = resized(photo, 256)
        assert detector.find(picture) == []
        ((left, top, right, bottom),) = detector.find_harder(picture)
        assert left < size[0] - 256 + 112 < right
        assert top < size[1] - 256 + 60 < bottom

    @pytest.mark.parametrize("shape", [(1, 1), (2, 640), (640, 2), (16, 16), (9, 2000), (40, 480), (1280, 41)])
    def test_pictures_of_any_shape(self, detector, shape):
        assert follow(detector, [np.zeros(shape, np.uint8)]) == [[]]

    def test_landmarks_are_those_of_a_face(self, detector, photo):
        face = read(detector, photo)
        points = landmarks(face)
        assert points.shape == (68, 2)
        brows, eyes, nose, mouth = (points[part, 1].mean() for part in (BROWS, EYES, NOSE, LIPS))
        assert brows < eyes < nose < mouth < points[CHIN, 1]
        assert points[RIGHT_EYE, 0].mean() < points[NOSE, 0].mean() < points[LEFT_EYE, 0].mean()
        # The middle of the mouth and of the eyes, read off the photograph.
        np.testing.assert_allclose(points[LIPS].mean(axis=0), (223, 145), atol=6)
        np.testing.assert_allclose(points[EYES].mean(axis=0), (225, 103), atol=6)

    def test_the_box_about_the_landmarks_is_the_detectors(self, detector, photo):
        (found,) = detector.find(photo)
        drawn = detector.box_of(landmarks(read(detector, photo)))
        np.testing.assert_allclose(drawn, found, atol=0.15 * (found[2] - found[0]))

    @pytest.mark.parametrize("side", [1024, 256])
    def test_landmarks_are_as_noisy_at_another_resolution(self, detector, photo, side):
        """Noise of the sensor, of the same share of the picture's detail, moves them by the same share of the face."""

        def spread(size):
            rng = np.random.default_rng(0)
            still = resized(photo[:256, 96:352], size)
            noisy = (still + rng.normal(0, 2 * size / 256, (12, size, size))).clip(0, 255).astype(np.uint8)
            points = np.array([landmarks(face) for (face,) in follow(detector, noisy)])
            return points.std(axis=0).mean() / size

        assert spread(side) == pytest.approx(spread(512), rel=0.5)


class TestFollowing:
    def test_one_track_through_a_pan(self, detector, photo):
        pan = [photo[0:260, x : x + 300] for x in range(40, 140, 4)]
        faces = [face for (face,) in follow(detector, pan)]
        assert {face.track for face in faces} == {0}
        assert all(face.seen for face in faces)
        where = np.array([landmarks(face).mean(axis=0) for face in faces])
        np.testing.assert_allclose(np.diff(where, axis=0), np.tile([-4, 0], (24, 1)), atol=2.5)

    def test_a_still_face_has_one_square_and_a_face_that_moves_has_more(self, detector, photo):
        """A square is drawn anew once the face has left its middle by a tenth of its width, some 10 pixels."""
        still = {tuple(face.square) for (face,) in follow(detector, [photo[0:260, 80:380]] * 30)}
        moving = [face for (face,) in follow(detector, [photo[0:260, x : x + 300] for x in range(40, 100)])]
        assert len(still) == 1
        assert 4 <= len({tuple(face.square) for face in moving}) <= 10
        middles = np.array([landmarks(face).mean(axis=0) - face.square[:2] - face.square[2] / 2 for face in moving])
        assert np.ptp(middles[:, 0]) < 16

    @pytest.mark.parametrize("count", [1, 7])
    def test_faces_are_the_same_however_many_pictures_are_followed_at_a_time(self, detector, photo, count):
        pan = [np.ascontiguousarray(photo[0:260, x : x + 300]) for x in range(40, 140, 2)]
        tracker = FaceTracker(detector)
        parts = [faces for start in range(0, 50, count) for faces in tracker.update(pan[start : start + count])]
        for (one,), (other,) in zip(parts, follow(detector, pan), strict=True):
            np.testing.assert_array_equal(one.square, other.square)
            np.testing.assert_array_equal(one.points, other.points)
            assert (one.track, one.seen) == (other.track, other.seen)

    def test_the_picture_is_searched_every_second_while_the_face_is_seen(self, photo):
        """Every other time at the size that its face needs: 200 pixels, of which 100 are enough."""
        searched = []

        class Watched(DlibFaceDetector):
            def find(self, image):
                searched.append(image.shape[0])
                return super().find(image)

        follow(Watched(), [resized(photo, 1024)] * 100)
        assert searched == [1024, pytest.approx(512, rel=0.1), 1024, pytest.approx(512, rel=0.1)]

    def test_a_small_face_beside_a_large_one_is_found_within_two_seconds(self, detector, photo):
        large = np.full((512, 702), 100, np.uint8)
        large[:, :512] = resized(photo, 1024)[:512, 192:704]
        both = large.copy()
        both[:240, 512:] = photo[:240, 130:320]
        faces = follow(detector, [large] * 5 + [both] * 50)
        assert len(faces[4]) == 1
        assert len(faces[-1]) == 2

    def test_two_faces_are_two_tracks(self, detector, portrait):
        both = np.concatenate([portrait, portrait[:, ::-1]], axis=1)
        for faces in follow(detector, [both] * 12):
            left, right = sorted(faces, key=lambda face: face.square[0])
            assert landmarks(left)[:, 0].max() < 240 < landmarks(right)[:, 0].min()
            assert {left.track, right.track} == {0, 1}
        assert len({(f.track, f.square[0] > 200) for faces in follow(detector, [both] * 12) for f in faces}) == 2

    def test_a_cut_starts_another_track(self, detector, portrait):
        tracks = [
            [face.track for face in faces]
            for faces in follow(detector, [portrait] * 4 + [turned(portrait[:, ::-1], shift=(30, 20))] * 4)
        ]
        assert tracks == [[0]] * 4 + [[1]] * 4

    def test_a_flash_of_another_picture_does_not_leave_the_old_track(self, detector, portrait):
        blank = np.zeros_like(portrait)
        tracks = [[face.track for face in faces] for faces in follow(detector, [portrait, blank, portrait])]
        assert tracks == [[0], [], [1]]

    def test_a_face_that_stays_away_ends_its_track(self, detector, portrait):
        """It fades, so that there is no cut; what is returned meanwhile is marked as not seen."""
        grey = np.full_like(portrait, int(portrait.mean()))
        fade = [np.uint8(portrait * (1 - a) + grey * a) for a in np.linspace(0, 1, 10)]
        faces = follow(detector, [portrait] * 3 + fade + [grey] * 50 + fade[::-1] + [portrait] * 12)
        assert [f.track for f in faces[0]] == [0]
        assert all(not face.seen for face in faces[32])
        assert faces[55] == []
        assert [(f.track, f.seen) for f in faces[-1]] == [(1, True)]

    def test_a_short_occlusion_keeps_the_track(self, detector, portrait):
        hidden = portrait.copy()
        hidden[60:190, 50:190] = portrait.mean()
        faces = follow(detector, [portrait] * 10 + [hidden] * 4 + [portrait] * 20)
        assert {f.track for found in faces for f in found} == {0}
        assert faces[-1][0].seen


class TestCropping:
    def test_a_patch_shows_the_square_edges_repeated_outside(self):
        ramp = np.repeat(np.arange(200, dtype=np.uint8)[None], 200, axis=0)
        inside = cut_patch(ramp, np.array([4, 4, PATCH_SIDE]))
        np.testing.assert_array_equal(inside, ramp[4:196, 4:196])
        outside = cut_patch(ramp, np.array([-96, -500, PATCH_SIDE]))
        np.testing.assert_array_equal(outside[0], [*[0] * 96, *range(96)])

    @pytest.mark.parametrize("square", [(10, 20, 96), (-30, 5, 384), (3, 7, 8)])
    def test_points_of_a_patch_are_found_in_the_picture(self, square):
        """The middles of a patch's corner pixels lie in the square, half a patch pixel from its corners."""
        corners = np.array([[0, 0], [PATCH_SIDE - 1, PATCH_SIDE - 1]], np.float32)
        left, top, side = square
        half = side / PATCH_SIDE / 2
        np.testing.assert_allclose(
            to_picture(corners, np.array(square)),
            [[left - 0.5 + half, top - 0.5 + half], [left + side - 0.5 - half, top + side - 0.5 - half]],
            atol=1e-4,
        )

    def test_the_box_of_a_square_is_the_one_it_was_drawn_around(self):
        box = (40.0, 30.0, 140.0, 130.0)
        np.testing.assert_allclose(face_boxes(square_around(box)[None])[0], box, atol=1)

    def test_a_known_similarity_is_recovered(self):
        rng = np.random.default_rng(0)
        points = rng.normal(0, 40, (7, 5, 2))
        turn, shift = 1.3 * np.exp(0.4j), 12 - 30j
        moved = turn * (points[..., 0] + 1j * points[..., 1]) + shift
        a, b = similarity(points, np.stack([moved.real, moved.imag], axis=-1))
        np.testing.assert_allclose(a, np.full((7, 1), turn))
        np.testing.assert_allclose(b, np.full((7, 1), shift))

    def test_a_similarity_does_not_mirror(self):
        triangle = np.array([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
        a, b = similarity(triangle, triangle[0] * [-1, 1])
        points = a * (triangle[..., 0] + 1j * triangle[..., 1]) + b
        (first, second, third) = points[0]
        assert ((second - first) * np.conj(third - first)).imag <= 1e-9

    def test_points_all_in_one_place_give_numbers_still(self):
        a, b = similarity(np.full((2, 5, 2), 7.0), np.zeros((5, 2)))
        assert np.isfinite(a).all()
        assert np.isfinite(b).all()

    def test_samples_at_pixels_are_the_pixels(self):
        pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8), np.uint8)
        at = np.tile(np.arange(8)[None, None, :] + 1j * np.arange(8)[None, :, None], (2, 1, 1))
        np.testing.assert_array_equal(sample(pixels, at), pixels)
        np.testing.assert_array_equal(sample(pixels, at - 100), np.repeat(pixels[:, :, :1], 8, axis=2))

    @pytest.mark.parametrize("span", [slice(0, 75), slice(40, 115), slice(225, 300), slice(7, 8)], ids=str)
    def test_crops_of_a_slice_are_the_slice_of_the_crops(self, span):
        """Training crops mouths on whole clips, scoring on windows of them: both see the same pixels."""
        rng = np.random.default_rng(0)
        patches = rng.integers(0, 256, (300, PATCH_SIDE, PATCH_SIDE), np.uint8)
        points = rng.normal(96, 30, (1, 68, 2)) + rng.normal(0, 3, (300, 68, 2)).cumsum(axis=0) / 5
        alignment = align_faces(points.astype(np.float32))
        crops = mouth_crops(patches, alignment)
        assert len(alignment[span]) == len(crops[span])
        np.testing.assert_array_equal(mouth_crops(patches[span], alignment[span]), crops[span])
        assert (mouth_crops(patches[span], align_faces(points[span].astype(np.float32))) != crops[span]).any()

    def test_the_mouth_is_upright_in_the_middle_of_its_crop(self, detector, photo):
        face = read(detector, turned(photo[0:300, 74:374], degrees=20))
        left, right = face.points[48], face.points[54]
        marked = np.zeros_like(face.patch)
        for x, y in (left, right):
            marked[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = 255
        (crop,) = mouth_crops(marked[None], align_faces(face.points[None]))
        rows, columns = np.nonzero(crop > 128)
        corners = [(columns[side].mean(), rows[side].mean()) for side in (columns < 48, columns >= 48)]
        assert crop.shape == (96, 96)
        np.testing.assert_allclose(np.mean(corners, axis=0), (47.5, 44), atol=5)
        assert abs(corners[0][1] - corners[1][1]) < 5
        assert 40 < corners[1][0] - corners[0][0] < 70

    @pytest.mark.parametrize(
        "change",
        [{"shift": (17.0, -9.0)}, {"degrees": 12}, {"degrees": -12}, {"scale": 1.25}, {"scale": 0.8, "degrees": 5}],
        ids=str,
    )
    def test_mouth_crops_do_not_depend_on_where_and_how_the_head_is(self, detector, photo, change):
        face = read(detector, photo)
        patch, points = turned(face.patch, **change), face.points - PATCH_SIDE / 2 + 0.5
        turn = change.get("scale", 1.0) * np.exp(-1j * np.radians(change.get("degrees", 0.0)))
        moved = turn * (points[:, 0] + 1j * points[:, 1]) + complex(*change.get("shift", (0, 0)))
        there = np.stack([moved.real, moved.imag], axis=-1) + PATCH_SIDE / 2 - 0.5
        assert (
            alike(
                mouth_crops(face.patch[None].copy(), align_faces(face.points[None])),
                mouth_crops(patch[None], align_faces(there[None].astype(np.float32))),
            )
            > 0.99
        )

    @pytest.mark.parametrize("change", [{"shift": (17.0, -9.0)}, {"degrees": 12}, {"scale": 1.25}], ids=str)
    def test_nor_do_they_with_landmarks_read_again(self, detector, photo, change):
        """But for the landmarks' own noise."""
        portrait = photo[0:300, 74:374]
        faces = [[f for (f,) in follow(detector, [p] * 12)] for p in (portrait, turned(portrait, **change))]
        crops = [
            mouth_crops(np.array([f.patch for f in of]), align_faces(np.array([f.points for f in of]))) for of in faces
        ]
        assert alike(*(crop.mean(axis=0) for crop in crops)) > 0.9


class TestLandmarks:
    def test_parts_name_the_right_points(self, detector, photo):
        points = landmarks(read(detector, photo))
        assert points[JAW, 1].max() == points[:, 1].max()
        right, left = (points[corner] for corner in OUTER_EYE_CORNERS)
        assert right[0] == points[EYES, 0].min()
        assert left[0] == points[EYES, 0].max()
        assert points[LIPS_AND_CHIN, 1].min() > points[NOSE, 1].mean()

    @pytest.mark.parametrize("stable", [MOUTH_ALIGNMENT_POINTS, HEAD_FRAME_POINTS], ids=["mouth", "head"])
    def test_stable_points_are_on_nose_and_eyes_and_the_same_in_the_mirror(self, stable):
        assert set(stable) <= {*range(68)[NOSE], *range(68)[EYES]}
        assert {MIRROR[point] for point in stable} == set(stable)

    def test_the_mirror_of_the_mirror_is_the_face(self):
        assert [MIRROR[point] for point in MIRROR] == list(range(68))

    def test_mirrored_points_are_those_of_the_mirrored_photograph(self, detector, photo):
        points = landmarks(read(detector, photo[:300, 74:374]))
        mirrored = landmarks(read(detector, np.ascontiguousarray(photo[:300, 74:374][:, ::-1])))
        np.testing.assert_allclose(mirrored[MIRROR] * [-1, 1] + [299, 0], points, atol=6)

    def test_what_looks_like_a_face(self, detector, photo):
        points = read(detector, photo).points
        assert looks_like_a_face(points)
        assert looks_like_a_face(points * np.array([0.5, 1], np.float32))
        assert not looks_like_a_face(points * np.array([0.02, 1], np.float32))
        assert not looks_like_a_face(np.where(np.arange(68)[:, None] == 30, np.nan, points))


class TestDetectors:
    def test_dlib_is_the_default(self):
        assert load_face_detector().key == load_face_detector("dlib").key == "dlib-68/2"
        assert "dlib" in FACE_DETECTORS

    def test_an_unknown_name_is_refused_with_the_known_ones(self):
        with pytest.raises(UsageError, match=r"'retina'.*dlib"):
            load_face_detector("retina")

    def test_a_detector_is_added_by_a_line(self, monkeypatch):
        class Other:
            key = "other/1"

        monkeypatch.setitem(FACE_DETECTORS, "other", Other)
        assert load_face_detector("other").key == "other/1"

    def test_heavy_libraries_are_imported_when_they_are_used(self):
        code = "import sys, avsync.face; print([name for name in ('dlib', 'torch') if name in sys.modules])"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"

    def test_no_export_hides_a_module_of_the_package(self):
        modules = {module.name for module in pkgutil.iter_modules(avsync.face.__path__)}
        assert not modules & set(avsync.face.__all__)
