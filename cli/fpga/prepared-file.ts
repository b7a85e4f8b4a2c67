import { createHash, createPrivateKey, type KeyObject, sign } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CliFailure, usage } from "../failure.ts";

const WORD = 4;

/** A file as it is uploaded, and what its metadata says of that. `dispose` removes what was made for it. */
export type PreparedFile = {
  path: string;
  size: number;
  metadata: Record<string, string | boolean>;
  dispose(): Promise<void>;
};

/**
 * Makes a file ready for its upload: with the bytes of every word in the other order, with a signature, or as it is.
 * @param options.key path of an Ed25519 private key (PEM)
 * @throws CliFailure LOCAL_FILE, USAGE
 */
export async function prepareFile(
  file: string,
  { swapWords, key }: { swapWords?: boolean | undefined; key?: string | undefined },
): Promise<PreparedFile> {
  const signer = key === undefined ? undefined : await readKey(key);
  const { size } = await stat(file).catch((cause: Error) => {
    throw new CliFailure("LOCAL_FILE", `${file}: ${cause.message}`, { cause });
  });
  if (swapWords && size % WORD !== 0) {
    throw usage(`${file} has ${size} bytes, no whole words of ${WORD}: it is no raw configuration stream`);
  }
  const directory = swapWords ? await mkdtemp(join(tmpdir(), "perigee-fpga-")) : undefined;
  const dispose = async () => {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  };
  try {
    const path = directory === undefined ? file : join(directory, basename(file));
    if (directory !== undefined)
      await pipeline(createReadStream(file), wordSwapper(), createWriteStream(path, { mode: 0o600 }));
    const metadata = {
      ...(swapWords && { perigee_swapped_words: true }),
      ...(signer && { perigee_signature: await signatureOf(path, signer) }),
    };
    return { path, size, metadata, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Gives the bytes of each 32-bit word in the other order, whatever pieces they come in. */
function wordSwapper(): Transform {
  let rest: Buffer = Buffer.alloc(0);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const all = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
      const whole = all.length - (all.length % WORD);
      rest = all.subarray(whole);
      done(null, all.subarray(0, whole).swap32());
    },
  });
}

/** Over the SHA-256 in hex, which every party computes anyway. */
async function signatureOf(path: string, key: KeyObject): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return sign(null, Buffer.from(hash.digest("hex")), key).toString("base64");
}

async function readKey(path: string): Promise<KeyObject> {
  let pem: Buffer;
  try {
    pem = await readFile(path);
  } catch (cause) {
    throw new CliFailure("LOCAL_FILE", `${path}: ${(cause as Error).message}`, { cause });
  }
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch {
    // said below, without a word of what the file holds
  }
  throw usage(`${path} is no Ed25519 private key (PEM)`, "make one: openssl genpkey -algorithm ed25519");
}
