/**
 * Live H.264 by WebCodecs: each frame is drawn as soon as it is decoded, so nothing is buffered and nothing drifts.
 * Browsers offer it in secure contexts only (https, or this machine).
 */

import { readDescription, type Fragment } from "./fmp4.ts";
import type { Sink, SinkEvents, StreamInfo } from "./sink.ts";

const BEHIND = 1; // more frames than this wait for the decoder: the newest is what counts
const DRAW_MS_MAX = 200; // but a picture that stands still for longer helps nobody
const UNDECODED_MAX = 30; // two seconds; a slower machine goes on at the next keyframe

export function webCodecsCanPlay(): boolean {
  return typeof VideoDecoder !== "undefined" && typeof EncodedVideoChunk !== "undefined";
}

export class WebCodecsSink implements Sink {
  private readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private readonly events: SinkEvents;
  private readonly decoder: VideoDecoder;
  private waitsForKey = true;
  private drawnAtMs = 0;
  private closed = false;

  constructor(canvas: HTMLCanvasElement, info: StreamInfo, init: Uint8Array, events: SinkEvents) {
    const context = canvas.getContext("2d", { alpha: false, desynchronized: true });
    if (context === null) throw new TypeError("the canvas is in use by another context");
    this.canvas = canvas;
    this.context = context;
    this.events = events;
    this.decoder = new VideoDecoder({
      output: (frame) => this.draw(frame),
      error: (error) => this.fail(error.message),
    });
    this.decoder.configure({
      codec: info.codec,
      codedWidth: info.width,
      codedHeight: info.height,
      description: readDescription(init),
      optimizeForLatency: true,
    });
  }

  push(fragment: Fragment, _: Uint8Array, key: boolean): void {
    if (this.closed) return;
    if (this.decoder.decodeQueueSize > UNDECODED_MAX) this.waitsForKey = true;
    if (this.waitsForKey && !key) return;
    this.waitsForKey = false;
    this.decoder.decode(
      new EncodedVideoChunk({
        type: key ? "key" : "delta",
        timestamp: Math.round(fragment.mediaS * 1e6),
        data: fragment.sample,
      }),
    );
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.decoder.state !== "closed") this.decoder.close();
  }

  private fail(reason: string): void {
    if (this.closed) return;
    this.close();
    this.events.failed(reason);
  }

  private draw(frame: VideoFrame): void {
    const now = performance.now();
    const newest = this.decoder.decodeQueueSize <= BEHIND;
    if (!this.closed && (newest || now - this.drawnAtMs > DRAW_MS_MAX)) {
      this.drawnAtMs = now;
      if (this.canvas.width !== frame.displayWidth || this.canvas.height !== frame.displayHeight) {
        this.canvas.width = frame.displayWidth;
        this.canvas.height = frame.displayHeight;
      }
      this.context.drawImage(frame, 0, 0);
      this.events.shown(frame.timestamp / 1e6, Date.now());
    }
    frame.close();
  }
}
