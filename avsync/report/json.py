"""The JSON document."""

import json
from collections.abc import Sequence

from avsync.score.verdict import Verdict

SCHEMA = "avsync.report/2"

# One line for each field, indented by two spaces for each level; a test compares it with what is written.
DOCS = """\
schema                      "avsync.report/2"
verdicts[]                  one for each file, in the order they were scored
  schema                    "avsync.verdict/2"
  path                      the file as it was named
  verdict                   "consistent", "suspicious", "measured" (by a model without calibration) or "cannot_judge"
  reason                    why the file cannot be judged: "unreadable", "no_video", "no_audio", "no_speech", "no_face",
                            "low_resolution", "poor_view", "music", "narrow_band", "reverberant", "low_frame_rate",
                            "damaged", "too_short", "timed_out", "out_of_memory" or "crashed"; null if it was judged
  detail                    the reason in words; empty if the file was judged
  p_value                   share of real recordings that are at least as unusual: the smaller of whole_p_value / 0.8
                            and standout.p_value / 0.2, or whole_p_value where no stretch stands out; null if the file
                            was not judged, or by a model without calibration
  anomaly_score             ranks files, high is anomalous; null if the file cannot be judged
  decisive_track            number of the face that decides the verdict; null if the file cannot be judged, or if the
                            recording as a whole decides
  whole_p_value             of the recording as a whole: the p-value of the most unusual speaker, multiplied by the
                            number of speakers, or that of the checks of the sound alone; null as p_value
  standout                  the stretch that stands out most from the speech around it; null where none does
    check                   to which check
    start, end              in seconds
    p_value                 share of real recordings with as much speech in which some stretch stands out as much, to
                            any of the checks that look for one; extrapolated where none of the calibration does
    track                   number of the face; null for the recording as a whole
  rests_on_standout         whether the stretch is more unusual than the recording as a whole: then p_value is of it
  sha256                    of the file
  duration                  length of the file in seconds
  width, height             of the picture, in pixels; 0 without a picture
  fps                       frames per second of the file
  audio_rate                samples per second of the file
  leading_silence           seconds before the first sample louder than 0.0005 of full scale; null if it was not
                            measured
  trimmed_head              seconds without speech that were left out at the start
  trimmed_tail              the same at the end
  resampled                 whether pictures or sound were converted to 25 frames or 16000 samples per second
  picture_rate              new pictures per second while the picture moves, at most 25, measured where somebody speaks;
                            null if it was not measured, or the picture hardly ever changes, as in a photograph
  repeated_share            share of the 25 frames per second there that repeat the picture of the frame before, 0 to 1;
                            null if it was not measured
  frozen_seconds            seconds there that were left out because the picture stood still for more than 0.5 s; null
                            if it was not measured
  video_gap_seconds         seconds without pictures, in gaps longer than 1 s between timestamps, as far as the pictures
                            were read; null if they were not read
  audio_gap_seconds         seconds without sound between its first and last sample; null if the sound was not read
  decode_errors             packets of pictures and sound that could not be decoded well or are out of place in time, as
                            far as they were read; null if nothing was read
  missing_fragments         fragments of an MP4 file that are missing, by their numbers
  length_difference         by how many seconds the sound ends after the pictures, negative: before; null if the headers
                            do not tell
  checks                    by name, every check of the file
    anomaly_score           of the decisive face, or of the recording as a whole; null if the check has no answer
    p_value                 the same for the p-value; null without calibration
    readings                the same for the readings, by name
      value                 the reading itself
      percentile            its place among real recordings, 0 to 100; null without calibration
      p_value               two-sided: share of real recordings at least as far from the middle; null without
                            calibration
    windows[]               every window that the check scored, of all faces
      start, end            in seconds
      anomaly_score         of the window
      p_value               share of real windows that score at least as high; null without calibration
      track                 number of the face; null for a window of the recording as a whole
    segments[]              of a check of the recording as a whole, such as the voice: the windows that are suspicious
                            by themselves; those of faces are in tracks
      start, end            in seconds
      p_value               of the window
    proposals[]             stretches whose frames score higher than those around them, at most 100, the best first
      start, end            in seconds
      score                 ranks the proposals of the check over all files, high is anomalous; no p-value
      track                 number of the face; null for the recording as a whole
    peak                    of the voice: where its most anomalous window is most anomalous; else null
      start, end            in seconds
      frequency             the middle of the band, in Hz
    people                  of how many people there are real windows of this length; null without calibration
    reason                  why the check has no answer, as the reason of the file; null if it has one
    detail                  the reason in words; empty if there is none
  tracks[]                  one for each face that was judged
    track                   its number
    start, end              when it is seen, in seconds
    box                     its median place [left, top, right, bottom] in the upright picture, in pixels
    speech_seconds          seconds of speech while it is seen
    lag_ms                  by how many milliseconds the sound comes after the lips, negative: before; null if no check
                            measures it
    checks                  by name, the checks of this face
      anomaly_score         -log10 of a smooth p-value, which also ranks faces above every real one; without
                            calibration, the reading, its sign turned so that high is anomalous
      p_value               share of real windows of this length that score at least as high; null without calibration
      readings              by name
        value               as above
        percentile          as above
        p_value             as above
    anomaly_score           -log10 of a smooth p-value of its checks together, as of each check
    p_value                 share of real windows of this length in which the checks together are at least as
                            anomalous; null without calibration
    segments[]              the windows of the face that are suspicious by themselves
      start, end            in seconds
      p_value               of the window, all checks of the face together
  warnings[]                what limits the verdict, in words
  level                     "suspicious" means a p_value at or below this
  model                     name of the model; those of several are joined by " + "
  weights_sha256            of its checkpoint; with a backbone or several models, of all weights together
"""


def to_json(verdicts: Sequence[Verdict]) -> str:
    """Return one JSON document as `DOCS` describes it; only ASCII, so that any file name survives any pipe."""
    document = {"schema": SCHEMA, "verdicts": [verdict.to_dict() for verdict in verdicts]}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
