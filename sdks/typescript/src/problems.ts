/** From an answer that is no success to the error of its code. */

import { ProblemError, type ProblemDocument } from "./errors.js";
import { PROBLEM_CLASSES, type ProblemByCode, type ProblemCode } from "./generated/problems.js";

const MEDIA_TYPE = "application/problem+json";

/** Return the error of a problem; a code this package does not know gives the base class. */
export function problemOf(document: ProblemDocument, retryAfterMs?: number): ProblemError {
  const Known = Object.hasOwn(PROBLEM_CLASSES, document.code)
    ? PROBLEM_CLASSES[document.code as ProblemCode]
    : ProblemError;
  return new Known(document, retryAfterMs);
}

/**
 * Tell whether an error is a problem of one of these codes, and narrow it to their classes.
 *
 * ```ts
 * if (isProblem(error, "insufficient-funds")) console.log(error.facts.available);
 * ```
 */
export function isProblem<Code extends ProblemCode>(
  error: unknown,
  ...codes: readonly Code[]
): error is ProblemByCode[Code] {
  return error instanceof ProblemError && (codes as readonly string[]).includes(error.code);
}

/** Return the error of a response that is no success, whoever wrote its body. */
export async function problemOfResponse(response: Response): Promise<ProblemError> {
  const text = await response.clone().text();
  return problemOf(documentOf(response, text), retryAfterMs(response));
}

/** Return the code of a problem, or undefined where the body is none. */
export async function codeOf(response: Response): Promise<string | undefined> {
  if (response.ok || !isProblemDocument(response)) return undefined;
  return documentOf(response, await response.clone().text()).code;
}

/** Return `Retry-After` in milliseconds: seconds, or a date of HTTP. */
export function retryAfterMs(response: Response): number | undefined {
  const value = response.headers.get("retry-after")?.trim();
  if (!value) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

function isProblemDocument(response: Response): boolean {
  return (response.headers.get("content-type") ?? "").startsWith(MEDIA_TYPE);
}

function documentOf(response: Response, text: string): ProblemDocument {
  if (isProblemDocument(response)) {
    try {
      const found: unknown = JSON.parse(text);
      if (isComplete(found)) return found;
    } catch {
      // A body that was cut off is as good as none.
    }
  }
  // A proxy between us and the service, or a service that is none of ours.
  return {
    type: "about:blank",
    title: response.statusText || "The answer is no problem document",
    status: response.status,
    detail: text.slice(0, 200),
    instance: "",
    code: `http-${response.status}`,
    request_id: response.headers.get("x-request-id") ?? "",
  };
}

function isComplete(found: unknown): found is ProblemDocument {
  return (
    typeof found === "object" &&
    found !== null &&
    typeof (found as ProblemDocument).code === "string" &&
    typeof (found as ProblemDocument).title === "string"
  );
}
