/**
 * A live view: one WebSocket to the hub, one sink, states for the page, and a new try when it breaks off.
 *
 *     connecting -> live <-> slow         a frame reached the screen; `latencyMs` is station to screen
 *                   live <-> silent       the camera gives nothing; the view goes on when it does
 *     any        -> ended                 with a reason; `again` says that it is tried again by itself
 *
 * The hub is told by a timer how many bytes came (station_agent/wire/media.py), and answers with its time, so that
 * the latency is right also where this machine's clock is not. `video` elements play by Media Source, `canvas` elements
 * by WebCodecs.
 */

import { readFragment, type FrameTimes } from "./fmp4.ts";
import { MseSink, mseCanPlay } from "./mse.ts";
import type { Sink, StreamInfo } from "./sink.ts";
import { WebCodecsSink, webCodecsCanPlay } from "./webcodecs.ts";

export type PlayerState =
  | { readonly kind: "connecting" }
  | { readonly kind: "live"; readonly latencyMs: number; readonly width: number; readonly height: number }
  | { readonly kind: "slow"; readonly latencyMs: number }
  | { readonly kind: "silent"; readonly detail: string }
  | { readonly kind: "ended"; readonly code: number; readonly reason: string; readonly again: boolean };

export interface PlayerOptions {
  /** The WebSocket's address with its ticket; a function is asked for a new one at each try. */
  readonly url: string | (() => Promise<string>);
  readonly onState: (state: PlayerState) => void;
}

export interface Player {
  close(): void;
}

/** Which element `createPlayer` should be given here, or null where neither can play. */
export function bestElement(): "canvas" | "video" | null {
  if (webCodecsCanPlay()) return "canvas";
  return typeof MediaSource === "undefined" ? null : "video";
}

export function createPlayer(element: HTMLVideoElement | HTMLCanvasElement, options: PlayerOptions): Player {
  const view = new LiveView(element, options);
  view.connect();
  return { close: () => view.close() };
}

const RECEIPT_MS = 250;
const QUIET_MS_MAX = 10_000; // the hub answers every receipt; without any answer the way is dead
const SLOW_MS = 1500;
const STATE_MS = 500; // a page needs no more states than this
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 15_000;
const FRAMES_REMEMBERED = 200;

/** Trying again brings nothing: the view was ended on purpose, or the right to it. */
const FINAL_CODES = new Set([1000, 4403]);
/** Ours, for what the hub did not send. */
const CODE_CANNOT_PLAY = 4900;
const CODE_NO_ADDRESS = 4901;
const CODE_QUIET = 4902;

const INIT = "i".charCodeAt(0);
const KEY = "k".charCodeAt(0);

class LiveView {
  private readonly element: HTMLVideoElement | HTMLCanvasElement;
  private readonly options: PlayerOptions;
  private socket: WebSocket | null = null;
  private sink: Sink | null = null;
  private info: StreamInfo | null = null;
  private frames: FrameTimes[] = [];
  private reason = ""; // why the hub will close the socket
  private receivedBytes = 0;
  private toldBytes = -1;
  private toldAtMs = 0;
  private heardAtMs = 0;
  private hubAheadMs = 0;
  private roundTripMs = Infinity;
  private stateAtMs = 0;
  private stateKind: PlayerState["kind"] | null = null;
  private retryMs = RETRY_MS_MIN;
  private retry: number | undefined;
  private timer: number | undefined;
  private closed = false;

  constructor(element: HTMLVideoElement | HTMLCanvasElement, options: PlayerOptions) {
    this.element = element;
    this.options = options;
    document.addEventListener("visibilitychange", this.onVisible);
  }

  connect(): void {
    this.tell({ kind: "connecting" });
    const { url } = this.options;
    Promise.resolve(typeof url === "string" ? url : url())
      .then((address) => this.open(address))
      .catch((error: unknown) => this.over(CODE_NO_ADDRESS, error instanceof Error ? error.message : String(error)));
  }

  close(): void {
    this.closed = true;
    document.removeEventListener("visibilitychange", this.onVisible);
    window.clearTimeout(this.retry);
    this.drop();
  }

  /** A hidden page's timers rest, so the hub is told at once when the page is seen again. */
  private readonly onVisible = (): void => this.receipt(true);

  private open(address: string): void {
    if (this.closed) return;
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.reason = "";
    this.receivedBytes = 0;
    this.toldBytes = -1;
    this.roundTripMs = Infinity;
    this.heardAtMs = performance.now();
    socket.addEventListener("message", (event: MessageEvent<string | ArrayBuffer>) => {
      if (this.socket !== socket) return;
      try {
        this.message(event.data);
      } catch (error) {
        this.over(CODE_CANNOT_PLAY, String(error));
      }
    });
    socket.addEventListener("close", (event) => {
      if (this.socket === socket) this.over(event.code, this.reason || event.reason);
    });
    this.timer = window.setInterval(() => this.tick(), RECEIPT_MS);
  }

  private message(data: string | ArrayBuffer): void {
    this.heardAtMs = performance.now();
    if (typeof data === "string") {
      this.notice(JSON.parse(data) as Notice);
      return;
    }
    this.receivedBytes += data.byteLength;
    const bytes = new Uint8Array(data, 1);
    const kind = new Uint8Array(data, 0, 1)[0];
    if (kind === INIT) {
      this.begin(bytes);
      return;
    }
    const fragment = readFragment(bytes);
    this.frames.push(fragment);
    if (this.frames.length > FRAMES_REMEMBERED) this.frames.shift();
    this.sink?.push(fragment, bytes, kind === KEY);
  }

  private notice(notice: Notice): void {
    switch (notice.kind) {
      case "stream":
        this.info = notice;
        return;
      case "silent":
        this.tell({ kind: "silent", detail: notice.detail });
        return;
      case "time":
        this.learnHubTime(notice.at_ms, notice.hub_ms);
        return;
      case "ended":
        this.reason = notice.reason;
        return;
    }
  }

  /** The answer that came quickest tells the difference of the clocks best. */
  private learnHubTime(sentMs: number, hubMs: number): void {
    const now = Date.now();
    if (now - sentMs > this.roundTripMs) return;
    this.roundTripMs = now - sentMs;
    this.hubAheadMs = hubMs - (sentMs + now) / 2;
  }

  private begin(init: Uint8Array): void {
    this.sink?.close();
    this.sink = null;
    this.frames = [];
    const info = this.info;
    if (info === null) return;
    const events = {
      shown: (mediaS: number, atMs: number) => this.shown(mediaS, atMs),
      failed: (reason: string) => this.over(CODE_CANNOT_PLAY, reason),
    };
    if (this.element instanceof HTMLCanvasElement) {
      this.sink = new WebCodecsSink(this.element, info, init, events);
    } else if (mseCanPlay(info.codec)) {
      this.sink = new MseSink(this.element, info, init, events);
    } else {
      this.over(CODE_CANNOT_PLAY, `this browser does not play ${info.codec}`);
    }
  }

  private shown(mediaS: number, atMs: number): void {
    const frame = this.frames.find((one) => Math.abs(one.mediaS - mediaS) < 0.001);
    if (frame === undefined || this.info === null) return;
    this.retryMs = RETRY_MS_MIN;
    const latencyMs = Math.max(0, Math.round(atMs + this.hubAheadMs - frame.utcMs));
    const kind = latencyMs > SLOW_MS ? "slow" : "live";
    if (kind === this.stateKind && performance.now() - this.stateAtMs < STATE_MS) return;
    const { width, height } = this.info;
    this.tell(kind === "live" ? { kind, latencyMs, width, height } : { kind, latencyMs });
  }

  private tick(): void {
    const now = performance.now();
    if (now - this.heardAtMs > QUIET_MS_MAX) {
      this.over(CODE_QUIET, "nothing comes from the hub");
      return;
    }
    this.receipt(false);
    if (this.stateKind === "live" && now - this.stateAtMs > SLOW_MS) {
      this.tell({ kind: "slow", latencyMs: Math.round(now - this.stateAtMs) });
    }
  }

  private receipt(always: boolean): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const now = performance.now();
    if (!always && this.receivedBytes === this.toldBytes && now - this.toldAtMs < 8 * RECEIPT_MS) return;
    this.toldBytes = this.receivedBytes;
    this.toldAtMs = now;
    this.socket.send(JSON.stringify({ kind: "received", bytes: this.receivedBytes, at_ms: Date.now() }));
  }

  private over(code: number, reason: string): void {
    this.drop();
    if (this.closed) return;
    const again = !FINAL_CODES.has(code);
    this.tell({ kind: "ended", code, reason, again });
    if (!again) return;
    this.retry = window.setTimeout(() => this.connect(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MS_MAX);
  }

  private drop(): void {
    window.clearInterval(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.sink?.close();
    this.sink = null;
    this.info = null;
  }

  private tell(state: PlayerState): void {
    this.stateKind = state.kind;
    this.stateAtMs = performance.now();
    this.options.onState(state);
  }
}

type Notice =
  | ({ readonly kind: "stream" } & StreamInfo)
  | { readonly kind: "silent"; readonly detail: string }
  | { readonly kind: "time"; readonly at_ms: number; readonly hub_ms: number }
  | { readonly kind: "ended"; readonly reason: string };
