"""The page in a real browser: it plays, follows, filters, prints, and loads nothing but the recordings."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from browser import chromium, violations

from avsync import Detector
from avsync.demo import make_clips
from avsync.report import write_report
from avsync.score.verdict import Segment

SECONDS = 5.0
NASTY = "clips/<img src=x onerror=alert(1)>\"' &amp; \u202e.mp4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def verdicts(folder):
    """A clip in sync and a dubbed one, and a file that is no video."""
    clips = make_clips(folder / "clips", seconds=SECONDS)
    (folder / "clips" / "notes.mp4").write_text("no video")
    detector = Detector()
    return [detector.score(path, keep={"figures"}) for path in (*clips, folder / "clips" / "notes.mp4")]


@pytest.fixture(scope="module")
def open_page():
    with chromium() as open_page:
        yield open_page


@pytest.fixture
def report(open_page, folder, request):
    """Writes a report of verdicts, opens it, and checks at the end that it loaded nothing but recordings."""
    opened = []

    def report(verdicts, **options):
        path = folder / f"{request.node.name[:40]}.html"
        write_report(verdicts, path)
        opened.append(open_page(path.as_uri(), **options))
        return opened[-1].page

    yield report
    for page in opened:
        # A recording that is not there is told on the page, and by the browser too.
        assert [error for error in page.errors if "ERR_FILE_NOT_FOUND" not in error] == []
        assert [address for address in page.requests if "/clips/" not in address] == []


def played(page, time):
    """Whether the player gets to a time."""
    page.wait_for_function("t => Math.abs(document.querySelector('video').currentTime - t) < 0.3", arg=time)
    return True


def ready(page):
    page.wait_for_function("() => document.querySelector('video').readyState >= 1")


class TestPlayer:
    def test_the_recording_beside_the_page_is_played(self, report, verdicts):
        page = report(verdicts[:1])
        ready(page)
        assert page.evaluate("document.querySelector('video').duration") == pytest.approx(SECONDS, abs=0.2)
        assert page.locator(".unplayable").is_hidden()

    def test_a_click_on_the_timeline_moves_the_player(self, report, verdicts):
        page = report(verdicts[:1])
        ready(page)
        lanes = page.locator(".overlay")
        lanes.click(position={"x": 0.6 * lanes.bounding_box()["width"], "y": 20})
        assert played(page, 0.6 * SECONDS)
        assert page.locator(".now").text_content() == "3.0 s"

    def test_arrow_keys_move_the_player(self, report, verdicts):
        page = report(verdicts[:1])
        ready(page)
        slider = page.locator(".seek input")
        slider.focus()
        before = float(slider.input_value())
        for _ in range(25):
            page.keyboard.press("ArrowRight")
        assert played(page, before + 1.0)

    def test_a_suspicious_segment_leads_to_its_place(self, report, verdicts):
        page = report(verdicts[1:2])
        ready(page)
        button = page.locator(".segments button").last
        button.click()
        assert played(page, float(button.get_attribute("data-time")))

    def test_the_face_is_framed_and_its_mouth_is_shown(self, report, verdicts):
        page = report(verdicts[:1])
        ready(page)
        page.locator(".seek input").evaluate(
            "slider => { slider.value = 2; slider.dispatchEvent(new Event('input')); }"
        )
        assert played(page, 2.0)
        page.wait_for_timeout(200)
        frame = page.locator(".boxes rect").first
        left, top, right, bottom = verdicts[0].tracks[0].box
        assert float(frame.get_attribute("x")) == pytest.approx(left, abs=0.2 * (right - left))
        assert float(frame.get_attribute("height")) == pytest.approx(bottom - top, rel=0.2)
        assert grey_levels(page) > 10

    def test_without_the_recording_pictures_and_marks_are_left(self, report, verdicts):
        page = report([replace(verdicts[0], path="gone/away/clips/x.mp4")])
        page.wait_for_selector(".unplayable:not([hidden])")
        assert page.locator("video").is_hidden()
        assert page.locator(".screen > img").is_visible()
        page.locator(".seek input").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator(".boxes rect").count() == 1
        assert grey_levels(page) > 10

    def test_a_copy_inside_the_page_is_played(self, report, verdicts, folder):
        verdict = Detector(checks="face").score(folder / "clips" / "in_sync.mp4", keep={"media"})
        page = report([replace(verdict, path="gone.mp4")])
        ready(page)
        assert page.evaluate("document.querySelector('video').duration") == pytest.approx(SECONDS, abs=0.2)
        assert page.evaluate("document.querySelector('video').src").startswith("blob:")


def grey_levels(page):
    """How many different values the pixels of the mouth at the player's position have."""
    # What was drawn from the recording cannot be read back on a page of a file, so the screen is.
    from io import BytesIO

    from PIL import Image

    return len(Image.open(BytesIO(page.locator(".mouths canvas").first.screenshot())).convert("L").getcolors(256))


class TestSegments:
    def test_those_of_one_face_or_of_the_recording_can_be_chosen(self, report, verdicts):
        voice = replace(verdicts[1].checks["voice"], segments=[Segment(1.0, 3.0, 0.04)])
        page = report([replace(verdicts[1], checks={**verdicts[1].checks, "voice": voice})])
        shown = page.locator(".segments li:visible")
        both = shown.count()
        page.select_option("select.whose", "recording")
        assert shown.all_inner_texts() == ["recording: 1.0–3.0 s (p = 0.04)"]
        page.select_option("select.whose", "face 0")
        assert shown.count() == both - 1


class TestTimeline:
    def test_pointing_at_it_tells_the_time_and_the_scores(self, report, verdicts):
        page = report(verdicts[1:2])
        lanes = page.locator(".overlay")
        lanes.hover(position={"x": 0.5 * lanes.bounding_box()["width"], "y": 20})
        words = page.locator(".readout").text_content()
        assert re.match(r"2\.5 s  ·  lips \d\.\d s to \d\.\d s: score -?\d+\.\d\d, p = 0\.\d+", words)

    def test_it_has_lanes_for_speech_faces_checks_offsets_and_sound(self, report, verdicts):
        page = report(verdicts[:1])
        names = [name.split("\n")[0] for name in page.locator(".lane > span").all_inner_texts()]
        assert names == ["speech", "face 0", "recording", "lips", "face", "voice", "offset", "sound", ""]
        assert page.locator(".lane image").count() == 3  # lattice, spectrogram, map of the voice

    def test_the_scripts_numbers_are_those_of_the_verdict(self, report, verdicts):
        page = report(verdicts[:1])
        data = json.loads(page.locator("script.data").text_content())
        lips = next(lane for lane in data["lanes"] if lane["name"] == "lips")
        assert [window[3] for window in lips["windows"]] == [w.p_value for w in verdicts[0].checks["lips"].windows]

    def test_each_check_shows_its_place_among_real_recordings(self, report, verdicts):
        page = report(verdicts[:1])
        said = page.locator(".histogram").evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
        assert len(said) == 3
        assert all(re.fullmatch(r"\d+ % of real recordings score lower than this one\.", words) for words in said)


class TestList:
    def test_it_is_filtered_by_name_and_by_verdict(self, report, verdicts):
        page = report(verdicts)
        shown = page.locator(".list > details:visible")
        assert shown.count() == 3
        page.fill("[name=words]", "DUB")
        assert shown.locator("summary h2").all_text_contents() == [verdicts[1].path]
        page.fill("[name=words]", "")
        page.select_option("[name=verdict]", "cannot_judge")
        assert shown.locator("summary h2").all_text_contents() == [verdicts[2].path]
        assert page.locator(".count").text_content() == "1 of 3 shown"

    def test_it_is_sorted_by_p_value_name_and_verdict(self, report, verdicts):
        page = report(verdicts[::-1])
        order = lambda: [Path(name).stem for name in page.locator(".list summary h2").all_text_contents()]  # noqa: E731
        assert order() == ["notes", "dubbed", "in_sync"]
        for key, expected in (
            ("p", ["dubbed", "in_sync", "notes"]),
            ("name", ["dubbed", "in_sync", "notes"]),
            ("given", ["notes", "dubbed", "in_sync"]),
        ):
            page.select_option("[name=order]", key)
            assert order() == expected
        page.select_option("[name=order]", "verdict")
        assert order().index("notes") < order().index("in_sync")

    def test_a_recording_is_drawn_when_it_is_opened(self, report, verdicts):
        page = report(verdicts)
        assert page.locator("[data-shown]").count() == 0
        page.locator(".recording > summary").nth(1).focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".recording[data-shown]")
        assert page.locator("[data-shown] .timeline").is_visible()

    def test_five_hundred_files_open_in_time_that_grows_with_their_number_alone(self, report, verdicts):
        """Ten times as many files may take ten times as long, and as much again for a machine that is busy."""

        def seconds(files):
            page = report([replace(verdicts[index % 3], path=f"{index}.mp4") for index in range(files)])
            assert page.locator(".list > details").count() == files
            return page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd") / 1000

        assert seconds(500) < 20 * seconds(50)


class TestPaper:
    def test_everything_is_open_on_paper_and_closed_again_after(self, report, verdicts):
        page = report(verdicts)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator(".list > details[open]").count() == 0

    def test_nothing_is_wider_than_the_paper(self, report, verdicts):
        page = report(verdicts[1:2], viewport={"width": 718, "height": 1000})  # A4 between margins
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate("document.documentElement.scrollWidth") <= 718
        assert page.evaluate("[...document.querySelectorAll('table')].every((t) => t.scrollWidth <= 718)")
        assert page.pdf(print_background=True).startswith(b"%PDF")


class TestPeople:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_the_rules_for_people_with_disabilities_are_kept(self, report, verdicts, scheme):
        page = report(verdicts, color_scheme=scheme)
        for summary in page.locator(".recording > summary").all():
            summary.click()
        page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        assert violations(page) == []

    def test_it_fits_a_telephone(self, report, verdicts):
        page = report(verdicts[1:2], viewport={"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

    def test_a_name_of_a_stranger_is_text(self, report, verdicts):
        page = report([replace(verdict, path=NASTY, warnings=[NASTY], model=NASTY) for verdict in verdicts])
        page.on("dialog", lambda dialog: pytest.fail("a script of the name ran"))
        page.locator("summary").first.click()
        shown = NASTY.replace("\u202e", "\\u202e")
        assert page.locator(".list summary h2").all_text_contents() == [shown] * 3
        assert page.locator("img[src='x']").count() == 0
