import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  fchmodSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { markUplinked, UPLINK_MODE } from "#agent/files/uplink-mark.ts";
import { failureOf, ImageWorld } from "#test/support/image-world.ts";

const world = new ImageWorld();
const { alice, bob, busybox } = world;

beforeAll(() => world.setUp());
afterAll(() => world.tearDown());

describe("the context of a build", () => {
  test("adds local files and nothing else", async () => {
    await world.buildText(alice, "adds", `FROM ${busybox}\nARG F=file\nADD $F /one/\nADD ["file", "/two"]\n`);
    expect(await world.outputOf(alice, "adds", "cat", "/one/file", "/two")).toBe(
      "content of file\ncontent of file\n",
    );
    for (const line of [
      "ADD http://127.0.0.1:1/x /",
      "add --chown=1:1 HTTPS://127.0.0.1:1/x /",
      'ADD ["http://127.0.0.1:1/x", "/"]',
      "ENV U=http://127.0.0.1:1/x\nADD $U /",
      `ARG U="http://127.0.0.1:1"\nADD \${U}/x /`,
      "ADD git@127.0.0.1:x.git /",
      "ADD https://127.0.0.1:1/x.git#main /",
      "ONBUILD ADD http://127.0.0.1:1/x /",
    ]) {
      const failure = await failureOf(world.buildText(alice, "remote", `FROM ${busybox}\n${line}\n`));
      expect(failure.log, line).toContain("there is no network");
    }
    // what cannot be seen before comes to a local path all the same
    const hidden = `FROM ${busybox}\nENV H="ht" T="tp://127.0.0.1:1/x"\nADD \${H:+$H}$T /\n`;
    expect((await failureOf(world.buildText(alice, "remote", hidden))).code).toBe("BUILD_FAILED");
  });

  test("does not follow links that a pod planted", async () => {
    await world.write(bob, {
      "linked/inside": "inside",
      "linked/D": `FROM ${busybox}\nCOPY . /all\n`,
      Real: "FROM scratch",
    });
    const link = (target: string, name: string) => symlinkSync(target, world.path(bob, "default", name));
    link("/etc", "linked/etc");
    link("/etc/passwd", "linked/passwd");
    link("../../outside", "linked/up");
    link("inside", "linked/kept");
    link("/etc", "outside");
    link("Real", "Dockerfile-link");
    await world.build(bob, "linked", { dockerfile: "linked/D", context: "linked" });
    // links are text in the context and in the image
    const links = "cd /all && ls -A && for l in etc passwd up kept; do readlink $l; done";
    expect(await world.outputOf(bob, "linked", "sh", "-c", links)).toBe(
      "D\netc\ninside\nkept\npasswd\nup\n/etc\n/etc/passwd\n../../outside\ninside\n",
    );
    // and lead nowhere but into the context
    await world.write(bob, { "linked/D": `FROM ${busybox}\nCOPY passwd /p\n` });
    const failure = await failureOf(world.build(bob, "l", { context: "linked", dockerfile: "linked/D" }));
    expect(failure.log).toMatch(/passwd/);
    await world.write(bob, { "linked/up2": "", "linked/D": `FROM ${busybox}\nCOPY up /p\n` });
    expect(
      (await failureOf(world.build(bob, "l", { context: "linked", dockerfile: "linked/D" }))).log,
    ).toMatch(/up/);
    expect(
      (await failureOf(world.build(bob, "l", { context: "outside", dockerfile: "linked/D" }))).log,
    ).toContain("link");
    expect(
      (await failureOf(world.build(bob, "l", { context: "linked", dockerfile: "Dockerfile-link" }))).log,
    ).toContain("link");
    expect(
      (await failureOf(world.build(bob, "l", { context: "linked", dockerfile: "outside/passwd" }))).log,
    ).toContain("link");
  });

  test("honours .dockerignore, which may leave the Dockerfile out", async () => {
    await world.write(bob, {
      "ign/.dockerignore": "*\n!keep\n!deep/in/side\n",
      "ign/keep": "",
      "ign/drop": "",
      "ign/deep/in/side": "",
      "ign/deep/out": "",
      "ign/Dockerfile": `FROM ${busybox}\nCOPY . /all\n`,
    });
    await world.write(bob, { "ign/empty/not": "" });
    await world.build(bob, "ignoring", { dockerfile: "ign/Dockerfile", context: "ign" });
    expect(await world.outputOf(bob, "ignoring", "sh", "-c", "cd /all && find . | sort")).toBe(
      ".\n./deep\n./deep/in\n./deep/in/side\n./keep\n",
    );
  });

  test("gets its context as it is on disk: modes, links, names; and says what it does not get", async () => {
    await world.write(bob, { "as/f": "f", "as/plain/f": "", "as/D": `FROM ${busybox}\nCOPY . /all\n` });
    const at = (name: string) => world.path(bob, "default", "as", name);
    chmodSync(at("f"), 0o666);
    mkdirSync(at("tmp"));
    chmodSync(at("tmp"), 0o1777);
    linkSync(at("f"), at("hard"));
    symlinkSync("/bin/busybox", at("abs"));
    for (const byte of [0xe8, 0xe9]) {
      writeFileSync(Buffer.concat([Buffer.from(at("caf")), Buffer.from([byte])]), String(byte));
    }
    execFileSync("mkfifo", [at("pipe")]);
    const options = { dockerfile: "as/D", context: "as" };
    await world.build(bob, "as", options);
    const shown = "cd /all && stat -c '%a %u:%g %n' f tmp hard && readlink abs && cat caf* && ! test -e pipe";
    expect(await world.outputOf(bob, "as", "sh", "-c", shown)).toBe(
      "666 0:0 f\n1777 0:0 tmp\n666 0:0 hard\n/bin/busybox\n232233",
    );
    const many = `FROM ${busybox}\nRUN seq 300 && exit 7\n`;
    await world.write(bob, { "as/D": many });
    const lines = (await failureOf(world.build(bob, "as", options))).log.split("\n").slice(0, -1);
    expect(lines).toHaveLength(100);
    expect(lines[0]).toBe('left out of the build context: neither a file nor a directory: "pipe"');
    expect(lines.at(-1)).toContain("returned a non-zero code: 7");
  });

  test("what came by an uplink is not world-writable in the image, unless a pod has said so", async () => {
    await world.write(bob, { "up/d/sent": "", "up/d/own": "", "up/D": `FROM ${busybox}\nCOPY d /d\n` });
    for (const name of ["up/d", "up/d/sent"]) {
      const fd = openSync(world.path(bob, "default", name), "r");
      markUplinked(fd);
      fchmodSync(fd, UPLINK_MODE);
      closeSync(fd);
    }
    chmodSync(world.path(bob, "default", "up/d/own"), 0o777);
    await world.build(bob, "up", { dockerfile: "up/D", context: "up" });
    expect(await world.outputOf(bob, "up", "stat", "-c", "%a %n", "/d", "/d/own", "/d/sent")).toBe(
      "755 /d\n777 /d/own\n755 /d/sent\n",
    );
  });
});
