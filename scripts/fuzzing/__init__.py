"""Parts of scripts/fuzz.py: inputs made from a number, the process that judges them, and the record of outcomes."""
