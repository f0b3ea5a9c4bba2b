"use strict";
// Looks for the number from which PBKDF2 makes a key that begins as asked (ALTCHA, version 2).
const bytes = (hex) => hex.match(/../g).map((pair) => parseInt(pair, 16));
const hex = (found) => found.reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "");

onmessage = async ({ data: { nonce, salt, cost, keyLength, keyPrefix } }) => {
  const how = { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(bytes(salt)), iterations: cost };
  for (let counter = 0; ; counter++) {
    const text = new Uint8Array([...bytes(nonce), counter >> 24, counter >> 16, counter >> 8, counter]);
    const key = await crypto.subtle.importKey("raw", text, "PBKDF2", false, ["deriveBits"]);
    const derivedKey = hex(new Uint8Array(await crypto.subtle.deriveBits(how, key, keyLength * 8)));
    if (derivedKey.startsWith(keyPrefix)) return postMessage({ counter, derivedKey });
  }
};
