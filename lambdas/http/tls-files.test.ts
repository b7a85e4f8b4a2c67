import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCertificate } from "#test/support/certificate.ts";
import { readTlsFiles } from "./tls-files.ts";

let directory: string;
let one: { cert: string; key: string };
let other: { cert: string; key: string };
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-tls-"));
  [one, other] = await Promise.all([makeCertificate(directory, "one"), makeCertificate(directory, "other")]);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const read = (cert?: string, key?: string) => readTlsFiles({ PERIGEE_TLS_CERT: cert, PERIGEE_TLS_KEY: key });

test("a certificate and its key; neither is plain HTTP", () => {
  expect(read(one.cert, one.key)).toEqual({
    cert: expect.stringContaining("BEGIN CERTIFICATE"),
    key: expect.stringContaining("PRIVATE KEY"),
  });
  expect(read()).toBeUndefined();
  expect(read("", "")).toBeUndefined();
});

test("what is wrong is named with its setting and file", () => {
  const nothing = join(directory, "nothing.pem");
  const text = join(directory, "text.pem");
  writeFileSync(text, "no certificate");
  expect(() => read(one.cert)).toThrow("go together: the key is not set");
  expect(() => read(undefined, one.key)).toThrow("go together: the certificate is not set");
  expect(() => read(nothing, one.key)).toThrow(`PERIGEE_TLS_CERT: ${nothing} cannot be read (ENOENT)`);
  expect(() => read(one.cert, directory)).toThrow(`PERIGEE_TLS_KEY: ${directory} cannot be read (EISDIR)`);
  expect(() => read(text, one.key)).toThrow(`PERIGEE_TLS_CERT: ${text} holds no certificate`);
  expect(() => read(one.cert, one.cert)).toThrow(`PERIGEE_TLS_KEY: ${one.cert} holds no private key`);
  expect(() => read(one.cert, other.key)).toThrow(
    `the key in ${other.key} is not of the certificate in ${one.cert}`,
  );
});
