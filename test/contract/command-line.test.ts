import { beforeAll, describe, expect, it } from "vitest";
import type { Client, Fields } from "./support/client.ts";
import { build } from "./support/images.ts";
import { fileOf, output, run, untilTerminated } from "./support/pods.ts";
import { named, user } from "./support/session.ts";

/** Says its words, one a line, and where it stands. */
const SHOW = '#!/bin/sh\necho "$0 in $PWD"\nfor a; do echo "<$a>"; done\n';
const image = named("cl");
const plain = named("cl-cmd");
const placed = named("cl-dir");

type Case = [what: string, fields: Fields, lines: string[]];
const CASES: Case[] = [
  ["nothing: ENTRYPOINT and CMD", {}, ["/show in /data", "<entry>", "<cmd>"]],
  ["args alone replace CMD", { args: "['a b', 'c']" }, ["/show in /data", "<entry>", "<a b>", "<c>"]],
  ["command replaces both", { command: "/show x  y" }, ["/show in /data", "<x>", "<y>"]],
  [
    "command and args: split as a shell splits, no shell",
    { command: "/show 'x y' $HOME \"z\"", args: "['| cat', '&&']" },
    ["/show in /data", "<x y>", "<$HOME>", "<z>", "<| cat>", "<&&>"],
  ],
  ["a pipe is for the shell", { command: "/show one two | tail -n 1" }, ["<two>"]],
  ["&& is for the shell", { command: "echo a && echo b" }, ["a", "b"]],
  [
    "a variable is for the shell",
    { command: "/show $K", envs: "{'K': 'v w'}" },
    ["/show in /data", "<v>", "<w>"],
  ],
  [
    "quotes are for the shell",
    { command: "/show 'one two' \"three\"" },
    ["/show in /data", "<one two>", "<three>"],
  ],
  ["an image with CMD alone", { image: plain }, ["/show in /data", "<only>"]],
  ["its args", { image: plain, args: "['/show', 'x']" }, ["/show in /data", "<x>"]],
  ["an image with a WORKDIR of its own keeps it", { image: placed }, ["/show in /srv"]],
  ["also with a command", { image: placed, command: "pwd" }, ["/srv"]],
];

let client: Client;

beforeAll(async () => {
  client = await user();
  const files = { "show.sh": SHOW };
  const copy = "COPY show.sh /show\nRUN chmod 755 /show";
  await build(client, image, `${copy}\nENTRYPOINT ["/show", "entry"]\nCMD ["cmd"]`, files);
  await build(client, plain, `${copy}\nWORKDIR /\nCMD ["/show", "only"]`, files);
  await build(client, placed, `${copy}\nWORKDIR /srv\nENTRYPOINT ["/show"]`, files);
  for (const [i, [, fields]] of CASES.entries()) await run(client, named(`cl${i}`), { image, ...fields });
});

describe("command and args", () => {
  it.each(CASES.map((one, i) => [one[0], i, one[2]] as const))("%s", async (_what, i, lines) => {
    expect((await output(client, named(`cl${i}`))).trimEnd().split("\n")).toEqual(lines);
  });

  it("the page's own example writes into the volume", async () => {
    const pod = named("cl-page");
    await run(client, pod, { command: "echo 'is it this simple to run in space?' > hello-space.txt" });
    await untilTerminated(client, pod);
    expect((await fileOf(client, pod, "hello-space.txt")).toString()).toBe(
      "is it this simple to run in space?\n",
    );
  });

  it("the exit code is the command's", async () => {
    const pod = named("cl-exit");
    await run(client, pod, { command: "exit 42;" });
    expect(await untilTerminated(client, pod)).toMatchObject({ exitCode: 42, reason: "Error" });
  });

  it("one that cannot start is terminated with StartError, and its words show nothing of the host", async () => {
    const pod = named("cl-none");
    await run(client, pod, { command: "/not/there" });
    const end = await untilTerminated(client, pod);
    expect(end.reason).toBe("StartError");
    expect(end.exitCode).not.toBe(0);
    expect(end.message).toContain("/not/there");
    expect(end.message).not.toMatch(/\/var\/lib|volumes|overlay2/);
  });
});
