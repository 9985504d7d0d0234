/** A frame of an animated WebP as a file of its own, and its place on the canvas. */
export interface WebpFrame {
  readonly file: Uint8Array;
  readonly x: number;
  readonly y: number;
}

const little = (bytes: Uint8Array, at: number, count: number): number => {
  let value = 0;
  for (let index = count - 1; index >= 0; index--) value = value * 256 + bytes[at + index];
  return value;
};

const tag = (bytes: Uint8Array, at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));

/**
 * Takes the first frame out of an animated WebP; undefined when the file is a still picture.
 *
 * Source: RFC 9649, sections 2.7.1.1 (ANMF) and 2.7.1.2.
 */
export function firstWebpFrame(bytes: Uint8Array): WebpFrame | undefined {
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = little(bytes, at + 4, 4);
    if (tag(bytes, at) === "ANMF") {
      const body = at + 8;
      const width = little(bytes, body + 6, 3) + 1;
      const height = little(bytes, body + 9, 3) + 1;
      const chunks = bytes.subarray(body + 16, at + 8 + length);
      return { file: wrap(chunks, width, height), x: little(bytes, body, 3) * 2, y: little(bytes, body + 3, 3) * 2 };
    }
    at += 8 + length + (length & 1);
  }
  return undefined;
}

/** A file of an extended header (with alpha, where there is any) and the chunks of one frame. */
function wrap(chunks: Uint8Array, width: number, height: number): Uint8Array {
  const file = new Uint8Array(30 + chunks.length);
  const put = (at: number, value: number, count: number): void => {
    for (let index = 0; index < count; index++) file[at + index] = Math.floor(value / 256 ** index) & 255;
  };
  const write = (at: number, text: string): void =>
    file.set(
      Array.from(text, (letter) => letter.charCodeAt(0)),
      at,
    );
  write(0, "RIFF");
  put(4, file.length - 8, 4);
  write(8, "WEBPVP8X");
  put(16, 10, 4);
  put(20, tag(chunks, 0) === "VP8 " ? 0 : 0x10, 4);
  put(24, width - 1, 3);
  put(27, height - 1, 3);
  file.set(chunks, 30);
  return file;
}
