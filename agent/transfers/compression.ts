import { promisify } from "node:util";
import { zstdCompress } from "node:zlib";
import { WORTH_COMPRESSING, ZSTD_IN_BLOCKS } from "#protocol/link-encoding.ts";

const compress = promisify(zstdCompress);

/** Where it did not, so many pieces go as they are before one is tried again. */
const PAUSE = 16;

/** Compresses the pieces of one content for the link, as long as that pays: the first tells, and later ones again. */
export class Compression {
  #ratio = 1;
  #pause = 0;

  /** How much of the content has to cross, as far as is known: 1 is all. */
  get ratio(): number {
    return this.#ratio;
  }

  /** The piece as it is to be sent; undefined: as it is. */
  async of(piece: Buffer): Promise<Buffer | undefined> {
    if (this.#pause > 0) {
      this.#pause--;
      return undefined;
    }
    const made = await compress(piece, { params: ZSTD_IN_BLOCKS });
    const pays = made.length <= piece.length * WORTH_COMPRESSING;
    this.#ratio = pays ? made.length / piece.length : 1;
    this.#pause = pays ? 0 : PAUSE;
    return pays ? made : undefined;
  }
}
