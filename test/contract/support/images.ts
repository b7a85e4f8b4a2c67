import { expect } from "vitest";
import type { Client } from "./client.ts";
import { expectOk } from "./expectations.ts";
import { target } from "./session.ts";

export const BUILD_OK = { message: "Docker Image built successfully" };

/** Uplinks a context and builds it: `FROM` the base image, then `lines`. Its volume and context are `image`'s. */
export async function build(
  client: Client,
  image: string,
  lines: string,
  files: Record<string, string | Uint8Array> = {},
): Promise<void> {
  const directory = image.replace(/[^a-z0-9-]/g, "-");
  const dockerfile = `FROM ${target.image}\n${lines}\n`;
  const uplinked = await client.uplink(
    { Dockerfile: dockerfile, ...files },
    { dest_path: directory, pod_name: buildVolume() },
  );
  expect({ status: uplinked.status, text: uplinked.text }).toMatchObject({ status: 200 });
  expectOk(await startBuild(client, image), BUILD_OK);
}

/** image/build of a context that {@link build} or {@link context} put there. */
export function startBuild(client: Client, image: string, options: Parameters<Client["form"]>[2] = {}) {
  const directory = image.replace(/[^a-z0-9-]/g, "-");
  return client.form(
    "/em/pod/image/build",
    { dockerfile: `${directory}/Dockerfile`, context: directory, image, pod_name: buildVolume() },
    options,
  );
}

/** Only uplinks a context, for a build to come. */
export async function context(client: Client, image: string, lines: string): Promise<void> {
  const directory = image.replace(/[^a-z0-9-]/g, "-");
  const answer = await client.uplink(
    { Dockerfile: `FROM ${target.image}\n${lines}\n` },
    { dest_path: directory, pod_name: buildVolume() },
  );
  expect(answer.status).toBe(200);
}

/** The user's images by name. */
export async function ownImages(client: Client): Promise<Map<string, Record<string, unknown>>> {
  const answer = await client.get("/em/pod/image/list");
  expect(answer.status).toBe(200);
  return new Map(answer.json.data.map((image: { name: string }) => [image.name, image]));
}

function buildVolume(): string {
  return `${target.run}-build`;
}
