/** What shows the pictures: Media Source on a <video>, or WebCodecs on a <canvas>. */

import type { Fragment } from "./fmp4.ts";

export interface StreamInfo {
  readonly codec: string;
  readonly width: number;
  readonly height: number;
}

export interface SinkEvents {
  /** A frame reached the screen; `atMs` is when, by this machine's clock. */
  shown(mediaS: number, atMs: number): void;
  /** Nothing more can be shown by this sink; a new one may do. */
  failed(reason: string): void;
}

export interface Sink {
  /** One frame. `bytes` is the whole fragment. */
  push(fragment: Fragment, bytes: Uint8Array, key: boolean): void;
  close(): void;
}
