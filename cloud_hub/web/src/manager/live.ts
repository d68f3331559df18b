/**
 * One server-sent stream for the whole page, folded into the query cache, so that every part shows what happens
 * without asking. A hidden tab holds no connection (browsers allow six to one origin); seen again, it asks anew.
 */
import { type InfiniteData, type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Command, LatestReadings, ReadingSeries, Station, StationDetail, Timeline } from "../client";
import { ALL, type TimelineItem } from "./api.ts";

const HOURS_24_MS = 24 * 3_600_000;
const REOPEN_MS = 2000;

/** Event kinds after which a station's details (devices, alarms, roster) differ. */
const CHANGES_DETAIL: ReadonlySet<string> = new Set(["alarm.raised", "alarm.cleared", "device.health", "agent.started", "roster.applied", "rules.applied"]);
const CHANGES_MEMBERS: ReadonlySet<string> = new Set(["face.enrolled", "face.erased"]);

export function useLive(): boolean {
  const client = useQueryClient();
  const [up, setUp] = useState(true);
  useEffect(() => {
    let source: EventSource | null = null;
    let reopen = 0;
    let first = true;
    const open = () => {
      source = new EventSource("/api/v1/live");
      source.addEventListener("open", () => {
        setUp(true);
        if (!first) void client.invalidateQueries(); // what happened meanwhile was not told
        first = false;
      });
      source.addEventListener("error", () => {
        setUp(false);
        if (source?.readyState === EventSource.CLOSED) reopen = window.setTimeout(open, REOPEN_MS);
      });
      for (const [topic, fold] of Object.entries(FOLDS)) {
        source.addEventListener(topic, (event) => fold(client, JSON.parse((event as MessageEvent<string>).data) as never));
      }
    };
    const close = () => {
      window.clearTimeout(reopen);
      source?.close();
    };
    const onVisibility = () => {
      close();
      if (document.visibilityState === "visible") open();
    };
    document.addEventListener("visibilitychange", onVisibility);
    open();
    return () => {
      document.removeEventListener("visibilitychange", onVisibility);
      close();
    };
  }, [client]);
  return up;
}

type Fold = (client: QueryClient, data: never) => void;

export const FOLDS: Record<string, Fold> = {
  station: (client, row: Station) => {
    client.setQueryData<Station[]>(["stations"], (rows) => rows && upserted(rows, row, (one) => one.id));
    client.setQueryData<StationDetail>(["station", row.id], (detail) => detail && { ...detail, ...row });
  },
  event: (client, item: TimelineItem) => {
    for (const key of [item.station, ALL]) {
      client.setQueryData<InfiniteData<Timeline>>(["events", key], (data) => data && prepended(data, item));
    }
    if (CHANGES_DETAIL.has(item.kind)) void client.invalidateQueries({ queryKey: ["station", item.station] });
    if (item.kind === "rules.applied") void client.invalidateQueries({ queryKey: ["rules", item.station] });
    if (CHANGES_MEMBERS.has(item.kind)) void client.invalidateQueries({ queryKey: ["members"] });
  },
  command: (client, command: Command) => {
    client.setQueryData(["command", command.id], command);
    client.setQueryData<Command[]>(["commands", command.station], (rows) => rows && upserted(rows, command, (one) => one.id));
  },
  reading: (client, latest: LatestReadings) => {
    client.setQueryData(["latest", latest.station], latest);
    client.setQueryData<ReadingSeries>(["readings", latest.station], (data) => data && extended(data, latest));
  },
  resync: (client) => void client.invalidateQueries(),
};

/** A known row in its place, a new one in front. */
function upserted<T>(rows: T[], row: T, id: (row: T) => string): T[] {
  const known = rows.some((one) => id(one) === id(row));
  return known ? rows.map((one) => (id(one) === id(row) ? row : one)) : [row, ...rows];
}

function prepended(data: InfiniteData<Timeline>, item: TimelineItem): InfiniteData<Timeline> {
  if (data.pages.some((page) => page.items.some((one) => one.id === item.id))) return data;
  const [first, ...others] = data.pages;
  if (first === undefined) return data;
  const items = [item, ...first.items].sort((a, b) => (a.at === b.at ? b.seq - a.seq : b.at.localeCompare(a.at)));
  return { ...data, pages: [{ ...first, items }, ...others] };
}

function extended(data: ReadingSeries, latest: LatestReadings): ReadingSeries {
  const since = new Date(Date.now() - HOURS_24_MS).toISOString();
  const series = data.series.map((one) => {
    const reading = latest.readings.find((new_) => new_.device === one.device && new_.point === one.point);
    const last = one.points[one.points.length - 1]?.[0] ?? "";
    if (reading === undefined || Date.parse(reading.at) <= Date.parse(last)) return one;
    const kept = one.points.filter(([at]) => at >= since);
    return { ...one, points: [...kept, [reading.at, reading.value, reading.quality] as (typeof one.points)[number]] };
  });
  return { ...data, series };
}
