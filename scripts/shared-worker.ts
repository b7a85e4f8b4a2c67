import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");
const ROOMS = ["protocol", "lambdas", "agent", "cli", "console", "test/dialects"];

/** What cannot reach from one test file into the next. */
const NODE = [
  ...["buffer", "crypto", "dgram", "events", "fs", "fs/promises", "http", "net", "os", "path", "path/posix"],
  ...[
    "sqlite",
    "stream",
    "stream/consumers",
    "stream/promises",
    "stream/web",
    "timers/promises",
    "tls",
    "url",
  ],
  ...["util", "zlib"],
];
const PACKAGES = [
  ...["vitest", "fast-check", "zod", "hono", "@hono/node-server", "pino", "tar-stream", "@node-rs/xxhash"],
  ...["jose", "ulid", "ws", "yazl"],
];
/** Directories, stores in memory and in a file, bytes to send, a ground or a dialect's routes in this process. */
const SUPPORT = [
  ...[
    "certificate",
    "chunks-of",
    "declared-file",
    "em-server",
    "fake-runtime",
    "fpga/arrived-request",
    "fpga/build-aei",
    "fpga/build-bit",
    "fpga/build-raw-stream",
    "fpga/build-xclbin",
    "fpga/sign-sdk",
    "gate",
    "lane-dialect",
    "long-run",
    "memory-runners",
    "memory-store",
    "operation-context",
    "quick-passwords",
  ],
  ...["raw-http", "saved-archive", "scripted-ground", "tar-of", "temporary-store", "uplink-form", "xxh64-of"],
];
const ALLOWED = new Set([
  ...NODE.map((name) => `node:${name}`),
  ...PACKAGES,
  ...SUPPORT.map((name) => `#test/support/${name}.ts`),
  ...["memory-socket", "scripted-execution"].map((name) => `#test/live/support/${name}.ts`),
  ...[
    "fpga-ground",
    "kabuto-ground",
    "poseidon-ground",
    "scripted-agent",
    "scripted-live",
    "tiny-ground",
  ].map((name) => `./support/${name}.ts`),
]);
/** Mocks and fake timers, the environment, signals, globals, what all tests of a library share: of the whole process. */
const OF_THE_PROCESS =
  /\bvi\.|\bprocess\.|\bglobalThis\b|\.prototype\b|\bexpect\.extend\b|\bfc\.configureGlobal\b/;
/** A function of a built-in or of a module that is replaced by another one. */
const REPLACED = /\b(?:fs|os|path|crypto|timers|console|Date|Math|JSON|Object|Array|Buffer)\.\w+ = /;
const IMPORTED = /(?:from |import |import\()"([^"]+)"/g;

/**
 * The test files that run one after the other in one worker: unit tests that use nothing of the whole process and start
 * none, as their imports tell. A worker of its own costs more than most of them do.
 */
export const SHARED_WORKER_FILES = globSync(
  ROOMS.map((room) => `${room}/**/*.test.ts`),
  { cwd: ROOT },
)
  .filter((file) => sharesWorker(readFileSync(join(ROOT, file), "utf8")))
  .toSorted();

/** May a test file with this text share its worker with others? */
export function sharesWorker(source: string): boolean {
  const imported = [...source.matchAll(IMPORTED)].map(([, name]) => name!);
  if (OF_THE_PROCESS.test(source) || REPLACED.test(source)) return false;
  return imported.every((name) => ALLOWED.has(name) || isOwn(name));
}

/** A neighbour, or a part of the program. */
function isOwn(name: string): boolean {
  if (name.startsWith(".")) return !/(^|\/)(support|testing)\//.test(name);
  return name.startsWith("#") && !name.startsWith("#test/");
}
