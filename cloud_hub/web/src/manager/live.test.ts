/** What the stream tells finds its place in the page's memory, once. */
import { QueryClient } from "@tanstack/react-query";
import { beforeEach, expect, it } from "vitest";
import { FOLDS } from "./live.ts";

const ITEM = { id: "a", station: "s1", seq: 2, at: "2026-01-31T08:00:02Z", member_name: null, kind: "roster.applied", body: {} };
let client: QueryClient;

function fold(topic: string, data: unknown): void {
  FOLDS[topic]!(client, data as never);
}

beforeEach(() => {
  client = new QueryClient();
});

it("a station's row changes in the list and in its details, which keep what the row does not know", () => {
  client.setQueryData(["stations"], [{ id: "s1", door: "secured" }, { id: "s2", door: "secured" }]);
  client.setQueryData(["station", "s1"], { id: "s1", door: "secured", devices: ["lock"] });
  fold("station", { id: "s1", door: "open" });
  expect(client.getQueryData(["stations"])).toEqual([{ id: "s1", door: "open" }, { id: "s2", door: "secured" }]);
  expect(client.getQueryData(["station", "s1"])).toEqual({ id: "s1", door: "open", devices: ["lock"] });
});

it("an event told twice stands once in the timeline, the newest first", () => {
  const older = { ...ITEM, id: "b", seq: 1, at: "2026-01-31T08:00:01Z" };
  client.setQueryData(["events", "s1"], { pages: [{ items: [older], next: null }], pageParams: [undefined] });
  fold("event", ITEM);
  fold("event", ITEM);
  const data = client.getQueryData<{ pages: { items: { id: string }[] }[] }>(["events", "s1"]);
  expect(data?.pages[0]?.items.map(({ id }) => id)).toEqual(["a", "b"]);
});

it("a command's progress replaces its row; a new command comes first", () => {
  client.setQueryData(["commands", "s1"], [{ id: "c1", station: "s1", status: "sent" }]);
  fold("command", { id: "c1", station: "s1", status: "done" });
  fold("command", { id: "c2", station: "s1", status: "queued" });
  const statuses = client.getQueryData<{ status: string }[]>(["commands", "s1"])?.map(({ status }) => status);
  expect(statuses).toEqual(["queued", "done"]);
});

it("a reading lengthens its series once, and only its own", () => {
  const at = new Date().toISOString();
  const series = [
    { device: "air", point: "temperature", unit: "°C", points: [] },
    { device: "air", point: "humidity", unit: "%RH", points: [] },
  ];
  client.setQueryData(["readings", "s1"], { series });
  const latest = { station: "s1", readings: [{ device: "air", point: "temperature", value: 7, unit: "°C", quality: "good", at }] };
  fold("reading", latest);
  fold("reading", latest);
  const data = client.getQueryData<{ series: { points: unknown[] }[] }>(["readings", "s1"]);
  expect(data?.series.map(({ points }) => points)).toEqual([[[at, 7, "good"]], []]);
});

it("what nobody looks at is not invented", () => {
  fold("station", { id: "s1", door: "open" });
  fold("event", ITEM);
  expect(client.getQueryData(["stations"])).toBeUndefined();
  expect(client.getQueryData(["events", "s1"])).toBeUndefined();
});
