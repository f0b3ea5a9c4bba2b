"use strict";
// Tells the browser which passkeys count here, and what their person is called, so that it offers no others.
const { rpId, userId, allAcceptedCredentialIds, name, displayName } = JSON.parse(document.querySelector("[data-signals]").dataset.signals);
if (typeof PublicKeyCredential !== "undefined") {
  PublicKeyCredential.signalAllAcceptedCredentials?.({ rpId, userId, allAcceptedCredentialIds })?.catch(() => {});
  PublicKeyCredential.signalCurrentUserDetails?.({ rpId, userId, name, displayName })?.catch(() => {});
}
