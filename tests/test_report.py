"""Reports: what they say, and that no file name can break out of them."""

import csv
import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markup import Page

from avsync.checks.registry import CHECKS
from avsync.errors import Reason, UsageError
from avsync.report import (
    print_table,
    print_verdict,
    sentence,
    to_csv,
    to_html,
    to_json,
    verdict_line,
    write_report,
)
from avsync.report.advice import next_steps
from avsync.report.json import DOCS
from avsync.report.wording import finding, lag, percent, span, unanswered
from avsync.score.verdict import (
    CheckResult,
    CheckScore,
    Peak,
    Proposal,
    ReadingValue,
    Segment,
    Standout,
    TrackVerdict,
    Verdict,
    WindowResult,
)
from avsync.text import printable

LIPS = CheckScore(4.2, 0.0065, {"agreement": ReadingValue(0.31, 1.2, 0.024)})
FACE = CheckScore(0.4, 0.4, {"mouth_detail": ReadingValue(-0.1, 0.7, 0.013)})
TRACK = TrackVerdict(
    track=0,
    start=0.2,
    end=7.9,
    box=(100, 80, 220, 200),
    speech_seconds=6.5,
    lag_ms=40.0,
    checks={"lips": LIPS, "face": FACE},
    anomaly_score=4.2,
    p_value=0.013,
    segments=[Segment(3.2, 4.4, 0.004)],
)


def result(score, windows=()):
    return CheckResult(score.anomaly_score, score.p_value, score.readings, list(windows))


SUSPICIOUS = Verdict(
    path="clip.mp4",
    verdict="suspicious",
    p_value=0.013,
    anomaly_score=4.2,
    decisive_track=0,
    whole_p_value=0.0104,
    standout=Standout("lips", 3.4, 4.2, 0.02, track=0),
    sha256="ab" * 32,
    duration=8.0,
    width=640,
    height=360,
    fps=29.97,
    audio_rate=48000,
    resampled=True,
    checks={"lips": result(LIPS, [WindowResult(3.2, 4.4, 4.4, 0.004, track=0)]), "face": result(FACE)},
    tracks=[TRACK],
    model="toy",
    weights_sha256="cd" * 32,
)
CONSISTENT = replace(
    SUSPICIOUS,
    verdict="consistent",
    p_value=0.42,
    decisive_track=1,
    tracks=[
        replace(TRACK, p_value=0.6, segments=[]),
        replace(TRACK, track=1, p_value=0.42, lag_ms=-40.0, segments=[]),
    ],
)
UNCALIBRATED = CheckScore(-0.312, None, {"speechforensics": ReadingValue(0.312)})
MEASURED = Verdict(
    "clip.mp4",
    "measured",
    anomaly_score=-0.312,
    decisive_track=0,
    sha256="ab" * 32,
    checks={"lips": result(UNCALIBRATED)},
    tracks=[TrackVerdict(0, 0.2, 7.9, (1, 2, 3, 4), 6.5, 40.0, {"lips": UNCALIBRATED}, -0.312)],
)
UNREADABLE = Verdict("clip.mp4", "cannot_judge", Reason.UNREADABLE, "no such file")


def refused(path="clip.mp4", detail="no face in any frame"):
    check = CheckResult(reason=Reason.NO_FACE, detail=detail)
    return Verdict(path, "cannot_judge", Reason.NO_FACE, detail, checks={"lips": check, "face": check})


REFUSED = refused()
# A check that is registered nowhere, of the recording as a whole: the report needs no edit for it.
NO_VIDEO = CheckResult(reason=Reason.NO_VIDEO, detail="the file has no moving picture")
HUM = CheckResult(
    anomaly_score=3.0,
    p_value=0.02,
    readings={"pitch": ReadingValue(1.5, 98.0, 0.04)},
    windows=[WindowResult(0.0, 2.0, 3.0, 0.01), WindowResult(2.0, 4.0, 0.3, 0.5)],
    segments=[Segment(0.0, 2.0, 0.01)],
    proposals=[Proposal(0.4, 1.2, 2.5)],
    peak=Peak(0.4, 1.2, 5130.0),
)
VOICE = Verdict(
    "voice.wav",
    "suspicious",
    p_value=0.02,
    anomaly_score=3.0,
    sha256="ab" * 32,
    duration=4.0,
    audio_rate=16000,
    checks={"lips": NO_VIDEO, "face": NO_VIDEO, "hum": HUM},
)
ALL = [SUSPICIOUS, CONSISTENT, MEASURED, REFUSED, UNREADABLE, VOICE]

names = st.text(st.characters(codec=None), min_size=1, max_size=30)


def printed(show, what):
    text = StringIO()
    show(what, text)
    return text.getvalue()


def rows(verdicts):
    return list(csv.DictReader(StringIO(to_csv(verdicts), newline="")))


class TestWords:
    def test_suspicious_says_the_finding_of_the_most_anomalous_check(self):
        assert verdict_line(SUSPICIOUS) == (
            "clip.mp4: suspicious — face 0 (0.2–7.9 s): lip movements do not match the speech; "
            "only 1.3 % of real recordings score as high (p = 0.013); the sound comes 40 ms after the lips; "
            "suspicious segments: 3.2–4.4 s"
        )
        other = replace(TRACK, checks={"lips": FACE, "face": LIPS})
        assert "the face moves or looks unlike recorded faces" in sentence(replace(SUSPICIOUS, tracks=[other]))

    def test_consistent_names_the_decisive_face_and_its_checks(self):
        assert verdict_line(CONSISTENT) == (
            "clip.mp4: consistent — face 1 (0.2–7.9 s): nothing unusual in lips and face; "
            "42 % of real recordings score as high (p = 0.42); the sound comes 40 ms before the lips"
        )
        lips_only = [replace(track, checks={"lips": LIPS}) for track in CONSISTENT.tracks]
        assert "nothing unusual in lips;" in sentence(replace(CONSISTENT, tracks=lips_only))

    def test_the_share_is_that_of_the_verdict_which_counts_the_speakers(self):
        text = sentence(replace(SUSPICIOUS, p_value=0.039))
        assert "3.9 % of real recordings score as high (p = 0.039)" in text

    def test_measured_says_the_reading_and_no_share(self):
        assert verdict_line(MEASURED) == (
            "clip.mp4: measured — face 0 (0.2–7.9 s): speechforensics 0.312; the sound comes 40 ms after the lips"
        )

    def test_cannot_judge_says_which_checks_have_no_answer(self):
        assert verdict_line(REFUSED) == (
            "clip.mp4: cannot judge — no_face: no face in any frame (no answer: lips, face)"
        )
        assert unanswered(REFUSED) == []

    def test_an_unreadable_file_needs_no_list_of_checks(self):
        check = CheckResult(reason=UNREADABLE.reason, detail=UNREADABLE.detail)
        for verdict in (UNREADABLE, replace(UNREADABLE, checks={"lips": check})):
            assert verdict_line(verdict) == "clip.mp4: cannot judge — unreadable: no such file"
            assert unanswered(verdict) == []

    def test_checks_with_the_same_reason_share_a_line(self):
        assert unanswered(VOICE) == ["lips, face: no answer, no_video: the file has no moving picture"]
        mixed = replace(VOICE, checks={**VOICE.checks, "face": REFUSED.checks["face"]})
        assert unanswered(mixed) == [
            "lips: no answer, no_video: the file has no moving picture",
            "face: no answer, no_face: no face in any frame",
        ]

    def test_a_check_of_the_recording_as_a_whole_has_no_face_and_no_lag(self):
        assert sentence(VOICE) == (
            "recording (0.0–4.0 s): the check hum finds something unusual, most between 0.4 and 1.2 s around 5.1 kHz; "
            "only 2 % of real recordings score as high (p = 0.02); suspicious segments: 0.0–2.0 s"
        )

    def test_a_check_of_the_recording_may_be_what_is_odd_about_a_face(self):
        """Its place is said, and its own segments."""
        scores = {"face": FACE, "hum": CheckScore(3.0, 0.02)}
        checks = {"face": result(FACE), "hum": HUM}
        text = sentence(replace(SUSPICIOUS, checks=checks, tracks=[replace(TRACK, checks=scores)]))
        assert text.startswith("face 0 (0.2–7.9 s): the check hum finds something unusual, most between 0.4 and 1.2 s")
        assert text.endswith("suspicious segments: 0.0–2.0 s")

    def test_a_place_after_the_first_minute_is_in_minutes(self):
        peak = Peak(71.0, 71.8, 640.0)
        assert finding("lips", peak).endswith(", most between 1:11.0 and 1:11.8 around 0.6 kHz")

    def test_a_face_may_decide_beside_a_check_of_the_recording(self):
        both = replace(SUSPICIOUS, checks={**SUSPICIOUS.checks, "hum": HUM})
        assert sentence(both) == sentence(SUSPICIOUS)

    def test_more_than_three_segments_are_counted(self):
        track = replace(TRACK, segments=[Segment(t, t + 1.0, 0.01) for t in range(5)])
        assert sentence(replace(SUSPICIOUS, tracks=[track])).endswith("0.0–1.0 s, 1.0–2.0 s, 2.0–3.0 s and 2 more")

    def test_no_lag(self):
        assert lag(-0.2) == "the sound comes with the lips"

    def test_an_unknown_lag_is_not_mentioned(self):
        assert "the sound" not in sentence(replace(SUSPICIOUS, tracks=[replace(TRACK, lag_ms=None)]))

    @pytest.mark.parametrize(
        ("share", "words"), [(1.0, "100 %"), (0.996, "100 %"), (0.1, "10 %"), (0.0131, "1.3 %"), (0.0004, "0.04 %")]
    )
    def test_small_shares_never_become_zero(self, share, words):
        assert percent(share) == words

    def test_long_recordings_are_timed_in_minutes(self):
        assert span(59.96, 125.04) == "1:00.0–2:05.0"


class TestSafety:
    """File names are chosen by strangers."""

    @given(name=names, detail=names)
    def test_a_line_is_one_printable_line(self, name, detail):
        line = verdict_line(refused(name, detail))
        assert line.isprintable()
        assert line.encode()

    @pytest.mark.parametrize("name", ["\x1b[2J.mp4", "a\nb.mp4", "a\rb.mp4", "\u202e4pm.exe", "\udcff.mp4", "\x9b1m"])
    def test_what_steers_a_terminal_is_escaped(self, name):
        verdict = replace(SUSPICIOUS, path=name, warnings=[name])
        for show, what in ((print_verdict, verdict), (print_table, [verdict])):
            text = printed(show, what)
            assert name not in text
            assert text.replace("\n", "").isprintable()

    def test_names_in_any_script_stay_as_they_are(self):
        assert printable("выступление – 演説 🎤.mp4") == "выступление – 演説 🎤.mp4"

    @pytest.mark.parametrize("name", ["[red]a[/red].mp4", "[/].mp4", ":smile:.mp4", "[link=x]a.mp4"])
    def test_markup_is_shown_not_obeyed(self, name):
        verdict = replace(SUSPICIOUS, path=name, warnings=[name])
        assert printed(print_verdict, verdict).count(name) == 2
        assert Path(name).name in printed(print_table, [verdict])

    @given(name=names, detail=names)
    def test_no_name_changes_the_page(self, name, detail):
        def page(path, text):
            unasked = {"lips": replace(NO_VIDEO, detail=text), "hum": HUM}
            return Page(to_html([refused(path, text), replace(VOICE, checks=unasked, warnings=[text])]))

        assert page(name, detail).tags == page("x", "x").tags
        assert printable(name) in page(name, detail).words

    @pytest.mark.parametrize("text", ["<b>x</b>", "<script>alert(1)</script>", '"><img src=x>', "&lt;b&gt;"])
    def test_markup_on_the_page_is_shown_not_obeyed(self, text):
        def page(text):
            check = replace(HUM, readings={text: ReadingValue(1.0)})
            checks = {"lips": replace(NO_VIDEO, detail=text), text: check}
            return Page(
                to_html([replace(VOICE, path=text, model=text, checks=checks, warnings=[text]), refused(text, text)])
            )

        assert page(text).tags == page("x").tags
        assert page(text).words.count(text) == page("@@").words.count("@@") > 8

    @given(name=names, detail=names)
    def test_no_name_changes_the_json(self, name, detail):
        text = to_json([refused(name, detail)])
        assert text.isascii()
        assert json.loads(text)["verdicts"][0]["path"] == name

    @pytest.mark.parametrize("first", "=+-@\t\r")
    def test_no_text_is_a_formula(self, first):
        (row,) = rows([replace(REFUSED, path=f"{first}1", detail=f"{first}2", warnings=[f"{first}3"])])
        assert (row["path"], row["detail"], row["warnings"]) == (f"'{first}1", f"'{first}2", f"'{first}3")


class TestTerminal:
    def test_each_face_has_a_row(self):
        lines = printed(print_table, [SUSPICIOUS, CONSISTENT, REFUSED]).splitlines()
        faces = [line.split() for line in lines if "ms" in line]
        assert [line[:3] for line in faces] == [
            ["clip.mp4", "suspicious", "0"],
            ["clip.mp4", "consistent", "0"],
            ["*", "1", "0.2–7.9"],
        ]
        assert any("cannot judge" in line for line in lines)
        assert lines[-1].strip() == "* the face that decides the verdict"

    def test_each_check_has_a_column(self):
        header, _, row = (line.split() for line in printed(print_table, [SUSPICIOUS]).splitlines() if line.strip())
        assert " ".join(header) == "file verdict face seen speech lag p lips p face p segments"
        assert row[-5:] == ["0.0065", "0.4", "0.013", "3.2–4.4", "s"]

    def test_a_recording_without_faces_has_a_row_with_dashes(self):
        row = next(line for line in printed(print_table, [VOICE]).splitlines() if "voice.wav" in line)
        assert " ".join(row.split()) == "voice.wav suspicious – 0.0–4.0 s – – – – 0.02 0.02 0.0–2.0 s"

    def test_a_check_of_the_recording_has_its_own_row_beside_the_faces(self):
        both = replace(SUSPICIOUS, checks={**SUSPICIOUS.checks, "hum": HUM})
        lines = printed(print_table, [both]).splitlines()
        face, recording = (line for line in lines if "0.2–7.9" in line or "0.0–4.0" in line)
        assert face.split()[2:4] == ["*", "0"]
        assert recording.split()[:5] == ["–", "0.0–4.0", "s", "–", "–"]

    def test_without_shares_the_readings_are_shown(self):
        text = printed(print_table, [MEASURED, REFUSED])
        assert "speechforensics 0.312" in text
        assert "p lips" not in text

    def test_checks_without_an_answer_and_warnings_follow_the_line(self):
        text = printed(print_verdict, replace(VOICE, warnings=["the file is cut off"]))
        assert text.splitlines()[1:] == [
            "  lips, face: no answer, no_video: the file has no moving picture",
            "  warning: the file is cut off",
        ]

    def test_a_line_is_not_broken_in_a_pipe(self):
        assert printed(print_verdict, SUSPICIOUS) == verdict_line(SUSPICIOUS) + "\n"


def documented():
    """The paths of the fields in DOCS, such as verdicts.checks.windows.start."""
    found, path = set(), []
    for line in DOCS.splitlines():
        head = line[: DOCS.index('"avsync')]
        if head.strip():
            path = [*path[: (len(head) - len(head.lstrip())) // 2], head.split()[0].strip(",[]")]
            found |= {".".join([*path[:-1], name.strip(",[]")]) for name in head.split()}
    return found


def written(value, path=""):
    """The same of a document; what is kept by name counts once."""
    if isinstance(value, list):
        return {found for item in value for found in written(item, path)}
    if not isinstance(value, dict):
        return set()
    found = set()
    for name, item in value.items():
        place = f"{path}.{name}".strip(".")
        found |= {place} | written(list(item.values()) if name in ("checks", "readings") else item, place)
    return found


class TestJson:
    def test_holds_every_verdict_as_it_is(self):
        document = json.loads(to_json(ALL))
        assert document["schema"] == "avsync.report/2"
        assert document["verdicts"] == json.loads(json.dumps([verdict.to_dict() for verdict in ALL]))

    def test_a_verdict_can_be_read_back(self):
        assert [Verdict.from_dict(verdict) for verdict in json.loads(to_json(ALL))["verdicts"]] == ALL

    def test_the_documentation_names_the_fields_that_are_written_and_no_others(self):
        assert documented() == written(json.loads(to_json(ALL)))

    def test_every_window_of_a_check_is_there(self):
        lips = json.loads(to_json([SUSPICIOUS]))["verdicts"][0]["checks"]["lips"]
        assert lips["windows"] == [{"start": 3.2, "end": 4.4, "anomaly_score": 4.4, "p_value": 0.004, "track": 0}]


class TestCsv:
    def test_one_row_for_each_face_of_each_file(self):
        assert [(row["verdict"], row["track"]) for row in rows(ALL)] == [
            ("suspicious", "0"),
            ("consistent", "0"),
            ("consistent", "1"),
            ("measured", "0"),
            ("cannot_judge", ""),
            ("cannot_judge", ""),
            ("suspicious", ""),
        ]

    def test_cells(self):
        row = rows([CONSISTENT, SUSPICIOUS])[1]
        expected = {
            "schema": "avsync.verdict/2",
            "path": "clip.mp4",
            "reason": "",
            "p_value": "0.42",
            "decisive_track": "1",
            "fps": "29.97",
            "resampled": "true",
            "box_right": "220",
            "lag_ms": "-40.0",
            "track_p_value": "0.42",
            "track_anomaly_score": "4.2",
            "check_lips_anomaly_score": "4.2",
            "check_face_p_value": "0.4",
            "check_face_reason": "",
            "reading_mouth_detail_value": "-0.1",
            "reading_agreement_percentile": "1.2",
        }
        assert {name: row[name] for name in expected} == expected

    def test_a_check_without_an_answer_has_its_reason(self):
        (row,) = rows([VOICE])
        assert (row["check_lips_p_value"], row["check_lips_reason"]) == ("", "no_video")
        assert (row["check_hum_p_value"], row["reading_pitch_value"]) == ("0.02", "1.5")

    def test_a_check_of_the_recording_is_in_the_row_of_each_face(self):
        both = replace(CONSISTENT, checks={**CONSISTENT.checks, "hum": HUM})
        assert [row["check_hum_p_value"] for row in rows([both])] == ["0.02", "0.02"]

    @given(name=names)
    def test_any_name_stays_one_cell(self, name):
        (row,) = rows([replace(REFUSED, path=name)])
        assert row["path"].removeprefix("'") == name.removeprefix("'")

    def test_segments_of_the_recording_have_a_column_in_the_row_of_each_face(self):
        both = replace(CONSISTENT, checks={**CONSISTENT.checks, "hum": HUM})
        assert [row["recording_segments"] for row in rows([both, VOICE, REFUSED])] == ["0.00-2.00"] * 3 + [""]

    def test_a_reading_of_two_checks_is_that_of_the_face(self):
        """Not that of the recording as a whole."""
        pitched = CheckScore(0.4, 0.4, {"pitch": ReadingValue(7.0)})
        track = replace(TRACK, checks={"face": pitched, "hum": CheckScore(3.0, 0.02, HUM.readings)})
        (row,) = rows([replace(SUSPICIOUS, checks={"face": result(pitched), "hum": HUM}, tracks=[track])])
        assert row["reading_pitch_value"] == "7.0"

    def test_segments_and_warnings_are_joined(self):
        track = replace(TRACK, segments=[Segment(0.2, 1.0, 0.01), Segment(3.0, 4.44, 0.02)])
        (row,) = rows([replace(SUSPICIOUS, tracks=[track], warnings=["cut off", "dark"])])
        assert (row["segments"], row["warnings"]) == ("0.20-1.00; 3.00-4.44", "cut off; dark")

    def test_columns_depend_on_the_checks_only(self):
        with_face, without = (to_csv([v]).splitlines()[0].split(",") for v in (SUSPICIOUS, UNREADABLE))
        assert [name for name in with_face if not name.startswith(("check_", "reading_"))] == without


class TestHtml:
    def test_names_no_address_and_runs_nothing_but_its_own_script(self):
        text = to_html(ALL)
        page = Page(text)
        assert not {"link", "iframe", "object", "img", "video"} & set(page.tags)
        assert not {"src", "href", "style", "onclick"} & {name for name, _ in page.attributes}
        assert "url(http" not in text
        assert "@import" not in text

    def test_its_policy_allows_its_own_style_and_script_and_no_other(self):
        text = to_html(ALL)
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text).group(1)
        assert policy.startswith("default-src 'none'")
        for tag in ("style", "script"):
            own = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL).group(1)
            assert f"{tag}-src 'sha256-{b64encode(sha256(own.encode()).digest()).decode()}'" in policy

    def test_says_the_verdicts_and_the_limits(self):
        words = " ".join(Page(to_html(ALL)).words.split())
        assert "6 files: 1 consistent, 2 suspicious, 1 measured, 2 cannot judge." in words
        assert sentence(SUSPICIOUS) in words
        assert "lips, face: no answer, no_video: the file has no moving picture." in words
        assert "not the probability that the recording is fake" in words
        assert "Limits" in words

    def test_the_stretch_that_stands_out_is_a_button_that_plays_it(self):
        text = to_html([SUSPICIOUS])
        words = " ".join(Page(text).words.split())
        assert f"What stands out most {CHECKS['lips'].question} 3.4–4.2 s (p = 0.02)" in words
        assert '<button type="button" data-time="3.40">' in text
        assert "What stands out most" not in to_html([replace(SUSPICIOUS, standout=None)])

    def test_says_what_each_check_found(self):
        words = " ".join(Page(to_html([SUSPICIOUS])).words.split())
        assert f"{CHECKS['lips'].question} Lip movements do not match the speech. 0.65 % of real recordings" in words
        assert f"{CHECKS['face'].question} Nothing unusual. 40 % of real recordings" in words
        assert "Measured; nothing to compare it with." in Page(to_html([MEASURED])).words
        assert "Not asked: the file has no moving picture." in Page(to_html([VOICE])).words

    def test_lists_the_questions_of_the_checks(self):
        words = Page(to_html([MEASURED])).words
        assert CHECKS["lips"].question in words
        assert CHECKS["face"].question not in words
        assert all(check.question in Page(to_html([UNREADABLE])).words for check in CHECKS.values())

    def test_the_timeline_shows_when_a_face_is_seen_and_which_segments_are_suspicious(self):
        text = to_html([SUSPICIOUS])
        assert '<rect class="seen" x="2.500%" y="0.0" width="96.250%"' in text
        assert '<rect class="suspect" x="40.000%" y="0.0" width="15.000%"' in text
        assert '<button type="button" data-time="3.20">face 0: 3.2–4.4 s (p = 0.004)</button>' in text

    def test_each_check_of_a_face_has_a_strip_of_scores_with_the_level(self):
        text = to_html([SUSPICIOUS])
        assert "lips 3.2–4.4 s: score 4.40, p = 0.004" in text
        assert text.count("<title>level 0.05</title>") == 1  # the face check has no windows here

    def test_the_recording_has_a_lane_beside_those_of_faces(self):
        text = to_html([replace(CONSISTENT, checks={**CONSISTENT.checks, "hum": HUM})])
        assert text.count('class="seen"') == 3
        assert "hum 0.0–2.0 s: score 3.00, p = 0.01" in text
        assert to_html([CONSISTENT]).count('class="seen"') == 2

    def test_segments_of_several_subjects_can_be_chosen(self):
        both = replace(SUSPICIOUS, checks={**SUSPICIOUS.checks, "hum": HUM})
        assert "whose" not in re.findall(r'<select class="(\w+)"', to_html([SUSPICIOUS]))
        assert '<option value="face 0">face 0</option><option value="recording">recording</option>' in to_html([both])

    def test_a_recording_without_faces_has_a_lane_and_no_picture_size(self):
        text = to_html([VOICE])
        assert '<rect class="suspect" x="0.000%" y="0.0" width="50.000%"' in text
        assert "0×0" not in text

    @pytest.mark.parametrize("duration", [0.0, 0.3, 90.0, 1e9])
    def test_any_length_has_a_readable_axis(self, duration):
        text = to_html([replace(SUSPICIOUS, duration=duration)])
        axis = text[text.index('class="lane axis"') :]
        assert 2 <= axis[: axis.index("</svg>")].count("<line") <= 11

    def test_no_facts_are_invented_for_a_file_that_was_not_read(self):
        assert "frames/s" in to_html([SUSPICIOUS])
        assert "frames/s" not in to_html([REFUSED])

    def test_a_refused_file_has_no_timeline_and_a_next_step(self):
        text = to_html([REFUSED])
        assert 'class="timeline"' not in text
        assert "Choose a part in which the speaker&#x27;s face is seen." in text

    def test_one_file_is_open_and_several_are_a_list(self):
        assert "details" not in re.findall(r"<(\w+) class=\"recording", to_html([SUSPICIOUS]))
        assert len(re.findall(r'<details class="recording (\w+)" data-place', to_html(ALL))) == 6

    def test_the_recording_is_named_as_the_page_sees_it(self, tmp_path):
        clip = tmp_path / "clips" / "a 100%?#.mp4"
        report = tmp_path / "reports" / "x.html"
        report.parent.mkdir()
        write_report([replace(SUSPICIOUS, path=str(clip))], report)
        assert 'src="../clips/a%20100%25%3F%23.mp4"' in report.read_text(encoding="utf-8")


class TestNextSteps:
    def test_suspicious_names_where_to_look_and_ordinary_causes(self):
        steps = next_steps(SUSPICIOUS)
        assert steps[0] == "Look at and listen to 3.2–4.4 s."
        assert steps[1] == f"Rule out ordinary causes (lips): {CHECKS['lips'].ordinary_causes}."
        assert any("original" in step for step in steps)

    def test_consistent_does_not_call_it_authentic(self):
        assert "does not prove" in next_steps(CONSISTENT)[0]

    @pytest.mark.parametrize("reason", Reason)
    def test_every_refusal_has_one(self, reason):
        assert len(next_steps(replace(REFUSED, reason=reason))) == 1

    def test_measured_asks_for_a_calibration(self):
        assert "avsync calibrate" in next_steps(MEASURED)[0]


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("x.json", to_json(ALL)),
            ("x.csv", to_csv(ALL)),
            ("X.HTML", to_html(ALL, link=lambda verdict: verdict.path)),
        ],
    )
    def test_the_suffix_says_what_is_written(self, tmp_path, monkeypatch, name, text):
        monkeypatch.chdir(tmp_path)
        write_report(ALL, Path(name))
        assert (tmp_path / name).read_bytes() == text.encode()
        assert [path.name for path in tmp_path.iterdir()] == [name]

    @pytest.mark.parametrize("name", ["x.pdf", "x", ".json"])
    def test_another_suffix_is_refused_naming_the_known(self, tmp_path, name):
        with pytest.raises(UsageError, match=r"\.json, \.csv, \.html"):
            write_report(ALL, tmp_path / name)

    def test_a_place_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(UsageError, match="a folder that exists"):
            write_report(ALL, tmp_path / "missing" / "x.json")
        (tmp_path / "folder.csv").mkdir()
        with pytest.raises(UsageError, match="a folder that exists"):
            write_report(ALL, tmp_path / "folder.csv")

    def test_a_name_of_bytes_that_are_no_text(self, tmp_path):
        write_report([replace(REFUSED, path="\udcff.mp4")], tmp_path / "x.csv")
        assert "\\udcff.mp4" in (tmp_path / "x.csv").read_text(encoding="utf-8")
