"""A device that keeps passkeys, in software, and the browser before it: right by default, wrong as a test wants."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import encode_cbor

from idp.factors.passkey import bytes_of, text_of

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
VERIFIED = UP | UV
SYNCED = UP | UV | BE | BS
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Change = Callable[[Any], Any]


def same(value: Any) -> Any:
    return value


def cose(key: Key) -> dict[int, Any]:
    """The public key as an authenticator writes it (RFC 9053 section 7)."""
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        modulus = numbers.n.to_bytes((public.key_size + 7) // 8)
        return {1: 3, 3: -257, -1: modulus, -2: numbers.e.to_bytes(3)}
    point = public.public_numbers()
    return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}


def signed(key: Key, data: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), SHA256())
    return key.sign(data, ec.ECDSA(SHA256()))


@dataclass
class Passkey:
    credential_id: bytes
    key: Key
    rp_id: str
    user_handle: bytes | None = None


@dataclass
class Device:
    """`flags` are what it says of its user and of copies; `counter` is 0 where it counts nothing."""

    origin: str
    flags: int = VERIFIED
    counter: int = 0
    aaguid: bytes = bytes(16)
    passkeys: list[Passkey] = field(default_factory=list)

    def create(
        self,
        options: dict[str, Any],
        key: Key | None = None,
        *,
        credential_id: bytes | None = None,
        client: Change = same,
        raw_client: Change = same,
        public_key: Change = same,
        attested: Change = same,
        attestation: Change = same,
        answer: Change = same,
        flags: int | None = None,
        extensions: bytes = b"",
    ) -> dict[str, Any]:
        """What toJSON() gives of navigator.credentials.create(); each change is made where it says, before signing."""
        passkey = Passkey(
            secrets.token_bytes(32) if credential_id is None else credential_id,
            ec.generate_private_key(ec.SECP256R1()) if key is None else key,
            options["rp"]["id"],
            bytes_of(options["user"]["id"]),
        )
        self.passkeys.append(passkey)
        identifier = passkey.credential_id
        about = public_key(cose(passkey.key))
        encoded = about if isinstance(about, bytes) else encode_cbor(about)
        inner = attested(self.aaguid + len(identifier).to_bytes(2) + identifier + encoded)
        data = self._data(passkey.rp_id, (self.flags if flags is None else flags) | AT) + inner + extensions
        statement = attestation({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": text_of(self._client("webauthn.create", options, client, raw_client)),
            "attestationObject": text_of(statement if isinstance(statement, bytes) else encode_cbor(statement)),
            "transports": ["internal"],
        }
        changed: dict[str, Any] = answer(_answer(identifier, response))
        return changed

    def get(
        self,
        options: dict[str, Any],
        passkey: Passkey | None = None,
        *,
        client: Change = same,
        raw_client: Change = same,
        data: Change = same,
        signature: Change = same,
        answer: Change = same,
        flags: int | None = None,
        rp_id: str | None = None,
    ) -> dict[str, Any]:
        """What toJSON() gives of navigator.credentials.get()."""
        passkey = passkey or self.passkeys[-1]
        if self.counter:
            self.counter += 1
        authenticator_data = data(self._data(rp_id or passkey.rp_id, self.flags if flags is None else flags))
        client_data = self._client("webauthn.get", options, client, raw_client)
        proof = signed(passkey.key, authenticator_data + hashlib.sha256(client_data).digest())
        response = {
            "clientDataJSON": text_of(client_data),
            "authenticatorData": text_of(authenticator_data),
            "signature": text_of(signature(proof)),
            "userHandle": None if passkey.user_handle is None else text_of(passkey.user_handle),
        }
        changed: dict[str, Any] = answer(_answer(passkey.credential_id, response))
        return changed

    def _data(self, rp_id: str, flags: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4)

    def _client(self, ceremony: str, options: dict[str, Any], client: Change, raw_client: Change) -> bytes:
        said = {"type": ceremony, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        changed = client(said)
        raw: bytes = raw_client(changed if isinstance(changed, bytes) else json.dumps(changed).encode())
        return raw


def _answer(credential_id: bytes, response: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": text_of(credential_id),
        "rawId": text_of(credential_id),
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {"credProps": {"rk": True}},
        "response": response,
    }
