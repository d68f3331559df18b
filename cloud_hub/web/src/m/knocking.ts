/**
 * From a door's code to its answer.
 *
 *     scan: camera or photo --> knock at once (whoever scans stands there)
 *     link: another camera app opened this page --> which door, are you there? --> knock
 *
 * A link is only followed after a tap: somebody else can send one.
 */
import { Problem } from "../plain/http.ts";
import { type DoorCode, doorCodeOfLink } from "./knock.ts";
import { askView, outcomeView, scanView, waitView } from "./knock_view.ts";
import { doorOf, type KnockOutcome, knockAt } from "./phone.ts";
import { readPhoto, Scanner } from "./scanner.ts";
import type { Chrome } from "./view.ts";
import type { Words } from "./words.ts";

/** The page that this happens on. `back` shows the member's own code again. */
export interface Stage {
  words: () => Words;
  chrome: Chrome;
  draw: (view: () => HTMLElement) => void;
  back: () => void;
}

/** Looks for a door code until one is found, or until somebody goes back. */
export async function scanDoor(stage: Stage): Promise<void> {
  if (!navigator.onLine) return tell(saidOf(0, ""), stage);
  const scanner = new Scanner();
  let hint: (words: Words) => string = (words) => words.knock.looking;
  let video: HTMLVideoElement | null = scanner.video;
  let over = false;
  const leave = () => {
    over = true;
    scanner.stop();
    document.removeEventListener("visibilitychange", onVisibility);
  };
  const found = (code: DoorCode) => {
    leave();
    return knock(code, stage);
  };
  const deeds = {
    back: () => {
      leave();
      stage.back();
    },
    photo: (file: File) => void readIn(file),
  };
  const show = () => stage.draw(() => scanView(stage.words(), stage.chrome, video, hint(stage.words()), deeds));
  const readIn = async (file: File) => {
    const code = doorCodeOfLink((await readPhoto(file)) ?? "");
    if (over) return;
    if (code !== null) return found(code);
    hint = (words) => words.knock.noCode;
    show();
  };
  const look = async () => {
    try {
      await scanner.start();
    } catch {
      video = null;
      hint = (words) => words.knock.noCamera;
      if (!over) show();
      return;
    }
    if (over) return scanner.stop(); // gone back while the browser asked for the camera
    const code = await scanner.find(doorCodeOfLink);
    if (code !== null && !over) await found(code);
  };
  // The camera does not run behind another page; the phone's own camera app is one, and comes back with a photo.
  const onVisibility = () => {
    if (document.visibilityState === "hidden") scanner.stop();
    else if (video !== null) void look();
  };
  document.addEventListener("visibilitychange", onVisibility);
  show();
  await look();
}

/** Somebody came by a link: which door it is, and whether they want it opened. */
export async function askDoor(code: DoorCode, stage: Stage): Promise<void> {
  stage.draw(() => waitView(stage.words(), stage.chrome, stage.words().preparing));
  try {
    const door = await doorOf(code.station);
    const refusal = !door.shows_door_code ? 409 : !door.online ? 503 : null;
    if (refusal !== null) return tell(saidOf(refusal, ""), stage);
    stage.draw(() => askView(stage.words(), stage.chrome, door.station_name, () => void knock(code, stage), stage.back));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    tell(saidOf(error.status, error.message), stage);
  }
}

async function knock(code: DoorCode, stage: Stage): Promise<void> {
  stage.draw(() => waitView(stage.words(), stage.chrome, stage.words().knock.asking));
  try {
    const outcome = await knockAt(code);
    tell(() => outcome, stage);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    tell(saidOf(error.status, error.message), stage);
  }
}

function tell(outcome: (words: Words) => KnockOutcome | string, stage: Stage): void {
  stage.draw(() => outcomeView(stage.words(), stage.chrome, outcome(stage.words()), () => void scanDoor(stage), stage.back));
}

/** What to do where the station could not be asked. */
function saidOf(status: number, detail: string): (words: Words) => string {
  return ({ knock: said }) => {
    switch (status) {
      case 0:
        return said.noNetwork;
      case 401:
        return said.loggedOut;
      case 404:
      case 409:
        return said.noDoorCode;
      case 429:
        return said.tooMany;
      case 503:
        return said.stationOffline;
      case 504:
        return said.noAnswer;
      default:
        return said.other(detail);
    }
  };
}
