"use strict";
// A proof of work, done while the person types; what is sent before waits for it. Passkeys need none.
const work = document.getElementById("work"), worker = new Worker(work.dataset.worker), waiting = new Map();
const challenge = JSON.parse(work.dataset.work);
let proof;
const end = (said, found) => {
  proof = found;
  worker.terminate();
  work.textContent = said;
  waiting.forEach((button, form) => form.requestSubmit(button));
};
worker.onmessage = ({ data }) => end(work.dataset.done, btoa(JSON.stringify({ challenge, solution: data })));
worker.onerror = () => end(work.dataset.failed, "");
worker.postMessage(challenge.parameters);
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form.elements.password ?? form.elements.code)) return;
  if (proof === undefined) {
    event.preventDefault();
    event.stopPropagation();
    waiting.set(form, event.submitter);
    return;
  }
  const field = form.elements.altcha ?? form.appendChild(document.createElement("input"));
  Object.assign(field, { type: "hidden", name: "altcha", value: proof });
});
