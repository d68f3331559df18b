/** The live picture of one camera, for as long as it is on the page. */
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { bestElement, createPlayer, type PlayerState } from "../../player/index.ts";
import { watchCamera } from "../api.ts";
import type { Tone } from "../words.ts";
import { Dot } from "./status.tsx";

const TONES: Record<PlayerState["kind"], Tone> = { connecting: "quiet", live: "good", slow: "warn", silent: "warn", ended: "bad" };

export function LiveView({ station, camera, name }: { station: string; camera: string; name: string }) {
  const { t } = useTranslation();
  const kind = useMemo(() => bestElement(), []);
  const element = useRef<HTMLCanvasElement & HTMLVideoElement>(null);
  const [state, setState] = useState<PlayerState>({ kind: "connecting" });

  useEffect(() => {
    if (element.current === null) return undefined;
    const url = async () => {
      const { path, ticket } = await watchCamera(station, camera);
      return `${location.origin.replace(/^http/, "ws")}${path}?ticket=${encodeURIComponent(ticket)}`;
    };
    const player = createPlayer(element.current, { url, onState: setState });
    return () => player.close();
  }, [station, camera]);

  if (kind === null) return <p>{t("camera.cannotPlay")}</p>;
  const label = t("camera.alt", { camera: name });
  return (
    <div className="live-box" data-testid="live-box" data-state={state.kind}>
      {kind === "canvas" ? <canvas ref={element} role="img" aria-label={label} /> : <video ref={element} muted playsInline aria-label={label} />}
      <span className="live-state" role="status">
        <Dot tone={TONES[state.kind]}>{said()}</Dot>
      </span>
    </div>
  );

  function said(): string {
    switch (state.kind) {
      case "connecting":
        return t("camera.connecting");
      case "live":
        return t("camera.playing", { ms: Math.max(0, Math.round(state.latencyMs)) });
      case "slow":
        return t("camera.slow", { seconds: (state.latencyMs / 1000).toFixed(1) });
      case "silent":
        return t("camera.silent");
      case "ended":
        return `${t("camera.liveFailed")}${state.again ? ` · ${t("camera.again")}` : ""} · ${state.reason || state.code}`;
    }
  }
}
