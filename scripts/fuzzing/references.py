"""Files that name other files and hosts: playlists, descriptions, and MP4 with its data elsewhere."""

from pathlib import Path

from fuzzing.draw import Rng, pick

CANARY = "canary.mp4"  # lies beside the input; nothing may open it
_TEXTS = (
    "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n",
    '#EXTM3U\n#EXT-X-MAP:URI="{url}"\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:2,\n{url}\n',
    "ffconcat version 1.0\nfile '{url}'\nfile '{url}'\n",
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT2S"><Period>'
    "<AdaptationSet><Representation id='1' bandwidth='1'><BaseURL>{url}</BaseURL></Representation></AdaptationSet>"
    "</Period></MPD>",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n",
    '<?xml version="1.0"?><SmoothStreamingMedia><StreamIndex Url="{url}"/></SmoothStreamingMedia>',
    "[playlist]\nFile1={url}\nNumberOfEntries=1\n",
    "[Reference]\nRef1={url}\n",
    "<asx version='3.0'><entry><ref href='{url}'/></entry></asx>",
    "RTSPtext\nrtsp://127.0.0.1:{port}/a\n",
    "{url}\n",
    "#!AMV\nsubfile,,start,0,end,100,,:{url}",
)
_ENDINGS = ("mp4", "mkv", "m3u8", "mpd", "sdp", "txt", "ffconcat", "asx", "avi", "mov", "pls")


def referring(rng: Rng, folder: Path, port: int) -> tuple[Path, str]:
    """Write a playlist or description that names the canary or the decoy server, and return its path and its kind."""
    urls = (
        *(f"http://127.0.0.1:{port}/a.mp4", f"tcp://127.0.0.1:{port}", f"rtmp://127.0.0.1:{port}/a/b"),
        *(CANARY, str((folder / CANARY).absolute()), f"file:{folder / CANARY}", f"file://{folder / CANARY}"),
        *(f"concat:{folder / CANARY}", f"crypto:{folder / CANARY}", f"subfile,,start,0,end,9999,,:{folder / CANARY}"),
    )
    text = pick(rng, _TEXTS).format(url=pick(rng, urls), port=port)
    path = folder / f"input.{pick(rng, _ENDINGS)}"
    path.write_text(text)
    return path, f"a reference: {text.splitlines()[0][:40]}"


def elsewhere(rng: Rng, data: bytes, folder: Path, port: int) -> tuple[bytes, str]:
    """An MP4 or MOV whose data reference names the canary or the decoy server."""
    at = data.index(b"dref")
    end = at - 4 + int.from_bytes(data[at - 4 : at], "big")
    url = pick(rng, (CANARY, str((folder / CANARY).absolute()), f"http://127.0.0.1:{port}/a.mp4"))
    kind = pick(rng, (b"url ", b"alis", b"rsrc", b"urn "))
    payload = url.encode() + b"\0"
    if kind == b"alis":  # a Macintosh alias: a fixed part of 150 bytes, then tagged names; 2 and 18 are paths
        names = [(2, url.replace("/", ":").encode()), (18, url.encode())]
        tagged = b"".join(
            tag.to_bytes(2, "big") + len(name).to_bytes(2, "big") + name + b"\0" * (len(name) % 2)
            for tag, name in names
        )
        payload = bytes(150) + tagged + b"\xff\xff\0\0"
    entry = (12 + len(payload)).to_bytes(4, "big") + kind + bytes(4) + payload
    # The boxes around it keep their sizes: the entry takes the place of what follows in the same table.
    grown = data[: at + 4] + bytes(4) + (1).to_bytes(4, "big") + entry
    return _regrown(data, at, grown + data[end:], len(grown) - end), f"data reference {kind.decode()}"


def _regrown(data: bytes, inside: int, changed: bytes, by: int) -> bytes:
    """Correct the sizes of the boxes around a place after it has grown."""
    result = bytearray(changed)
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = data.rindex(box, 0, inside + 4) - 4
        result[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + by).to_bytes(4, "big")
    return bytes(result)
