"""Chromium's virtual authenticator: a device with passkeys, as its owner handles it."""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page

PLATFORM = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
    "defaultBackupEligibility": False,
    "defaultBackupState": False,
}
SECURITY_KEY = PLATFORM | {"transport": "usb", "hasResidentKey": False, "hasUserVerification": False}


@dataclass(frozen=True)
class Keys:
    """One device of a page. A hand that is taken away leaves every prompt waiting."""

    session: CDPSession
    device: str

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.session.send(f"WebAuthn.{method}", {"authenticatorId": self.device} | arguments)
        return answer

    @property
    def credentials(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("getCredentials")["credentials"]
        return found

    def hand(self, *, there: bool) -> None:
        """Whether somebody touches it when it asks for that."""
        self.call("setAutomaticPresenceSimulation", enabled=there)

    def verifies(self, *, verified: bool) -> None:
        """Whether it knows its person when it looks."""
        self.call("setUserVerified", isUserVerified=verified)

    def change(self, **members: Any) -> None:
        """Of its one passkey, as somebody does who copied the key."""
        (credential,) = self.credentials
        self.call("removeCredential", credentialId=credential["credentialId"])
        self.call("addCredential", credential=credential | members)


def device_of(page: Page, **options: Any) -> Keys:
    """A device at the computer with this page, empty."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable", {"enableUI": False})
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": PLATFORM | options})
    return Keys(session, added["authenticatorId"])
