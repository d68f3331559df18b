/** Temperature and humidity: now, and over 24 hours. */
import { useQuery } from "@tanstack/react-query";
import { Card } from "antd";
import { useTranslation } from "react-i18next";
import { latestQuery, readingsQuery, type Series, type StationDetail } from "../api.ts";
import { clock } from "../words.ts";
import { ComfortChart } from "./chart.tsx";
import { Loaded, Nothing } from "./notices.tsx";

const POINTS = ["temperature", "humidity"] as const;
type PointName = (typeof POINTS)[number];

/** Points are named by profiles: `temperature`, `room_temperature_c`, ... */
const isPoint = (name: PointName) => (row: { point: string }) => row.point.includes(name);

export function ComfortCard({ station }: { station: StationDetail }) {
  const { t } = useTranslation();
  const readings = useQuery(readingsQuery(station.id));
  const latest = useQuery(latestQuery(station.id));
  return (
    <Card title={t("station.comfort")} extra={<span className="dim">{t("station.last24")}</span>}>
      <div className="now-values">
        {POINTS.map((name) => {
          const row = latest.data?.readings.find(isPoint(name));
          const number = typeof row?.value === "number" ? row.value : null;
          return (
            <div key={name} className={`now-value ${name}`} data-testid={`now-${name}`}>
              <span className="dim">{t(`station.${name}`)}</span>
              <b>
                {number === null ? "—" : number.toFixed(name === "temperature" ? 1 : 0)}
                <small> {row?.unit ?? ""}</small>
              </b>
              <small className="dim">{note(row)}</small>
            </div>
          );
        })}
      </div>
      <Loaded query={readings} rows={6}>
        {({ series }) => {
          const found = POINTS.map((name) => series.find(isPoint(name)));
          const some = found.some((one: Series | undefined) => (one?.points.length ?? 0) > 0);
          if (!some) return <Nothing>{t("station.noReadings", { seconds: station.profile.telemetry_period_s })}</Nothing>;
          return <ComfortChart temperature={found[0]} humidity={found[1]} />;
        }}
      </Loaded>
    </Card>
  );

  function note(row: { quality: string; at: string } | undefined): string {
    if (row === undefined || row.quality === "missing" || row.quality === "invalid") return t("station.missing");
    return row.quality === "stale" ? `${t("station.stale")} · ${clock(row.at)}` : clock(row.at);
  }
}
