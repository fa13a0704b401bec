"""Verdicts for people (lines, table, page) and for machines (JSON, CSV)."""

from avsync.report.csv import to_csv
from avsync.report.html import to_html
from avsync.report.json import to_json
from avsync.report.jsonl import to_jsonl, to_line
from avsync.report.parts import PartsStream
from avsync.report.stream import ReportStream
from avsync.report.terminal import print_details, print_table, print_verdict
from avsync.report.wording import sentence, verdict_line
from avsync.report.writer import renderer, write_report

__all__ = [
    "PartsStream",
    "ReportStream",
    "print_details",
    "print_table",
    "print_verdict",
    "renderer",
    "sentence",
    "to_csv",
    "to_html",
    "to_json",
    "to_jsonl",
    "to_line",
    "verdict_line",
    "write_report",
]
