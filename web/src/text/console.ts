// What /console says.
import type { Schemas } from "../api/client";
import { counted } from "./common";

export const words = {
  name: "Console",
  nav: {
    overview: "Overview", people: "People", wallets: "Wallets", transfers: "Transfers",
    approvals: "Approvals", audit: "Audit trail", integrity: "Integrity",
  },
  search: "Search people, wallets, transfers",
  searchHint: "Name, handle, e-mail, id or reference. Press / from anywhere.",
  nothingFound: "Nothing was found",
  development: "Development",
  production: "Production",
  menu: "Menu",
  noStaffTitle: "This is for the operator's staff",
  noStaff: "You are logged in, but not as staff.",
  toWallet: "Go to your wallet",
  factorTitle: "Set up a second factor first",
  factor: "Staff need one before the console opens. It takes a minute.",
  factorDo: "Set it up",
  logInTitle: "Console",
  overview: {
    transfers: "Transfers today", volume: "Volume today", signUps: "Sign-ups today", active: "Active people today",
    than: "against yesterday by now, in UTC", allYesterday: (people: string) => `${people} in all of yesterday`,
    perMinute: "Transfers per minute, last hour", perHour: "Volume per hour, last 48 hours",
    refusals: "Refusals by reason", noRefusals: "Nothing has been refused today or yesterday.",
    today: "Today", yesterday: "Yesterday", reason: "Reason", minute: "Minute", hour: "Hour", count: "Transfers",
    money: "Money by currency", currency: "Currency", people: "People hold", in: "Came in", out: "Went out", adjusted: "Adjusted",
    latency: "Answers", p50: "Median", p99: "99 of 100 within", errors: "Errors", requests: "Requests",
    ms: (value: number | null) => (value === null ? "–" : `${value.toLocaleString(undefined, { maximumFractionDigits: 1 })} ms`),
    integrity: "Integrity", counted: "Counted to", behind: "Still counting, has come to", notCounted: "Not counted yet.", accepted: "accepted", refusedWord: "refused",
  },
  integrity: {
    title: "Integrity", safe: "Safe mode", moves: "Money moves", stopped: "Money is stopped",
    stoppedSince: "since", audit: "Self-audit", auditNow: (count: number) => `${counted(count, "entry", "entries")} checked in this round`,
    auditDone: "Last whole round", never: "not yet", checkpoint: "Last checkpoint",
    words: "The service reads its own books from the first entry to the last, again and again, and signs what it has sealed. What it finds wrong stops all money.",
    command: "To look for yourself: wallet verify. To let money move again: wallet safe-mode leave --reason …",
    tree: (size: number) => `${size.toLocaleString()} entries`,
  },
  people: {
    name: "Name", handle: "Handle", email: "E-mail", role: "Role", status: "Status", since: "Since",
    filter: "Name, handle, e-mail or id", anyRole: "Any role", anyStatus: "Any status",
    empty: "Nobody is like that.", open: "open", closed: "closed",
  },
  person: {
    wallets: "Wallets", story: "Story", sessions: "Sessions", profile: "Profile",
    factor: "Second factor", on: "on", off: "off", verified: "confirmed", unverified: "not confirmed",
    movements: "Movements", former: "Former handles", endSessions: "End all sessions", refusals: "Refused lately",
    noStory: "Nothing has happened yet.", noSessions: "Not logged in anywhere.", allSessions: (count: number) => `All ${count}`,
    created: "Since", id: "Id", acts: "Acts of staff",
  },
  wallets: {
    owner: "Owner", currency: "Currency", available: "Available", posted: "Posted", held: "Held", frozen: "Frozen",
    status: "Status", last: "Last movement", anyCurrency: "Currency", onlyFrozen: "Frozen only", all: "All",
    empty: "No wallet is like that.",
    overdraft: "Overdraft", debt: "Debt", inDebt: "in debt", version: "Version", never: "never", title: "Wallet", id: "Id",
  },
  freezes: { none: "not frozen", send: "cannot send", receive: "cannot receive", both: "frozen" } as Record<string, string>,
  acts: {
    freeze: "Freeze", unfreeze: "Unfreeze", close: "Close wallet", overdraft: "Overdraft", refund: "Refund", adjust: "Adjust",
    approve: "Approve", reject: "Reject", direction: "What stops", send: "Sending", receive: "Receiving", both: "Both",
    changed: "Somebody has changed this meanwhile. Nothing was done: look at it again, before and after say now what is so.",
    tooMuch: "That is more than the wallet holds, and the books will refuse it as things are.",
    reasonShort: "Write at least three characters.",
    reason: "Reason", reasonHint: "Stands in the audit trail for ever. The person never sees it.",
    before: "Before", after: "After", limit: "How far below zero it may go", limitHint: "0 takes it away.",
    amount: "Amount", amountHint: "With a minus sign to take money away.",
    force: "Even if the receiver goes into debt: they send nothing until it is repaid",
    done: "Done. It is in the audit trail.", asked: "Asked for. Another administrator must approve it.",
    mustApprove: "Another administrator than you must approve it before any money moves.",
    refundWords: "The whole amount goes back to whoever sent it.",
    closeWords: "A closed wallet never opens again. It must be empty.",
    endSessionsWords: "They are logged out everywhere within two seconds.",
    ownRequest: "Yours: another administrator decides.",
    stillTrying: "No answer yet. Trying again: it is done once, however often it is sent.",
    unknownTitle: "We do not know yet whether it was done",
    unknownWords: "The connection broke before the answer came. Finding out is safe: it is done once, however often you ask.",
    findOut: "Find out",
    leftUnknown: "Whether it was done is not known. Look at the audit trail before you ask for it again.",
  },
  transfers: {
    title: "Transfers", find: "Id or reference", byId: "Whatever has this id or reference is shown; the other filters wait.", none: "Nothing has this id or reference.", empty: "Nothing like that has moved.",
    emptyRefused: "Nothing like that was refused within seven days.", from: "From", to: "To", when: "When",
    completed: "Completed", refusedOnes: "Refused", show: "Which", anyKind: "Any kind", currency: "Currency", why: "Why",
    written: "Note or reference", anyReason: "For any reason again", since: "From", until: "Until", least: "At least", most: "At most", whose: "Asked by", account: "Wallet",
    lookedTo: (when: string) => `Looked back to ${when} so far.`, noSides: "Nothing moved.",
    amount: "Amount", kind: "Kind", note: "Note", reference: "Reference", refunded: "Refunded", refundOf: "Refund of",
    system: "System account", balanceAfter: "balance after", refunds: "Refunds", id: "Id",
  },
  approvals: {
    title: "Approvals", pending: "Waiting", approved: "Approved", rejected: "Rejected", all: "All", empty: "Nothing waits for a decision.",
    emptyOther: "None.", wallet: "Wallet", amount: "Amount", reason: "Reason", by: "Asked by", when: "When", decided: "Decided by",
    status: "Status", one: "Adjustment", of: "Of", balance: "Balance now", after: "Balance after", decides: "Decides", other: (name: string) => `an administrator other than ${name}`, decidedWhy: "Because", moved: "Movement", id: "Id",
  },
  audit: {
    title: "Audit trail", one: "Act", id: "Id", when: "When", who: "Who", act: "Act", subject: "Subject", everybody: "Of everybody again", reason: "Reason", empty: "No act is like that.",
    from: "From", to: "Until",
    request: "Request", words: "Nobody can edit or delete any of it.", anyAct: "Any act",
  },
  told: {
    yes: "yes", no: "no",
    acts: {
      "person.viewed": "Looked at a person", "person.role-changed": "Changed a role", "sessions.ended": "Ended all sessions",
      "person.second-factor-reset": "Took a second factor off", "wallet.frozen": "Froze a wallet",
      "wallet.unfrozen": "Unfroze a wallet", "wallet.closed": "Closed a wallet", "wallet.overdraft-set": "Set an overdraft",
      "transfer.refunded": "Refunded a transfer", "adjustment.requested": "Asked for an adjustment",
      "adjustment.approved": "Approved an adjustment", "adjustment.rejected": "Rejected an adjustment",
    } satisfies Record<Schemas["ActKind"], string>,
    events: {
      "wallet.opened": "Opened a wallet", "user.signed-up": "Signed up", "user.updated": "Changed names or handle",
      "user.password-changed": "Changed the password", "user.password-reset": "Reset the password by mail",
      "user.email-verified": "Confirmed the e-mail address", "user.second-factor-enabled": "Turned the second factor on",
      "user.second-factor-disabled": "Took the second factor off", "user.recovery-code-used": "Used a recovery code",
      "user.recovery-codes-replaced": "Made new recovery codes", "user.second-factor-guessed": "Somebody tried wrong codes",
      "session.refresh-token-reused": "A token came twice; its session ended", "api-key.created": "Made an API key",
      "api-key.rotated": "Gave an API key a new secret", "api-key.revoked": "Revoked an API key",
      "webhook.endpoint.disabled": "A webhook endpoint was disabled", "user.closed": "Closed the account",
    },
    kinds: {
      transfer: "Transfer", "top-up": "Top-up", "top-up-request": "Top-up", refund: "Refund", adjustment: "Adjustment",
      "adjustment-request": "Adjustment", "transfer-batch": "Batch of transfers",
    },
    subjects: { person: "Person", wallet: "Wallet", transaction: "Transfer", adjustment: "Adjustment" },
    roles: { user: "person", support: "support", auditor: "auditor", admin: "administrator" },
    facts: {
      frozen: "Frozen", overdraft_limit: "Overdraft", debt: "Debt", status: "Status", refunded: "Refunded", refund_id: "Refund",
      forced: "Forced", amount: "Amount", available: "Available", currency: "Currency", wallet_id: "Wallet", role: "Role",
      sessions: "Sessions", direction: "Direction", limit: "Limit", maximum: "At most", refundable: "Still refundable", budget: "Budget", left: "Left", per_payment_max: "At most per payment",
      resets_at: "Begins anew", spent: "Spent",
    },
    values: {
      none: "no", send: "sending", receive: "receiving", both: "both ways", open: "open", closed: "closed", pending: "waiting",
      approved: "approved", rejected: "rejected", admin: "administrator", user: "person",
    },
  } as {
    yes: string;
    no: string;
    acts: Record<string, string>;
    events: Record<string, string>;
    kinds: Record<string, string>;
    subjects: Record<string, string>;
    roles: Record<string, string>;
    facts: Record<string, string>;
    values: Record<string, string>;
  },
  notFoundTitle: "There is nothing at this address",
  notFound: "The link may be old or mistyped.",
};
