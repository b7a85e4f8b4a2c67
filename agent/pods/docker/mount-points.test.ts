import { randomBytes } from "node:crypto";
import Docker from "dockerode";
import { pack } from "tar-stream";
import { afterEach, describe, expect, test } from "vitest";
import { StartFailure } from "../pod-runtime.ts";
import { DockerMountPoints } from "./mount-points.ts";

const docker = new Docker();
const id = randomBytes(4).toString("hex");
const made: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const undo of made.splice(0).reverse()) await undo();
});

/** A container of an image that has these links and directories, created and not started. */
async function containerOf(entries: Record<string, string | undefined>, volumes: readonly string[]) {
  const archive = pack();
  for (const [name, linkname] of Object.entries(entries)) {
    archive.entry(linkname === undefined ? { name, type: "directory" } : { name, type: "symlink", linkname });
  }
  archive.finalize();
  const repo = `perigee-test/mount-points-${id}`;
  const done = await docker.importImage(archive as unknown as NodeJS.ReadableStream, { repo, tag: "latest" });
  await new Promise((resolve, reject) =>
    docker.modem.followProgress(done, (error, all) => (error ? reject(error) : resolve(all))),
  );
  made.push(() => docker.getImage(repo).remove({ force: true }));
  const container = await docker.createContainer({
    Image: repo,
    Cmd: ["/none"],
    Volumes: Object.fromEntries(volumes.map((path) => [path, {}])),
    HostConfig: { Tmpfs: { "/data": "" } },
  });
  made.push(() => container.remove({ force: true, v: true }));
  return container;
}

const check = async (entries: Record<string, string | undefined>, volumes: readonly string[] = []) =>
  new DockerMountPoints().check("sha256:1", await containerOf(entries, volumes), volumes, ["/data"]);

describe("an image's links where something is mounted", () => {
  test.each<[Record<string, string | undefined>, string[]]>([
    [{ "etc/": undefined }, []],
    [{ "data/": undefined }, ["/cache", "/var/lib/x"]],
    [{ "dev/": undefined, v: "/etc" }, ["/v", "/v/x"]],
    [{ "run/": undefined, "var/": undefined, "var/run": "../run" }, ["/var/run/x"]],
    [{ database: "/x" }, ["/database"]],
    [{ dev: "/tmp", proc: "/tmp", sys: "/tmp", etc: "/tmp" }, []],
  ])("%j with the VOLUMEs %j may start", async (entries, volumes) => {
    await check(entries, volumes);
  });

  test.each<[Record<string, string | undefined>, string[]]>([
    [{ data: "/dev" }, []],
    [{ data: "/proc" }, []],
    [{ data: "etc" }, []],
    [{ data: "/nowhere" }, []],
    [{ data: "." }, []],
    [{}, ["/dev"]],
    [{}, ["dev/x/.."]],
    [{}, ["/proc"]],
    [{}, ["/sys/fs"]],
    [{ v: "/dev" }, ["/v"]],
    [{ v: "dev" }, ["/v/shm"]],
    [{ v: "/w", w: "/x", x: "/data" }, ["/v"]],
    [{ v: "/data" }, ["/v/results"]],
    [{ "a/": undefined, "a/b": "../data" }, ["/a/b/c"]],
  ])("%j with the VOLUMEs %j cannot", async (entries, volumes) => {
    await expect(check(entries, volumes)).rejects.toBeInstanceOf(StartFailure);
  });

  test("are looked at once for each image", async () => {
    const points = new DockerMountPoints();
    const container = await containerOf({ data: "/dev" }, []);
    await expect(points.check("sha256:1", container, [], ["/data"])).rejects.toThrow("/data");
    const gone = docker.getContainer("gone");
    await expect(points.check("sha256:1", gone, [], ["/data"])).rejects.toThrow("/data");
  });
});
