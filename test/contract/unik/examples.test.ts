import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { tarOfDirectory } from "./support/archive.ts";
import { me, named, said, target } from "./support/session.ts";

const EXAMPLES = resolve(import.meta.dirname, "../../../examples/unik");

test("the compilers whose tools this machine has are offered", async () => {
  expect((await me.get("/available_compilers")).json).toEqual(target.compilers);
  expect(target.compilers).toEqual([...target.compilers].sort());
  expect(target.compilers).toContain("docker-native-docker");
  for (const language of target.tools ?? []) expect(target.compilers).toContain(`docker-${language}-docker`);
});

test.concurrent.for(target.compilers)("the example of %s compiles and runs", async (compiler, { expect }) => {
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
  const described = await me.get(`/describe_compiler?${query}`);
  expect(described.text).toMatch(
    /^\nHOW TO PREPARE APPLICATION\t\n[\s\S]+\n\nCONFIGURATION FILES\n------ \/manifest\.yaml ------\n/,
  );
});
