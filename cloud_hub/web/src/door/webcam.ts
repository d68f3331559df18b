/** The laptop's camera as the picture of a code or a face. */

export class Webcam {
  readonly video = document.createElement("video");
  private stream: MediaStream | null = null;

  constructor() {
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.className = "webcam";
  }

  get running(): boolean {
    return this.stream !== null;
  }

  async start(): Promise<void> {
    this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 720 } } });
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  stop(): void {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  /** The newest frame as a JPEG, or null before the first one. */
  async frame(): Promise<Blob | null> {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (width === 0) return null;
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("2d")?.drawImage(this.video, 0, 0);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  }
}
