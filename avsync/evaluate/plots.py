"""Curves of one or several methods on the same clips: ROC, DET and reliability, as SVG and PNG."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avsync.errors import UsageError
from avsync.evaluate.metrics import Flags, Floats, auc, equal_error_rate, roc
from avsync.evaluate.reliability import calibration_error, even_odds, reliability_diagram
from avsync.files import unfinished

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that people with any colour vision tell apart (Okabe & Ito 2008); lines differ in style too.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_STYLES = ("-", "--", "-.", ":")
_SIZE = 5.0  # inches, width and height
_DPI = 200  # of the PNG
# Rates that the axes of DET curves show.
_RATES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 0.999)


@dataclass(frozen=True)
class Judged:
    """What a method says of n clips.

    Attributes:
        fake: whether each is a fake, bool [n].
        score: high is fake, [n].
        p_value: [n]; None if a clip has none, as without calibration.
    """

    fake: Flags
    score: Floats
    p_value: Floats | None = None


def need_matplotlib() -> None:
    """Do nothing if matplotlib is installed.

    Raises:
        UsageError: it is not, and how to install it.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UsageError(f"--plots needs matplotlib ({error}): pip install 'avsync[plot]'") from error


def write_plots(methods: Mapping[str, Judged], folder: Path) -> list[Path]:
    """Write `roc`, `det` and `reliability`, each as .svg and .png, into a folder, and return the files.

    A figure that cannot be drawn is left out: all of them if there are only real clips or only fakes, and reliability
    if no method has p-values.

    Args:
        methods: by name, in the order of the legend.
        folder: it is made if there is none.
    """
    drawable = {name: one for name, one in methods.items() if one.fake.any() and not one.fake.all()}
    calibrated = {name: one for name, one in drawable.items() if one.p_value is not None}
    figures: dict[str, Figure] = {}
    if drawable:
        figures |= {"roc": roc_figure(drawable), "det": det_figure(drawable)}
    if calibrated:
        figures["reliability"] = reliability_figure(calibrated)
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(figure, folder / f"{name}.{kind}") for name, figure in figures.items() for kind in ("svg", "png")]


def roc_figure(methods: Mapping[str, Judged]) -> "Figure":
    """Draw the hit rate against the false-alarm rate; the legend has the area under each curve."""
    figure, axes = _square("false-alarm rate (real clips called fake)", "hit rate (fakes called fake)")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    for number, (name, one) in enumerate(methods.items()):
        area = float(auc(one.fake, one.score, np.ones(len(one.fake))))
        axes.plot(*roc(one.fake, one.score), label=f"{_plain(name)} (AUC {area:.3f})", **_line(number))
    axes.legend(loc="lower right", frameon=False)
    return figure


def det_figure(methods: Mapping[str, Judged]) -> "Figure":
    """Draw the miss rate against the false-alarm rate on normal-deviate axes (Martin et al., Eurospeech 1997).

    Scores of two normal distributions give a straight line. Rates are shown down to half a clip, as 0 has no place on
    these axes. The legend has the equal error rates.
    """
    from scipy.stats import norm

    figure, axes = _square("false-alarm rate (%)", "miss rate (%)")
    least = min(0.5 / max(one.fake.sum(), (~one.fake).sum()) for one in methods.values())
    for number, (name, one) in enumerate(methods.items()):
        alarms, hits = roc(one.fake, one.score)
        smallest = [0.5 / (~one.fake).sum(), 0.5 / one.fake.sum()]
        x, y = (norm.ppf(np.clip(rate, low, 1 - low)) for rate, low in zip((alarms, 1 - hits), smallest, strict=True))
        rate = float(equal_error_rate(one.fake, one.score, np.ones(len(one.fake))))
        axes.plot(x, y, label=f"{_plain(name)} (EER {rate:.3f})", **_line(number))
    shown = [rate for rate in _RATES if min(rate, 1 - rate) >= least]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(norm.ppf(shown), [f"{100 * rate:g}" for rate in shown])
    limits = norm.ppf([least, 1 - least])
    axes.set(xlim=limits, ylim=limits)
    axes.plot(limits, limits, color="0.7", linewidth=0.8)
    axes.legend(loc="upper right", frameon=False)
    return figure


def reliability_figure(methods: Mapping[str, Judged]) -> "Figure":
    """Draw the share of fakes among clips against their probability of being fake, at even odds.

    Both classes weigh the same. The probability is made of the p-value (`avsync.evaluate.reliability`). The legend has
    the expected calibration errors. All methods must have p-values.
    """
    figure, axes = _square("probability of a fake, at even odds", "share of fakes")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    for number, (name, one) in enumerate(methods.items()):
        assert one.p_value is not None
        probability = even_odds(one.p_value)
        bins = reliability_diagram(one.fake, probability)
        error = float(calibration_error(one.fake, probability, np.ones(len(one.fake))))
        points = [[of.probability for of in bins], [of.fakes for of in bins]]
        axes.plot(*points, label=f"{_plain(name)} (ECE {error:.3f})", marker="o", markersize=4, **_line(number))
    axes.legend(loc="upper left", frameon=False)
    return figure


def _square(x: str, y: str) -> tuple["Figure", "Axes"]:
    """A figure with equal axes from 0 to 1. It is none of pyplot, which would keep it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE, _SIZE), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _line(number: int) -> dict[str, Any]:
    return {"color": _COLOURS[number % len(_COLOURS)], "linestyle": _STYLES[number % len(_STYLES)]}


def _plain(name: str) -> str:
    """A name that is no formula to matplotlib."""
    return name.replace("$", r"\$")


def _write(figure: "Figure", path: Path) -> Path:
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": path.name}), unfinished(path) as part:  # the same curves make the same file
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(part, format=path.suffix[1:], dpi=_DPI, metadata=metadata)
    return path
