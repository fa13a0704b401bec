"""Roles: a fixed half of the people calibrates, the other half is kept for reporting."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsync.datasets import REAL_TYPE, ClipRecord, role, with_role

# VoxCeleb2 speakers of FakeAVCeleb and AV-Deepfake1M.
REAL_IDS = (  # noqa: SIM905
    "id00943 id03747 id00379 id01004 id02268 id09174 id00373 id08299 id06445 id00498 id01163 id00366 id00566 id01637 "
    "id00358 id00076 id00166 id00391 id00055 id01591 id03027 id01768 id02176 id09010 id07578 id01792 id00052 id01614 "
    "id01769 id02573"
).split()


def clip(identity: str) -> ClipRecord:
    name = f"{identity}.mp4"
    return ClipRecord(Path(name), name, "real", REAL_TYPE, "real", identity, identity)


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ("id00366", "calibrate"),
        ("id00943", "calibrate"),
        ("id03747", "calibrate"),
        ("id00076", "report"),
        ("id00166", "report"),
        ("id00391", "report"),
        ("grid_s23", "calibrate"),
        ("grid_s20", "report"),
        ("id00058", "calibrate"),  # its hash begins with 0x7f
        ("id00581", "report"),  # 0x80
        ("", "report"),
        ("Zoë", "report"),
    ],
)
def test_role_of_an_identity_never_changes(identity, expected):
    assert role(identity) == expected


def test_ids_of_real_data_sets_split_about_half_though_all_begin_alike():
    assert {identity[:3] for identity in REAL_IDS} == {"id0"}
    assert 10 <= Counter(map(role, REAL_IDS))["calibrate"] <= 20


def test_half_of_all_possible_voxceleb_ids_calibrates():
    """4 standard deviations of a fair coin thrown 10,000 times are 200."""
    assert Counter(role(f"id{i:05d}") for i in range(10_000))["calibrate"] == pytest.approx(5_000, abs=200)


@given(st.text(st.characters(codec="ascii"), max_size=8))
def test_ids_with_any_common_beginning_split_about_half(prefix):
    """6 standard deviations of a fair coin thrown 1,000 times are 95."""
    assert Counter(role(f"{prefix}{i}") for i in range(1_000))["calibrate"] == pytest.approx(500, abs=95)


def test_name_of_a_folder_that_is_not_utf_8_has_a_role():
    """Python reads such a byte as a lone surrogate."""
    assert role("\udcff") == "report"


def test_spelling_counts():
    pairs = [(f"id{i:05d}", f"ID{i:05d}") for i in range(100)]
    assert any(role(lower) != role(upper) for lower, upper in pairs)


def test_clips_are_chosen_by_the_role_of_their_identity_in_order():
    clips = [clip(identity) for identity in REAL_IDS]
    calibrate, report = with_role(clips, "calibrate"), with_role(clips, "report")
    assert [record.identity for record in calibrate] == [i for i in REAL_IDS if role(i) == "calibrate"]
    assert sorted(r.identity for r in calibrate + report) == sorted(REAL_IDS)
    assert with_role(clips, "all") == clips
