import { once } from "node:events";
import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type FormOptions, receiveForm } from "./receive-form.ts";

const TYPE = "multipart/form-data; boundary=B";
const part = (header: string, text: string | Buffer) =>
  Buffer.concat([
    Buffer.from(`--B\r\nContent-Disposition: form-data; ${header}\r\n\r\n`),
    Buffer.from(text),
    Buffer.from("\r\n"),
  ]);
const file = (name: string, text: string | Buffer) => part(`name="files"; filename="${name}"`, text);
const END = Buffer.from("--B--\r\n");

type Stored = { size: number };
const MANY = 10_000;

function options(overrides: Partial<FormOptions<Stored>> = {}): FormOptions<Stored> {
  return {
    contentType: TYPE,
    isField: ({ fileName }) => fileName === undefined,
    onField: () => {},
    onFile: () => {},
    store: async (_n, body) => object(await body.toArray()),
    most: { files: MANY, bytes: Number.MAX_SAFE_INTEGER, bodyBytes: Number.MAX_SAFE_INTEGER },
    refusals: {
      tooLarge: () => new Error("too large"),
      tooManyFiles: () => new Error("too many files"),
      noFiles: () => new Error("no files"),
    },
    ...overrides,
  };
}

const object = (chunks: Uint8Array[]): Stored => ({
  size: chunks.reduce((bytes, chunk) => bytes + chunk.length, 0),
});

test("slow storage holds the body back: memory does not fill with small files", async () => {
  const gate = Promise.withResolvers<void>();
  const piece = Buffer.concat(Array.from({ length: 8 }, (_, i) => file(`f${i}`, "x".repeat(8000))));
  let pulled = 0;
  const body = new Readable({
    read() {
      if (pulled++ < 500) this.push(piece);
      else this.push(pulled === 502 ? null : END);
    },
  });
  const reading = receiveForm(
    body,
    options({
      store: async (_n, content) => {
        await gate.promise;
        return object(await content.toArray());
      },
    }),
  );
  await once(body, "pause");
  expect(pulled).toBeLessThan(10);
  gate.resolve();
  expect(await reading).toHaveLength(4000);
});

test("whatever ends it, nothing is being stored when it returns", async () => {
  let storing = 0;
  const reading = receiveForm(
    Readable.from([file("a", "x"), file("b", "x"), part('name="stop"', "now"), END]),
    options({
      onField: () => {
        throw new Error("stop");
      },
      store: async (_n, _body, signal) => {
        storing++;
        // as slow to stop as it likes
        if (!signal.aborted) await once(signal, "abort");
        await new Promise((resolve) => setImmediate(resolve));
        storing--;
        throw signal.reason;
      },
    }),
  );
  await expect(reading).rejects.toThrow("stop");
  expect(storing).toBe(0);
});

test("a failure to store that comes after the body's end counts", async () => {
  const body = Readable.from([file("a", "x"), END]);
  const reading = receiveForm(
    body,
    options({
      store: async (_n, content) => {
        await content.toArray();
        await new Promise((resolve) => setImmediate(resolve));
        throw new Error("disk");
      },
    }),
  );
  await expect(reading).rejects.toThrow("disk");
});

test("a client that sends nothing for too long is given up", async () => {
  const body = new Readable({ read() {} });
  body.push(file("a", "x"));
  const reading = receiveForm(body, options({ idleMs: 20 }));
  await expect(reading).rejects.toMatchObject({ code: "INVALID_PARAMETERS" });
  body.destroy();
});

test("storage that takes its time is not the client's silence", async () => {
  const body = new Readable({ read() {} });
  const wanted = 3 << 20;
  body.push(file("a", Buffer.alloc(wanted)));
  body.push(END);
  body.push(null);
  const gate = Promise.withResolvers<void>();
  const reading = receiveForm(
    body,
    options({
      idleMs: 500,
      store: async (_n, content) => {
        await gate.promise;
        return object(await content.toArray());
      },
    }),
  );
  await once(body, "pause");
  // longer than the idle time, while the body waits for us
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  gate.resolve();
  expect(await reading).toMatchObject([{ size: wanted }]);
});

test("cut anywhere, in whatever pieces: all files or an error, and every byte in its place", async () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom("", "\r\n", "--B", "\r\n--", "\r\n--C", "-", "\r").map((text) => Buffer.from(text)),
  );
  const files = fc
    .array(content, { minLength: 1, maxLength: 5 })
    .filter((all) =>
      all.every((one) => !one.includes("\r\n--B") && !one.subarray(0, 3).equals(Buffer.from("--B"))),
    );
  await fc.assert(
    fc.asyncProperty(
      files,
      fc.nat(),
      fc.integer({ min: 1, max: 50 }),
      fc.boolean(),
      async (contents, at, step, whole) => {
        const all = Buffer.concat([...contents.map((one, i) => file(`f${i}`, one)), END.subarray(0, -2)]);
        const sent = whole ? all : all.subarray(0, at % all.length);
        const pieces: Buffer[] = [];
        for (let i = 0; i < sent.length; i += step) pieces.push(Buffer.from(sent.subarray(i, i + step)));
        const stored = new Map<number, Buffer>();
        const reading = receiveForm(
          Readable.from(pieces),
          options({
            store: async (n, body) => {
              const chunks = await body.toArray();
              stored.set(n, Buffer.concat(chunks));
              return object(chunks);
            },
          }),
        );
        if (!whole) {
          await expect(reading).rejects.toThrow(
            sent.length === 0 ? "no files" : expect.objectContaining({ code: "INVALID_PARAMETERS" }),
          );
          return;
        }
        expect((await reading).map(({ n, name }) => [n, name])).toEqual(
          contents.map((_one, i) => [i, `f${i}`]),
        );
        contents.forEach((one, i) => void expect(stored.get(i)).toEqual(one));
      },
    ),
    { numRuns: 150 },
  );
});

test("a byte over what is allowed is refused however the body is cut and however slow the store is", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40_000 }),
      fc.integer({ min: 60_000, max: 200_000 }),
      async (cut, size) => {
        const whole = Buffer.concat([file("one", Buffer.alloc(size)), file("two", "x"), END]);
        const pieces: Buffer[] = [];
        for (let at = 0; at < whole.length; at += cut) pieces.push(whole.subarray(at, at + cut));
        const reading = receiveForm(
          Readable.from(pieces, { objectMode: false }),
          options({
            allowance: size,
            store: async (_n, content) => {
              // The parser is held up while the rest of the body is there already.
              await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
              return object(await content.toArray());
            },
          }),
        );
        await expect(reading).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
      },
    ),
    { numRuns: 60 },
  );
});

test("a file tells the name of its part, and fields keep theirs", async () => {
  const fields: string[] = [];
  const body = [part('name="b"', "1"), part('name="inbox"; filename="x"', "22"), part('name="a"', ""), END];
  const received = await receiveForm(
    Readable.from(body),
    options({ onField: (name, value) => fields.push(`${name}=${value}`) }),
  );
  expect(received).toEqual([{ n: 0, name: "x", field: "inbox", size: 2 }]);
  expect(fields).toEqual(["b=1", "a="]);
});

test("more files, bytes or fields than the route takes are refused in its words", async () => {
  const form = (most: Partial<FormOptions<Stored>["most"]>, ...parts: Buffer[]) =>
    receiveForm(Readable.from([...parts, END]), options({ most: { ...options().most, ...most } }));
  const [a, b] = [file("a", "xxx"), file("b", "xxx")];
  expect(await form({ files: 2, bytes: 6 }, a, b)).toHaveLength(2);
  await expect(form({ files: 1 }, a, b)).rejects.toThrow("too many files");
  await expect(form({ bytes: 5 }, a, b)).rejects.toThrow("too large");
  await expect(form({ bodyBytes: 50 }, a, b)).rejects.toThrow("too large");
  await expect(form({ fields: 1 }, part('name="x"', "1"), part('name="y"', "2"))).rejects.toMatchObject({
    code: "INVALID_PARAMETERS",
  });
  await expect(form({ fieldBytes: 1 }, part('name="x"', "12"))).rejects.toMatchObject({
    code: "INVALID_PARAMETERS",
  });
});

test("a form without files is taken where the route needs none", async () => {
  const { noFiles: _, ...refusals } = options().refusals;
  const received = receiveForm(Readable.from([part('name="x"', "1"), END]), options({ refusals }));
  expect(await received).toEqual([]);
  await expect(receiveForm(Readable.from([part('name="x"', "1"), END]), options())).rejects.toThrow(
    "no files",
  );
});

test("what would be a file but has no file name is refused, unless the route takes it", async () => {
  const unnamed = () => Readable.from([part('name="f"', "a/path"), END]);
  const isField = () => false;
  await expect(receiveForm(unnamed(), options({ isField }))).rejects.toMatchObject({
    code: "INVALID_PARAMETERS",
  });
  const taken = receiveForm(
    unnamed(),
    options({ isField, takeUnnamed: () => ({ data: () => {}, end: () => {} }) }),
  );
  await expect(taken).rejects.toThrow("no files");
});
