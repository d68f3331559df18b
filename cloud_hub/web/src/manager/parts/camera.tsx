/** A station's cameras: a picture of now, or the live view. */
import { CameraOutlined, PlayCircleOutlined, StopOutlined } from "@ant-design/icons";
import { useMutation } from "@tanstack/react-query";
import { Alert, Button, Card, Segmented, Spin } from "antd";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { cameraPicture, type StationDetail } from "../api.ts";
import { clock } from "../words.ts";
import { LiveView } from "./live_view.tsx";
import { Nothing, useProblemText } from "./notices.tsx";

export function CameraCard({ station }: { station: StationDetail }) {
  const { t } = useTranslation();
  const [chosen, setChosen] = useState<string | undefined>(station.cameras[0]?.camera);
  const camera = station.cameras.find((one) => one.camera === chosen);
  const several = station.cameras.length > 1 && (
    <Segmented value={chosen} onChange={setChosen} options={station.cameras.map(({ camera: value, name }) => ({ value, label: name || value }))} />
  );
  return (
    <Card title={t("camera.title")} extra={several}>
      {camera === undefined ? <Nothing>{t("camera.none")}</Nothing> : <Camera key={camera.camera} station={station} camera={camera.camera} name={camera.name || camera.camera} />}
    </Card>
  );
}

function Camera({ station, camera, name }: { station: StationDetail; camera: string; name: string }) {
  const { t } = useTranslation();
  const text = useProblemText();
  const [live, setLive] = useState(false);
  const taking = useMutation({
    mutationFn: async () => ({ url: URL.createObjectURL(await cameraPicture(station.id, camera)), at: new Date().toISOString() }),
  });
  const picture = taking.data;
  useEffect(() => (picture ? () => URL.revokeObjectURL(picture.url) : undefined), [picture]);
  return (
    <div className="camera-card">
      <div className="screen">
        {live ? (
          <LiveView station={station.id} camera={camera} name={name} />
        ) : picture ? (
          <img src={picture.url} alt={t("camera.alt", { camera: name })} data-testid="camera-picture" />
        ) : (
          <p>{t("camera.idle")}</p>
        )}
        {taking.isPending && <Spin description={t("camera.taking")} className="over" />}
      </div>
      {taking.error && !live && <Alert type="error" showIcon title={t("camera.failed")} description={text(taking.error)} />}
      <div className="quick">
        <Button icon={<CameraOutlined />} disabled={!station.online || live} loading={taking.isPending} onClick={() => taking.mutate()} data-testid="take-picture">
          {t("camera.picture")}
        </Button>
        <Button
          icon={live ? <StopOutlined /> : <PlayCircleOutlined />}
          disabled={!station.online && !live}
          onClick={() => setLive(!live)}
          data-testid="live-view"
        >
          {t(live ? "camera.stop" : "camera.live")}
        </Button>
        {picture && !live && <small className="dim">{t("camera.takenAt", { when: clock(picture.at) })}</small>}
      </div>
    </div>
  );
}
