import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectInvalid, expectOk, expectRefusal } from "./support/expectations.ts";
import { list } from "./support/listing.ts";
import { output, RUN_OK } from "./support/pods.ts";
import { named, target, user } from "./support/session.ts";

let client: Client;
const volume = named("odd-clients");

beforeAll(async () => {
  client = await user();
});

const TYPE = { "content-type": "multipart/form-data; boundary=B" };
const part = (disposition: string, text: string, ...headers: string[]) =>
  `--B\r\n${[`Content-Disposition: ${disposition}`, ...headers].join("\r\n")}\r\n\r\n${text}\r\n`;
const uplink = (parts: string[], query = "") =>
  client.request("POST", `/em/files/uplink${query}`, {
    headers: TYPE,
    body: Buffer.from(`${parts.join("")}--B--\r\n`, "latin1"),
  });
const file = (name: string) => part(`form-data; name="files"; filename="${name}"`, "x");
const names = async () => (await list(client, volume)).map(({ name }) => name).sort();

describe("a field is a field", () => {
  it("whether or not its part carries a filename", async () => {
    const answer = await uplink([
      file("kept.txt"),
      part('form-data; name="pod_name"; filename="blob"', volume, "Content-Type: application/octet-stream"),
    ]);
    expect(answer.status).toBe(200);
    expect(await names()).toEqual(["kept.txt"]);
    const form = new FormData();
    form.append("filepath", new Blob(["gone.txt"]));
    form.append("pod_name", new Blob([volume]), "pod_name");
    expect((await uplink([file("gone.txt")], `?pod_name=${volume}`)).status).toBe(200);
    expectOk(await client.request("POST", "/em/files/delete", { body: form }), {
      message: "File deleted successfully",
    });
    expect(await names()).toEqual(["kept.txt"]);
  });

  it("in brackets too", async () => {
    const fields: [string, string][] = [
      ["image", target.image],
      ["max_duration", "5"],
      ["node", "MPU"],
      ["pod_name", named("brackets")],
      ["command", "/bin/sh"],
      ["args[]", "-c"],
      ["args[]", 'echo "<$1>"; env'],
      ["args[]", "sh"],
      ["args[]", "a b"],
      ["envs[K_ONE]", "1"],
      ["envs[K_TWO]", ""],
    ];
    const body = new URLSearchParams(fields);
    expectOk(await client.request("POST", "/em/pod/run", { body }), RUN_OK);
    const lines = (await output(client, named("brackets"))).split("\n");
    expect(lines).toEqual(expect.arrayContaining(["<a b>", "K_ONE=1", "K_TWO="]));
  });

  it("and none when it is named in another way, twice, or not in UTF-8", async () => {
    expectInvalid(
      await client.json("/em/files/delete", { filepath: "kept.txt", podName: volume }),
      "podName",
    );
    expectInvalid(
      await client.json(`/em/files/delete?pod_name=${volume}`, { filepath: "kept.txt", pod_name: "b" }),
      "pod_name",
    );
    expectInvalid(await client.get("/em/files/list?pod_name=%FF"), "pod_name");
    expect(await names()).toEqual(["kept.txt"]);
  });
});

describe("an uplink with a part that cannot be read stores nothing", () => {
  it.each<[string, string]>([
    ["attachment", part('attachment; name="files"; filename="two"', "x")],
    ["base64", part('form-data; name="files"; filename="two"', "eA==", "Content-Transfer-Encoding: base64")],
    ["parts within", part('form-data; name="files"', "x", "Content-Type: multipart/mixed; boundary=in")],
    ["no filename", part('form-data; name="files"', "x")],
    ["Latin-1", file("caf\xe9")],
    ["a line feed in its name", file("two\n.txt")],
  ])("%s", async (_what, second) => {
    const answer = await uplink([part('form-data; name="pod_name"', volume), file("one.txt"), second]);
    expectRefusal(answer, 400, "INVALID_PARAMETERS", /^Part 3 of the form/);
    expect(await names()).toEqual(["kept.txt"]);
  });

  it("nor does one that is compressed", async () => {
    const answer = await client.request("POST", "/em/files/uplink", {
      headers: { ...TYPE, "content-encoding": "gzip" },
      body: "x",
    });
    expectRefusal(answer, 415, "UNSUPPORTED_MEDIA_TYPE");
  });
});
