/** The door as it stands now, and opening it from here. */
import { UnlockOutlined } from "@ant-design/icons";
import { Button, Card, Tooltip } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { StationDetail } from "../api.ts";
import { useMayAct } from "../session.tsx";
import { RemoteOpen } from "./remote_open.tsx";
import { DoorDot } from "./status.tsx";

export function DoorCard({ station }: { station: StationDetail }) {
  const { t } = useTranslation();
  const mayAct = useMayAct();
  const [opening, setOpening] = useState(false);
  const { contact_open: contact } = station;
  const said = contact === null ? "contactUnknown" : contact ? "contactOpen" : "contactClosed";
  const why = !mayAct ? t("common.needOperator") : !station.online ? t("open.offline") : undefined;
  return (
    <Card title={t("station.door")}>
      <div className="door-card">
        <DoorPicture station={station} />
        <div className="door-side">
          <span className="door-now">
            <DoorDot station={station} testId="door-state" />
          </span>
          <span className="dim" data-testid="contact" data-open={String(contact)}>
            {t(`station.${said}`)}
          </span>
          <Tooltip title={why}>
            <Button type="primary" size="large" icon={<UnlockOutlined />} disabled={why !== undefined} onClick={() => setOpening(true)} data-testid="remote-open">
              {t("open.button")}
            </Button>
          </Tooltip>
          {why !== undefined && <small className="dim">{why}</small>}
        </div>
      </div>
      {opening && <RemoteOpen station={station} close={() => setOpening(false)} />}
    </Card>
  );
}

/** Leaf and contact follow the contact; the lamp follows the lock. Without word from the station it is grey. */
function DoorPicture({ station }: { station: StationDetail }) {
  const { t } = useTranslation();
  const open = station.contact_open === true;
  const classes = ["door-picture", `door-${station.door}`, open ? "is-open" : "", station.online ? "" : "is-old"];
  return (
    <svg viewBox="0 0 160 190" className={classes.join(" ")} role="img" aria-label={t(`door.${station.door}`)}>
      <rect x="0" y="178" width="160" height="8" rx="4" className="floor" />
      <rect x="22" y="8" width="108" height="172" rx="4" className="frame" />
      <rect x="32" y="18" width="88" height="162" className="room" />
      <path d="M32 180 10 188h132l-22-8z" className="light" />
      <g className="leaf">
        <rect x="32" y="18" width="88" height="162" className="panel" />
        <rect x="46" y="34" width="60" height="58" rx="3" className="glass" />
        <rect x="106" y="98" width="6" height="34" rx="3" className="handle" />
      </g>
      <circle cx="146" cy="92" r="7" className="lamp" />
    </svg>
  );
}
