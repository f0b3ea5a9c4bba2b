"use strict";
// Sends the answer on to the app at once; coming back here by the back button waits for the person.
const [visit] = performance.getEntriesByType("navigation");
if (!visit || visit.type !== "back_forward") HTMLFormElement.prototype.submit.call(document.querySelector("form"));
