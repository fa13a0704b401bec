"""Stress sets: real clips beside well-crafted reconstructions of them, to find out where detectors break.

After Beckmann et al. (IH&MMSec 2023, arXiv 2305.05282), who fooled a detector that had learned self-blended images with
90 fakes of an autoencoder and careful blending. Here every reconstruction keeps who speaks and what is said.
"""

from avsync.stress.provenance import USE, Candidate, Real, Settings, StressSet, read_stress_set, stress_root

__all__ = ["USE", "Candidate", "Real", "Settings", "StressSet", "read_stress_set", "stress_root"]
