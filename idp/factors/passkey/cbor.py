"""Whether bytes are CBOR as authenticators write it, before any decoder looks at them.

The canonical form of CTAP2 (section 8) knows no tags and four levels. A decoder that knows tags runs what they name:
one that names a regular expression takes as long as that takes to compile.
"""

MOST_LEVELS = 4
_RP_ID_HASH, _COUNTER, _AAGUID, _LENGTH = 32, 4, 16, 2  # bytes of authenticator data (WebAuthn section 6.1)
_FLAGS_AT = _RP_ID_HASH
_HAS_CREDENTIAL, _HAS_EXTENSIONS = 0x40, 0x80
_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 2, 3, 4, 5, 6, 7  # major types (RFC 8949 section 3.1)
_KNOWN_SIMPLE = (20, 21, 22)  # false, true and null


def check_item(data: bytes) -> None:
    """Raises ValueError where it is anything but one item."""
    if _end_of(data, 0, MOST_LEVELS) != len(data):
        message = "bytes after what was asked for"
        raise ValueError(message)


def check_authenticator_data(data: bytes) -> None:
    """The key and the extensions in it. Raises ValueError."""
    at = _RP_ID_HASH + 1 + _COUNTER
    if len(data) < at:
        message = "authenticator data that end too soon"
        raise ValueError(message)
    if data[_FLAGS_AT] & _HAS_CREDENTIAL:
        at += _AAGUID + _LENGTH
        at = _end_of(data, at + int.from_bytes(data[at - _LENGTH : at]), MOST_LEVELS)
    if data[_FLAGS_AT] & _HAS_EXTENSIONS:
        at = _end_of(data, at, MOST_LEVELS)
    if at != len(data):
        message = "bytes after the authenticator data"
        raise ValueError(message)


def _end_of(data: bytes, at: int, levels: int) -> int:
    """Where the item that begins there ends."""
    major, argument, at = _head(data, at)
    if major in (_BYTES, _TEXT):
        at += argument
    elif major in (_ARRAY, _MAP):
        if levels == 0:
            message = "more than four levels"
            raise ValueError(message)
        for _ in range(argument * (major - 3)):  # each takes a byte at least, so that it ends with the data
            at = _end_of(data, at, levels - 1)
    elif major == _TAG or (major == _SIMPLE and argument not in _KNOWN_SIMPLE):
        message = "a tag, or a value that no authenticator writes"
        raise ValueError(message)
    if at > len(data):
        message = "data that end too soon"
        raise ValueError(message)
    return at


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """The major type, its argument, and where the head ends."""
    if at >= len(data):
        message = "data that end too soon"
        raise ValueError(message)
    major, short = data[at] >> 5, data[at] & 31
    if short < 24:
        return major, short, at + 1
    if short > 27 or major == _SIMPLE:
        message = "a length that is not known, or a number that is none"
        raise ValueError(message)
    size = 1 << short - 24
    return major, int.from_bytes(data[at + 1 : at + 1 + size]), at + 1 + size
