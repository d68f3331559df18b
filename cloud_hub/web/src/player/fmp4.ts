/**
 * What the player reads from the station's fragments (station_agent/video/packager.py):
 *
 *     prft | moof( mfhd traf( tfhd tfdt trun ) ) | mdat       one frame each, times in 1/90000 s
 *
 * and the decoder's description (avcC) from the init segment.
 */

export const TIMESCALE = 90_000;
const NTP_OFFSET_S = 2_208_988_800; // from 1900 to 1970

export interface FrameTimes {
  /** When the frame is shown, in seconds of the media's time line. */
  readonly mediaS: number;
  /** When the station got it from the camera, by the station's clock, in ms since 1970. */
  readonly utcMs: number;
}

export interface Fragment extends FrameTimes {
  readonly durationS: number;
  /** Length-prefixed NAL units. */
  readonly sample: Uint8Array;
}

interface Box {
  readonly type: string;
  readonly body: DataView;
}

function* boxes(view: DataView): Generator<Box> {
  let at = 0;
  while (at + 8 <= view.byteLength) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > view.byteLength) throw new RangeError("a box is cut short");
    const type = String.fromCharCode(...[4, 5, 6, 7].map((i) => view.getUint8(at + i)));
    yield { type, body: new DataView(view.buffer, view.byteOffset + at + 8, size - 8) };
    at += size;
  }
}

function child(view: DataView, ...path: string[]): DataView {
  let found = view;
  for (const type of path) {
    const box = [...boxes(found)].find((one) => one.type === type);
    if (box === undefined) throw new RangeError(`no ${type} box`);
    found = box.body;
  }
  return found;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Throws RangeError for what is not one of our fragments. */
export function readFragment(bytes: Uint8Array): Fragment {
  const view = viewOf(bytes);
  const reference = child(view, "prft");
  const utcMs = (reference.getUint32(8) - NTP_OFFSET_S) * 1000 + (reference.getUint32(12) / 2 ** 32) * 1000;
  const track = child(view, "moof", "traf");
  const decodeTime = Number(child(track, "tfdt").getBigUint64(4));
  const run = child(track, "trun");
  const data = child(view, "mdat");
  return {
    mediaS: (decodeTime + run.getInt32(24)) / TIMESCALE,
    utcMs,
    durationS: run.getUint32(12) / TIMESCALE,
    sample: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

/** The AVCDecoderConfigurationRecord of an init segment. */
export function readDescription(init: Uint8Array): Uint8Array {
  const table = child(viewOf(init), "moov", "trak", "mdia", "minf", "stbl", "stsd");
  const entries = new DataView(table.buffer, table.byteOffset + 8, table.byteLength - 8);
  const entry = child(entries, "avc1");
  const VISUAL_SAMPLE_ENTRY_BYTES = 78;
  const inside = new DataView(
    entry.buffer,
    entry.byteOffset + VISUAL_SAMPLE_ENTRY_BYTES,
    entry.byteLength - VISUAL_SAMPLE_ENTRY_BYTES,
  );
  const record = child(inside, "avcC");
  return new Uint8Array(record.buffer, record.byteOffset, record.byteLength);
}
