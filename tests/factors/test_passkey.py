"""What a browser answers in a passkey's ceremony: right, and wrong in one way each."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import encode_cbor

from idp.factors import passkey
from idp.factors.passkey import MAX_CREDENTIAL_ID, text_of, verification
from idp.factors.passkey.verification import Asserted, Cloned, Expected, ForeignOrigin, Refused
from tests.authenticators import BE, BS, ED, SYNCED, UP, UV, VERIFIED, Device, Key, cose

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ORIGIN, RP_ID = "https://id.example.com", "id.example.com"
HANDLE = bytes(range(64))
CREATE = passkey.creation_options(
    challenge=b"c" * 32, rp=(RP_ID, "Example"), user_handle=HANDLE, account=("ana@example.test", "Ana"), known=()
)
GET = passkey.request_options(challenge=b"g" * 32, rp_id=RP_ID)
TO_CREATE, TO_GET = Expected(b"c" * 32, RP_ID, ORIGIN), Expected(b"g" * 32, RP_ID, ORIGIN)
P256 = ec.generate_private_key(ec.SECP256R1())
RSA_2048 = rsa.generate_private_key(65537, 2048)
KEYS: dict[str, Key] = {"ES256": P256, "EdDSA": ed25519.Ed25519PrivateKey.generate(), "RS256": RSA_2048}
QUICK = 0.5  # seconds; ten times what is wanted of an idle machine


def registered(sent: dict[str, Any], *, presence: bool = True) -> dict[str, Any]:
    return verification.registered(verification.read(json.dumps(sent)), TO_CREATE, HANDLE, NOW, presence=presence)


def asserted(sent: dict[str, Any], data: dict[str, Any], *, identified: bool = False) -> Asserted:
    return verification.asserted(verification.read(json.dumps(sent)), data, TO_GET, LATER, identified=identified)


def enrolled(device: Device) -> dict[str, Any]:
    return registered(device.create(CREATE, P256))


def test_wa_17_what_is_asked_for_when_one_is_made() -> None:
    """The attacker reads from a found device whose it is, or has a second passkey made where there is one."""
    data = enrolled(Device(ORIGIN))
    options = passkey.creation_options(
        challenge=b"c" * 32,
        rp=(RP_ID, "Example"),
        user_handle=HANDLE,
        account=("ana@example.test", "Ana"),
        known=[data],
    )
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    assert passkey.request_options(challenge=b"g", rp_id=RP_ID)["userVerification"] == "preferred"
    assert options["user"] == {"id": text_of(HANDLE), "name": "ana@example.test", "displayName": "Ana"}
    excluded = {"type": "public-key", "id": data["credential_id"], "transports": ["internal"]}
    assert options["excludeCredentials"] == [excluded]
    assert [each["alg"] for each in options["pubKeyCredParams"]] == [-8, -7, -257]
    assert passkey.request_options(challenge=b"g", rp_id=RP_ID)["allowCredentials"] == []
    assert passkey.request_options(challenge=b"g", rp_id=RP_ID, allowed=[data])["allowCredentials"] == [excluded]


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("flags", [VERIFIED, UP, SYNCED], ids=["verified", "present", "synced"])
def test_a_passkey_is_made_and_used(algorithm: str, flags: int) -> None:
    device = Device(ORIGIN, flags, counter=4, aaguid=bytes.fromhex("d548826e79b4db40a3d811116f7e8349"))
    data = registered(device.create(CREATE, KEYS[algorithm]))
    assert str(passkey.name_of(data["aaguid"], "", NOW)) == "Bitwarden, Jan 2027"
    assert (data["sign_count"], data["transports"], data["discoverable"]) == (4, ["internal"], True)
    used = asserted(device.get(GET), data)
    assert used.user_verified == bool(flags & UV)
    assert used.data == data | {"sign_count": 5, "last_used": LATER.isoformat()}
    assert passkey.stands_alone(data) == passkey.stands_alone(used.data) == bool(flags & UV)
    later = asserted(device.get(GET, flags=flags | UV), used.data).data
    assert passkey.stands_alone(later), "its device has verified the person once"
    assert passkey.stands_alone(asserted(device.get(GET, flags=flags & ~UV), later).data)


def test_wa_20_no_passkey_is_said_to_be_bound_to_hardware_and_a_synced_one_is_software() -> None:
    """The attacker copies a synced passkey, and an app that asks for hardware takes it for one."""
    bound, synced = enrolled(Device(ORIGIN)), enrolled(Device(ORIGIN, SYNCED))
    assert passkey.methods_of(bound, user_verified=True) == ("pop", "user", "mfa")
    assert passkey.methods_of(bound, user_verified=False) == ("pop", "user")
    assert passkey.methods_of(synced, user_verified=True) == ("swk", "user", "mfa")
    assert passkey.methods_of(synced, user_verified=False) == ("swk", "user")


def at(path: str, value: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A change of one member, which may be inside of another."""

    def change(sent: dict[str, Any]) -> dict[str, Any]:
        copy: dict[str, Any] = json.loads(json.dumps(sent))
        *outer, name = path.split(".")
        inside = copy
        for each in outer:
            inside = inside[each]
        if value is None:
            inside.pop(name)
        else:
            inside[name] = value
        return copy

    return change


def appended(more: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data + more


def twice(name: str) -> Callable[[bytes], bytes]:
    """A member that stands there a second time, with another value."""
    return lambda raw: raw.replace(b"{", b'{"%s":"x",' % name.encode(), 1)


CLIENT: dict[str, dict[str, Any]] = {
    "of the other ceremony": {"client": lambda said: said | {"type": "webauthn.other"}},
    "another challenge": {"client": at("challenge", text_of(b"x" * 32))},
    "a challenge in another spelling": {"client": lambda said: said | {"challenge": said["challenge"] + "="}},
    "no challenge": {"client": at("challenge", None)},
    "another origin": {"client": at("origin", "https://id.example.com.evil.test")},
    "a subdomain": {"client": at("origin", "https://evil.id.example.com")},
    "http": {"client": at("origin", "http://id.example.com")},
    "a port": {"client": at("origin", "https://id.example.com:8443")},
    "no origin": {"client": at("origin", None)},
    "a list of origins": {"client": at("origin", [ORIGIN])},
    "crossOrigin": {"client": at("crossOrigin", True)},
    "crossOrigin as text": {"client": at("crossOrigin", "false")},
    "topOrigin": {"client": at("topOrigin", ORIGIN)},
    "type twice": {"raw_client": twice("type")},
    "challenge twice": {"raw_client": twice("challenge")},
    "origin twice": {"raw_client": twice("origin")},
    "deep": {"client": at("extra", json.loads("[" * 20 + "]" * 20))},
    "deeper than the stack": {"client": lambda _: b'{"type":' + b"[" * 5000},
    "UTF-16": {"raw_client": lambda raw: raw.decode().encode("utf-16")},
    "no UTF-8": {"raw_client": lambda raw: raw.replace(b"webauthn", b"webauth\xff")},
    "a number that is none": {"client": lambda said: json.dumps(said | {"extra": float("nan")}).encode()},
    "no object": {"client": lambda _: b"[]"},
    "not finished": {"raw_client": lambda raw: raw[:-1]},
    "something after it": {"raw_client": appended(b"{}")},
    "megabytes": {"client": at("extra", "x" * 1_000_000)},
}
ANSWER: dict[str, dict[str, Any]] = {
    "two ids": {"answer": at("rawId", text_of(b"other"))},
    "no id": {"answer": at("id", None)},
    "an empty id": {"answer": lambda sent: sent | {"id": "", "rawId": ""}},
    "an id in another spelling": {"answer": lambda sent: sent | {"id": sent["id"] + "=", "rawId": sent["id"] + "="}},
    "another type": {"answer": at("type", "password")},
    "no response": {"answer": at("response", None)},
    "a response that is text": {"answer": at("response", "x")},
    "no client data": {"answer": at("response.clientDataJSON", None)},
    "client data that are a number": {"answer": at("response.clientDataJSON", 7)},
    "client data that are no base64url": {"answer": at("response.clientDataJSON", "é")},
}
DATA: dict[str, dict[str, Any]] = {
    "nobody there": {"flags": UV},
    "copied but not to be copied": {"flags": VERIFIED | BS},
    "flags that promise extensions": {"flags": VERIFIED | ED},
}


@pytest.mark.parametrize("mutation", CLIENT | ANSWER | DATA)
def test_wa_07_wa_11_wa_15_a_registration_that_is_wrong_in_one_way_is_refused_soon(mutation: str) -> None:
    """The attacker changes one thing of what the browser sends, or has it made for another site or ceremony."""
    sent = Device(ORIGIN).create(CREATE, P256, **(CLIENT | ANSWER | DATA)[mutation])
    began = time.perf_counter()
    with pytest.raises(Refused):
        registered(sent)
    assert time.perf_counter() - began < QUICK


@pytest.mark.parametrize("mutation", CLIENT | ANSWER | DATA)
def test_wa_02_wa_07_wa_15_a_use_that_is_wrong_in_one_way_is_refused_soon(mutation: str) -> None:
    """The attacker changes one thing of what the browser sends, or has it made for another site or ceremony."""
    device = Device(ORIGIN)
    data = enrolled(device)
    sent = device.get(GET, **(CLIENT | ANSWER | DATA)[mutation])
    began = time.perf_counter()
    with pytest.raises(Refused):
        asserted(sent, data)
    assert time.perf_counter() - began < QUICK


def changed(**members: Any) -> Callable[[dict[int, Any]], dict[int, Any]]:
    """Of a COSE key: `kty`, `alg`, `crv`, `x` and `y`."""
    labels = {"kty": 1, "alg": 3, "crv": -1, "x": -2, "y": -3}
    return lambda key: key | {labels[name]: value for name, value in members.items()}


def attestation(**members: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda statement: statement | members


CREATION: dict[str, dict[str, Any]] = {
    "an algorithm that was not offered": {"public_key": changed(alg=-35)},
    "RS256 with an EC key": {"public_key": changed(alg=-257)},
    "EdDSA with an EC key": {"public_key": changed(alg=-8)},
    "ES256 with an RSA key": {"key": RSA_2048, "public_key": lambda key: key | {3: -7}},
    "another curve": {"public_key": changed(crv=2)},
    "a point that is not on the curve": {"public_key": changed(y=bytes(32))},
    "a key without a half": {"public_key": lambda key: {label: key[label] for label in (1, 3, -1, -2)}},
    "RSA of 1024 bits": {"public_key": lambda _: cose(RSA_2048) | {-1: (2**1023 + 1).to_bytes(128)}},
    "RSA of 8192 bits": {"public_key": lambda _: cose(RSA_2048) | {-1: (2**8191 + 1).to_bytes(1024)}},
    "RSA with the exponent 1": {"public_key": lambda _: cose(RSA_2048) | {-2: b"\0\0\1"}},
    "RSA with the exponent 3": {"public_key": lambda _: cose(RSA_2048) | {-2: b"\0\0\3"}},
    "a name that stands twice in the key": {"public_key": lambda key: b"\xa6\x03\x26" + encode_cbor(key)[1:]},
    "a key of unknown length": {"public_key": lambda key: b"\xbf" + encode_cbor(key)[1:] + b"\xff"},
    "a key that is an array": {"public_key": lambda _: encode_cbor([1, 2])},
    "a key that is nested": {"public_key": lambda _: b"\x81" * 5000 + b"\0"},
    "a key of huge length": {"public_key": lambda _: b"\xbb" + b"\xff" * 8},
    "no key": {"public_key": lambda _: b""},
    "bytes after the key": {"extensions": b"\xa0"},
    "an id of 1024 bytes": {"credential_id": bytes(MAX_CREDENTIAL_ID + 1)},
    "an id of 5000 bytes": {"credential_id": bytes(5000)},
    "no id": {"credential_id": b""},
    "another id than the browser's": {"answer": lambda sent: sent | {"id": text_of(b"o"), "rawId": text_of(b"o")}},
    "cut off": {"attested": lambda inner: inner[:40]},
    "data that are no bytes": {"attestation": attestation(authData="x")},
    "no data": {"attestation": lambda statement: {"fmt": "none", "attStmt": {}}},
    "a statement where there is none": {"attestation": attestation(attStmt={"alg": -7})},
    "an unknown attestation": {"attestation": attestation(fmt="mine")},
    "an attestation of Android": {"attestation": attestation(fmt="android-key")},
    "a certificate": {"attestation": attestation(fmt="packed", attStmt={"alg": -7, "sig": b"s", "x5c": [b"c"]})},
    "signed by nobody": {"attestation": attestation(fmt="packed", attStmt={"alg": -7, "sig": b"s"})},
    "an attestation that is an array": {"attestation": lambda statement: encode_cbor([statement])},
    "an attestation that is nested": {"attestation": lambda _: b"\x81" * 9000},
    "an attestation that is no CBOR": {"attestation": lambda _: b"\xff\xff"},
    "a name that stands twice": {"attestation": lambda each: b"\xa4cfmtdnone" + encode_cbor(each)[1:]},
}


@pytest.mark.parametrize("mutation", CREATION)
def test_wa_10_wa_11_wa_12_a_passkey_of_another_kind_than_was_asked_for_is_refused_soon(mutation: str) -> None:
    """The attacker registers a key that is weak, that is not what it says, or that takes long to read."""
    arguments = {"key": P256} | CREATION[mutation]
    sent = Device(ORIGIN).create(CREATE, **arguments)
    began = time.perf_counter()
    with pytest.raises(Refused):
        registered(sent)
    assert time.perf_counter() - began < QUICK


def test_wa_10_the_longest_id_that_the_specification_allows_is_taken() -> None:
    """Whoever has such an authenticator must not be locked out by the limit against attackers."""
    device = Device(ORIGIN)
    data = registered(device.create(CREATE, P256, credential_id=bytes(MAX_CREDENTIAL_ID)))
    assert asserted(device.get(GET), data).user_verified


USE: dict[str, dict[str, Any]] = {
    "another key": {"signature": lambda _: ec.generate_private_key(ec.SECP256R1()).sign(b"", ec.ECDSA(SHA256()))},
    "no signature": {"signature": lambda _: b""},
    "a signature with a bit turned": {"signature": lambda proof: proof[:-1] + bytes([proof[-1] ^ 1])},
    "no signature at all": {"answer": at("response.signature", None)},
    "another relying party": {"rp_id": "evil.test"},
    "the parent domain": {"rp_id": "example.com"},
    "bytes after it": {"data": appended(b"\0")},
    "cut off": {"data": lambda data: data[:36]},
    "to be copied, and was not before": {"flags": VERIFIED | BE},
    "nobody's": {"answer": at("response.userHandle", None)},
    "another person's": {"answer": at("response.userHandle", text_of(bytes(64)))},
    "of a person who is a number": {"answer": at("response.userHandle", 7)},
    "another passkey's": {"answer": lambda sent: sent | {"id": text_of(b"o"), "rawId": text_of(b"o")}},
}


@pytest.mark.parametrize("mutation", USE)
def test_wa_06_wa_07_a_use_that_does_not_belong_to_the_passkey_is_refused(mutation: str) -> None:
    """The attacker has another key, or another person's, or one for another site."""
    device = Device(ORIGIN)
    data = enrolled(device)
    with pytest.raises(Refused):
        asserted(device.get(GET, **USE[mutation]), data)


def test_wa_07_a_passkey_that_could_be_copied_is_not_one_that_cannot_suddenly() -> None:
    """The attacker registers a copy as if it were bound to a device."""
    device = Device(ORIGIN, SYNCED)
    data = enrolled(device)
    assert asserted(device.get(GET, flags=VERIFIED | BE), data).data["backed_up"] is False
    with pytest.raises(Refused, match="could not before"):
        asserted(device.get(GET, flags=VERIFIED), data)


def test_whose_it_is_need_not_be_said_where_it_is_known_already() -> None:
    device = Device(ORIGIN)
    data = enrolled(device)
    without = at("response.userHandle", None)
    assert asserted(device.get(GET, answer=without), data, identified=True).user_verified
    with pytest.raises(Refused):
        asserted(device.get(GET, answer=at("response.userHandle", text_of(b"x" * 64))), data, identified=True)


@pytest.mark.parametrize(("before", "after"), [(5, 5), (5, 4), (5, 0), (1, 1)])
def test_wa_08_a_counter_that_does_not_go_forward_is_told_apart(before: int, after: int) -> None:
    """The attacker copied the key: two devices count, each for itself."""
    device = Device(ORIGIN)
    data = enrolled(device) | {"sign_count": before}
    device.counter = after - 1
    if after == 0:
        device.counter = 0
    with pytest.raises(Cloned):
        asserted(device.get(GET), data)
    with pytest.raises(Refused) as refused:
        asserted(device.get(GET, signature=lambda _: b"x"), data)
    assert not isinstance(refused.value, Cloned), "nobody without the key makes it look like a copy"


def test_wa_08_a_passkey_that_counts_nothing_is_used_as_often_as_one_likes() -> None:
    """Synced passkeys count nothing; taking that for a copy would lock out their people."""
    device = Device(ORIGIN, SYNCED)
    data = enrolled(device)
    for _ in range(3):
        data = asserted(device.get(GET), data).data
    assert data["sign_count"] == 0


def test_wa_15_a_mark_of_byte_order_is_no_part_of_the_text() -> None:
    """A browser may write one; who compares the bytes before and after reads two texts."""
    device = Device(ORIGIN)
    data = registered(device.create(CREATE, P256, raw_client=lambda raw: b"\xef\xbb\xbf" + raw))
    assert asserted(device.get(GET, raw_client=lambda raw: b"\xef\xbb\xbf" + raw), data).user_verified


def test_members_that_are_unknown_are_passed_over() -> None:
    device = Device(ORIGIN)
    data = registered(device.create(CREATE, P256, client=at("new", {"a": 1}), answer=at("new", ["b"])))
    assert asserted(device.get(GET, client=at("new", 1)), data).user_verified


def test_extensions_of_the_device_are_read() -> None:
    made = Device(ORIGIN).create(CREATE, P256, flags=VERIFIED | ED, extensions=encode_cbor({"credProtect": 2}))
    assert registered(made)["credential_id"]


def test_one_that_the_browser_makes_by_itself_needs_nobody_there_where_that_was_asked_for() -> None:
    sent = Device(ORIGIN).create(CREATE, P256, flags=0)
    assert registered(sent, presence=False)["sign_count"] == 0
    with pytest.raises(Refused):
        registered(sent)


def test_the_reason_names_the_site_that_asked_and_the_one_that_is_configured() -> None:
    sent = Device("https://sso.example.com").create(CREATE, P256)
    with pytest.raises(ForeignOrigin, match=r"'https://sso\.example\.com'.* https://id\.example\.com \(RP ID id\.exam"):
        registered(sent)
    other = Device(ORIGIN).create(CREATE | {"rp": {"id": "example.com"}}, P256)
    with pytest.raises(Refused, match=r"RP ID id\.example\.com"):
        registered(other)


def test_what_is_seen_is_cut_short() -> None:
    with pytest.raises(ForeignOrigin) as refused:
        registered(Device("https://" + "x" * 5000).create(CREATE, P256))
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("said", [None, "internal", ["internal", 7, "made-up"], [["usb"]], {}], ids=str)
def test_only_known_transports_are_kept(said: Any) -> None:
    sent = Device(ORIGIN).create(CREATE, P256, answer=at("response.transports", said))
    assert set(registered(sent)["transports"]) <= {"internal"}


@pytest.mark.parametrize(
    ("said", "known"),
    [({}, None), ({"credProps": {}}, None), ({"credProps": {"rk": False}}, False), ({"credProps": {"rk": "no"}}, None)],
    ids=str,
)
def test_whether_it_is_found_without_a_name_is_known_where_the_browser_says_so(said: Any, known: bool | None) -> None:
    sent = Device(ORIGIN).create(CREATE, P256, answer=at("clientExtensionResults", said))
    assert registered(sent)["discoverable"] is known


def test_a_name_is_what_its_maker_calls_it_or_its_person() -> None:
    google, nobody = "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4", "00000000-0000-0000-0000-000000000000"
    assert str(passkey.name_of(google, "Android", NOW)) == "Google Password Manager, Jan 2027"
    assert str(passkey.name_of(nobody, "Windows", NOW)) == "Passkey on Windows, Jan 2027"
    assert str(passkey.name_of(nobody, "", NOW)) == "Passkey, Jan 2027"
    assert passkey.renamed({"name": "old"}, "  My   phone ") == {"name": "My phone"}
    assert passkey.renamed({"name": "old"}, " \n ") is None
    assert passkey.renamed({"name": "old"}, "a\u202eb") is None
    assert passkey.renamed({"name": "old"}, "x" * 500) == {"name": "x" * passkey.MAX_NAME}
