"use strict";
// Looks for the number whose PBKDF2 key begins as asked (ALTCHA 2); null where it cannot.
const bytes = (hex) => hex.match(/../g).map((pair) => parseInt(pair, 16));
const hex = (found) => found.reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "");

const solve = async ({ nonce, salt, cost, keyLength, keyPrefix }) => {
  const how = { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(bytes(salt)), iterations: cost };
  for (let counter = 0; ; counter++) {
    const text = new Uint8Array([...bytes(nonce), counter >> 24, counter >> 16, counter >> 8, counter]);
    const key = await crypto.subtle.importKey("raw", text, "PBKDF2", false, ["deriveBits"]);
    const derivedKey = hex(new Uint8Array(await crypto.subtle.deriveBits(how, key, keyLength * 8)));
    if (derivedKey.startsWith(keyPrefix)) return { counter, derivedKey };
  }
};
onmessage = ({ data }) => solve(data).catch(() => null).then(postMessage);
