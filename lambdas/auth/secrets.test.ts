import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadSecrets, rotateSealKey, rotateTokenSecret } from "./secrets.ts";

describe("secrets", () => {
  let parent: string;
  let data: string;
  let path: string;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), "perigee-secrets-"));
    data = join(parent, "data");
    path = join(data, "secrets.json");
  });
  afterEach(() => rm(parent, { recursive: true }));

  it("are made once, long, unlike each other, and found again", async () => {
    const secrets = await loadSecrets(data);
    expect(secrets.tokens).toHaveLength(1);
    const all = [secrets.tokens[0]!.secret, secrets.staging].map((secret) => Buffer.from(secret));
    expect(all.map((secret) => secret.length)).toEqual([32, 32]);
    expect(all[0]!.equals(all[1]!)).toBe(false);
    expect(await loadSecrets(data)).toEqual(secrets);
    expect(await loadSecrets(join(parent, "other"))).not.toEqual(secrets);
  });

  it("are the owner's alone, also after someone opened them up, and leave nothing beside them", async () => {
    await loadSecrets(data);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(data)).toEqual(["secrets.json"]);
    await chmod(path, 0o644);
    await loadSecrets(data);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("are the same for all who start at once, in one process and in several", async () => {
    const module = new URL("./secrets.ts", import.meta.url).href;
    const script = `
      const { loadSecrets } = await import(${JSON.stringify(module)});
      const { tokens, staging } = await loadSecrets(${JSON.stringify(data)});
      console.log(tokens[0].kid, Buffer.from(staging).toString("hex"));`;
    const children = [1, 2, 3].map(() =>
      spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      }),
    );
    const others = Promise.all(
      children.map(async (child) => {
        const [said, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
        expect(code).toBe(0);
        return said.trim();
      }),
    );
    const own = await Promise.all(Array.from({ length: 20 }, () => loadSecrets(data)));
    const said = own.map(
      ({ tokens, staging }) => `${tokens[0]!.kid} ${Buffer.from(staging).toString("hex")}`,
    );
    expect(new Set([...said, ...(await others)]).size).toBe(1);
    expect(await readdir(data)).toEqual(["secrets.json"]);
  });

  it("are never made anew over a file that cannot be read, nor shown in the error", async () => {
    await loadSecrets(data);
    const good = await readFile(path, "utf8");
    const secret = JSON.parse(good).staging as string;
    const short = Buffer.alloc(31).toString("base64url");
    for (const bad of [
      "",
      "{",
      good.slice(0, -20),
      "{}",
      good.replace(secret, short),
      good.replace(secret, "*"),
    ]) {
      await writeFile(path, bad);
      const error = await loadSecrets(data).catch((thrown: Error) => thrown);
      expect(error).toBeInstanceOf(Error);
      const shown = `${(error as Error).stack} ${JSON.stringify(error)}`;
      for (const part of bad.match(/[\w-]{43}/g) ?? []) expect(shown).not.toContain(part);
      expect(await readFile(path, "utf8")).toBe(bad);
    }
  });

  it("of a version that sealed nothing get a key that does, which lasts", async () => {
    const { tokens, staging } = await loadSecrets(data);
    const { seals: _, ...before } = JSON.parse(await readFile(path, "utf8"));
    await writeFile(path, JSON.stringify(before));
    const first = await loadSecrets(data);
    expect(first).toEqual({ tokens, staging, seals: [expect.any(Uint8Array)] });
    expect(await loadSecrets(data)).toEqual(first);
    await rotateSealKey(data);
    const { seals, ...rest } = await loadSecrets(data);
    expect(rest).toEqual({ tokens, staging });
    expect(seals).toHaveLength(2);
    expect(seals[1]).toEqual(first.seals[0]);
  });

  it("rotate: a new token secret before the last one, staging's untouched", async () => {
    const first = await loadSecrets(data);
    await rotateTokenSecret(data);
    const second = await loadSecrets(data);
    expect(second.tokens).toHaveLength(2);
    expect(second.tokens[1]).toEqual(first.tokens[0]);
    expect(second.tokens[0]!.kid).not.toBe(first.tokens[0]!.kid);
    expect(second.staging).toEqual(first.staging);
    await rotateTokenSecret(data);
    const third = await loadSecrets(data);
    expect(third.tokens.map(({ kid }) => kid)).not.toContain(first.tokens[0]!.kid);
    expect(third.tokens[1]).toEqual(second.tokens[0]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(data)).toEqual(["secrets.json"]);
  });
});
