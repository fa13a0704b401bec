"""HTML, read as a browser would."""

from html.parser import HTMLParser

_VOID = ("meta", "br", "img", "input")


class Page(HTMLParser):
    """The tags and attributes of a page or a part of one, in order, and its words; asserts that every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self._open = [], [], "", []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"}.intersection(self._open):
            self.words += f"{data} "
