/** How the station's devices are. */
import { Card } from "antd";
import { useTranslation } from "react-i18next";
import type { StationDetail } from "../api.ts";
import { Nothing } from "./notices.tsx";
import { Dot } from "./status.tsx";

export function DevicesCard({ station }: { station: StationDetail }) {
  const { t } = useTranslation();
  const version = station.agent_version;
  return (
    <Card title={t("station.devices")} extra={version && <span className="dim">{t("station.agent", { version })}</span>}>
      {station.devices.length === 0 && <Nothing>{t("station.noDevices")}</Nothing>}
      <ul className="devices">
        {station.devices.map((device) => (
          <li key={device.device}>
            <span>
              <b>{device.device}</b>
              <small>{device.driver}</small>
            </span>
            <span>
              {device.online === null ? (
                <Dot tone="quiet">{t("station.deviceUnknown")}</Dot>
              ) : (
                <Dot tone={device.online ? "good" : "bad"}>{t(device.online ? "station.online" : "station.offline")}</Dot>
              )}
              {device.online !== true && device.detail && <small>{device.detail}</small>}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
