"""A QR code as a part of a page: inline SVG without a style, so that the strict policy lets it through."""

import segno


def svg(text: str) -> str:
    """Markup of numbers alone: the text is in the pattern. Black on white with a quiet zone, as cameras need it.

    What it is, the element around it says. A screen has no stains, so the least correction of errors is enough.
    """
    code = segno.make(text, error="l", micro=False)
    drawn = code.svg_inline(scale=5, border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None)
    return str(drawn).replace("<svg ", '<svg aria-hidden="true" ', 1)
