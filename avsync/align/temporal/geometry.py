"""Shape inputs of the lip encoder: lip and chin points in a frame fixed to the head, as principal components."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avsync.face.crop import as_complex, similarity
from avsync.face.landmarks import HEAD_FRAME_POINTS, LEFT_EYE, LIPS_AND_CHIN, MIRROR, RIGHT_EYE

Floats = NDArray[np.float32]

POINTS = 2 * len(LIPS_AND_CHIN)  # 54 coordinates
_ROUNDS = 3  # of generalised Procrustes analysis; the mean is stable after two


def mean_face(landmarks: Floats) -> Floats:
    """The Procrustes mean of faces: upright, centred, root mean squared radius 1.

    Args:
        landmarks: float32 [N, 68, 2].

    Returns:
        float32 [68, 2].
    """
    faces, mean = landmarks.astype(np.float64), landmarks[0].astype(np.float64)
    for _ in range(_ROUNDS):
        turn, shift = similarity(faces, mean)
        mean = _upright((turn * as_complex(faces) + shift).mean(axis=0))
    return np.asarray(mean, np.float32)


def mirrored(landmarks: Floats) -> Floats:
    """The landmarks, float32 [T, 68, 2], of the mirror image, about x = 0."""
    return landmarks[:, MIRROR] * np.array([-1, 1], np.float32)


def lip_points(landmarks: Floats, face: Floats) -> Floats:
    """Lip and chin points after the similarity transform that takes each frame's head-frame points to those of `face`.

    Args:
        landmarks: float32 [T, 68, 2] in pixels.
        face: float32 [68, 2], a `mean_face`.

    Returns:
        float32 [T, 54]: x and y of each point in turn.
    """
    turn, shift = similarity(
        landmarks[:, HEAD_FRAME_POINTS].astype(np.float64), face[HEAD_FRAME_POINTS].astype(np.float64)
    )
    moving = turn * as_complex(landmarks[:, LIPS_AND_CHIN]) + shift
    return np.stack([moving.real, moving.imag], axis=-1).reshape(-1, POINTS).astype(np.float32)


def principal_components(points: Sequence[Floats], speech_share: Sequence[Floats], count: int) -> Floats:
    """The directions in which lips move most while they speak, each divided by the standard deviation along it.

    Args:
        points: of each clip, float32 [T, 54] of `lip_points`.
        speech_share: of each clip, float32 [T], the share of speech in each frame.
        count: how many directions.

    Returns:
        float32 [54, count].
    """
    moved = np.concatenate([_about_mean(p, s) for p, s in zip(points, speech_share, strict=True)]).astype(np.float64)
    weights = np.concatenate(speech_share)[:, None].astype(np.float64)
    variance, directions = np.linalg.eigh((moved * weights).T @ moved / weights.sum())
    variance, directions = variance[::-1][:count], directions[:, ::-1][:, :count]
    # An eigenvector's sign is arbitrary: make it the same on every machine.
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    return np.asarray(directions * np.sign(largest) / np.sqrt(np.maximum(variance, 1e-12)), np.float32)


def lip_geometry(landmarks: Floats, speech_share: Floats, face: Floats, components: Floats) -> Floats:
    """Lip and chin points minus their mean over the clip's speech, in principal components.

    Args:
        landmarks: float32 [T, 68, 2] in pixels.
        speech_share: float32 [T], the share of speech in each frame.
        face: float32 [68, 2].
        components: float32 [54, K].

    Returns:
        float32 [T, K].
    """
    return np.asarray(_about_mean(lip_points(landmarks, face), speech_share) @ components, np.float32)


def _about_mean(points: Floats, speech_share: Floats) -> Floats:
    weights = speech_share if speech_share.any() else None
    return points - np.average(points, axis=0, weights=weights).astype(np.float32)


def _upright(face: NDArray[np.complex128]) -> NDArray[np.float64]:
    """A face, complex [68], centred, of root mean squared radius 1, eyes level: [68, 2]."""
    face = face - face.mean()
    right, left = (face[eye].mean() for eye in (RIGHT_EYE, LEFT_EYE))
    face = face * np.conj(left - right) / abs(left - right) / np.sqrt((np.abs(face) ** 2).mean())
    return np.stack([face.real, face.imag], axis=-1)
