"""Whatever the pictures show and the detector returns, face squares stay bounded and so does the work per picture."""

from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from avsync.face import PATCH_SIDE, FaceTracker, load_face_detector, to_picture

FACE = np.stack(np.meshgrid(np.linspace(-30, 30, 17), np.linspace(-30, 30, 4)), axis=-1).reshape(68, 2)
BOX_IN_PATCH = 120  # 192 / 1.6: the side of the box that a patch shows
KEPT = 6  # faces that are followed at the same time


class FakeDetector:
    """Draws its answers: boxes and landmarks that may be anything; counts its calls."""

    key = "fake/1"

    def __init__(self, boxes, points, confirms):
        self._boxes, self._points, self._confirms = boxes, points, confirms
        self.calls = dict.fromkeys(["find", "find_harder", "confirm", "landmarks"], 0)

    def find(self, image):
        self.calls["find"] += 1
        return list(self._boxes())

    def find_harder(self, image):
        self.calls["find_harder"] += 1
        return list(self._boxes())

    def confirm(self, image, box):
        self.calls["confirm"] += 1
        return self._confirms()

    def landmarks(self, patches):
        assert patches.shape[1:] == (PATCH_SIDE, PATCH_SIDE)
        self.calls["landmarks"] += len(patches)
        return np.array([self._points(patch) for patch in patches], np.float32)

    def box_of(self, landmarks):
        """The grid FACE, of ±30, gives the box of ±60 that the patch shows."""
        (left, top), (right, bottom) = landmarks.min(axis=0), landmarks.max(axis=0)
        x, y, half = (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top)
        return tuple(map(float, (x - half, y - half, x + half, y + half)))


class Counted:
    """A detector, with its calls counted."""

    def __init__(self, detector):
        self.key, self._detector = detector.key, detector
        self.calls = dict.fromkeys(["find", "find_harder", "confirm", "landmarks"], 0)

    def landmarks(self, patches):
        self.calls["landmarks"] += len(patches)
        return self._detector.landmarks(patches)

    def __getattr__(self, name):
        if name in self.calls:
            self.calls[name] += 1
        return getattr(self._detector, name)


def placed(scale=1.0, shift=(0.0, 0.0)):
    """Landmarks in patch pixels, of a face larger and off the middle of the patch by so many widths of the box."""
    return FACE * scale + PATCH_SIDE / 2 - 0.5 + np.array(shift) * BOX_IN_PATCH


def check(detector, pictures, run=25):
    """Follow the faces, `run` pictures at a time; assert what always holds; return the faces on each picture."""
    tracker, found = FaceTracker(detector), []
    for start in range(0, len(pictures), run):
        part, before = pictures[start : start + run], dict(detector.calls)
        found += tracker.update(part)
        did = {name: count - before[name] for name, count in detector.calls.items()}
        assert did["find"] <= len(part)
        assert did["find_harder"] <= len(part)
        assert did["confirm"] <= KEPT * len(part)
        assert did["landmarks"] <= 4 * KEPT * len(part)
    assert len(found) == len(pictures)
    for faces, picture in zip(found, pictures, strict=True):
        assert_bounded(faces, picture.shape)
    cuts = sum(np.abs(one.astype(float) - other).mean() > 15 for one, other in pairwise(pictures))
    # At most a search every 10 pictures and at cuts, and one more in 10 for landmarks that jump; the slow one every 50.
    assert detector.calls["find"] <= 2 * (len(pictures) // 10 + 1) + cuts
    assert detector.calls["find_harder"] <= len(pictures) // 50 + 1
    assert_tracks_have_no_gaps(found)
    return found


def assert_bounded(faces, shape):
    for face in faces:
        assert face.patch.shape == (PATCH_SIDE, PATCH_SIDE)
        assert np.isfinite(to_picture(face.points, face.square)).all()
        left, top, side = face.square
        assert side <= max(8, 2 * max(shape))
        middle = np.array([left, top]) + side / 2
        assert (middle > -1).all()
        assert (middle < np.array(shape[::-1]) + 1).all()
    assert len({face.track for face in faces}) == len(faces) <= KEPT


def assert_tracks_have_no_gaps(found):
    where = {}
    for number, faces in enumerate(found):
        for face in faces:
            where.setdefault(face.track, []).append(number)
    assert all(after == before + 1 for numbers in where.values() for before, after in pairwise(numbers))


def numbered(count):
    """Pictures that show their number."""
    return [np.full((64, 64), number, np.uint8) for number in range(count)]


def largest(found):
    return max((int(face.square[2]) for faces in found for face in faces), default=0)


sizes = st.integers(1, 64)
anything = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 3e38])
boxes = st.tuples(anything, anything, anything, anything) | st.tuples(*[st.floats(0, 64)] * 4)
faces = st.builds(placed, st.floats(0.01, 20), st.tuples(st.floats(-2, 2), st.floats(-2, 2)))
landmarks = (
    faces
    | st.builds(placed, st.floats(0.8, 1.3), st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)))
    | anything.map(lambda value: np.full((68, 2), value))
    | st.tuples(anything, st.integers(0, 67)).map(lambda at: np.where(np.arange(68)[:, None] == at[1], at[0], placed()))
    | faces.map(lambda points: points * [0, 1])
)
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class TestAnyDetector:
    @few
    @given(st.data(), sizes, sizes, st.integers(1, 60), st.sampled_from([1, 4, 25]))
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_boxes_and_landmarks_that_may_be_anything(self, data, height, width, count, run):
        """Numbers are drawn from a pool, so that an example stays small."""
        pool = data.draw(st.lists(landmarks, min_size=1, max_size=6))
        places = data.draw(st.lists(st.lists(boxes, max_size=8), min_size=1, max_size=4))
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        detector = FakeDetector(
            lambda: places[rng.integers(len(places))],
            lambda patch: pool[rng.integers(len(pool))],
            lambda: bool(rng.integers(2)),
        )
        check(detector, [np.full((height, width), 128, np.uint8)] * count, run)

    @few
    @given(st.floats(1.0, 30.0), st.floats(-0.6, 0.6), st.booleans(), st.integers(40, 64))
    def test_landmarks_that_always_grow_or_drift_do_not_take_the_box_along(self, growth, drift, confirms, side):
        """The search finds one face of 20 pixels; each picture's landmarks are larger, and further, than the last's."""
        face = (10.0, 10.0, 30.0, 30.0)
        detector = FakeDetector(lambda: [face], lambda patch: placed(growth, (drift, drift)), lambda: confirms)
        found = check(detector, [np.zeros((side, side), np.uint8)] * 100)
        if not confirms:
            # Twice what the search found, and once more until the search no longer finds it there.
            assert largest(found) <= 1.6 * 20 * 2 * 2

    @pytest.mark.parametrize("run", [1, 5, 25])
    def test_a_face_that_jumps_in_size_is_found_again(self, run):
        """Landmarks fail on one picture, as with a zoom between two; the search of that picture has the new box."""
        face, larger = (20.0, 20.0, 40.0, 40.0), (17.0, 17.0, 43.0, 43.0)
        where = iter([face] + [larger] * 9)
        detector = FakeDetector(
            lambda: [next(where)],
            lambda patch: placed(9.0) if patch[0, 0] == 5 and detector.calls["find"] == 1 else placed(),
            lambda: False,
        )
        found = check(detector, numbered(20), run)
        assert [face.track for (face,) in found] == [0] * 20
        assert (int(found[4][0].square[2]), int(found[5][0].square[2])) == (32, 42)
        assert detector.calls["find"] == 2

    @pytest.mark.parametrize("run", [1, 5, 25])
    def test_a_face_that_is_not_found_after_a_jump_ends_its_track(self, run):
        where = iter([[(20.0, 20.0, 40.0, 40.0)], [], [(0.0, 0.0, 20.0, 20.0)]])
        detector = FakeDetector(
            lambda: next(where), lambda patch: placed(9.0) if patch[0, 0] == 5 else placed(), lambda: True
        )
        found = check(detector, numbered(30), run)
        assert [[face.track for face in faces] for faces in found] == [[0]] * 5 + [[]] * 10 + [[1]] * 15


@pytest.fixture(scope="module")
def photo():
    """The astronaut of scikit-image in grey, uint8 [512, 512]; her face is some 100 pixels wide, about (224, 120)."""
    with files("skimage").joinpath("data", "astronaut.png").open("rb") as file:
        return np.asarray(Image.open(file).convert("L"))


def view(photo, side, middle=(224, 120), size=240):
    """A square of the photograph, enlarged or shrunk to size × size."""
    left, top = (max(0.0, min(512 - side, at - side / 2)) for at in middle)
    box = (left, top, left + side, top + side)
    return np.asarray(Image.fromarray(photo).resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=2))


def zoom(photo, factor, count, held=20, start=230, **options):
    pictures = [view(photo, start / by, **options) for by in np.geomspace(1, factor, count)]
    return pictures + [pictures[-1]] * held


def softly(one, other, count):
    return [np.uint8(one * (1.0 - share) + other * float(share)) for share in np.linspace(0, 1, count)]


@pytest.fixture
def detector():
    return Counted(load_face_detector())


class TestRealFaces:
    @pytest.mark.parametrize(
        ("factor", "count", "middle"),
        [(10, 50, (224, 120)), (4, 50, (224, 120)), (4, 50, (250, 80)), (6, 75, (224, 140)), (2.5, 10, (224, 145))],
    )
    def test_an_extreme_zoom(self, detector, photo, factor, count, middle):
        """A tracker that trusts all landmarks lets squares grow to 23 times the picture here."""
        found = check(detector, zoom(photo, factor, count, middle=middle))
        assert largest(found) <= 2 * 240
        if factor > 3:
            assert not any(face.seen for face in found[-1])  # a nose is no face

    @pytest.mark.parametrize("factor", [2, 4])
    def test_a_slow_zoom_into_a_face_is_followed(self, detector, photo, factor):
        found = check(detector, zoom(photo, factor, 75, start=440, size=480))
        assert {face.track for (face,) in found} == {0}
        assert all(face.seen for (face,) in found)
        assert found[-1][0].square[2] == pytest.approx(factor * found[0][0].square[2], rel=0.25)

    def test_a_face_is_found_again_after_a_sudden_zoom(self, detector, photo):
        found = check(detector, [view(photo, 400, size=400)] * 15 + [view(photo, 160, size=400)] * 25)
        (face,) = found[-1]
        assert face.seen
        np.testing.assert_allclose(face.square[2], 1.6 * 100 * 400 / 160, rtol=0.25)

    def test_a_soft_cut(self, detector, photo):
        here = view(photo, 230)
        elsewhere = np.ascontiguousarray(view(photo, 130)[:, ::-1])
        found = check(detector, [here] * 10 + softly(here, elsewhere, 25) + [elsewhere] * 25)
        assert largest(found) <= 2 * 240

    def test_noise_over_one_of_two_faces(self, detector, photo):
        both = np.concatenate([view(photo, 230), view(photo, 230)], axis=1)
        rng = np.random.default_rng(0)
        noisy = [both.copy() for _ in range(50)]
        for picture in noisy:
            picture[:, 240:] = rng.integers(90, 170, (240, 240))  # as bright as the face: no cut
        found = check(detector, [both] * 15 + noisy)
        assert len(found[0]) == 2
        (face,) = found[-1]
        assert face.square[0] < 100
        assert face.track in {face.track for face in found[0]}

    def test_a_face_that_fades_to_black(self, detector, photo):
        face, black = view(photo, 230), np.zeros((240, 240), np.uint8)
        found = check(detector, [face] * 10 + softly(face, black, 25) + [black] * 40)
        assert found[-1] == []

    @pytest.mark.parametrize(
        "make",
        [lambda rng: rng.integers(0, 256, (120, 160), np.uint8), lambda rng: np.zeros((120, 160), np.uint8)],
        ids=["noise", "black"],
    )
    def test_pictures_without_a_face(self, detector, make):
        rng = np.random.default_rng(0)
        assert check(detector, [make(rng) for _ in range(30)]) == [[]] * 30

    @few
    @given(st.lists(st.sampled_from(["zoom", "noise", "black", "move", "fade"]), min_size=1, max_size=4), st.randoms())
    def test_any_order_of_these(self, photo, parts, random):
        rng = np.random.default_rng(random.randrange(100))
        side, middle, pictures = 230.0, np.array([224.0, 120.0]), []
        for part in parts:
            for _ in range(12):
                now = view(photo, side, middle, 96)
                if part == "zoom":
                    side = max(20.0, side * 0.85)
                elif part == "move":
                    middle = middle + rng.uniform(-8, 8, 2)
                pictures.append(
                    {"noise": rng.integers(0, 256, now.shape, np.uint8), "black": now * 0, "fade": now // 4 + 90}.get(
                        part, now
                    )
                )
        check(Counted(load_face_detector()), pictures)
