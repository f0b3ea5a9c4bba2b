"use strict";
// A proof of work, done while the person types; what is sent before waits for it. Passkeys need none.
const work = document.getElementById("work"), worker = new Worker(work.dataset.worker), waiting = new Map();
const challenge = JSON.parse(work.dataset.work);
let proof;
const end = (solution) => {
  proof = solution ? btoa(JSON.stringify({ challenge, solution })) : "";
  work.textContent = solution ? work.dataset.done : work.dataset.failed;
  waiting.forEach((button, form) => form.requestSubmit(button));
};
worker.onmessage = ({ data }) => end(data);
worker.onerror = () => end();
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
