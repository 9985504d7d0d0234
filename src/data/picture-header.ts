/** Formats that are read. */
export type PictureFormat = "png" | "jpeg" | "webp" | "gif";

/** What is known of a picture before it is decoded. */
export interface PictureHeader {
  readonly format: PictureFormat;
  readonly width: number;
  readonly height: number;
  /** Stored as cyan, magenta, yellow, black. */
  readonly cmyk: boolean;
  /** EXIF orientation 1 to 8: how the stored picture has to be turned. */
  readonly orientation: number;
  /** Bytes up to the end of the first frame (or of the file's own end marker). */
  readonly end: number;
}

/** Why a file is not read as a picture: part of a sentence. */
export interface PictureFault {
  readonly fault: string;
}

export function isFault(result: object): result is PictureFault {
  return "fault" in result;
}

/** Size of a picture as it is seen: EXIF orientation applied. */
export function uprightSize({ width, height, orientation }: PictureHeader): { width: number; height: number } {
  return orientation >= 5 ? { width: height, height: width } : { width, height };
}

/** Thrown and caught inside this file only: the bytes end before the picture does. */
const cutShort = Symbol("cut short");

/** Thrown and caught inside this file only: the picture is not read, for the reason given. */
class Unreadable {
  readonly fault: string;

  constructor(fault: string) {
    this.fault = fault;
  }
}

/** Pictures of more pixels than this are refused from their header, before memory is taken. */
export const defaultMaximumPixels = 100_000_000;

/** Big- and little-endian numbers of a byte array; reading past its end throws `cutShort`. */
class Cursor {
  readonly bytes: Uint8Array;
  readonly maximumPixels: number;
  at: number;

  constructor(bytes: Uint8Array, at = 0, maximumPixels = defaultMaximumPixels) {
    this.bytes = bytes;
    this.maximumPixels = maximumPixels;
    this.at = at;
  }

  /** A size, when it is within the limits. */
  sized(width: number, height: number): { width: number; height: number } {
    const pixels = `${width} x ${height} pixels`;
    if (width < 1 || height < 1) throw new Unreadable(`damaged: ${pixels}`);
    if (width * height > this.maximumPixels) throw new Unreadable(`${pixels}, more than the limit of ${this.maximumPixels}`);
    return { width, height };
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw cutShort;
    return this.bytes[this.at++];
  }

  big(count: number): number {
    let value = 0;
    for (let index = 0; index < count; index++) value = value * 256 + this.byte();
    return value;
  }

  little(count: number): number {
    let value = 0;
    for (let index = 0; index < count; index++) value += this.byte() * 256 ** index;
    return value;
  }

  text(count: number): string {
    return String.fromCharCode(...Array.from({ length: count }, () => this.byte()));
  }

  skip(count: number): void {
    this.at += count;
    if (this.at > this.bytes.length) throw cutShort;
  }
}

/**
 * Reads the size and kind of a picture, and walks its structure to the end, so that a file that was cut short is known without decoding it.
 *
 * Source: PNG (third edition), ITU-T T.81, RFC 9649, GIF89a.
 */
export function readHeader(bytes: Uint8Array, maximumPixels = defaultMaximumPixels): PictureHeader | PictureFault {
  if (bytes.length === 0) return { fault: "empty file" };
  const format = formats.find(({ signature }) => signature(bytes));
  if (format === undefined) return { fault: "not a PNG, JPEG, WebP or GIF picture" };
  try {
    return format.header(new Cursor(bytes, 0, maximumPixels));
  } catch (thrown) {
    if (thrown instanceof Unreadable) return { fault: thrown.fault };
    if (thrown !== cutShort) throw thrown;
    return { fault: `truncated: ${format.name} data ends after ${bytes.length} bytes, before the picture does` };
  }
}

const starts = (bytes: Uint8Array, at: number, text: string): boolean =>
  bytes.length >= at + text.length && Array.from(text).every((letter, index) => bytes[at + index] === letter.charCodeAt(0));

const formats: readonly {
  readonly name: string;
  readonly signature: (bytes: Uint8Array) => boolean;
  readonly header: (cursor: Cursor) => PictureHeader;
}[] = [
  { name: "PNG", signature: (bytes) => starts(bytes, 0, "\x89PNG\r\n\x1a\n"), header: pngHeader },
  { name: "JPEG", signature: (bytes) => starts(bytes, 0, "\xff\xd8\xff"), header: jpegHeader },
  { name: "WebP", signature: (bytes) => starts(bytes, 0, "RIFF") && starts(bytes, 8, "WEBP"), header: webpHeader },
  { name: "GIF", signature: (bytes) => starts(bytes, 0, "GIF87a") || starts(bytes, 0, "GIF89a"), header: gifHeader },
];

function pngHeader(cursor: Cursor): PictureHeader {
  cursor.skip(8);
  const length = cursor.big(4);
  if (cursor.text(4) !== "IHDR" || length !== 13) throw new Unreadable("damaged: PNG without its header");
  const size = cursor.sized(cursor.big(4), cursor.big(4));
  cursor.skip(9);
  let orientation = 1;
  for (;;) {
    const bytes = cursor.big(4);
    const type = cursor.text(4);
    const start = cursor.at;
    cursor.skip(bytes + 4);
    if (type === "eXIf") orientation = exifOrientation(cursor.bytes.subarray(start, start + bytes));
    if (type === "IEND") return { format: "png", ...size, cmyk: false, orientation, end: cursor.at };
  }
}

function jpegHeader(cursor: Cursor): PictureHeader {
  cursor.skip(2);
  let frame: { width: number; height: number; cmyk: boolean } | undefined;
  let orientation = 1;
  for (;;) {
    // bytes between segments are skipped, as decoders do
    while (cursor.byte() !== 0xff);
    let marker = cursor.byte();
    while (marker === 0xff) marker = cursor.byte();
    if (marker === 0xd9) {
      if (frame === undefined) throw new Unreadable("damaged: JPEG without a frame");
      return { format: "jpeg", ...frame, orientation, end: cursor.at };
    }
    if (marker === 0 || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    const size = cursor.big(2);
    const start = cursor.at;
    if (size < 2) throw new Unreadable(`damaged: JPEG segment of ${size} bytes`);
    cursor.skip(size - 2);
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      const inner = new Cursor(cursor.bytes, start + 1);
      const height = inner.big(2);
      frame = { ...cursor.sized(inner.big(2), height), cmyk: inner.byte() === 4 };
    } else if (marker === 0xe1 && starts(cursor.bytes, start, "Exif\0\0")) {
      orientation = exifOrientation(cursor.bytes.subarray(start + 6, cursor.at));
    } else if (marker === 0xda) skipScan(cursor);
  }
}

/** Moves to the next marker that is neither a stuffed byte nor a restart. */
function skipScan(cursor: Cursor): void {
  for (;;) {
    const found = cursor.bytes.indexOf(0xff, cursor.at);
    if (found < 0 || found + 1 >= cursor.bytes.length) throw cutShort;
    const next = cursor.bytes[found + 1];
    cursor.at = found;
    if (next !== 0 && !(next >= 0xd0 && next <= 0xd7) && next !== 0xff) return;
    cursor.at = next === 0xff ? found + 1 : found + 2;
  }
}

function webpHeader(cursor: Cursor): PictureHeader {
  cursor.skip(4);
  const end = cursor.little(4) + 8;
  if (end > cursor.bytes.length) throw cutShort;
  cursor.skip(4);
  let size: { width: number; height: number } | undefined;
  let orientation = 1;
  while (cursor.at + 8 <= end) {
    const type = cursor.text(4);
    const length = cursor.little(4);
    const start = cursor.at;
    const inner = new Cursor(cursor.bytes, start);
    if (type === "VP8X") {
      inner.skip(4);
      size = { width: inner.little(3) + 1, height: inner.little(3) + 1 };
    } else if (type === "VP8 " && size === undefined) {
      inner.skip(6);
      size = { width: inner.little(2) & 0x3fff, height: inner.little(2) & 0x3fff };
    } else if (type === "VP8L" && size === undefined) {
      inner.skip(1);
      const bits = inner.little(4);
      size = { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    } else if (type === "EXIF") orientation = exifOrientation(cursor.bytes.subarray(start, start + length));
    cursor.skip(Math.min(length + (length & 1), cursor.bytes.length - start));
    if (start + length > end) throw cutShort;
  }
  if (size === undefined) throw new Unreadable("damaged: WebP without a picture");
  return { format: "webp", ...cursor.sized(size.width, size.height), cmyk: false, orientation, end };
}

function gifHeader(cursor: Cursor): PictureHeader {
  cursor.skip(6);
  const width = cursor.little(2);
  const height = cursor.little(2);
  const flags = cursor.byte();
  cursor.skip(2);
  const skipBlocks = (): void => {
    for (let size = cursor.byte(); size !== 0; size = cursor.byte()) cursor.skip(size);
  };
  const skipPalette = (bits: number): void => {
    if (bits & 0x80) cursor.skip(3 << ((bits & 7) + 1));
  };
  skipPalette(flags);
  for (;;) {
    const block = cursor.byte();
    if (block === 0x21) {
      cursor.skip(1);
      skipBlocks();
    } else if (block === 0x2c) {
      cursor.skip(4);
      // the canvas holds the frame, whatever the screen descriptor says
      const size = cursor.sized(Math.max(width, cursor.little(2)), Math.max(height, cursor.little(2)));
      skipPalette(cursor.byte());
      cursor.skip(1);
      skipBlocks();
      return { format: "gif", ...size, cmyk: false, orientation: 1, end: cursor.at };
    } else if (block === 0x3b) throw new Unreadable("damaged: GIF without a frame");
    else throw new Unreadable(`damaged: unknown GIF block ${block} at byte ${cursor.at - 1}`);
  }
}

/** Orientation tag (0x0112) of the first directory of an EXIF (TIFF) block; 1 where there is none or it makes no sense. */
function exifOrientation(block: Uint8Array): number {
  try {
    const start = starts(block, 0, "Exif\0\0") ? 6 : 0;
    const tiff = block.subarray(start);
    const little = starts(tiff, 0, "II");
    if (!little && !starts(tiff, 0, "MM")) return 1;
    const number = (at: number, count: number): number => (little ? new Cursor(tiff, at).little(count) : new Cursor(tiff, at).big(count));
    const directory = number(4, 4);
    const entries = number(directory, 2);
    for (let entry = 0; entry < entries; entry++) {
      const at = directory + 2 + entry * 12;
      if (number(at, 2) !== 0x0112) continue;
      const value = number(at + 8, 2);
      return value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
  } catch (thrown) {
    if (thrown !== cutShort) throw thrown;
    return 1;
  }
}
