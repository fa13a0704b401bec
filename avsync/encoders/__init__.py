"""Encoders of lips and of speech: everything that `--backbone` can name (`registry` lists them)."""
