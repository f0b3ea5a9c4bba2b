"""Reading a posted form: `application/x-www-form-urlencoded` and nothing else."""

from starlette.requests import Request

from idp.protocol import params
from idp.protocol.errors import InvalidRequest
from idp.protocol.params import Params

CONTENT_TYPE = "application/x-www-form-urlencoded"


async def read(request: Request) -> Params:
    """The body's parameters. Raises InvalidRequest."""
    content_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower()
    if content_type.strip().lower() != CONTENT_TYPE or charset not in ("", "charset=utf-8"):
        raise InvalidRequest(f"The body must be {CONTENT_TYPE} in UTF-8.")
    return params.parse(await request.body())
