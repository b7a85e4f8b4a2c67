import { describe, expect, test } from "vitest";
import type { Fields } from "../http/fields.ts";
import { parseJson } from "../http/json-text.ts";
import { readUrlEncoded } from "../http/url-encoded.ts";
import type { FieldName } from "./field-names.ts";
import { dictField, listField, textField } from "./form-values.ts";
import { knownFields } from "./read-fields.ts";

const NAMES: FieldName[] = [
  "pod_name",
  "pvc_name",
  "filepath",
  "max_duration",
  "command",
  "ports",
  "args",
  "envs",
];
const json = (text: string): Fields =>
  new Map([...(parseJson(text) as ReadonlyMap<string, unknown>)].map(([name, value]) => [name, [value]]));
const known = (...sources: (string | Fields)[]) =>
  knownFields(
    sources.map((source) => (typeof source === "string" ? readUrlEncoded(source) : source)),
    NAMES,
  );
const refusal = (start: string) =>
  expect.objectContaining({
    code: "INVALID_PARAMETERS",
    message: expect.stringContaining(start),
  });

describe("names", () => {
  test.each([
    "podName=x",
    "PodName=x",
    "POD_NAME=x",
    "pod-name=x",
    "pod name=x",
    "pod_name =x",
    "+pod_name=x",
    "pod.name=x",
    "podname=",
    "pvcName=x",
    "file_path=x",
    "Filepath=x",
    "pod_name[]=x",
    "pod_name[0]=x",
    "pod_name[a]=x",
    "pod_name.x=1",
    "filepath[]=x",
    "args[=x",
    "args]=x",
    "args[][]=x",
    "args[][x]=x",
    "args[x]=x",
    "args.0=x",
    "Args[]=x",
    "envs[]=x",
    "envs[A][B]=x",
    "envs[A]B=x",
    "envs[A=x",
    "envs.A=x",
    "ENVS[A]=x",
    "ports[a]=1",
    "x[pod_name]=y",
    "data[attributes][pod_name]=y",
    "data.pod_name=y",
    "data[envs][A]=1",
    "amp;pod_name=x",
    "pod%255Fname=x",
    "\uff50od_name=x",
  ])("%s is refused, with the name that is understood", (text) => {
    expect(() => known(text)).toThrow(refusal("is not understood, "));
  });

  test.each(["user=x", "podd_name=x", "name=x", "pod=x", "[]=x", "=x", "argsx[]=1"])(
    "%s is none of ours, and ignored",
    (text) => {
      expect(known(text)).toEqual(new Map());
    },
  );
});

describe("lists and dictionaries in brackets", () => {
  test.each<[string | Fields, string[] | undefined]>([
    ["args[]=a&args[]=b", ["a", "b"]],
    ["args%5B%5D=a", ["a"]],
    ["args[0]=a&args[1]=b", ["a", "b"]],
    ["args[]=&args[]=b", ["", "b"]],
    ["args[]=", undefined],
    ["args[]=[x", ["[x"]],
    ["args=&args[]=a", ["a"]],
    [json('{"args[]": ["a", 1]}'), ["a", "1"]],
    ["args=a&args=b", ["a", "b"]],
  ])("%j is the list %j", (source, args) => {
    expect(listField(known(source), "args")).toEqual(args);
  });

  test.each<[string | Fields, Record<string, string>]>([
    ["envs[A]=1&envs[B]=", { A: "1", B: "" }],
    ["envs%5BA%5D=x+y", { A: "x y" }],
    ["envs[__proto__]=1", JSON.parse('{"__proto__": "1"}')],
    ["envs=&envs[A]=1", { A: "1" }],
    [json('{"envs[A]": 1.50}'), { A: "1.50" }],
  ])("%j is the dictionary %j", (source, envs) => {
    expect(Object.fromEntries(dictField(known(source), "envs"))).toEqual(envs);
  });

  test.each([
    "args[1]=a&args[0]=b",
    "args[0]=a&args[2]=b",
    "args[0]=a&args[]=b",
    "args[00]=a",
    "args=x&args[]=a",
    "envs={}&envs[A]=1",
    "envs[A]=1&envs[A]=2",
    "envs={}&envs={}",
  ])("%s is refused", (text) => {
    expect(() => known(text)).toThrow(refusal(/^\w+/.exec(text)![0]));
  });
});

describe("several values", () => {
  test("of the query and of the body: one value", () => {
    expect(textField(known("pod_name=a", json('{"pvc_name": "b"}')), "pod_name")).toBe("a");
    expect(textField(known("pod_name=a", json('{"pod_name": "a"}')), "pod_name")).toBe("a");
    expect(textField(known("pod_name=", json('{"pod_name": "a"}')), "pod_name")).toBe("a");
    expect(textField(known("pod_name=a", json('{"pod_name": null}')), "pod_name")).toBe("a");
    expect(textField(known("pod_name=a&pod_name=a&pod_name="), "pod_name")).toBe("a");
    expect(listField(known("args=a", json('{"envs": {}}')), "args")).toEqual(["a"]);
  });

  test.each<[string, (string | Fields)[]]>([
    ["pod_name", ["pod_name=a", json('{"pod_name": "b"}')]],
    ["pvc_name", ["pvc_name=a", "pvc_name=b"]],
    ["pod_name", ["pod_name=a&pod_name=b"]],
    ["filepath", ["filepath=a", "filepath=b"]],
    ["max_duration", ["max_duration=5", json('{"max_duration": 6}')]],
    ["args", ["args=a", "args=a"]],
    ["envs", ["envs={}", json('{"envs": {}}')]],
  ])("two of %s are refused", (field, sources) => {
    expect(() => known(...sources)).toThrow(refusal(`${field}: `));
  });
});
