"""Some hundred tokens in the manner of Wycheproof, each with one fault and a name, made from a good one and its key."""

from collections.abc import Callable

from tests.protocol.hostile import claims, headers, shapes, signatures
from tests.protocol.hostile.good import Good, Named

# For every reader. Whether an audience is another's, and whether a token has expired, is not every reader's to say.
HOSTILE: dict[str, Callable[[Good], Named]] = {
    "tk_01 algorithms": headers.algorithms,
    "tk_01 public key as secret": headers.public_key_as_secret,
    "tk_03 brought keys": headers.brought_keys,
    "tk_04 kids": headers.kids,
    "tk_07 malformed audiences": claims.malformed_audiences,
    "tk_08 times": claims.times,
    "tk_08 claim types": claims.claim_types,
    "tk_11 header members": headers.header_members,
    "tk_11 twice": claims.twice,
    "tk_11 no claims": claims.no_claims,
    "tk_11 charsets": shapes.charsets,
    "tk_11 spellings": shapes.spellings,
    "tk_11 shapes": shapes.shapes,
    "tk_13 encrypted": shapes.encrypted,
    "tk_17 signatures": signatures.signatures,
    "tk_21 types": headers.types,
    "az_09 issuers": claims.issuers,
}
