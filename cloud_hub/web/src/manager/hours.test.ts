/** Seven rows and a schedule say the same. */
import { expect, it } from "vitest";
import { ALL_DAY, DAYS, type Hours, hoursOf, pastMidnight, scheduleOf } from "./hours.ts";

const day = { start: "06:00", end: "22:00" };
const closed = Object.fromEntries(DAYS.map((name) => [name, null])) as Hours;

it("days with the same hours are one period, and come back", () => {
  const hours: Hours = { ...closed, mon: day, tue: day, sat: { start: "22:00", end: "06:00" }, sun: ALL_DAY };
  const schedule = scheduleOf(hours, undefined);
  expect(schedule.periods).toEqual([
    { days: ["mon", "tue"], ...day },
    { days: ["sat"], start: "22:00", end: "06:00" },
    { days: ["sun"], start: "00:00", end: "24:00" },
  ]);
  expect(hoursOf(schedule)).toEqual(hours);
});

it("feast days stay when the hours change", () => {
  const exceptions = [{ date: "2027-02-17", spans: [], note: "春节" }];
  expect(scheduleOf({ ...closed, mon: day }, { periods: [], exceptions }).exceptions).toEqual(exceptions);
});

it("two spans on one day are more than a row can say", () => {
  expect(hoursOf({ periods: [{ days: ["mon"], start: "06:00", end: "11:00" }, { days: ["mon"], start: "13:00", end: "22:00" }] })).toBeNull();
  expect(hoursOf(undefined)).toEqual(closed);
});

it("an end before the start is on the next day, the end of the day is not", () => {
  expect([pastMidnight({ start: "22:00", end: "06:00" }), pastMidnight(day), pastMidnight(ALL_DAY)]).toEqual([true, false, false]);
});
