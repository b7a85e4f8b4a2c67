import { crc32 } from "node:zlib";
import { expect } from "vitest";
import { target, type User } from "./session.ts";

/** Where the suite's objects are: nothing else is removed. */
export const BUCKET = "contract-fpga";

type Part = { url: string; headers: Record<string, string> };

/** Puts an object as the command-line client does: in one part, to where the ground says. */
export async function put(user: User, key: string, bytes: Buffer, bucket = BUCKET): Promise<void> {
  const headers = { "content-type": "application/json" };
  const part = { size: bytes.length, crc32: crc32(bytes).toString(16).padStart(8, "0") };
  const body = JSON.stringify({ bucket, key, size: bytes.length, parts: [part] });
  const opened = await user.ask("POST", "/fpga/objects", { headers: { ...headers, ...bearer(user) }, body });
  expect([opened.status, opened.text]).toEqual([201, expect.anything()]);
  const { id, parts } = (JSON.parse(opened.text) as { data: { id: string; parts: Part[] } }).data;
  for (const { url, headers } of parts) {
    const sent = await fetch(new URL(url, target.url), {
      method: "PUT",
      headers,
      body: Uint8Array.from(bytes),
    });
    expect(sent.status).toBe(200);
  }
  const completed = await user.ask("POST", `/fpga/objects/${id}/complete`, { headers: bearer(user) });
  expect([completed.status, completed.text]).toEqual([200, expect.stringContaining(key)]);
}

/** The own routes take this header alone. */
export const bearer = ({ token }: User) => ({ authorization: `Bearer ${token}` });

/** Removes what the suite put. */
export async function removeObjects(user: User): Promise<void> {
  const { text } = await user.ask("GET", "/fpga/objects", { headers: bearer(user) });
  for (const { location } of (JSON.parse(text) as { data: { location: string }[] }).data) {
    const [bucket, key = ""] = location.split(/:(.*)/s);
    if (bucket !== BUCKET) continue;
    await user.ask("DELETE", `/fpga/objects/${bucket}/${encodeURIComponent(key)}`, { headers: bearer(user) });
  }
}
