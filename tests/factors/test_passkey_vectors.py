"""The test vectors of Web Authentication Level 3, section 16; their relying party is example.org."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from webauthn.helpers import encode_cbor

from idp.factors.passkey import text_of, verification
from idp.factors.passkey.verification import Answer, Expected, Refused

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
RP_ID, ORIGIN = "example.org", "https://example.org"
RP_HASH = hashlib.sha256(RP_ID.encode()).hexdigest()
EXTRA = "clientDataJSON may be extended with additional fields in the future, such as this: "


@dataclass(frozen=True)
class Vector:
    """Hexadecimal, as it is printed there; pairs are of the registration and of the use.

    The client data are written out: the signature says whether they are the bytes that were signed.
    """

    challenges: tuple[str, str]
    credential_id: str
    key: str
    flags: tuple[str, str]
    extra: tuple[str | None, str | None]
    signature: str
    aaguid: str = "00" * 16
    frame: str = '"crossOrigin":false'
    attestation: str | None = None

    def client(self, which: int) -> bytes:
        challenge = text_of(bytes.fromhex(self.challenges[which]))
        members = [f'"type":"webauthn.{("create", "get")[which]}"', f'"challenge":"{challenge}"']
        members += [f'"origin":"{ORIGIN}"', self.frame]
        extra = self.extra[which]
        return ("{" + ",".join(members + ([f'"extraData":"{EXTRA}{extra}"'] if extra else [])) + "}").encode()

    def expected(self, which: int, origin: str = ORIGIN) -> Expected:
        return Expected(bytes.fromhex(self.challenges[which]), RP_ID, origin)

    def creation(self) -> Answer:
        attested = f"{RP_HASH}{self.flags[0]}00000000{self.aaguid}0020{self.credential_id}{self.key}"
        statement: dict[str, Any] = {"fmt": "none", "attStmt": {}}
        if self.attestation is not None:
            statement = {"fmt": "packed", "attStmt": {"alg": -7, "sig": bytes.fromhex(self.attestation)}}
        encoded = encode_cbor(statement | {"authData": bytes.fromhex(attested)})
        return self._answer(0, {"attestationObject": text_of(encoded)})

    def use(self) -> Answer:
        data = bytes.fromhex(f"{RP_HASH}{self.flags[1]}00000000")
        signature = text_of(bytes.fromhex(self.signature))
        return self._answer(1, {"authenticatorData": text_of(data), "signature": signature})

    def _answer(self, which: int, response: dict[str, str]) -> Answer:
        identifier = text_of(bytes.fromhex(self.credential_id))
        sent = {"id": identifier, "rawId": identifier, "type": "public-key"}
        return verification.read(
            json.dumps(sent | {"response": response | {"clientDataJSON": text_of(self.client(which))}})
        )

    def data(self) -> dict[str, Any]:
        """Of a passkey whose registration is not asked for here, because a certificate vouches for it."""
        return {
            "credential_id": text_of(bytes.fromhex(self.credential_id)),
            "public_key": text_of(bytes.fromhex(self.key)),
            "sign_count": 0,
            "backup_eligible": bool(int(self.flags[0], 16) & 0x08),
            "user_handle": "",
        }


NONE = Vector(  # 16.2
    (
        "00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130",
        "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408",
    ),
    "f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4",
    "a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820"
    "930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
    ("59", "19"),
    ("BkQeDjdcTBrXBiAwJTLE5Q", None),
    "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd38"
    "0221008480ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87",
    "8446ccb9ab1db374750b2367ff6f3a1f",
)
SELF = Vector(  # 16.3
    (
        "7869c2b772d4b58eba9378cf8f29e26cf935aa77df0da89fa99c0bdc0a76f7e5",
        "4478a10b1352348dd160c1353b0d469b5db19eb91c27f7dfa6fed39fe26af20b",
    ),
    "455ef34e2043a87db3d4afeb39bbcb6cc32df9347c789a865ecdca129cbef58c",
    "a5010203262001215820eb151c8176b225cc651559fecf07af450fd85802046656b34c18f6cf193843c5225820"
    "927b8aa427a2be1b8834d233a2d34f61f13bfd44119c325d5896e183fee484f2",
    ("5d", "09"),
    ("U9hTXvKE2URkMnb_0xYHVg", "gTb53rz6EhSWomXGzimC1Q"),
    "304402203310b9431903c401f1be2bdc8d23a4007682dbbddcf846994947b7f465daf840"
    "02204e94dd00047b316061b3b99772b7efd95994a83ef584b3b6b825ea3550251b66",
    "df850e09db6afbdfab51697791506cfc",
    attestation="30440220067a20754ab925005dbf378097c92120031581c73228d1fb4f5b881bcd7da983"
    "02207fc7b147558c7c0eba3af18bd9d121fa3d3a26d17fe3f220272178f473b6006d",
)
CROSS_ORIGIN = Vector(  # 16.4
    (
        "3be5aacd03537142472340ab5969f240f1d87716e20b6807ac230655fa4b3b49",
        "876aa517ba83fdee65fcffdbca4c84eeae5d54f8041a1fc85c991e5bbb273137",
    ),
    "6e1050c0d2ca2f07c755cb2c66a74c64fa43065c18f938354d9915db2bd5ce57",
    "a501020326200121582022200a473f90b11078851550d03b4e44a2279f8c4eca27b3153dedfe03e4e97d225820"
    "cbd0be95e746ad6f5a8191be11756e4c0420e72f65b466d39bc56b8b123a9c6e",
    ("45", "05"),
    ("zZquEtDR9DWqpW5tBWTFug", "92pcTVD0Aby-q4dtmj6efg"),
    "3046022100eb12fcf23b12764c0f122e22371fab92e283879fd798f38ee1841c951b6e40e7"
    "022100c76237ff9db77b3c56f30837cda6a09acfa2e915544e609c0733b1184036d1cf",
    "883f4f6014f19c09d87aa38123be48d0",
    frame='"crossOrigin":true',
)
TOP_ORIGIN = Vector(  # 16.5
    (
        "4e1f4c6198699e33c14f192153f49d7e0e8e3577d5ac416c5f3adc92a41f27e5",
        "d54a5c8ca4b62a8e3bb321e3b2bc73856f85a10150db2939ac195739eb1ea066",
    ),
    "b8ad59b996047ab18e2ceb57206c362da57458793481f4a8ebf101c7ca7cc0f1",
    "a5010203262001215820a1c47c1d82da4ebe82cd72207102b380670701993bc35398ae2e5726427fe01d225820"
    "86c1080d82987028c7f54ecb1b01185de243b359294a0ed210cd47480f0adc88",
    ("41", "05"),
    (None, "UiFoJMVRQHDAFWFi4vxUpQ"),
    "3045022100b5a70c81780d5fcc9a4f2ae9caae99058f8accaf58b91fb59329646c28ac6ffc"
    "022012e101c165db3c8e9957f0c54dd6ca9b56bc3bd2f280bd2faa6c1d02c6e5c171",
    "97586fd09799a76401c200455099ef2a",
    frame='"crossOrigin":true,"topOrigin":"https://example.com"',
)
MODULUS = (2**2203 - 1) * (2**1279 - 1)
RS256 = Vector(  # 16.10
    ("", "295f59f5fa8fe62c5aca9e27626c78c8da376ae6d8cd2dd29aebad601e1bc4c5"),
    "992a18acc83f67533600c1138a4b4c4bd236de13629cf025ed17cb00b00b74df",
    "a401030339010020" + "5901b4" + MODULUS.to_bytes(436).hex() + "2143010001",
    ("5d", "19"),
    (None, None),
    "01063d52d7c39b4d432fc7063c5d93e582bdcb16889cd71f888d67d880ea730a428498d3bc8e1ee11f2b1ecbe6c292b1"
    "18c55ffaaddefa8cad0a54dd137c51f1eec673f1bb6c4d1789d6826a222b22d0f585fc901fdc933212e579d199b89d67"
    "2aa44891333e6a1355536025e82b25590256c3538229b55737083b2f6b9377e49e2472f11952f79fdd0da180b5ffd901"
    "b4049a8f081bb40711bef76c62aed943571f2d0575304cb549d68d8892f95086a30f93716aee818f8dc06e96c0d5e0ed"
    "4cfa9fd8773d90464b68cf140f7986666ff9c9e3302acd0535d60d769f465e2ab57ef8aabc89fccfef7ba32a64154a8b"
    "3d26be2298f470b8cc5377dbe3dfd4b0b45f8f01e63bde6cfc76b62771f9b70aa27cf40152cad93aa5acd784fd4b90f6"
    "76e2ea828d0bf2400aebbaae4153e5838f537f88b6228346782a93a899be66ec77de45b3efcf311da6321c92e6b0cd11"
    "bfe653bf3e98cee8e341f02d67dbb6f9c98d9e8178090cfb5b70fbc6d541599ac794ae2f1d4de1286ec8de8c2daf7b1d"
    "15c8438e90d924df5c19045220a4c8438c1b979bbe016cf3d0eeec23c3999d4882cc645b776de930756612cdc6dd3981"
    "60ff02a6",
)
EDDSA = Vector(  # 16.11
    ("", "895957e01c633a698348a2d8a31a54b7db27e8c1c43b2080d79ae2190267bfd2"),
    "ce9f840ed96599580cd140fbc7bb3230633f50f61041aff73308ae71caa8a2bd",
    "a401010327200621582044e06ddd331c36a8dc667bab52bcae63486c916aa5e339e6acebaa84934bf832",
    ("41", "01"),
    (None, None),
    "f5c59c7e46c34f6f8cc197101ddf9934fa2595f68eb1913a637e8419eb9ba4cf"
    "dfc48f85393bc0d40b011f0d6fecb097d6607525713223a0dc0d453993dae00b",
)


@pytest.mark.parametrize("vector", [NONE, SELF], ids=["none", "packed by the key itself"])
def test_a_registration_and_a_use_are_accepted(vector: Vector) -> None:
    data = verification.registered(vector.creation(), vector.expected(0), b"handle", NOW)
    assert data["credential_id"] == text_of(bytes.fromhex(vector.credential_id))
    assert bytes.fromhex(data["aaguid"].replace("-", "")) == bytes.fromhex(vector.aaguid)
    used = verification.asserted(vector.use(), data, vector.expected(1), NOW, identified=True)
    assert used.user_verified == bool(int(vector.flags[1], 16) & 0x04)
    assert (used.data["backup_eligible"], used.data["backed_up"]) == (True, bool(int(vector.flags[1], 16) & 0x10))


@pytest.mark.parametrize("vector", [RS256, EDDSA], ids=["RS256", "EdDSA"])
def test_the_signatures_of_the_other_algorithms_are_right(vector: Vector) -> None:
    used = verification.asserted(vector.use(), vector.data(), vector.expected(1), NOW, identified=True)
    assert not used.user_verified
    forged = replace(vector, signature=vector.signature[:-2] + f"{int(vector.signature[-2:], 16) ^ 1:02x}")
    with pytest.raises(Refused):
        verification.asserted(forged.use(), vector.data(), vector.expected(1), NOW, identified=True)


@pytest.mark.parametrize("vector", [CROSS_ORIGIN, TOP_ORIGIN], ids=["crossOrigin", "topOrigin"])
def test_wa_02_what_another_site_asked_for_within_its_page_is_refused_though_it_is_signed(vector: Vector) -> None:
    """The attacker puts the provider in a frame and has the person use their passkey there."""
    with pytest.raises(Refused, match="within a page of another site"):
        verification.registered(vector.creation(), vector.expected(0), b"handle", NOW)
    with pytest.raises(Refused, match="within a page of another site"):
        verification.asserted(vector.use(), vector.data(), vector.expected(1), NOW, identified=True)


def test_an_attestation_signature_that_is_wrong_is_refused() -> None:
    wrong = replace(SELF, attestation=NONE.signature)
    with pytest.raises(Refused):
        verification.registered(wrong.creation(), SELF.expected(0), b"handle", NOW)
