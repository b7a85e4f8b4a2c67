import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { becoming } from "./becoming.ts";

/** What the text does in an image with these programs alone; each says its own name and its words. */
async function became(programs: readonly string[], { hasUser = true, uid = 0, as = "user" } = {}) {
  const path = await mkdtemp(join(tmpdir(), "perigee-become-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  const program = async (name: string, text: string) => {
    await writeFile(join(path, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(path, name), 0o755);
  };
  await program("id", `case "$*" in ("-u") echo ${uid};; (*) ${hasUser ? "echo 1234" : "exit 1"};; esac`);
  await program("tool", 'echo "tool $*"');
  for (const name of programs) await program(name, `echo "${name} $*"`);
  const [shell = "", ...words] = becoming(as, ["tool", "a b", "$x"]);
  const { status, stdout, stderr } = spawnSync(shell, words, { env: { PATH: path }, encoding: "utf8" });
  return { status, said: (stdout + stderr).trim() };
}

test("the user is become by setpriv, else by runuser", async () => {
  const bySetpriv = "setpriv --reuid=1234 --regid=1234 --init-groups -- tool a b $x";
  expect(await became(["setpriv", "runuser"])).toEqual({ status: 0, said: bySetpriv });
  expect(await became(["runuser"])).toEqual({ status: 0, said: "runuser -u user -- tool a b $x" });
});

test("where the image has no user, setpriv alone will do", async () => {
  const as1000 = "setpriv --reuid=1000 --regid=1000 --clear-groups -- tool a b $x";
  expect(await became(["setpriv", "runuser"], { hasUser: false })).toEqual({ status: 0, said: as1000 });
  expect(await became(["runuser"], { hasUser: false })).toEqual({
    status: 126,
    said: "the image has neither setpriv nor a user called user",
  });
});

test("an image without any of them says so", async () => {
  const none = "the image has none of setpriv, runuser and /sbin/setuser";
  expect(await became([])).toEqual({ status: 126, said: none });
});

test("nothing is needed where the container is the user's, and nothing helps where it is another's", async () => {
  expect(await became([], { uid: 1234 })).toEqual({ status: 0, said: "tool a b $x" });
  const notRoot = { status: 126, said: "the container does not run as root" };
  expect(await became(["setpriv"], { uid: 5 })).toEqual(notRoot);
  expect(await became([], { uid: 5, as: "root" })).toEqual(notRoot);
});
