/** One station: its door, comfort, sign, cameras, what happened, what was ordered, how its devices are. */
import { ArrowLeftOutlined, KeyOutlined, SafetyOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Alert, Button } from "antd";
import { useTranslation } from "react-i18next";
import { Problem, type StationDetail, stationQuery } from "../api.ts";
import { CameraCard } from "../parts/camera.tsx";
import { CommandsCard } from "../parts/commands.tsx";
import { ComfortCard } from "../parts/comfort.tsx";
import { DevicesCard } from "../parts/devices.tsx";
import { DoorCard } from "../parts/door.tsx";
import { Loaded } from "../parts/notices.tsx";
import { ScrollCard } from "../parts/scroll_card.tsx";
import { SignCard } from "../parts/sign.tsx";
import { OnlineDot } from "../parts/status.tsx";
import { Timeline } from "../parts/timeline.tsx";
import { stationRoute } from "../router.tsx";
import { ago, moment } from "../words.ts";

export function StationPage() {
  const { t } = useTranslation();
  const { station } = stationRoute.useParams();
  const query = useQuery(stationQuery(station));
  if (query.error instanceof Problem && query.error.status === 404) {
    return <Alert type="warning" showIcon title={t("station.notThere")} action={<Link to="/">{t("common.home")}</Link>} />;
  }
  return (
    <Loaded query={query} rows={10}>
      {(detail) => <Station detail={detail} />}
    </Loaded>
  );
}

function Station({ detail }: { detail: StationDetail }) {
  const { t } = useTranslation();
  return (
    <>
      <Heading detail={detail} />
      {detail.alarms.map((alarm) => (
        <Alert
          key={`${alarm.alarm} ${alarm.subject}`}
          type="error"
          showIcon
          className="gap"
          title={`${t(`alarm.${alarm.alarm}`)} · ${alarm.subject}`}
          description={`${alarm.detail} ${t("station.alarmSince", { when: moment(alarm.raised_at) })}`}
        />
      ))}
      {!detail.online && (
        <Alert type="warning" showIcon className="gap" title={detail.last_seen === null ? t("station.neverSeen") : t("station.offlineHint")} />
      )}
      <div className="station-grid">
        <div className="column">
          <DoorCard station={detail} />
          <SignCard station={detail} />
          <CameraCard station={detail} />
        </div>
        <div className="column">
          <ComfortCard station={detail} />
          <ScrollCard title={t("station.timeline")}>
            <Timeline station={detail.id} />
          </ScrollCard>
        </div>
        <CommandsCard station={detail} />
        <DevicesCard station={detail} />
      </div>
    </>
  );
}

function Heading({ detail }: { detail: StationDetail }) {
  const { t } = useTranslation();
  const { roster_version: have, roster_wanted: want } = detail;
  return (
    <header className="station-head">
      <Link to="/" aria-label={t("common.home")} className="back">
        <ArrowLeftOutlined />
      </Link>
      <div className="station-title">
        <h1>{detail.name}</h1>
        <p className="dim">{detail.place.address}</p>
      </div>
      <div className="station-facts">
        <OnlineDot station={detail} />
        {!detail.online && detail.last_seen !== null && <span>{t("station.lastSeen", { when: ago(t, detail.last_seen) })}</span>}
        <span>{t("station.visitsToday", { count: detail.visits_today })}</span>
        {have !== null && <span>{have < want ? t("station.rosterBehind", { have, want }) : t("station.roster", { have })}</span>}
        {detail.spooled !== null && detail.spooled > 0 && <span>{t("station.spooled", { count: detail.spooled })}</span>}
        {detail.clock_trusted === false && <span>{t("station.clock")}</span>}
      </div>
      <Link to="/stations/$station/rules" params={{ station: detail.id }} className="rules-link" data-testid="rules-link">
        <SafetyOutlined aria-hidden /> {t("rules.open")}
      </Link>
      <Link to="/stations/$station/identity" params={{ station: detail.id }} className="rules-link" data-testid="identity-link">
        <KeyOutlined aria-hidden /> {t("identity.open")}
      </Link>
      {detail.virtual_door_url !== null && (
        <Button href={detail.virtual_door_url} target="_blank" rel="noreferrer">
          {t("station.virtualDoor")} ↗
        </Button>
      )}
    </header>
  );
}
