/** Formats that are read. */
export type PictureFormat = "png" | "jpeg" | "webp" | "gif";

/** What is known of a picture before it is decoded. */
export interface PictureHeader {
  readonly format: PictureFormat;
  readonly width: number;
  readonly height: number;
  /** Stored without colour. */
  readonly grey: boolean;
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

/** Big- and little-endian numbers of a byte array; reading past its end throws `cutShort`. */
class Cursor {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
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
export function readHeader(bytes: Uint8Array): PictureHeader | PictureFault {
  if (bytes.length === 0) return { fault: "empty file" };
  const read = readers.find(({ signature }) => signature(bytes));
  if (read === undefined) return { fault: "not a PNG, JPEG, WebP or GIF picture" };
  try {
    const header = read.header(new Cursor(bytes));
    if (isFault(header)) return header;
    if (header.width < 1 || header.height < 1) return { fault: `damaged: ${header.width} x ${header.height} pixels` };
    return header;
  } catch (thrown) {
    if (thrown !== cutShort) throw thrown;
    return { fault: `truncated: ${read.name} data ends after ${bytes.length} bytes, before the picture does` };
  }
}

const starts = (bytes: Uint8Array, at: number, text: string): boolean =>
  bytes.length >= at + text.length && Array.from(text).every((letter, index) => bytes[at + index] === letter.charCodeAt(0));

const readers: readonly {
  readonly name: string;
  readonly signature: (bytes: Uint8Array) => boolean;
  readonly header: (cursor: Cursor) => PictureHeader | PictureFault;
}[] = [
  { name: "PNG", signature: (bytes) => starts(bytes, 0, "\x89PNG\r\n\x1a\n"), header: pngHeader },
  { name: "JPEG", signature: (bytes) => starts(bytes, 0, "\xff\xd8\xff"), header: jpegHeader },
  { name: "WebP", signature: (bytes) => starts(bytes, 0, "RIFF") && starts(bytes, 8, "WEBP"), header: webpHeader },
  { name: "GIF", signature: (bytes) => starts(bytes, 0, "GIF87a") || starts(bytes, 0, "GIF89a"), header: gifHeader },
];

function isGreyPalette(palette: Uint8Array): boolean {
  for (let at = 0; at + 2 < palette.length; at += 3) if (palette[at] !== palette[at + 1] || palette[at] !== palette[at + 2]) return false;
  return true;
}

function pngHeader(cursor: Cursor): PictureHeader | PictureFault {
  cursor.skip(8);
  const length = cursor.big(4);
  if (cursor.text(4) !== "IHDR" || length !== 13) return { fault: "damaged: PNG without its header" };
  const width = cursor.big(4);
  const height = cursor.big(4);
  cursor.skip(1);
  const colourType = cursor.byte();
  cursor.skip(7);
  let grey = colourType === 0 || colourType === 4;
  let orientation = 1;
  for (;;) {
    const size = cursor.big(4);
    const type = cursor.text(4);
    const start = cursor.at;
    cursor.skip(size + 4);
    const content = cursor.bytes.subarray(start, start + size);
    if (type === "PLTE" && colourType === 3) grey = isGreyPalette(content);
    if (type === "eXIf") orientation = exifOrientation(content);
    if (type === "IEND") return { format: "png", width, height, grey, cmyk: false, orientation, end: cursor.at };
  }
}

function jpegHeader(cursor: Cursor): PictureHeader | PictureFault {
  cursor.skip(2);
  let frame: { height: number; width: number; components: number } | undefined;
  let orientation = 1;
  for (;;) {
    if (cursor.byte() !== 0xff) return { fault: `damaged: JPEG marker expected at byte ${cursor.at - 1}` };
    let marker = cursor.byte();
    while (marker === 0xff) marker = cursor.byte();
    if (marker === 0xd9) {
      if (frame === undefined) return { fault: "damaged: JPEG without a frame" };
      const { width, height, components } = frame;
      return { format: "jpeg", width, height, grey: components === 1, cmyk: components === 4, orientation, end: cursor.at };
    }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    const size = cursor.big(2);
    const start = cursor.at;
    cursor.skip(size - 2);
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      const inner = new Cursor(cursor.bytes, start + 1);
      frame = { height: inner.big(2), width: inner.big(2), components: inner.byte() };
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

function webpHeader(cursor: Cursor): PictureHeader | PictureFault {
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
  if (size === undefined) return { fault: "damaged: WebP without a picture" };
  return { format: "webp", ...size, grey: false, cmyk: false, orientation, end };
}

function gifHeader(cursor: Cursor): PictureHeader | PictureFault {
  cursor.skip(6);
  const width = cursor.little(2);
  const height = cursor.little(2);
  const flags = cursor.byte();
  cursor.skip(2);
  const skipBlocks = (): void => {
    for (let size = cursor.byte(); size !== 0; size = cursor.byte()) cursor.skip(size);
  };
  const palette = (bits: number): Uint8Array => {
    const start = cursor.at;
    if (bits & 0x80) cursor.skip(3 << ((bits & 7) + 1));
    return cursor.bytes.subarray(start, cursor.at);
  };
  let colours = palette(flags);
  for (;;) {
    const block = cursor.byte();
    if (block === 0x21) {
      cursor.skip(1);
      skipBlocks();
    } else if (block === 0x2c) {
      cursor.skip(4);
      const frame = { width: cursor.little(2), height: cursor.little(2) };
      const own = palette(cursor.byte());
      if (own.length > 0) colours = own;
      cursor.skip(1);
      skipBlocks();
      const grey = isGreyPalette(colours);
      // the canvas holds the frame, whatever the screen descriptor says
      return {
        format: "gif",
        width: Math.max(width, frame.width),
        height: Math.max(height, frame.height),
        grey,
        cmyk: false,
        orientation: 1,
        end: cursor.at,
      };
    } else if (block === 0x3b) return { fault: "damaged: GIF without a frame" };
    else return { fault: `damaged: unknown GIF block ${block} at byte ${cursor.at - 1}` };
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
