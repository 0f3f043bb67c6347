/**
 * wavefile 11.0.0 is two builds: its main file for CommonJS, and sources with imports without endings, which Node
 * cannot load. Bundlers prefer the latter. The main file by its path is the same everywhere, but has no types; and it says
 * that it was an ES module: bundlers give its exports by their names, Node all of them as the default.
 */
declare module "wavefile/dist/wavefile.js" {
  class WaveFile {
    constructor(file?: Uint8Array);
    fromScratch(channels: number, sampleRate: number, bitDepth: string, samples: ArrayLike<number>): void;
    fromALaw(): void;
    fromMuLaw(): void;
    /** All channels' samples in turns, as the file has them. */
    getSamples<Samples>(interleaved: true, type: { new (length: number): Samples }): Samples;
    toBuffer(): Uint8Array;
  }
  interface Exports {
    readonly WaveFile: typeof WaveFile;
  }
  const wavefile: Exports & { readonly default?: Exports };
  export = wavefile;
}
