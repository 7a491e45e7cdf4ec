// Times: relative where that says more, exact on hover and focus; always in the reader's writing.
import { useSyncExternalStore } from "react";
import { common } from "../text/common";

const languages = navigator.languages as string[];
const exact = new Intl.DateTimeFormat(languages, { dateStyle: "full", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(languages, { timeStyle: "short" });
const dayOfYear = new Intl.DateTimeFormat(languages, { day: "numeric", month: "short" });
const dayOfOther = new Intl.DateTimeFormat(languages, { day: "numeric", month: "short", year: "numeric" });
const weekday = new Intl.DateTimeFormat(languages, { weekday: "long", day: "numeric", month: "long" });
const withYear = new Intl.DateTimeFormat(languages, { day: "numeric", month: "long", year: "numeric" });
const monthName = new Intl.DateTimeFormat(languages, { month: "short", timeZone: "UTC" });
const monthLong = new Intl.DateTimeFormat(languages, { month: "long", year: "numeric", timeZone: "UTC" });
const relative = new Intl.RelativeTimeFormat(languages, { numeric: "auto", style: "short" });
const dayWords = new Intl.RelativeTimeFormat(languages, { numeric: "auto" });

/** The language that times are written in, which need not be that of the page. */
export const timeLanguage = exact.resolvedOptions().locale;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
let now = Date.now();
const listeners = new Set<() => void>();
setInterval(() => {
  now = Date.now();
  listeners.forEach((listener) => listener());
}, 15_000);

export function useNow(): number {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => now,
  );
}

const startOfDay = (time: number) => new Date(time).setHours(0, 0, 0, 0);

export const clockText = (time: string | number): string => clock.format(new Date(time));
export const exactText = (time: string | number): string => exact.format(new Date(time));
export const monthText = (month: string): string => monthName.format(new Date(`${month}-01T00:00:00Z`));
export const monthLongText = (month: string): string => monthLong.format(new Date(`${month}-01T00:00:00Z`));

/** The days that may be asked for: books know no others. */
export const DAYS = { min: "1971-01-01", max: "2298-12-31" };

/** Return when a day such as 2026-11-26 begins for the reader, or one so many later; null for what is none. */
export function dayStart(day: string, later = 0): string | null {
  const date = new Date(`${day}T00:00:00`);
  date.setDate(date.getDate() + later);
  const year = date.getFullYear();
  return year > 1970 && year < 2299 ? date.toISOString() : null;
}

/** Return the day of a time without its year where that is this one's. */
export function dateText(time: string | number): string {
  const date = new Date(time);
  return (date.getFullYear() === new Date(now).getFullYear() ? dayOfYear : dayOfOther).format(date);
}

/** Return how many midnights of the reader's lie between; below zero for what is past. */
function daysBetween(time: string | number, at: number): number {
  return Math.round((startOfDay(new Date(time).getTime()) - startOfDay(at)) / (24 * HOUR));
}

/** Return the heading of a day in a list. */
export function dayText(time: string | number): string {
  const days = daysBetween(time, Date.now());
  if (days === 0 || days === -1) {
    const word = dayWords.format(days, "day");
    return word.charAt(0).toUpperCase() + word.slice(1);
  }
  const date = new Date(time);
  return (date.getFullYear() === new Date().getFullYear() ? weekday : withYear).format(date);
}

export function relativeText(time: string | number, at = Date.now()): string {
  const past = new Date(time).getTime() - at;
  const size = Math.abs(past);
  if (size < 45_000) return common.now;
  if (size < HOUR) return relative.format(Math.sign(past) * Math.max(1, Math.floor(size / MINUTE)), "minute");
  if (size < 24 * HOUR) return relative.format(Math.sign(past) * Math.floor(size / HOUR), "hour");
  // Yesterday is the day before today, whatever the hour.
  if (size < 7 * 24 * HOUR) return relative.format(daysBetween(time, at), "day");
  return dateText(time);
}

export function When({ time, clockOnly = false }: { time: string | number; clockOnly?: boolean }) {
  const at = useNow();
  const iso = new Date(time).toISOString();
  return (
    <time dateTime={iso} lang={timeLanguage} title={exactText(time)}>
      {clockOnly ? clockText(time) : relativeText(time, Math.max(at, Date.now()))}
    </time>
  );
}
