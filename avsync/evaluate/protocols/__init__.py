"""The evaluation protocols: ways to sum up verdicts. To add one, write its file and add its line here."""

from avsync.evaluate.protocols import avh_align, clips, segments, speech, stress
from avsync.evaluate.protocols.interface import EvaluationProtocol

PROTOCOLS: dict[str, EvaluationProtocol] = {
    "clips": clips.summarise,
    "segments": segments.summarise,
    "speech": speech.summarise,
    "stress": stress.summarise,
    "avh-align": avh_align.summarise,
}
