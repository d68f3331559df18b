/** The virtual station's own HTTP, same origin. The page shows only what `state` says. */
import { getJson, postJson, request } from "../plain/http.ts";

export interface SignState {
  width: number;
  height: number;
  pages: string[]; // base64, one byte a dot, row by row: 0 dark, else a colour number
  text: string | null;
}

export interface ScreenState {
  width: number;
  height: number;
  dots: string; // base64, one byte a dot, row by row: 1 is lit
}

export interface DoorPageState {
  station: { id: string; name: string };
  lock_released: boolean;
  bolt: "secured" | "moving" | "released";
  fire: boolean;
  fire_input: boolean;
  exit_button: string | null;
  door_open: boolean;
  contact_open: boolean;
  door_state?: string | null;
  sign: SignState;
  code_screen: ScreenState | null;
  temperature_c: number;
  humidity_pct: number;
  releases: number;
  agent_running: boolean;
  camera: { showing: boolean };
}

export interface Phone {
  member: string;
  name: string;
  occupation: string;
}

export const phones = () => getJson<Phone[]>("/api/members");
export const present = (member: string) => postJson<unknown>("/api/present", { member });
export const pressButton = (button: string) => postJson<unknown>("/api/press", { button });
export const pressFace = () => pressButton("face");
export const setFire = (active: boolean) => postJson<unknown>("/api/fire", { active });
export const moveDoor = (action: "push" | "close" | "force") => postJson<unknown>("/api/door", { action });
export const setTemperature = (temperature_c: number) => postJson<unknown>("/api/climate", { temperature_c });

export async function scanPicture(picture: Blob): Promise<boolean> {
  const response = await request("POST", "/api/scan-picture", picture);
  return ((await response.json()) as { found: boolean }).found;
}

export async function showFace(picture: Blob): Promise<void> {
  await request("POST", "/api/face-picture", picture);
}

/** Calls `onState` at once and at each change; `onLink(false)` while the stream is down (it reconnects by itself). */
export function follow(onState: (state: DoorPageState) => void, onLink: (up: boolean) => void): void {
  let source: EventSource | null = null;
  const open = () => {
    source = new EventSource("/api/live");
    source.addEventListener("state", (event) => {
      onLink(true);
      onState(JSON.parse((event as MessageEvent<string>).data) as DoorPageState);
    });
    source.addEventListener("open", () => onLink(true));
    source.addEventListener("error", () => {
      onLink(false);
      if (source?.readyState === EventSource.CLOSED) setTimeout(open, 1000);
    });
  };
  // A hidden tab holds no connection: browsers allow six to one origin.
  document.addEventListener("visibilitychange", () => {
    source?.close();
    if (document.visibilityState === "visible") open();
  });
  open();
}
