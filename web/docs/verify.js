// Checks a receipt on this device. The only thing that is fetched is the service's public keys.

const form = document.getElementById("form");
const drop = document.getElementById("drop");
const file = document.getElementById("file");
const text = document.getElementById("text");
const result = document.getElementById("result");
const SIZE_MAX = 4 * 1024 * 1024;
const TITLES = { "top-up": "Top-up", refund: "Refund", adjustment: "Adjustment" };
const KINDS = { 1: "transfer", 3: "top-up", 6: "refund", 7: "adjustment" };

class Refused extends Error {}

// What it is made of

const encoder = new TextEncoder();

const concat = (...parts) => {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));

const same = (left, right) => left.length === right.length && left.every((byte, n) => byte === right[n]);

const hexed = (value, size) => {
  if (typeof value !== "string" || value.length !== size * 2 || !/^[0-9a-f]*$/.test(value)) {
    throw new Refused(`Something that should be ${size} bytes is not.`);
  }
  return Uint8Array.from({ length: size }, (_, n) => parseInt(value.slice(n * 2, n * 2 + 2), 16));
};

const uuid = (value) => {
  if (typeof value !== "string" || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) {
    throw new Refused("An id is not one.");
  }
  return hexed(value.replaceAll("-", ""), 16);
};

const whole = (value) => {
  if (!Number.isSafeInteger(value)) throw new Refused("A number is not a whole one.");
  return BigInt(value);
};

const big = (value, size, signed = false) => {
  const number = whole(value);
  const bits = BigInt(size * 8);
  const [low, high] = signed ? [-(1n << (bits - 1n)), 1n << (bits - 1n)] : [0n, 1n << bits];
  if (number < low || number >= high) throw new Refused("A number is out of its range.");
  const rest = BigInt.asUintN(size * 8, number);
  return Uint8Array.from({ length: size }, (_, n) => Number((rest >> BigInt((size - 1 - n) * 8)) & 255n));
};

// Sorted by code point, which JavaScript's own order of strings is not.
const byCodePoint = (left, right) => {
  const [a, b] = [[...left], [...right]];
  for (let n = 0; n < Math.min(a.length, b.length); n += 1) {
    if (a[n] !== b[n]) return a[n].codePointAt(0) - b[n].codePointAt(0);
  }
  return a.length - b.length;
};

const canonical = (value) => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const names = Object.keys(value).sort(byCodePoint);
    return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
  }
  return JSON.stringify(value);
};

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

// Keys and signatures

const trustedKeys = async () => {
  let keys;
  try {
    const answer = await fetch("proofs/keys", { cache: "no-store", credentials: "omit" });
    if (!answer.ok) throw new Error();
    ({ keys } = await answer.json());
  } catch {
    throw new Error("The service's public keys could not be fetched. Nothing is wrong with the receipt: try again.");
  }
  const found = new Map();
  for (const { crv, kty, x, y, kid } of keys) {
    if (base64url(await sha256(encoder.encode(canonical({ crv, kty, x, y })))) !== kid) continue;
    const key = await crypto.subtle.importKey("jwk", { crv, kty, x, y }, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
    found.set(kid, key);
  }
  return found;
};

const requireSigned = async (keys, keyId, content, signature, what) => {
  const key = keys.get(keyId);
  if (key === undefined) throw new Refused(`${what} is signed by a key that is not this service's.`);
  const right = await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, hexed(signature, 64), content);
  if (!right) throw new Refused(`${what} was changed after it had been signed, or was never signed by this service.`);
};

// The checks, in order: each says what it found, or throws what it did not

const node = (left, right) => sha256(Uint8Array.of(1), left, right);

const rootOf = async (leaf, position, size, path) => {
  let [here, last, found] = [position, size - 1n, leaf];
  if (position < 0n || position >= size) throw new Refused("The entry's place is not in the log.");
  for (const sibling of path) {
    if (last === 0n) throw new Refused("The proof is longer than the log is high.");
    if (here & 1n || here === last) {
      found = await node(sibling, found);
      while (!(here & 1n) && here !== 0n) [here, last] = [here >> 1n, last >> 1n];
    } else {
      found = await node(found, sibling);
    }
    [here, last] = [here >> 1n, last >> 1n];
  }
  if (last !== 0n) throw new Refused("The proof is shorter than the log is high.");
  return found;
};

const entryHash = (entry) => {
  if (!/^[A-Z]{3}$/.test(entry.currency)) throw new Refused("The currency is not one.");
  return sha256(
    encoder.encode("wallet-entry-v1"),
    hexed(entry.previous_hash, 32),
    uuid(entry.account_id),
    big(entry.version, 8),
    uuid(entry.instruction_id),
    big(entry.kind, 2),
    encoder.encode(entry.currency),
    big(entry.posted_delta, 8, true),
    big(entry.held_delta, 8, true),
    big(entry.posted_after, 8, true),
    big(entry.held_after, 8, true),
    entry.counterparty_id === null ? new Uint8Array(16) : uuid(entry.counterparty_id),
    big(entry.booked_at_us, 8),
    entry.details_digest === null ? new Uint8Array(32) : hexed(entry.details_digest, 32),
  );
};

const CHECKS = [
  [
    "Signed by this service, and unchanged since",
    async (receipt, keys) => {
      if (receipt.format !== "wallet-receipt-v1") throw new Refused("This is not a receipt of a form that is known here.");
      const { signature, ...content } = receipt;
      const signed = encoder.encode(`wallet-receipt-v1\n${canonical(content)}`);
      await requireSigned(keys, receipt.key_id, signed, signature, "The receipt");
      if ((KINDS[receipt.entry.kind] ?? receipt.kind) !== receipt.kind) throw new Refused("The entry is of another kind.");
    },
  ],
  [
    "Note, reference and metadata are those that were booked",
    async ({ entry, details }) => {
      if (entry.details_digest === null) {
        if (details !== null) throw new Refused("Nothing had been written when it was booked.");
        return "Nothing was written with it";
      }
      if (details === null) return "What was written with it has been erased since";
      const { metadata, note, reference, salt } = details;
      const digest = await sha256(hexed(salt, 32), encoder.encode(canonical({ metadata, note, reference })));
      if (!same(digest, hexed(entry.details_digest, 32))) throw new Refused("Something else was written when it was booked.");
      return undefined;
    },
  ],
  [
    "The entry's fingerprint is that of what is shown",
    async ({ entry }) => {
      if (!same(await entryHash(entry), hexed(entry.hash, 32))) throw new Refused("The entry was booked differently.");
    },
  ],
  [
    "The log's checkpoint is signed by this service",
    async ({ checkpoint }, keys) => {
      const lines = [
        "wallet-checkpoint-v1",
        checkpoint.log_id,
        whole(checkpoint.number),
        whole(checkpoint.tree_size),
        checkpoint.root_hash,
        whole(checkpoint.made_at_us),
      ];
      const signed = encoder.encode(lines.map((line) => `${line}\n`).join(""));
      await requireSigned(keys, checkpoint.key_id, signed, checkpoint.signature, "The checkpoint");
    },
  ],
  [
    "The entry is in that log",
    async ({ entry, inclusion, checkpoint }) => {
      const leaf = await sha256(Uint8Array.of(0), hexed(entry.hash, 32));
      const path = inclusion.hashes.map((hash) => hexed(hash, 32));
      const root = await rootOf(leaf, whole(inclusion.position), whole(checkpoint.tree_size), path);
      if (!same(root, hexed(checkpoint.root_hash, 32))) throw new Refused("The log that was signed does not hold it.");
      return `The entry is number ${inclusion.position + 1} of the ${checkpoint.tree_size} in the log`;
    },
  ],
];

const check = async (receipt, keys) => {
  const done = [];
  for (const [name, run] of CHECKS) {
    try {
      done.push({ name: (await run(receipt, keys)) ?? name, passed: true });
    } catch (error) {
      const reason = error instanceof Refused ? error.message : "A part of it is missing or is not what it should be.";
      done.push({ name, passed: false, reason });
      break;
    }
  }
  return { done, rest: CHECKS.slice(done.length).map(([name]) => name) };
};

// What is seen

const ICONS = {
  passed: "M5 12.5l4.5 4.5L19 7.5",
  failed: "M6.5 6.5l11 11m0-11l-11 11",
  skipped: "M7 12h10",
};

const icon = (name, size) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true" })) svg.setAttribute(key, value);
  for (const [key, value] of Object.entries({ d: ICONS[name], fill: "none", stroke: "currentColor", "stroke-width": 2.4, "stroke-linecap": "round", "stroke-linejoin": "round" })) path.setAttribute(key, value);
  svg.append(path);
  return svg;
};

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
};

const money = (amount, currency) => {
  const { maximumFractionDigits: digits } = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
  const plain = String(Math.abs(amount)).padStart(digits + 1, "0");
  const units = plain.slice(0, plain.length - digits).replace(/\B(?=(\d{3})+$)/g, ",");
  return digits ? `${units}.${plain.slice(-digits)}` : units;
};

const facts = ({ holder, counterparty, entry, details, kind, issued_at_us: issued }) => {
  const moment = (us) => new Date(us / 1000).toISOString().replace("T", " ").replace("Z", " UTC");
  const rows = [["When", moment(entry.booked_at_us)]];
  if (holder) rows.push(["Holder", `${holder.first_name} ${holder.last_name}${holder.handle ? ` (${holder.handle})` : ""}`]);
  if (counterparty) {
    const handle = counterparty.handle ? ` (${counterparty.handle})` : "";
    rows.push([entry.posted_delta > 0 ? "From" : "To", `${counterparty.first_name} ${counterparty.initial}.${handle}`]);
  }
  if (details?.note) rows.push(["Note", details.note]);
  if (details?.reference) rows.push(["Reference", details.reference]);
  for (const [name, value] of Object.entries(details?.metadata ?? {})) rows.push([name, value]);
  rows.push(["Balance after", `${entry.posted_after < 0 ? "−" : ""}${money(entry.posted_after, entry.currency)} ${entry.currency}`]);
  rows.push([TITLES[kind] ?? "Transfer", element("span", { className: "id" }, entry.instruction_id)]);
  rows.push(["Receipt made", moment(issued)]);
  const list = element("dl", { className: "facts" });
  for (const [name, value] of rows) {
    list.append(element("dt", {}, name), element("dd", { dir: "auto" }, value));
  }
  return list;
};

const amount = ({ entry, kind }) => {
  const incoming = entry.posted_delta > 0;
  return element(
    "div",
    { className: "amount" },
    element("small", {}, kind === "top-up" ? "Money added" : kind === "adjustment" ? "Corrected" : incoming ? "Money received" : "Money sent"),
    `${incoming ? "+" : "−"}${money(entry.posted_delta, entry.currency)} `,
    element("span", {}, entry.currency),
  );
};

const verdict = (name, title, words) =>
  element("div", { className: "verdict" }, icon(name, 24), element("div", {}, element("h2", {}, title), element("p", {}, words)));

const checksList = (done, rest) => {
  const list = element("ul", { className: "checks" });
  for (const { name, passed, reason } of done) {
    const words = passed ? name : `Failed: ${name}. ${reason}`;
    list.append(element("li", { className: passed ? "passed" : "failed" }, icon(passed ? "passed" : "failed", 16), element("span", {}, words)));
  }
  for (const name of rest) list.append(element("li", { className: "skipped" }, icon("skipped", 16), element("span", {}, `Not looked at: ${name}`)));
  return list;
};

const show = (state, ...children) => {
  result.className = state;
  result.replaceChildren(...children);
  result.hidden = false;
  result.focus({ preventScroll: false });
};

const run = async (content) => {
  show("checking", verdict("skipped", "Checking …", "Fingerprints and signatures are computed on this device."));
  let receipt;
  try {
    receipt = JSON.parse(content);
    if (receipt === null || typeof receipt !== "object" || Array.isArray(receipt)) throw new Error();
  } catch {
    show("refused", verdict("failed", "This is not a receipt", "A receipt is one JSON document. Nothing in what you gave can be read as one."));
    return;
  }
  try {
    const keys = await trustedKeys();
    const { done, rest } = await check(receipt, keys);
    const last = done[done.length - 1];
    if (last.passed) {
      show("genuine", verdict("passed", "This receipt is genuine", "The movement below was booked as it is shown."), amount(receipt), facts(receipt), checksList(done, rest));
    } else {
      show("refused", verdict("failed", "Do not rely on this receipt", last.reason), checksList(done, rest));
    }
  } catch (error) {
    show("refused", verdict("failed", "It could not be checked", error.message));
  }
};

const read = async (chosen) => {
  if (!chosen) return;
  if (chosen.size > SIZE_MAX) {
    show("refused", verdict("failed", "This is not a receipt", "The file is much larger than any receipt."));
    return;
  }
  await run(await chosen.text());
};

file.addEventListener("change", async () => {
  await read(file.files[0]);
  file.value = "";
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  run(text.value);
});
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  read(event.dataTransfer.files[0]);
});
