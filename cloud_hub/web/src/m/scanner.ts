/**
 * Reads a QR with the phone's camera, or from a photo. The browser's own detector where it works, else a decoder that is
 * loaded when it is needed: iPhones have none, and an Android without Google's services has one that answers nothing.
 */

type Read = (picture: HTMLCanvasElement) => Promise<string | null>;

interface Detector {
  detect(picture: HTMLCanvasElement): Promise<{ rawValue: string }[]>;
}
interface DetectorClass {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
}

const SIDE_MAX = 960; // more pixels only take longer to search
const PAUSE_MS = 60;
const EFFORT_MS = 120; // for the decoder to try harder on one picture

let reading: Promise<Read> | null = null;

/** The text of the QR in a picture, or null. */
export async function read(picture: HTMLCanvasElement): Promise<string | null> {
  reading ??= ownDetector().then((own) => own ?? decoder());
  try {
    return await (await reading)(picture);
  } catch {
    reading = decoder(); // a detector that is there and refuses
    return (await reading)(picture);
  }
}

async function ownDetector(): Promise<Read | null> {
  const own = (globalThis as { BarcodeDetector?: DetectorClass }).BarcodeDetector;
  if (own === undefined || !(await own.getSupportedFormats()).includes("qr_code")) return null;
  const detector = new own({ formats: ["qr_code"] });
  return async (picture) => (await detector.detect(picture))[0]?.rawValue ?? null;
}

async function decoder(): Promise<Read> {
  const { decodeQR } = await import("qr/decode.js");
  return (picture) => {
    const { width, height } = picture;
    const { data } = picture.getContext("2d", { willReadFrequently: true })!.getImageData(0, 0, width, height);
    try {
      return Promise.resolve(decodeQR({ width, height, data }, { timeLimit: EFFORT_MS }));
    } catch {
      return Promise.resolve(null); // there is none in this picture
    }
  };
}

/** The text of the QR in a photo, or null. */
export async function readPhoto(photo: Blob): Promise<string | null> {
  const picture = new Image();
  picture.src = URL.createObjectURL(photo);
  try {
    await picture.decode();
    return await read(drawn(picture, picture.naturalWidth, picture.naturalHeight));
  } catch {
    return null; // no picture
  } finally {
    URL.revokeObjectURL(picture.src);
  }
}

function drawn(source: CanvasImageSource, width: number, height: number): HTMLCanvasElement {
  const scale = Math.min(1, SIDE_MAX / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d", { willReadFrequently: true })!.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** The camera at the back of the phone. `start` throws where it may not be used. */
export class Scanner {
  readonly video = document.createElement("video");
  private stream: MediaStream | null = null;

  constructor() {
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.className = "finder";
  }

  async start(): Promise<void> {
    const wanted = { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } };
    this.stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  stop(): void {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  /** The first text that `accept` makes something of; null once it was stopped. */
  async find<T>(accept: (text: string) => T | null): Promise<T | null> {
    while (this.stream !== null) {
      const { videoWidth, videoHeight } = this.video;
      const text = videoWidth === 0 ? null : await read(drawn(this.video, videoWidth, videoHeight));
      const accepted = text === null ? null : accept(text);
      if (accepted !== null && this.stream !== null) return accepted;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    return null;
  }
}
