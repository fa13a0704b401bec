"""The JSON document."""

import json
from collections.abc import Sequence

from avsync.score.verdict import Verdict

SCHEMA = "avsync.report/1"

# One line for each field; a test compares the names with what is written.
DOCS = """\
schema                  "avsync.report/1"
verdicts[]              one for each file, in the order they were scored
  schema                "avsync.verdict/1"
  path                  the file as it was named
  verdict               "consistent", "suspicious", "measured" (by a model without calibration) or "cannot_judge"
  reason                why it cannot be judged: "unreadable", "no_video", "no_audio", "no_speech", "no_face",
                        "low_resolution" or "too_short"; null when it was judged
  detail                the reason in words; empty when it was judged
  p_value               share of real clips that look at least as odd, of the track the verdict rests on,
                        times the number of speakers; null when it was not judged
  oddness               that of the track the verdict rests on: ranks files; null when it cannot be judged
  rests_on              number of the track the verdict rests on; null when it cannot be judged
  sha256                of the file
  duration              length of the file in seconds
  width, height         of the picture, in pixels
  fps                   frames per second of the file
  audio_rate            samples per second of the file
  trimmed_head          seconds without speech that were left out at the start
  trimmed_tail          the same at the end
  resampled             whether pictures or sound were brought to 25 frames or 16000 samples per second
  tracks[]              one for each face, all of them judged
    track               its number
    start, end          when it is seen, in seconds
    box                 its median place [left, top, right, bottom] in the upright picture, in pixels
    speech_seconds      seconds of speech heard while it is seen
    lag_ms              by how many milliseconds the sound comes after the lips; negative: before
    aspects             p-values of the questions asked: "speech", whether the lips fit the speech; "picture", whether
                        the face moves and looks like a real one; p_value is the share of which any is as odd.
                        Empty without calibration
    readings            by name, what the aspects are made of (and worst_moment: how much worse the worst 0.6 s fit)
      value             the reading itself
      percentile        its place among real clips, 0 to 100; null without calibration
      p_value           two-sided: share of real clips whose reading is at least as far out; null without calibration
    oddness             -log10 of a smooth p-value: ranks faces that are odder than any real one; without calibration,
                        the reading, its sign turned so that high is odd
    p_value             share of real clips that look at least as odd as this face; null without calibration
    segments[]          passages that are odd by themselves
      start, end        when, in seconds
      p_value           share of real passages that look at least as odd
  warnings[]            what limits the verdict, in words
  level                 "suspicious" means a p_value at or below this
  model                 name of the model
  weights_sha256        of its checkpoint; with a backbone, of all weights together
"""


def to_json(verdicts: Sequence[Verdict]) -> str:
    """One JSON document as `DOCS` describes it; only ASCII, so that any file name survives any pipe."""
    document = {"schema": SCHEMA, "verdicts": [verdict.to_dict() for verdict in verdicts]}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
