import { randomBytes } from "node:crypto";
import { afterAll, inject } from "vitest";
import { filesOf } from "./archive.ts";
import { type Answer, basic, UnikClient } from "./client.ts";

export const target = inject("unik");
export const me = new UnikClient(target.url, basic(target.user));
/** Another user of the same edge. */
export const other = new UnikClient(target.url, basic(target.other));
export const nobody = new UnikClient(target.url);

/** Files run beside each other. */
const file = randomBytes(2).toString("hex");
let made = 0;
/** Names that this file made; all of them go with it. */
const names = { images: new Set<string>(), volumes: new Set<string>() };
afterAll(async () => {
  for (const [kind, all] of Object.entries(names)) {
    const remove = (name: string) => me.delete(`/${kind}/${encodeURIComponent(name)}?force=true`);
    await Promise.all([...all].map(remove));
  }
});

/** A name that nobody else has. */
export function named(kind: "images" | "volumes" | "instances", label = "x"): string {
  const name = `${target.run}-${file}-${label}-${made++}`;
  if (kind !== "instances") names[kind].add(name);
  return name;
}

export const PROVIDER = `provider=${target.provider}`;
/** As objects name it. */
export const INFRASTRUCTURE = target.provider.toUpperCase();
export const QUERY = `${PROVIDER}&base=docker&lang=native`;

/** An image that does what `SCRIPT` in its instance's environment says. @returns its name */
export async function scripted(mounts: readonly string[] = [], port = 8080): Promise<string> {
  const name = named("images", "scripted");
  const files = {
    Dockerfile: `FROM busybox\nCOPY run.sh /\nEXPOSE ${port}\nENTRYPOINT ["/bin/sh", "/run.sh"]\n`,
    "run.sh": 'eval "$SCRIPT"\n',
  };
  const answer = await me.upload(
    `/images/${name}/create?${QUERY}&mounts=${mounts.join(",")}`,
    await filesOf(files),
  );
  if (answer.status !== 201) throw new Error(`create: ${answer.status} ${answer.text}`);
  return name;
}

/** Says "up", then runs until SIGTERM, which it answers with exit code 3. */
export const SERVER = "trap 'echo down; exit 3' TERM; echo up; while :; do sleep 0.1; done";

/** Runs an instance of an image that {@link scripted} made. */
export function run(image: string, script: string, more: object = {}): Promise<Answer> {
  return me.post("/instances/run", { ImageName: image, Env: { SCRIPT: script }, ...more });
}

/** An instance's description once it says so. @throws Error when it ends before */
export async function until(id: string, is: (instance: Record<string, string>) => boolean) {
  for (;;) {
    const { json } = await me.get(`/instances/${id}`);
    if (is(json)) return json;
    if (["stopped", "error"].includes(json.State)) throw new Error(JSON.stringify(json));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The whole log of an instance, once its run has ended. */
export async function said(id: string): Promise<string> {
  const { text } = await me.get(`/instances/${id}/logs?follow=true`);
  return text.replaceAll("\0", "").slice(text.indexOf("\n") + 1);
}
