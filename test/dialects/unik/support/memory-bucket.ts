import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type {
  ForeignBucketFailed,
  ForeignKeys,
  ForeignPlace,
  OpenForeignBucket,
} from "#lambdas/ports/foreign-buckets.ts";

type Stored = { bytes: Buffer; about: Readonly<Record<string, string>> };

/** A hub elsewhere in memory: what was opened, and how it fails. */
export class MemoryBucket {
  readonly objects = new Map<string, Stored>();
  readonly opened: { place: ForeignPlace; keys: ForeignKeys }[] = [];
  closed = 0;
  /** what a method throws, by its name; `open` opens nothing */
  readonly fails = new Map<string, ForeignBucketFailed>();
  /** what it says of an object's size, instead of the truth */
  says: number | undefined;
  /** what `get` gives, instead of what is stored */
  gives: (() => Readable) | undefined;
  lists = true;

  readonly open: OpenForeignBucket = async (place, keys) => {
    this.#maybeFail("open");
    this.opened.push({ place, keys });
    return {
      put: async (key, body, size) => {
        this.#maybeFail("put");
        const bytes = await buffer(body);
        if (bytes.length !== size) throw new Error(`${bytes.length} bytes, and not ${size}`);
        this.objects.set(key, { bytes, about: {} });
      },
      putSmall: async (key, body, about) => {
        this.#maybeFail("putSmall");
        this.objects.set(key, { bytes: Buffer.from(body), about });
      },
      getSmall: async (key) => {
        this.#maybeFail("getSmall");
        return this.objects.get(key);
      },
      size: async (key) => {
        const object = this.objects.get(key);
        return object && (this.says ?? object.bytes.length);
      },
      get: async (key) => {
        this.#maybeFail("get");
        const object = this.objects.get(key);
        return object && (this.gives?.() ?? Readable.from([object.bytes]));
      },
      names: async (prefix) => {
        this.#maybeFail("names");
        const names = [...this.objects.keys()].flatMap((key) =>
          key.startsWith(prefix) ? [key.slice(prefix.length).split("/")[0]!] : [],
        );
        return { names: [...new Set(names)], isWhole: this.lists };
      },
      remove: async (key) => {
        this.#maybeFail("remove");
        this.objects.delete(key);
      },
      close: () => {
        this.closed += 1;
      },
    };
  };

  #maybeFail(method: string): void {
    const failure = this.fails.get(method);
    if (failure) throw failure;
  }
}
