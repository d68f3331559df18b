/** Opening hours as seven rows, and the schedule that they are. */
import type { Schedule } from "../client";

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type DayName = (typeof DAYS)[number];

/** `null`: closed on that day. An `end` of 00:00 is the end of the day, one before `start` is on the next day. */
export type Hours = Record<DayName, { start: string; end: string } | null>;

export const ALL_DAY = { start: "00:00", end: "00:00" };

/** Null when a day has more than one span: seven rows cannot say that. */
export function hoursOf(schedule: Schedule | undefined): Hours | null {
  const hours = Object.fromEntries(DAYS.map((day) => [day, null])) as Hours;
  for (const period of schedule?.periods ?? []) {
    for (const day of period.days) {
      if (hours[day] !== null) return null;
      hours[day] = { start: period.start, end: period.end === "24:00" ? "00:00" : period.end };
    }
  }
  return hours;
}

/** The same schedule with these hours; its exceptions (feast days) stay. */
export function scheduleOf(hours: Hours, before: Schedule | undefined): Schedule {
  const periods = new Map<string, { days: DayName[]; start: string; end: string }>();
  for (const day of DAYS) {
    const span = hours[day];
    if (span === null) continue;
    const end = span.end === "00:00" ? "24:00" : span.end;
    const period = periods.get(`${span.start} ${end}`) ?? { days: [], start: span.start, end };
    period.days.push(day);
    periods.set(`${span.start} ${end}`, period);
  }
  return { periods: [...periods.values()], exceptions: before?.exceptions ?? [] };
}

export const pastMidnight = ({ start, end }: { start: string; end: string }) => end !== "00:00" && end < start;
