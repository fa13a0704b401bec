"""The local web page of `avsync app`: recordings are dropped on it, judged on this computer, and shown as reports."""
