"""Text from files and users, made safe for a terminal."""


def printable(text: str) -> str:
    """Return `text` on one line, with every character that controls a terminal or reverses writing as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
