"""JSON where it is written for every request: several times faster than the standard library."""

import msgspec

encode = msgspec.json.Encoder().encode  # UTF-8 without spaces; NaN is null; UnicodeEncodeError for a lone surrogate
decode = msgspec.json.Decoder().decode
