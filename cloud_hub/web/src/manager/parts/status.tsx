/** A state is a dot and a word, never a colour alone. */
import { useTranslation } from "react-i18next";
import type { CommandStatus, DoorState, Station } from "../api.ts";
import type { Tone } from "../words.ts";

export function Dot({ tone, children, testId, state }: { tone: Tone; children: string; testId?: string; state?: string }) {
  return (
    <span className={`dot ${tone}`} data-testid={testId} data-state={state}>
      {children}
    </span>
  );
}

export const doorTone = (door: DoorState): Tone =>
  ({
    secured: "good",
    released: "info",
    open: "info",
    held_open: "warn",
    forced: "bad",
    jammed: "bad",
    emergency: "bad",
    out_of_service: "warn",
    unknown: "quiet",
  })[door] as Tone;

export const commandTone = (status: CommandStatus): Tone =>
  ({ queued: "quiet", sent: "info", accepted: "info", done: "good", refused: "warn", expired: "warn", failed: "bad" })[
    status
  ] as Tone;

export function OnlineDot({ station }: { station: Pick<Station, "online"> }) {
  const { t } = useTranslation();
  return <Dot tone={station.online ? "good" : "bad"}>{t(station.online ? "station.online" : "station.offline")}</Dot>;
}

/** Of an offline station only the last known state can be told, and it is told as that. */
export function DoorDot({ station, testId }: { station: Pick<Station, "door" | "online">; testId?: string }) {
  const { t } = useTranslation();
  const door = t(`door.${station.door}`);
  return (
    <Dot tone={station.online ? doorTone(station.door) : "quiet"} testId={testId} state={station.door}>
      {station.online ? door : t("station.lastKnown", { door })}
    </Dot>
  );
}

export const degrees = (celsius: number | null) => (celsius === null ? "—" : `${celsius.toFixed(1)} °C`);
export const percent = (value: number | null) => (value === null ? "—" : `${value.toFixed(0)} %`);
