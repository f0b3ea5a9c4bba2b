"use strict";
// Passkeys: offered where somebody types their name, and asked for by a button. What the browser finds is posted.
const place = document.querySelector("[data-passkey]");
const key = typeof PublicKeyCredential === "undefined" ? undefined : PublicKeyCredential;
if (place && key?.parseRequestOptionsFromJSON) {
  const making = place.dataset.passkey === "new-passkey", field = place.elements.credential;
  const button = place.querySelector("button[type=button]"), told = place.querySelector("[role=status]");
  const FRESH = 240000; // milliseconds; the server takes an answer for five minutes
  const some = document.querySelector("[data-step] [action], [data-step] [formaction]");
  if (!place.hasAttribute("action")) // then one beside it says where
    place.action = (some.getAttribute("action") ?? some.getAttribute("formaction")).replace(/[^/]*$/, place.dataset.passkey);
  let options = JSON.parse(place.dataset.options ?? "null"), since = performance.now(), asked, pressed = false;

  const latest = async () => {
    if (options && performance.now() - since < FRESH) return options;
    options = await (await fetch(place.action)).json();
    if (!options) location.reload(); // nothing is left to ask
    since = performance.now();
    return options;
  };

  // One request at a time: the browser refuses the second.
  const ask = async (more) => {
    asked?.abort();
    const mine = (asked = new AbortController());
    const json = await latest();
    if (mine.signal.aborted) return;
    const publicKey = making ? key.parseCreationOptionsFromJSON(json) : key.parseRequestOptionsFromJSON(json);
    const found = await navigator.credentials[making ? "create" : "get"]({ publicKey, signal: mine.signal, ...more });
    field.value = JSON.stringify(found);
    place.requestSubmit();
  };

  const offer = async () => {
    if ("autofill" in place.dataset && !pressed && (await key.isConditionalMediationAvailable?.()))
      ask({ mediation: "conditional" }).catch(() => {});
  };

  const press = async () => {
    told.textContent = "";
    if (!place.reportValidity()) return;
    pressed = true;
    if (place.elements.silent) place.elements.silent.disabled = true;
    try {
      await ask({});
    } catch (error) {
      pressed = false;
      if (error.name === "AbortError") return;
      const { cancelled, known, failed } = place.dataset;
      told.textContent = error.name === "InvalidStateError" && known || error.name === "NotAllowedError" && cancelled || failed;
      offer();
    }
  };

  // Only where the server says in so many words that it knows no such passkey: the browser forgets it for good.
  const { unknown } = place.dataset;
  if (unknown) key.signalUnknownCredential?.({ rpId: options.rpId, credentialId: unknown })?.catch(() => {});

  // With what is proved goes whether a passkey could be made here, so that it is offered to nobody in vain.
  const says = document.querySelectorAll("input[name=passkeys]");
  if (says.length) key.isUserVerifyingPlatformAuthenticatorAvailable().then((can) => {
    if (can) says.forEach((input) => { input.value = "can"; });
  });

  // A password manager may make one without being seen; if it does not at once, the person is asked.
  const silently = async () => {
    if (!("silent" in place.dataset) || !(await key.getClientCapabilities?.())?.conditionalCreate || pressed) return;
    const timer = setTimeout(() => { if (!pressed) asked?.abort(); }, 3000);
    place.elements.silent.disabled = false; // whatever comes of it, nobody has asked for it
    await ask({ mediation: "conditional" }).finally(() => clearTimeout(timer));
  };

  button.hidden = false;
  button.onclick = press;
  offer();
  silently().catch(() => {});
  place.addEventListener("submit", () => { pressed = true; });
  setInterval(() => { if (!document.hidden) offer(); }, FRESH);
  addEventListener("pageshow", (event) => { if (event.persisted) { options = null; pressed = false; offer(); } });
}
