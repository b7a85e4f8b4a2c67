import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type Docker from "dockerode";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openEngine } from "#agent/engine/open-engine.ts";
import { buildFolder } from "#test/support/build-folder.ts";
import { makeNodeImage } from "#test/support/node-image.ts";
import { groundImage } from "../scripts/ground-image.ts";

const IMAGE = `perigee-test/ground:${process.pid}-${Date.now()}`;
const docker: Docker = openEngine();

let folder: string;
let container: Docker.Container | undefined;
beforeAll(async () => {
  folder = await groundImage(mkdtempSync(join(tmpdir(), "perigee-ground-image-")));
  await buildFolder(docker, folder, IMAGE, { BASE: await makeNodeImage(docker) });
});
afterAll(async () => {
  await container?.remove({ force: true, v: true });
  await docker.getImage(IMAGE).remove({ force: true });
  rmSync(folder, { recursive: true, force: true });
});

test("the bundle imports nothing but its own files and Node's own modules", () => {
  const files = readdirSync(join(folder, "app")).filter((file) => file.endsWith(".mjs"));
  const own = files.map((file) => `./${basename(file)}`);
  const imported = files.flatMap((file) => {
    const text = readFileSync(join(folder, "app", file), "utf8");
    return [...text.matchAll(/^(?:import|export)\s[^;]*?from "([^"]+)";$|^import "([^"]+)";$/gm)].map(
      ([, from, bare]) => from ?? bare!,
    );
  });
  expect(imported.length).toBeGreaterThan(5);
  for (const module of imported) {
    if (!own.includes(module)) expect(isBuiltin(module), module).toBe(true);
  }
});

test("the image serves, as nobody in particular, and stops when it is told to", async () => {
  container = await docker.createContainer({
    Image: IMAGE,
    ExposedPorts: { "8080/tcp": {} },
    HostConfig: {
      PortBindings: { "8080/tcp": [{ HostIp: "127.0.0.1", HostPort: "0" }] },
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
    },
  });
  await container.start();
  await untilLine(container, /"msg":"ready"/);
  const { Config, NetworkSettings } = await container.inspect();
  expect(Config.User).toBe("1000:1000");
  const url = `http://127.0.0.1:${NetworkSettings.Ports["8080/tcp"]![0]!.HostPort}`;
  const health = await fetch(`${url}/healthz`);
  expect([health.status, await health.json()]).toEqual([200, expect.objectContaining({ status: "ok" })]);
  const document = await fetch(`${url}/openapi.json`);
  expect(document.status).toBe(200);
  for (const page of ["/console", "/docs"]) {
    const answer = await fetch(url + page);
    expect([page, answer.status, await answer.text()]).toEqual([
      page,
      200,
      expect.stringContaining("<script "),
    ]);
  }
  expect(await document.json()).toHaveProperty(["paths", "/healthz"]);
  const ended = container.wait();
  await container.kill({ signal: "SIGTERM" });
  expect(await ended).toMatchObject({ StatusCode: 0 });
});

/** Reads the container's log until a line says so. @throws Error with the log when it ends before */
async function untilLine(of: Docker.Container, wanted: RegExp): Promise<void> {
  const stream = await of.logs({ follow: true, stdout: true, stderr: true });
  let said = "";
  try {
    for await (const chunk of stream as NodeJS.ReadableStream) {
      said += chunk;
      if (wanted.test(said)) return;
    }
  } finally {
    (stream as unknown as { destroy(): void }).destroy();
  }
  throw new Error(`it ended: ${said}`);
}
