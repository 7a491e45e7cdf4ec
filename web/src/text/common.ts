// What both pages say. Everything that people read stands in this folder.
import { moneyText } from "../parts/money";

const plural = new Intl.PluralRules("en");

export const numberText = (count: number): string => new Intl.NumberFormat(navigator.languages as string[]).format(count);

export function counted(count: number, one: string, many: string): string {
  return `${numberText(count)} ${plural.select(count) === "one" ? one : many}`;
}

export const common = {
  retry: "Try again",
  cancel: "Cancel",
  close: "Close",
  save: "Save",
  saved: "Saved",
  done: "Done",
  back: "Back",
  copy: "Copy",
  copied: "Copied",
  more: "Show more",
  loading: "Loading",
  skip: "Skip to content",
  logOut: "Log out",
  stillIn: "This browser is still logged in: the service could not be told. Whoever uses it next would be you.",
  logOutNow: "Log out now",
  lookingFurther: (when: string) => `Looked back to ${when} so far.`,
  incoming: "in",
  outgoing: "out",
  email: "E-mail",
  password: "Password",
  showPassword: "Show password",
  hidePassword: "Hide password",
  code: "Code",
  codeDigits: "Six digits from your authenticator app.",
  codeHint: "Six digits from your authenticator app, or a recovery code.",
  logIn: "Log in",
  table: "As a table",
  live: "Live",
  connecting: "Connecting",
  staleSince: (when: string) => `Not live since ${when}`,
  now: "just now",
  waitFor: (seconds: number) => `It goes on in ${counted(Math.ceil(seconds), "second", "seconds")}.`,
};

/** What happened, what was not lost, and what to do: by the problem's code. */
export const problems: Readonly<Record<string, string>> = {
  "unreachable": "The service could not be reached. Nothing was lost: check your connection and try again.",
  "credentials-invalid": "E-mail or password is not right.",
  "second-factor-wrong": "That code is not right, or was used already. Wait for the next one.",
  "log-in-delayed": "Too many attempts. Wait a little before the next one.",
  "too-many-requests": "Too many requests in a short time. Wait a moment and try again.",
  "email-taken": "There is an account with this address already. Log in instead.",
  "email-invalid": "No mail can be sent to this address.",
  "handle-taken": "Somebody has this handle already.",
  "handle-reserved": "This handle is reserved.",
  "handle-invalid": "3 to 30 letters a–z, digits or underscores; it begins with a letter.",
  "handle-limit-reached": "You have had five handles; there are no more.",
  "name-invalid": "A name has 1 to 100 letters or signs that can be shown.",
  "password-too-short": "The password is too short: take at least 15 characters, such as a few words.",
  "password-too-long": "The password is too long.",
  "password-common": "Many people use this password. Take another one.",
  "password-personal": "The password must not be your name or address.",
  "password-unprintable": "The password has characters that cannot be typed everywhere.",
  "password-wrong": "The password is not right.",
  "mail-token-invalid": "This code is not right, was used, or is older than 30 minutes.",
  "recipient-not-found": "Nobody was found. Check the handle or address; only verified addresses are found.",
  "recipient-has-no-wallet": "This person has no wallet in that currency.",
  "self-transfer": "That is you. Money can only be sent to others.",
  "csrf-token-wrong": "Somebody has logged in or out in another window since. Nothing was done: reload this page.",
  "outcome-unknown": "The service does not know yet whether it was done. Try again: it is done once, however often you ask.",
  "deadline-exceeded": "The service was too busy to begin in time. Nothing was done: try again in a moment.",
  "not-ready": "The service is starting. Nothing was done: try again in a moment.",
  "not-sent": "The service could not be reached. Nothing was done: check your connection and try again.",
  "unreadable": "Something between here and the service answered in its place. Try again in a moment.",
  "session-revoked": "Your session has ended. Log in again to go on where you were.",
  "wallet-not-found": "You have no wallet in this currency.",
  "unknown-currency": "There is no currency of this name. Take its three letters, such as EUR.",
  "transaction-not-found": "There is no such movement in your wallets.",
  "period-invalid": "A period begins before it ends, and no later than now.",
  "wallet-frozen": "The wallet is frozen, so this money cannot move. Ask the support why.",
  "wallet-closed": "The wallet is closed.",
  "wallet-not-empty": "There is still money in it: wallets must be empty first.",
  "wallet-already-open": "You have a wallet in this currency already.",
  "top-up-declined": "The payment source declined. No money was moved.",
  "amount-out-of-range": "This amount is too large.",
  "balance-limit-exceeded": "The balance would become too large.",
  "safe-mode": "Money is paused while the books are being checked. Nothing is lost: try again later.",
  "overloaded": "The service is very busy. Nothing was done: try again in a moment.",
  "database-unavailable": "The service cannot reach its books just now. Try again in a moment.",
  "receipt-not-ready": "The receipt is being sealed. Try again in a second.",
  "statement-too-long": "This period has too many lines for one file. Choose a shorter one.",
  "cross-site-request": "The request did not come from this page. Reload it and try again.",
  "second-factor-required-for-staff": "Staff need a second factor. Set one up first.",
  "forbidden": "Your role does not allow this.",
  "not-found": "There is nothing here, or it is not for you.",
  "internal-error": "Something went wrong on our side. It has been noted.",
};

/** What the API's fields are called on the pages. */
const fields: Readonly<Record<string, string>> = {
  first_name: "First name", last_name: "Last name", email: common.email, handle: "Handle", password: common.password, new_password: common.password,
  current_password: common.password, otp: common.code, amount: "Amount", limit: "Limit", note: "Note", reason: "Reason", currency: "Currency",
  to_email: common.email, to_handle: "Handle", token: common.code, q: "Search",
};

const fieldProblems: Readonly<Record<string, string>> = {
  "string-too-short": "This is too short.",
  "string-too-long": "This is too long.",
  "missing": "This is missing.",
};

/** Say what is wrong with a field: what it must be like where that is known, how it is wrong elsewhere. */
export function fieldText(field: string, code: string, message: string): string {
  if (field === "email" || field === "to_email") return problems["email-invalid"] ?? message;
  if (field === "handle" || field === "to_handle") return problems["handle-invalid"] ?? message;
  return fieldProblems[code] ?? message;
}

/** Say in a sentence what a problem means. */
export function problemText(code: string, detail: string, facts: Readonly<Record<string, unknown>>): string {
  if (code === "insufficient-funds" && typeof facts.available === "number") {
    return `There is not enough money: ${moneyText(facts.available, String(facts.currency))} can be sent.`;
  }
  if (code === "overdraft-limit-too-high" && typeof facts.maximum === "number") {
    const most = moneyText(facts.maximum, String(facts.currency));
    return `One administrator alone may let a wallet go ${most} below zero, and no further. Adjust its balance first: that takes two.`;
  }
  if (code === "validation-failed" && Array.isArray(facts.errors)) {
    const first = facts.errors[0] as { field: string; message: string; code: string } | undefined;
    return first ? `${fields[first.field] ?? first.field}: ${fieldText(first.field, first.code, first.message)}` : detail;
  }
  if (code === "wallet-frozen" && facts.direction === "receive") {
    return "The wallet it would go to is frozen and takes no money just now.";
  }
  return problems[code] ?? (detail ? `${detail}.`.replace(/\.\.$/, ".") : problems["internal-error"] ?? "");
}
