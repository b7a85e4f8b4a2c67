import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { describe, type ExpectStatic, expect, test } from "vitest";
import { clientFor, findEngine } from "../../../scripts/docker-engine.ts";
import { ensureVmImages } from "../../../scripts/ensure-vm-images.ts";
import { TOOLCHAIN_PACKAGES } from "../../../scripts/toolchain-packages.ts";
import { LONG } from "../../support/long-run.ts";
import { WITHOUT_MACHINES } from "../../support/without-machines.ts";
import { filesOf, tarOfDirectory } from "./support/archive.ts";
import { me, named, said, target } from "./support/session.ts";

const EXAMPLES = resolve(import.meta.dirname, "../../../examples/unik");
const IMAGES_MS = 20 * 60_000;

const isForMachines = (compiler: string) => compiler.endsWith("-qemu");
const inContainers = target.compilers.filter((compiler) => !isForMachines(compiler));
/** Of the suite's own deployment what it must have once the images for machines are there; of another's what it has. */
const inMachines = target.tools
  ? ["baremetal-c-qemu", ...["native", ...target.tools].filter(isOnLinux).map((one) => `linux-${one}-qemu`)]
  : target.compilers.filter(isForMachines);
/** An interpreter takes long to start on an emulated processor: the others show the same way. */
const always = inMachines.filter((compiler) => LONG || !/nodejs|python/.test(compiler));

function isOnLinux(language: string): boolean {
  return ["c", "go", "native", "nodejs", "python"].includes(language);
}

test.runIf(target.tools)("this machine has the tools of every language", () => {
  const missing = Object.entries(TOOLCHAIN_PACKAGES).filter(([name]) => !target.tools?.includes(name));
  expect(missing.map(([name, { packages }]) => `${name}: apt-get install ${packages.join(" ")}`)).toEqual([]);
});

async function available(): Promise<string[]> {
  return (await me.get("/available_compilers")).json;
}

test("the compilers whose tools this machine has are offered", async () => {
  const offered = await available();
  expect(offered).toEqual([...offered].sort());
  expect(offered.filter((compiler) => !isForMachines(compiler))).toEqual(inContainers);
  expect(inContainers).toContain("docker-native-docker");
  for (const language of target.tools ?? []) expect(inContainers).toContain(`docker-${language}-docker`);
});

test.concurrent.for(inContainers)("the example of %s compiles and runs", (compiler, { expect }) =>
  compileAndRun(compiler, expect),
);

describe.skipIf(WITHOUT_MACHINES)("in virtual machines", () => {
  test("as soon as their images are there, their compilers are offered", { timeout: IMAGES_MS }, async () => {
    if (target.tools) {
      const engine = await findEngine();
      if (!("version" in engine)) throw new Error(engine.detail);
      await ensureVmImages(clientFor(engine.host), () => {});
    }
    await expect.poll(available, { timeout: IMAGES_MS }).toEqual(expect.arrayContaining(inMachines));
  });

  test.runIf(inMachines.length > 0)("volumes for them are disks", async () => {
    const volume = named("volumes");
    const made = await me.upload(`/volumes/${volume}?provider=qemu`, await filesOf({ "a/b": "c" }));
    expect([made.status, made.text]).toEqual([201, expect.stringContaining('"Infrastructure":"QEMU"')]);
    const taken = await me.post(`/volumes/${volume}?provider=docker&size=1`);
    expect([taken.status, taken.text]).toEqual([409, `volume ${volume} already exists`]);
  });

  test.concurrent.for(always)("the example of %s compiles and runs", (compiler, { expect }) =>
    compileAndRun(compiler, expect),
  );
});

async function compileAndRun(compiler: string, expect: ExpectStatic): Promise<void> {
  const [base = "", language = "", provider = ""] = compiler.split("-");
  const apart = resolve(EXAMPLES, `${base}-${language}`);
  const archive = await tarOfDirectory(existsSync(apart) ? apart : resolve(EXAMPLES, language));
  const image = named("images", compiler);
  const query = new URLSearchParams({ provider, base, lang: language });
  const made = await me.upload(`/images/${image}/create?${query}`, archive, { args: "one 'two three'" });
  expect([made.status, made.text]).toEqual([201, expect.stringContaining(`"Compiler":"${compiler}"`)]);
  const instance = await me.post("/instances/run", { ImageName: image });
  expect([instance.status, instance.text]).toEqual([201, expect.any(String)]);
  expect(await said(instance.json.Id)).toBe(`hello from ${language}: one|two three\n`);
  expect((await me.get(`/instances/${instance.json.Id}`)).json).toMatchObject({
    State: "stopped",
    ExitCode: 0,
  });
  const ask = () => me.get(`/describe_compiler?${query}`);
  let described = await ask();
  // how machines run is known before the first of them starts, and told beside that
  while (provider === "qemu" && !described.text.includes("\nHOW ITS MACHINES RUN\n")) described = await ask();
  expect(described.text).toMatch(
    /^\nHOW TO PREPARE APPLICATION\t\n[\s\S]+\n\nCONFIGURATION FILES\n------ \/manifest\.yaml ------\n/,
  );
}
