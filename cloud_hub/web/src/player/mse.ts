/**
 * Live H.264 by Media Source Extensions.
 *
 * Latency is held by the *slack*: how much is buffered ahead of the play head just before the next frame comes. The
 * least slack of the last frames is what jitter has left over; above the band playback runs a little faster, below
 * it slower, and far above it the play head jumps. So the delay follows the jitter of the way and does not drift.
 *
 * Where it ran dry all the same, the band moves up for a while and the play head jumps as well: Chromium then shows
 * each frame as it comes and lets its clock fall behind, and would hold later frames back until the clock has caught up.
 */

import type { Fragment } from "./fmp4.ts";
import type { Sink, SinkEvents, StreamInfo } from "./sink.ts";

const SLACK_LOW_S = 0.025;
const SLACK_HIGH_S = 0.06;
const SLACK_FAST_S = 0.15; // above the band
const SLACK_JUMP_S = 0.3; // above the band
const MARGIN_STEP_S = 0.03; // the band moves up by so much when the buffer ran dry,
const MARGIN_MAX_S = 0.3; // so far at most,
const MARGIN_KEPT = 0.995; // and down again by this factor with each frame
const DRY_JUMP_MS = 1000; // between jumps because it ran dry, so that a busy machine does not jump all the time
const FRAMES_JUDGED = 20;
const FRAMES_TO_JUMP = 3; // far behind for so many frames is no jitter
const KEPT_S = 10; // behind the play head, before it is removed
const WAITING_BYTES_MAX = 8 * 1024 * 1024; // for a browser that does not append; then a new start is better

export function mseCanPlay(codec: string): boolean {
  return typeof MediaSource !== "undefined" && MediaSource.isTypeSupported(mimeType(codec));
}

function mimeType(codec: string): string {
  return `video/mp4; codecs="${codec}"`;
}

export class MseSink implements Sink {
  private readonly video: HTMLVideoElement;
  private readonly events: SinkEvents;
  private readonly source = new MediaSource();
  private readonly address: string;
  private buffer: SourceBuffer | null = null;
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  private slacks: number[] = [];
  private margin = 0;
  private frameS = 0;
  private pushedAtMs = 0;
  private dry = false;
  private jumpedAtMs = 0;
  private burst = false; // frames come faster than they were taken: what was missed, or the GOP at the start
  private started = false;
  private closed = false;

  constructor(video: HTMLVideoElement, info: StreamInfo, init: Uint8Array, events: SinkEvents) {
    this.video = video;
    this.events = events;
    this.enqueue(init);
    this.address = URL.createObjectURL(this.source);
    this.source.addEventListener("sourceopen", () => this.open(info.codec), { once: true });
    video.muted = true;
    video.playsInline = true;
    video.disableRemotePlayback = true;
    video.src = this.address;
    video.addEventListener("error", this.onError);
    video.addEventListener("waiting", this.onDry);
    this.watchFrames();
  }

  push(fragment: Fragment, bytes: Uint8Array): void {
    if (this.closed) return;
    const now = performance.now();
    this.frameS = fragment.durationS;
    this.burst = now - this.pushedAtMs < (this.frameS * 1000) / 4;
    this.pushedAtMs = now;
    this.judgeSlack();
    this.enqueue(bytes);
    this.append();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.video.removeEventListener("error", this.onError);
    this.video.removeEventListener("waiting", this.onDry);
    this.buffer?.removeEventListener("updateend", this.onUpdated);
    this.waiting = [];
    URL.revokeObjectURL(this.address);
    this.video.removeAttribute("src");
    this.video.load();
  }

  private readonly onError = (): void => this.fail(this.video.error?.message || "the video cannot be decoded");

  private readonly onDry = (): void => {
    if (this.video.seeking || this.dry || !this.started) return;
    this.dry = true;
    this.margin = Math.min(this.margin + MARGIN_STEP_S, MARGIN_MAX_S);
  };

  private readonly onUpdated = (): void => {
    this.start();
    this.skip();
    this.trim();
    this.append();
  };

  private open(codec: string): void {
    if (this.closed) return;
    try {
      this.buffer = this.source.addSourceBuffer(mimeType(codec));
    } catch (error) {
      this.fail(String(error));
      return;
    }
    this.buffer.addEventListener("updateend", this.onUpdated);
    this.append();
  }

  private enqueue(bytes: Uint8Array): void {
    this.waiting.push(bytes);
    this.waitingBytes += bytes.byteLength;
    if (this.waitingBytes > WAITING_BYTES_MAX) this.fail("the browser does not keep up");
  }

  private append(): void {
    const buffer = this.buffer;
    if (buffer === null || buffer.updating || this.waiting.length === 0 || this.closed) return;
    const all = new Uint8Array(this.waitingBytes);
    let at = 0;
    for (const bytes of this.waiting) {
      all.set(bytes, at);
      at += bytes.byteLength;
    }
    this.waiting = [];
    this.waitingBytes = 0;
    try {
      buffer.appendBuffer(all);
    } catch (error) {
      this.fail(String(error));
    }
  }

  private fail(reason: string): void {
    if (this.closed) return;
    this.close();
    this.events.failed(reason);
  }

  private end(): number | null {
    const ranges = this.buffer?.buffered;
    return ranges !== undefined && ranges.length > 0 ? ranges.end(ranges.length - 1) : null;
  }

  /** Begins at the newest frame, once there is one. */
  private start(): void {
    const end = this.end();
    if (this.started || end === null) return;
    this.started = true;
    this.jump(end);
    this.video.play().catch((error: unknown) => {
      if (!this.closed) this.fail(String(error));
    });
  }

  /** What came in one go is of the past; the newest of it is what is watched. */
  private skip(): void {
    const end = this.end();
    if (end === null || this.waiting.length > 0) return;
    const ahead = end - this.video.currentTime - this.frameS - this.margin;
    const dry = this.dry && performance.now() - this.jumpedAtMs > DRY_JUMP_MS;
    if (dry || (this.burst && ahead > SLACK_HIGH_S + SLACK_FAST_S)) this.jump(end);
  }

  private jump(end: number): void {
    const ranges = this.buffer!.buffered;
    const behind = this.frameS + SLACK_HIGH_S + this.margin; // the next frame is a whole frame's time away
    this.video.currentTime = Math.max(ranges.start(ranges.length - 1), end - behind);
    this.slacks = [];
    this.dry = false;
    this.jumpedAtMs = performance.now();
  }

  private judgeSlack(): void {
    const end = this.end();
    if (!this.started || end === null) return;
    const slack = end - this.video.currentTime;
    this.slacks.push(slack);
    if (this.slacks.length > FRAMES_JUDGED) this.slacks.shift();
    this.margin *= MARGIN_KEPT;
    const least = Math.min(...this.slacks) - this.margin;
    const recent = Math.min(...this.slacks.slice(-FRAMES_TO_JUMP)) - this.margin;
    if (this.slacks.length >= FRAMES_TO_JUMP && (recent > SLACK_HIGH_S + SLACK_JUMP_S || this.inGap())) {
      this.jump(end);
    } else if (least > SLACK_HIGH_S + SLACK_FAST_S) {
      this.rate(1.15);
    } else if (least > SLACK_HIGH_S) {
      this.rate(1.04);
    } else if (least < SLACK_LOW_S) {
      this.rate(0.96);
    } else {
      this.rate(1);
    }
  }

  /** Frames were left out on the way, and the play head waits before the hole. */
  private inGap(): boolean {
    const ranges = this.buffer!.buffered;
    return ranges.length > 1 && this.video.currentTime < ranges.start(ranges.length - 1);
  }

  private rate(rate: number): void {
    if (this.video.playbackRate !== rate) this.video.playbackRate = rate;
  }

  private trim(): void {
    const buffer = this.buffer;
    if (buffer === null || buffer.updating || buffer.buffered.length === 0) return;
    const first = buffer.buffered.start(0);
    const keepFrom = this.video.currentTime - KEPT_S;
    if (keepFrom - first > KEPT_S) buffer.remove(first, keepFrom);
  }

  private watchFrames(): void {
    this.video.requestVideoFrameCallback((_, frame) => {
      if (this.closed) return;
      this.events.shown(frame.mediaTime, performance.timeOrigin + frame.expectedDisplayTime);
      this.watchFrames();
    });
  }
}
