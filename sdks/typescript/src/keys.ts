/** Idempotency keys: a caller's name for a request that moves money. */

const PRINTABLE = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

/** Return a new random key (a UUID of version 4). */
export function newKey(): string {
  // Browsers have randomUUID only on pages that came by https or from this machine.
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * Return the key; throws `TypeError` unless it is 1 to 255 printable ASCII characters with no space
 * at either end (HTTP takes those off, and the service would know another key than you do).
 */
export function assertKey(key: string): string {
  if (!PRINTABLE.test(key)) {
    throw new TypeError("An idempotency key is 1 to 255 printable ASCII characters.");
  }
  return key;
}
