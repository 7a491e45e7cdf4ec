/** What an authenticator app does: codes of a secret by the time of day (RFC 6238). */

import { createHmac } from "node:crypto";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/**
 * Return what an app shows now, or some steps of 30 seconds later. A code is good once, and from
 * one step before its own to one after: the one of now and the next can be used within a second.
 */
export function codeOf(secret: string, stepsLater = 0): string {
  const bits = [...secret]
    .map((one) => LETTERS.indexOf(one).toString(2).padStart(5, "0"))
    .join("");
  const key = Buffer.from((bits.match(/[01]{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + stepsLater));
  const mac = createHmac("sha1", key).update(counter).digest();
  const number = mac.readUInt32BE((mac[19] ?? 0) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}
