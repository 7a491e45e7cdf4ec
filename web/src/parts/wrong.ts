// What a problem says about the fields of a form: it is told where it can be put right.
import { useEffect, useMemo } from "react";
import { Problem } from "../api/client";
import { fieldText } from "../text/common";
import { textOf } from "./ui";

/** Codes that are about a field without naming it; the first one that the form has is meant. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  "email-taken": ["email"],
  "handle-taken": ["handle"],
  "handle-limit-reached": ["handle"],
  "password-wrong": ["current_password", "password"],
  "second-factor-wrong": ["otp"],
};

interface FieldError {
  field: string;
  message: string;
  code: string;
}

/** Return what is said of which field; of several things about one, the first. */
function toldOf(problem: unknown, names: readonly string[]): Map<string, string> {
  const told = new Map<string, string>();
  if (!(problem instanceof Problem)) return told;
  const { code, facts } = problem;
  if (code === "validation-failed" && Array.isArray(facts.errors)) {
    for (const { field, code: how, message } of facts.errors as FieldError[]) {
      if (!told.has(field)) told.set(field, fieldText(field, how, message));
    }
  } else {
    const field = typeof facts.field === "string" ? facts.field : FIELDS[code]?.find((name) => names.includes(name));
    if (field) told.set(field, textOf(problem));
  }
  return told;
}

/**
 * Return what is wrong with each field of a form that a problem is about, and the problem itself
 * where it is about something else. The first such field gets the focus.
 */
export function useWrong<Name extends string>(problem: unknown, ...names: Name[]): [Partial<Record<Name, string>>, unknown] {
  const known = names.join();
  const told = useMemo(() => toldOf(problem, known.split(",")), [problem, known]);
  const own = names.filter((name) => told.has(name));
  const found = own.length > 0;
  useEffect(() => {
    if (found) document.querySelector<HTMLElement>("form [aria-invalid=true]")?.focus();
  }, [problem, found]);
  const wrong = Object.fromEntries(own.map((name) => [name, told.get(name)])) as Partial<Record<Name, string>>;
  return [wrong, found && own.length === told.size ? null : problem];
}
