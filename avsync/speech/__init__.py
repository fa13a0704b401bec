"""Sound in, speech out: activity, silence trimming, log filterbank."""

from avsync.speech.activity import SpeechActivity, Trim, speech_activity
from avsync.speech.filterbank import log_mel

__all__ = ["SpeechActivity", "Trim", "log_mel", "speech_activity"]
