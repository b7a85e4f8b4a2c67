import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failureOf, ImageWorld } from "#test/support/image-world.ts";
import { imageHandlers } from "../image-handlers.ts";

const [QUOTA, PIDS] = [1024 ** 4, 64];
const world = new ImageWorld({ buildPids: PIDS });
const { alice, busybox } = world;

beforeAll(() => world.setUp());
afterAll(() => world.tearDown());

/** A public image that others made: it has triggers, and no label of ours. */
async function baseWith(name: string, changes: string[]): Promise<string> {
  const container = await world.docker.createContainer({ Image: busybox });
  const [repo] = busybox.split(":");
  await container.commit({ repo, tag: name, changes: changes.join("\n") });
  await container.remove();
  return `${repo}:${name}`;
}

async function build(base: string, lines: string[] = []) {
  const handlers = imageHandlers(
    world.openStore({ publicImages: [busybox, base], buildPids: PIDS }),
    world.deps,
  );
  const text = [`FROM ${base}`, ...lines, ""].join("\n");
  return world.buildText(alice, "triggered", text, { handlers });
}

async function configOf(name: string) {
  const { id } = (await world.store.resolve(alice, name))!;
  return (await world.docker.getImage(id).inspect()).Config as unknown as Record<string, unknown>;
}

/** Containers of this world's builds, and images that nothing is built on and no name leads to. */
async function leftovers(): Promise<unknown[]> {
  const containers = await world.docker.listContainers({ all: true });
  const images = await world.docker.listImages({ filters: { dangling: ["true"] } });
  const ours = await Promise.all(
    images.map(async ({ Id }) =>
      JSON.stringify(
        await world.docker
          .getImage(Id)
          .inspect()
          .catch(() => ""),
      ),
    ),
  );
  return [
    ...containers.filter(({ Labels }) => Labels["perigee.image"] === world.instance).map(({ Id }) => Id),
    ...ours.filter((text) => text.includes(`probe-${world.id}`)),
  ];
}

describe("the triggers of a base that others made", () => {
  test("are read like any instruction, and the base keeps all else", async () => {
    const base = await baseWith("plain", [
      `ENV WHO=probe-${world.id}`,
      'CMD ["the", "command"]',
      "WORKDIR /w",
      "VOLUME /v",
      "ONBUILD ENV SEEN=$WHO",
      "ONBUILD COPY file /triggered",
      "ONBUILD RUN echo $SEEN > /ran",
    ]);
    await build(base, ["LABEL own=$SEEN"]);
    const config = await configOf("triggered");
    expect(config).toMatchObject({ Cmd: ["the", "command"], WorkingDir: "/w", Volumes: { "/v": {} } });
    expect(config.Labels).toEqual({
      own: `probe-${world.id}`,
      "perigee.image": world.instance,
      "perigee.image.user": alice,
    });
    expect(config.OnBuild ?? []).toEqual([]);
    const { id } = (await world.store.resolve(alice, "triggered"))!;
    expect(await world.output(id, ["cat", "/triggered", "/ran"])).toBe(
      `content of file\nprobe-${world.id}\n`,
    );
    await world.run("image.delete", alice, { image: "triggered" });
    expect(await leftovers()).toEqual([]);
  });

  test("run under the guard of processes and bytes", async () => {
    const bomb = await baseWith("bomb", [
      "ONBUILD RUN sleep 1; i=0; while [ $i -lt 200 ]; do sleep 60 & i=$((i+1)); done",
    ]);
    expect((await failureOf(build(bomb))).log).toMatch(/can't fork|returned a non-zero code/);
    const fat = await baseWith("fat", [
      "ONBUILD RUN dd if=/dev/zero of=/big bs=1M count=100 && sleep 600 && rm /big",
    ]);
    const volume = await baseWith("volume", [
      "VOLUME /v",
      "ONBUILD RUN dd if=/dev/zero of=/v/big bs=1M count=100 && sleep 600",
    ]);
    world.quota = 64 * 1024 ** 2;
    try {
      expect((await failureOf(build(fat))).code).toBe("QUOTA_EXCEEDED");
      expect((await failureOf(build(volume))).code).toBe("QUOTA_EXCEEDED");
    } finally {
      world.quota = QUOTA;
    }
    expect(await leftovers()).toEqual([]);
  });

  test("leave nothing when they fail", async () => {
    const base = await baseWith("failing", [
      "ONBUILD RUN dd if=/dev/zero of=/big bs=1M count=8",
      `ONBUILD RUN echo probe-${world.id}; exit 3`,
    ]);
    const { log } = await failureOf(build(base));
    expect(log).toContain("Step 2/3 : RUN dd");
    expect(log).toContain("(ONBUILD trigger of ");
    expect(await leftovers()).toEqual([]);
  });

  test.each([
    ["LABEL perigee.run=x", /reserved/],
    ["LABEL a=b\u00a0perigee.run=x", /reserved/],
    ["LABEL $WHO=x", /variables/],
    ["ADD $URL /", /no network/],
    ["RUN --mount=from=x ls", /BuildKit/],
  ])("are refused: %s", async (trigger, reason) => {
    const base = await baseWith("refused", [
      "ENV WHO=perigee.run URL=http://127.0.0.1:1/",
      `ONBUILD ${trigger}`,
    ]);
    expect((await failureOf(build(base))).log).toMatch(reason);
  });
});

describe("a build", () => {
  test("takes no base that has labels of the agent's", async () => {
    const base = await baseWith("labelled", ["LABEL perigee.instance=x"]);
    for (const text of [`FROM ${base}\n`, `FROM ${busybox}\nCOPY --from=${base} /bin /x\n`]) {
      const handlers = imageHandlers(world.openStore({ publicImages: [busybox, base] }), world.deps);
      expect((await failureOf(world.buildText(alice, "labelled", text, { handlers }))).log).toMatch(
        /has the label "perigee.instance", which is reserved/,
      );
    }
  });

  test("shows neither the instance nor a temporary name", async () => {
    const text = `FROM ${busybox}\nRUN env; cat /proc/self/cgroup /proc/self/mountinfo; hostname; false\n`;
    const { log } = await failureOf(world.buildText(alice, "curious", text));
    expect(log).toContain(`Step 1/2 : FROM ${busybox}`);
    expect(log).not.toContain(world.instance);
    expect(log).not.toMatch(/perigee-tmp|perigee\.image/);
  });

  test("removes no container of others, whatever their labels are", async () => {
    const Labels = { "perigee.image": world.instance, "perigee.image.user": alice };
    const container = await world.docker.createContainer({ Image: busybox, Labels });
    try {
      await world.buildText(alice, "beside", `FROM ${busybox}\nRUN true\n`);
      await world.openStore().start();
      expect((await container.inspect()).Id).toBe(container.id);
    } finally {
      await container.remove();
    }
  });
});
