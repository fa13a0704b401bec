"""Encoders of lips and of speech: whatever `--backbone` can name."""
