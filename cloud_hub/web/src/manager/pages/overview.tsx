/** All stations at a glance: figures, map, list, and what just happened. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Card, Input } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ALL, type Station, stationsQuery } from "../api.ts";
import { StationMap } from "../parts/map.tsx";
import { Loaded, Nothing } from "../parts/notices.tsx";
import { ScrollCard } from "../parts/scroll_card.tsx";
import { degrees, Dot, DoorDot, OnlineDot } from "../parts/status.tsx";
import { Timeline } from "../parts/timeline.tsx";
import { useIsAdmin } from "../session.tsx";
import { ago } from "../words.ts";

const SEARCH_FROM = 6; // fewer stations are seen at once
const RECENT = 8;

export function OverviewPage() {
  const { t } = useTranslation();
  const query = useQuery(stationsQuery);
  const admin = useIsAdmin();
  return (
    <>
      <h1 className="hidden">{t("overview.title")}</h1>
      {admin && (
        <p className="gap">
          <Link to="/add-station" data-testid="add-station-link">
            {t("identity.add")}
          </Link>
        </p>
      )}
      <Loaded query={query} rows={8}>
        {(stations) => (stations.length === 0 ? <Nothing>{t("overview.empty")}</Nothing> : <Overview stations={stations} />)}
      </Loaded>
    </>
  );
}

function Overview({ stations }: { stations: Station[] }) {
  const { t } = useTranslation();
  const names = new Map(stations.map((station) => [station.id, station.name]));
  return (
    <div className="overview">
      <Figures stations={stations} />
      <Card title={t("overview.map")} className="map-card">
        <StationMap stations={stations} />
      </Card>
      <div className="column">
        <StationList stations={stations} />
        <Card title={t("overview.recent")} extra={<Link to="/activity">{t("nav.activity")}</Link>}>
          <Timeline station={ALL} names={names} max={RECENT} />
        </Card>
      </div>
    </div>
  );
}

function Figures({ stations }: { stations: Station[] }) {
  const { t } = useTranslation();
  const online = stations.filter((station) => station.online).length;
  const visits = stations.reduce((sum, station) => sum + station.visits_today, 0);
  const alarms = stations.reduce((sum, station) => sum + station.alarms_open, 0);
  const open = stations.filter((station) => station.contact_open === true).length;
  const temperatures = stations.map((station) => station.temperature_c).filter((value) => value !== null);
  const coldest = temperatures.length > 0 ? Math.min(...temperatures) : null;
  return (
    <dl className="figures">
      <Figure name={t("overview.online")} value={`${online} / ${stations.length}`} tone={online < stations.length ? "bad" : "good"} />
      <Figure name={t("overview.visits")} value={String(visits)} tone="plain" />
      <Figure name={t("overview.alarms")} value={String(alarms)} tone={alarms > 0 ? "bad" : "good"} />
      <Figure name={t("overview.doorsOpen")} value={String(open)} tone="plain" />
      <Figure name={t("overview.coldest")} value={degrees(coldest)} tone={coldest !== null && coldest < 5 ? "bad" : "plain"} />
    </dl>
  );
}

export function Figure({ name, value, tone }: { name: string; value: string; tone: "good" | "bad" | "plain" }) {
  return (
    <div className={`figure ${tone}`}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function StationList({ stations }: { stations: Station[] }) {
  const { t } = useTranslation();
  const [wanted, setWanted] = useState("");
  const word = wanted.trim().toLowerCase();
  const shown = stations.filter(({ name, place }) => `${name} ${place.address ?? ""}`.toLowerCase().includes(word));
  return (
    <ScrollCard title={t("overview.stations")}>
      {stations.length >= SEARCH_FROM && (
        <Input.Search allowClear placeholder={t("overview.search")} value={wanted} onChange={(event) => setWanted(event.target.value)} />
      )}
      {shown.length === 0 && <Nothing>{t("overview.noMatch")}</Nothing>}
      <ul className="stations">
        {shown.map((station) => (
          <li key={station.id}>
            <Link to="/stations/$station" params={{ station: station.id }} className="station-row" data-station={station.id}>
              <span className="station-name">
                <b>{station.name}</b>
                <small>{station.place.address}</small>
              </span>
              <span className="station-facts">
                <OnlineDot station={station} />
                {station.online && <DoorDot station={station} />}
                {!station.online && station.last_seen !== null && <span className="dim">{ago(t, station.last_seen)}</span>}
                <span>{degrees(station.temperature_c)}</span>
                <span>{t("station.visitsToday", { count: station.visits_today })}</span>
                {station.alarms_open > 0 && <Dot tone="bad">{`${t("overview.alarms")} ${station.alarms_open}`}</Dot>}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </ScrollCard>
  );
}
