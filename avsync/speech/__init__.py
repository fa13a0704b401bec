"""Where somebody speaks in a sound, and what speech encoders get: activity, trimming, filterbanks."""

from avsync.speech.activity import PAPER_THRESHOLD, SpeechActivity, Trim, speech_activity
from avsync.speech.filterbank import log_mel

__all__ = ["PAPER_THRESHOLD", "SpeechActivity", "Trim", "log_mel", "speech_activity"]
