"use strict";
// Conveniences only: every page works without this file.
const all = (selector, act) => document.querySelectorAll(selector).forEach(act);

// Where the autofocus attribute did not do it already.
addEventListener("load", () => setTimeout(() => {
  if (document.activeElement === document.body) all(".alert", (summary) => summary.focus());
}, 50));

all("[data-reveal]", (button) => {
  const field = document.getElementById(button.getAttribute("aria-controls"));
  const show = (on) => {
    field.type = on ? "text" : "password";
    button.setAttribute("aria-pressed", on);
  };
  button.hidden = false;
  button.onclick = () => show(field.type === "password");
  field.form.addEventListener("submit", () => show(false));
  addEventListener("pagehide", () => show(false));
});

all("#caps", (hint) => {
  const look = (event) => {
    const text = event.getModifierState?.("CapsLock") ? hint.dataset.on : "";
    if (hint.textContent !== text) hint.textContent = text;
  };
  for (const type of ["keydown", "keyup", "mousedown"]) addEventListener(type, look);
});

// How many characters a new password lacks; the server counts in the same way.
all("[data-least]", (field) => {
  const hint = document.getElementById("length"), least = +field.dataset.least, rule = hint.textContent, lacks = field.dataset.lacks.split("|");
  field.addEventListener("input", () => {
    const lack = least - Math.min([...field.value].length, [...field.value.normalize("NFKC")].length);
    hint.textContent = !field.value ? rule : lack > 0 ? lacks[lack - 1] : field.dataset.enough;
  });
});

all("[data-copy]", (button) => {
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.onclick = async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.replace(/\s/g, ""));
    button.nextElementSibling.textContent = button.dataset.copied;
  };
});

// The sixth digit sends the code, once.
all("[data-digits]", (field) => {
  let done = false;
  field.addEventListener("input", () => {
    if (done || !field.checkValidity() || field.value.replace(/[ -]/g, "").length !== +field.dataset.digits) return;
    done = true;
    field.form.requestSubmit();
  });
});

// A button that may be pressed in a while: the server says in how many seconds.
all("[data-wait]", (button) => {
  const hint = button.nextElementSibling, text = button.textContent, until = performance.now() + 1000 * button.dataset.wait;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? button.dataset.waiting.replace("#", left) : text;
    if (left > 0) return setTimeout(tick, 250);
    hint.textContent = hint.dataset.now;
  };
  tick();
});

// A double click makes one request; a form that stays (cancelled, or back from the cache) can be sent again.
const sent = new Set();
addEventListener("submit", (event) => {
  if (sent.has(event.target)) return event.preventDefault();
  sent.add(event.target);
  setTimeout(() => sent.delete(event.target), 5000);
});

// Signed in from another tab: this one notices when it is looked at, and goes on.
const page = document.querySelector("[data-step]"), some = page?.querySelector("[action], [formaction]");
const attempt = (some?.getAttribute("action") ?? some?.getAttribute("formaction"))?.replace(/\/[^/]*$/, "");
const look = async () => {
  if (document.hidden) return;
  try {
    const { step } = await (await fetch(attempt + "/step")).json();
    if (step !== page.dataset.step) location.replace(attempt);
  } catch {}
};
if (page) {
  addEventListener("focus", look);
  document.addEventListener("visibilitychange", look);
}
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  sent.clear();
  if (page) look();
});
