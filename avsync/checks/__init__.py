"""The checks: one class for each question that a recording is asked, behind one protocol and one registry."""
