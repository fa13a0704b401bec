"""The manipulations by name. To add one, write how it is made in the file of its family, and its row here.

Tables in docs/benchmarks.md and docs/limits.md name these rows: do not change what a name stands for.
"""

from avsync.errors import UsageError
from avsync.evaluate.manipulations.codecs import encoded_pictures, encoded_sound
from avsync.evaluate.manipulations.damage import as_it_is, flipped, lossy
from avsync.evaluate.manipulations.interface import Kind, Make, Manipulation, Suite
from avsync.evaluate.manipulations.mixing import SHARES, mixed, mixed_with_copy
from avsync.evaluate.manipulations.noise import TALKERS, babble, noisy
from avsync.evaluate.manipulations.overlays import subtitled, with_logo
from avsync.evaluate.manipulations.pictures import brighter, contrast, cropped, filtered, gamma, shrunk, turned
from avsync.evaluate.manipulations.screen import filmed_from_screen
from avsync.evaluate.manipulations.sound import equalised, in_hall, louder, pitched, resampled, telephone
from avsync.evaluate.manipulations.timing import at_rate, frozen, repeating, stretched

_Row = tuple[str, Kind, str, Suite, Make]

_CONTROLS: list[_Row] = [
    ("x264 crf 20", "picture", "the carrier of changed pictures", "control", encoded_pictures("libx264", crf="20")),
    ("AAC 128 kbps", "sound", "the carrier of changed sound of videos", "control", encoded_sound("aac", 128_000)),
]
_SOUND: list[_Row] = [
    ("pitch -2 semitones", "sound", "same tempo, WSOLA", "full", pitched(-2)),
    ("pitch -1 semitone", "sound", "same tempo, WSOLA", "full", pitched(-1)),
    ("pitch +1 semitone", "sound", "same tempo, WSOLA", "full", pitched(1)),
    ("pitch +2 semitones", "sound", "same tempo, WSOLA", "quick", pitched(2)),
    ("reverb", "sound", "0.5 s, as strong as the direct sound", "quick", in_hall()),
    ("telephone", "sound", "300–3400 Hz, A-law at 8 kHz", "full", telephone()),
    ("band reject", "sound", "an octave around 1.4 kHz", "full", equalised(("bandreject", "f=1414:width_type=o:w=1"))),
    (
        "low shelf +10 dB",
        "sound",
        "below 300 Hz; all 6 dB softer",
        "full",
        equalised(("lowshelf", "g=10:f=300"), ("volume", "-6dB")),
    ),
    ("high shelf -10 dB", "sound", "above 3 kHz", "full", equalised(("highshelf", "g=-10:f=3000"))),
    ("high pass", "sound", "300 Hz, 12 dB per octave", "full", equalised(("highpass", "f=300"))),
    ("low pass", "sound", "4 kHz, 24 dB per octave", "quick", equalised(*(("lowpass", "f=4000"),) * 2)),
    ("noise 20 dB", "sound", "white, below the speech", "quick", noisy(20)),
    ("noise 10 dB", "sound", "white, below the speech", "full", noisy(10)),
    ("pink noise 20 dB", "sound", "below the speech", "full", noisy(20, tilt=1)),
    ("pink noise 10 dB", "sound", "below the speech", "full", noisy(10, tilt=1)),
    ("8 kHz and back", "sound", "resampled", "limits", resampled(1, 2)),
    ("11.025 kHz and back", "sound", "resampled", "limits", resampled(441, 640)),
    ("gain -20 dB", "sound", "softer", "full", louder(-20)),
    ("gain +10 dB", "sound", "louder, clipped", "quick", louder(10)),
]
_BABBLE: list[_Row] = [
    ("babble 20 dB", "sound", "five people, below the speech", "full", babble(20)),
    ("babble 10 dB", "sound", "five people, below the speech", "quick", babble(10)),
]
_SOUND_CODECS: list[_Row] = [
    ("MP3 64 kbps", "sound", "mono, 16 kHz", "full", encoded_sound("libmp3lame", 64_000)),
    ("MP3 32 kbps", "sound", "mono, 16 kHz", "limits", encoded_sound("libmp3lame", 32_000)),
    ("MP3 16 kbps", "sound", "mono, 16 kHz", "quick", encoded_sound("libmp3lame", 16_000)),
    ("AAC 64 kbps", "sound", "mono, 16 kHz", "full", encoded_sound("aac", 64_000)),
    ("AAC 32 kbps", "sound", "mono, 16 kHz", "limits", encoded_sound("aac", 32_000)),
    ("AAC 16 kbps", "sound", "mono, 16 kHz", "full", encoded_sound("aac", 16_000)),
    ("Opus 64 kbps", "sound", "mono, 16 kHz", "full", encoded_sound("libopus", 64_000)),
    ("Opus 16 kbps", "sound", "mono, 16 kHz", "quick", encoded_sound("libopus", 16_000)),
]
_PICTURES: list[_Row] = [
    ("x264 crf 28", "picture", "encoded again", "full", encoded_pictures("libx264", crf="28")),
    ("x264 crf 35", "picture", "encoded again", "quick", encoded_pictures("libx264", crf="35")),
    ("x264 crf 38", "picture", "encoded again", "limits", encoded_pictures("libx264", crf="38")),
    ("x264 crf 40", "picture", "encoded again", "full", encoded_pictures("libx264", crf="40")),
    (
        "x265 crf 32",
        "picture",
        "encoded again",
        "full",
        encoded_pictures("libx265", crf="32", **{"x265-params": "log-level=none"}),
    ),
    (
        "VP9 crf 40",
        "picture",
        "encoded again",
        "full",
        encoded_pictures("libvpx-vp9", crf="40", b="0", **{"cpu-used": "4", "row-mt": "1"}),
    ),
    ("half size", "picture", "each side", "quick", shrunk(2)),
    ("quarter size", "picture", "each side", "full", shrunk(4)),
    ("brightness +20 %", "picture", "of the range", "full", brighter(0.2)),
    ("brightness -20 %", "picture", "of the range", "full", brighter(-0.2)),
    ("contrast 1.4", "picture", "about mid-grey", "full", contrast(1.4)),
    ("contrast 0.6", "picture", "about mid-grey", "full", contrast(0.6)),
    ("gamma 0.6", "picture", "brighter", "full", gamma(0.6)),
    ("gamma 1.6", "picture", "darker", "quick", gamma(1.6)),
    ("crop", "picture", "the middle, 85 % of each side", "full", cropped(0.85)),
    ("mirror", "picture", "left and right", "quick", filtered(("hflip", ""))),
    ("turn 5 degrees", "picture", "clockwise, corners black", "quick", turned(5)),
    ("blur", "picture", "Gaussian, sigma 1.5 pixels", "quick", filtered(("gblur", "sigma=1.5"))),
    ("denoise", "picture", "non-local means", "quick", filtered(("nlmeans", "s=3:p=5:r=9"))),
    ("sharpen", "picture", "unsharp mask 5×5, 1.5", "full", filtered(("unsharp", "5:5:1.5"))),
    ("subtitles", "picture", "a line of text below", "quick", subtitled()),
    ("logo", "picture", "in the upper right corner", "full", with_logo()),
    (
        "screen",
        "picture",
        "filmed from a screen: perspective, moire, gamma, x264 crf 28",
        "quick",
        filmed_from_screen(),
    ),
]
_RATES: dict[int, Suite] = {
    **dict.fromkeys((60, 24), "full"),
    **dict.fromkeys((30, 15), "quick"),
    **dict.fromkeys((25, 12, 10, 8, 5, 2, 1), "limits"),
}
_TIMES: list[_Row] = [
    ("stretch -20 %", "both", "shorter; pictures and sound, same pitch", "full", stretched(-20)),
    ("stretch -10 %", "both", "shorter; pictures and sound, same pitch", "full", stretched(-10)),
    ("stretch +10 %", "both", "longer; pictures and sound, same pitch", "quick", stretched(10)),
    ("stretch +20 %", "both", "longer; pictures and sound, same pitch", "full", stretched(20)),
    *((f"frame rate {rate}", "picture", "pictures per second", suite, at_rate(rate)) for rate, suite in _RATES.items()),
    *(
        (f"repeated pictures {rate}", "picture", "new ones per second, of 25", "limits", repeating(rate))
        for rate in (15, 12, 10, 8, 5, 2, 1)
    ),
    *((f"frozen {s} s", "picture", "one picture stands still", "limits", frozen(s)) for s in (0.5, 1.0, 2.0)),
]
_DAMAGE: list[_Row] = [
    ("as it is", "both", "a copy of the file", "limits", as_it_is),
    *(
        (f"packet loss {share:.1%}", "both", "of the packets", "limits", lossy(share))
        for share in (0.001, 0.01, 0.05, 0.1, 0.2)
    ),
    *((f"flipped bytes {share:g}", "both", "of the media data", "limits", flipped(share)) for share in (1e-4, 1e-3)),
]
_MIXING: list[_Row] = [
    *((f"own speech {share:.2f}", "sound", "and another person's", "mixing", mixed(share)) for share in SHARES),
    *((f"real speech {share:.2f}", "sound", "and a copy's", "copy mixing", mixed_with_copy(share)) for share in SHARES),
]


def _rows(rows: list[_Row], others: int = 0) -> dict[str, Manipulation]:
    return {row[0]: Manipulation(*row, others) for row in rows}


MANIPULATIONS: dict[str, Manipulation] = {
    **_rows(_CONTROLS),
    **_rows(_SOUND),
    **_rows(_BABBLE, TALKERS),
    **_rows(_SOUND_CODECS),
    **_rows(_PICTURES),
    **_rows(_TIMES),
    **_rows(_DAMAGE),
    **_rows(_MIXING, 1),
}
_OF_SUITE: dict[str, frozenset[Suite]] = {
    "quick": frozenset({"control", "quick"}),
    "full": frozenset({"control", "quick", "full"}),
}


def of_suite(name: str) -> list[Manipulation]:
    """Return the manipulations of "quick" or "full", in the order of the registry.

    Raises:
        UsageError: no such suite.
    """
    if name not in _OF_SUITE:
        raise UsageError(f"--robustness {name}: not known; give one of {', '.join(_OF_SUITE)}")
    return [one for one in MANIPULATIONS.values() if one.suite in _OF_SUITE[name]]


def mixes() -> list[Manipulation]:
    """Return the manipulations of the mixing test, each with a larger share of the clip's own speech."""
    return [one for one in MANIPULATIONS.values() if one.suite in ("mixing", "copy mixing")]


def named(beginnings: str) -> list[Manipulation]:
    """Return the manipulations whose names begin so, in the order of the beginnings.

    Args:
        beginnings: joined by commas.

    Raises:
        UsageError: nothing begins so.
    """
    wanted = [beginning.strip() for beginning in beginnings.split(",")]
    if unknown := [one for one in wanted if not any(name.startswith(one) for name in MANIPULATIONS)]:
        raise UsageError(f"{', '.join(unknown)}: no manipulation begins so; known: {', '.join(MANIPULATIONS)}")
    found = {name: MANIPULATIONS[name] for one in wanted for name in MANIPULATIONS if name.startswith(one)}
    return list(found.values())
