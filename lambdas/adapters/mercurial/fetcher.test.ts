import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { ensureMercurial, makeRepository, type Repository } from "#test/support/mercurial.ts";
import { RepositoryFailed } from "../../ports/repository-fetcher.ts";
import { MercurialFetcher, type MercurialFetcherOptions } from "./fetcher.ts";

let directory: string;
let repository: Repository;
const servers: Server[] = [];
const never = new AbortController().signal;

beforeAll(async () => {
  repository = await makeRepository();
  const { directory: at } = repository;
  await mkdir(join(at, "d"));
  await writeFile(join(at, "Dockerfile"), "FROM busybox\n");
  await writeFile(join(at, "d", "é file"), "first");
  await symlink("/etc/passwd", join(at, "link"));
  await symlink("/", join(at, "directory"));
  await symlink(".", join(at, "a"));
  await symlink(".", join(at, "b"));
  await repository.commit();
  await repository.hg("tag", "v1");
  await writeFile(join(at, "d", "é file"), "second");
  await repository.commit();
}, 300_000);
afterAll(() => repository?.stop());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "perigee-fetcher-"));
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await rm(directory, { recursive: true, force: true });
});

const open = (options: MercurialFetcherOptions = {}) => MercurialFetcher.open(join(directory, "r"), options);
const left = () => (existsSync(join(directory, "r")) ? readdirSync(join(directory, "r")) : []);

/** Files by path, of a repository whose address the operator lists. */
async function fetched(fetcher: MercurialFetcher, url: string, revision?: string, signal = never) {
  const internal = [new URL(url).host];
  const address = { url: new URL(url), internal, ...(revision !== undefined && { revision }) };
  await using got = await fetcher.fetch("a", address, signal);
  const texts = got.files.map(async (file) => [file.path, await text(file.open())] as const);
  return Object.fromEntries(await Promise.all(texts));
}

async function listen(handle: RequestListener): Promise<string> {
  const server = createServer(handle);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a repository", () => {
  test("comes with its regular files, without links, and leaves nothing", async () => {
    const files = await fetched(await open(), repository.url);
    expect(files).toEqual({
      Dockerfile: "FROM busybox\n",
      "d/é file": "second",
      ".hgtags": expect.any(String),
    });
    expect(left()).toEqual([]);
  });

  test("comes in the revision that is asked for", async () => {
    const fetcher = await open();
    expect(await fetched(fetcher, repository.url, "v1")).toMatchObject({ "d/é file": "first" });
    expect(await fetched(fetcher, repository.url, "0")).toMatchObject({ "d/é file": "first" });
    await expect(fetched(fetcher, repository.url, "v2")).rejects.toThrow("unknown revision 'v2'");
    for (const odd of ["all()", '"v1"', "--config=x", "-r", ""]) {
      await expect(fetched(fetcher, repository.url, odd)).rejects.toThrow("the revision is no name");
    }
    expect(left()).toEqual([]);
  });

  test("with more files or bytes than are taken fails before they are written", async () => {
    const few = await open({ files: 2 });
    await expect(fetched(few, repository.url)).rejects.toThrow("it has 7 files, at most 2 are taken");
    const large = await makeRepository();
    try {
      await writeFile(join(large.directory, "zeros"), "");
      await truncate(join(large.directory, "zeros"), 8 * MiB);
      await large.commit();
      const small = await open({ bytes: 4 * MiB });
      await expect(fetched(small, large.url)).rejects.toThrow("it is over 4 MiB");
    } finally {
      await large.stop();
    }
    expect(left()).toEqual([]);
  });

  test("with a file name that is not UTF-8 cannot be had", async () => {
    const odd = await makeRepository();
    try {
      await writeFile(Buffer.concat([Buffer.from(`${odd.directory}/`), Buffer.from([0x61, 0xff])]), "a");
      await odd.commit();
      const failed = fetched(await open(), odd.url);
      await expect(failed).rejects.toThrow(new RepositoryFailed("a file name is not UTF-8"));
    } finally {
      await odd.stop();
    }
    expect(left()).toEqual([]);
  });

  test("with sub-repositories comes without them, and nobody asks for them", async () => {
    const [outer, inner] = await Promise.all([makeRepository(), makeRepository()]);
    try {
      await writeFile(join(inner.directory, "secret"), "of the sub-repository");
      await inner.commit();
      await outer.hg("clone", "--quiet", inner.url, "inner");
      await writeFile(join(outer.directory, ".hgsub"), `inner = ${inner.url}\n`);
      await writeFile(join(outer.directory, "a"), "a");
      await outer.commit();
      // who clones it as a matter of course gets both
      await outer.hg("clone", "--quiet", outer.url, join(directory, "plain"));
      expect(existsSync(join(directory, "plain", "inner", "secret"))).toBe(true);
      const files = await fetched(await open(), outer.url);
      expect(Object.keys(files).sort()).toEqual([".hgsub", ".hgsubstate", "a"]);
    } finally {
      await outer.stop();
      await inner.stop();
    }
  });

  test("runs no hook, whatever settings the ground's own user has", async () => {
    const marker = join(directory, "hooked");
    const settings = join(directory, ".hgrc");
    const commands = [
      "archive",
      "cat",
      "clone",
      "files",
      "identify",
      "init",
      "log",
      "manifest",
      "pull",
      "update",
    ];
    const hooks = commands.map((command) => `pre-${command}.test = touch ${marker}\n`).join("");
    await writeFile(settings, `[hooks]\n${hooks}`);
    vi.stubEnv("HOME", directory);
    vi.stubEnv("HGRCPATH", settings);
    try {
      // they are good ones
      await promisify(execFile)(await ensureMercurial(), [
        "clone",
        "-q",
        repository.url,
        join(directory, "c"),
      ]);
      expect(existsSync(marker)).toBe(true);
      await rm(marker);
      expect(await fetched(await open(), repository.url)).toMatchObject({ Dockerfile: "FROM busybox\n" });
      expect(existsSync(marker)).toBe(false);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe("what is refused", () => {
  test("a redirect to another host", async () => {
    const asked: string[] = [];
    const other = await listen((incoming, answer) => {
      asked.push(incoming.url ?? "");
      answer.end();
    });
    const url = await listen((_, answer) => answer.writeHead(302, { location: `${other}/hg` }).end());
    await expect(fetched(await open(), url)).rejects.toThrow(
      `the server leads to another host, ${new URL(other).host}`,
    );
    expect(asked).toEqual([]);
  });

  test("a redirect to another protocol", async () => {
    let connected = 0;
    const other = createTcpServer((socket) => {
      connected++;
      socket.on("error", () => undefined).destroy();
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    try {
      const location = `ftp://127.0.0.1:${(other.address() as AddressInfo).port}/x`;
      const url = await listen((_, answer) => answer.writeHead(302, { location }).end());
      await expect(fetched(await open(), url)).rejects.toThrow("the server leads to another protocol, ftp");
      expect(connected).toBe(0);
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
  });

  test("a name of an internal address, unless that is listed", async () => {
    const { port } = new URL(repository.url);
    const url = new URL(`http://hg.example:${port}`);
    const fetcher = await open({ resolve: async () => ["127.0.0.1"] });
    await expect(fetcher.fetch("a", { url, internal: [] }, never)).rejects.toThrow(
      "hg.example is an internal address, which this ground does not list",
    );
    await using got = await fetcher.fetch("a", { url, internal: [`127.0.0.1:${port}`] }, never);
    expect(got.files.map(({ path }) => path)).toContain("Dockerfile");
  });

  test("a name of which only some addresses are internal, and one that there is not", async () => {
    const url = new URL("http://hg.example");
    const some = await open({ resolve: async () => ["8.8.8.8", "10.0.0.1"] });
    await expect(some.fetch("a", { url, internal: [] }, never)).rejects.toThrow("is an internal address");
    const none = await open({ resolve: async () => [] });
    await expect(none.fetch("a", { url, internal: [] }, never)).rejects.toThrow(
      "there is no host hg.example",
    );
  });

  test("a program that is not there", async () => {
    const fetcher = await open({ hg: join(directory, "none") });
    await expect(fetched(fetcher, repository.url)).rejects.toThrow("not available on this ground");
  });

  test("more at once than there may be", async () => {
    const fetcher = await open({ atOnce: 0 });
    await expect(fetched(fetcher, repository.url)).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS" });
  });

  test("more than one at once for the same user", async () => {
    const fetcher = await open();
    const url = new URL(repository.url);
    const fetch = (user: string) => fetcher.fetch(user, { url, internal: [url.host] }, never);
    {
      await using first = await fetch("a");
      await expect(fetch("a")).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS" });
      await using other = await fetch("b");
      expect(other.files.length).toBe(first.files.length);
    }
    await using again = await fetch("a");
    expect(again.files.map(({ path }) => path)).toContain("Dockerfile");
  });
});

describe("a server that hangs", () => {
  test("is left at the deadline, with all that was started for it", async () => {
    const held = new Set<Socket>();
    const ended = Promise.withResolvers<void>();
    const server = createTcpServer((socket) => {
      held.add(socket.resume());
      socket.on("error", () => undefined);
      socket.once("close", () => ended.resolve());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      await expect(fetched(await open({ timeoutMs: 2_000 }), url)).rejects.toThrow("it took over 2 seconds");
      await ended.promise;
      expect(left()).toEqual([]);
    } finally {
      for (const socket of held) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test("is left when nobody waits for it any more", async () => {
    const gone = new AbortController();
    const url = await listen(() => gone.abort(new Error("gone")));
    await expect(fetched(await open(), url, undefined, gone.signal)).rejects.toThrow("gone");
    expect(left()).toEqual([]);
  });
});

test("what a death left is removed at the next start", async () => {
  await mkdir(join(directory, "r", "clone-dead"), { recursive: true });
  await open();
  expect(left()).toEqual([]);
});
