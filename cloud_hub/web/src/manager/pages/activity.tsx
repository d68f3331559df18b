/** What happened at all stations. */
import { useQuery } from "@tanstack/react-query";
import { Card } from "antd";
import { useTranslation } from "react-i18next";
import { ALL, stationsQuery } from "../api.ts";
import { Timeline } from "../parts/timeline.tsx";

export function ActivityPage() {
  const { t } = useTranslation();
  const stations = useQuery(stationsQuery);
  const names = new Map(stations.data?.map((station) => [station.id, station.name]));
  return (
    <>
      <h1>{t("nav.activity")}</h1>
      <Card>
        <Timeline station={ALL} names={names} />
      </Card>
    </>
  );
}
