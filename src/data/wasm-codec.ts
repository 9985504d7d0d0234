import type { Raster } from "./resize.ts";

/** What the codecs' modules offer. */
interface CodecModule {
  decode(data: Uint8Array, preserveOrientation?: boolean): { width: number; height: number; data: Uint8ClampedArray } | null;
}

type CodecFactory = (options: {
  noInitialRun: boolean;
  print?: (text: string) => void;
  printErr?: (text: string) => void;
  instantiateWasm?: (imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) => WebAssembly.Exports;
}) => Promise<CodecModule>;

/** Where the codecs are: a module of glue and, beside it, its wasm. */
const codecs = {
  jpeg: { glue: "@jsquash/jpeg/codec/dec/mozjpeg_dec.js", load: () => import("@jsquash/jpeg/codec/dec/mozjpeg_dec.js") },
  webp: { glue: "@jsquash/webp/codec/dec/webp_dec.js", load: () => import("@jsquash/webp/codec/dec/webp_dec.js") },
} as const;

const inNode = typeof process === "object" && process.release?.name === "node";

/** Compiles a codec; in Node its wasm is read from the package, elsewhere the glue fetches it. */
async function compile(glue: string): Promise<WebAssembly.Module | undefined> {
  if (!inNode) return undefined;
  const { createRequire } = await import("node:module");
  const { readFile } = await import("node:fs/promises");
  return WebAssembly.compile(await readFile(createRequire(import.meta.url).resolve(glue.replace(/\.js$/, ".wasm"))));
}

/** Opens a codec. Throws (from the codec) Error when the bytes cannot be decoded; the codec stays usable. */
export async function openCodec(name: keyof typeof codecs): Promise<(bytes: Uint8Array) => Promise<Raster>> {
  const { glue, load } = codecs[name];
  const factory = (await load()).default as unknown as CodecFactory;
  const module = await compile(glue);
  const open = (): Promise<CodecModule> =>
    factory({
      noInitialRun: true,
      print: () => {},
      printErr: () => {},
      ...(module === undefined
        ? {}
        : {
            instantiateWasm: (imports, done) => {
              const instance = new WebAssembly.Instance(module, imports);
              done(instance);
              return instance.exports;
            },
          }),
    });
  let codec: Promise<CodecModule> | undefined;
  return async (bytes) => {
    codec ??= open();
    try {
      const picture = name === "jpeg" ? (await codec).decode(bytes, false) : (await codec).decode(bytes);
      if (picture === null) throw new Error("the decoder refused it");
      return {
        width: picture.width,
        height: picture.height,
        channels: 4,
        data: new Uint8Array(picture.data.buffer, picture.data.byteOffset, picture.data.length),
      };
    } catch (thrown) {
      // an aborted module is not used again
      codec = undefined;
      throw thrown instanceof Error ? thrown : new Error(String(thrown));
    }
  };
}
