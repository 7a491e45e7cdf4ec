/** Which operation of the API a request is. */

import { OPERATIONS, type OperationId } from "./generated/operations.js";

/** One operation of the API's document. */
export interface Operation {
  /** Its name in the document, such as `createTransfer`. */
  readonly id: OperationId;
  readonly method: string;
  /** Its path with parameters in braces. */
  readonly path: string;
  /** Whether it takes an `Idempotency-Key`. */
  readonly keyed: boolean;
  /** Whether it needs somebody who is logged in. */
  readonly authenticated: boolean;
}

// Paths without parameters come first: /wallets/my-balance is no wallet's id.
const PATTERNS = OPERATIONS.map((operation: Operation) => ({
  operation,
  pattern: new RegExp(
    `^${operation.path
      .split(/\{[^}]+\}/)
      .map(escaped)
      .join("[^/]+")}$`,
  ),
  parameters: operation.path.split("{").length - 1,
})).sort((one, other) => one.parameters - other.parameters);

/** Return the operation of a method and path below the base URL, or undefined for none of them. */
export function operationOf(method: string, path: string): Operation | undefined {
  return PATTERNS.find(
    ({ operation, pattern }) => operation.method === method && pattern.test(path),
  )?.operation;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
