import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readConfig, readEnvironment } from "./config.ts";

describe("the agent's configuration", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "perigee-config-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const file = (name: string, content: string) => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };

  test("has a default for everything", () => {
    expect(readConfig(undefined).nodes.map(({ name, kind }) => [name, kind])).toEqual([
      ["fpga", "FPGA"],
      ["gpu", "GPU"],
      ["mpu1", "MPU"],
    ]);
  });

  test("beside a cluster the engine has no nodes but those that are named", () => {
    const kubernetes = {};
    const nodes = (more: object) =>
      readConfig(file("c.json", JSON.stringify({ kubernetes, ...more }))).nodes.map(({ name }) => name);
    expect(nodes({})).toEqual([]);
    expect(nodes({ nodes: [{ name: "here", kind: "MPU" }] })).toEqual(["here"]);
  });

  test.each([
    ['{"nodes":[{"name":"x","kind":"TPU"}]}', "nodes.0.kind"],
    ['{"nodes":[{"name":"X_","kind":"GPU"}]}', "nodes.0.name"],
    ['{"devices":{"GPU":["nvidia0"]}}', "devices.GPU.0"],
    ['{"pollMs":61000}', "pollMs"],
    ['{"doorbell":{"sqs":{"queueUrl":"https://sqs/q"}}}', "doorbell"],
    ['{"doorbell":"smoke"}', "doorbell"],
    ['{"imageRegistry":{"pull":"registry"}}', "imageRegistry.pull"],
    ['{"imageRegistry":{"pull":"registry:5000","collect":[]}}', "imageRegistry.collect"],
    ['{"instanceAddresses":"127.88.0.0"}', "instanceAddresses.range"],
    ['{"instanceAddresses":{"range":"10.0.0.1/31"}}', "instanceAddresses.range"],
    ['{"instanceAddresses":{"from":["all"]}}', "instanceAddresses.from.0"],
    ['{"instanceAddresses":{"closedPorts":[0]}}', "instanceAddresses.closedPorts.0"],
    ['{"kvm":"off"}', "kvm"],
    ['{"unknown":1}', "unknown"],
  ])("names the field that is wrong in %s", (json, field) => {
    expect(() => readConfig(file("c.json", json))).toThrow(field);
  });

  test("the host's own virtualisation is tried unless the file leaves it out", () => {
    expect(readConfig(undefined).kvm).toBe(true);
    expect(readConfig(file("c.json", '{"kvm":false}')).kvm).toBe(false);
  });

  test("addresses for instances are those of the file, else of the environment, else none", () => {
    const of = (json: string, addresses?: string, closedPorts?: number[]) =>
      readConfig(file("c.json", json), { addresses, closedPorts }).instanceAddresses;
    const others = { from: [], closedPorts: [22] };
    expect(of("{}")).toEqual(others);
    expect(of("{}", "127.88.0.0/16")).toEqual({ range: "127.88.0.0/16", ...others });
    expect(of("{}", undefined, [80]).closedPorts).toEqual([22, 80]);
    expect(of("{}").closedPorts).toEqual([22]);
    expect(of('{"instanceAddresses":{"closedPorts":[443]}}', undefined, [80]).closedPorts).toEqual([443, 80]);
    expect(of('{"instanceAddresses":"10.20.0.0/24"}', "127.88.0.0/16").range).toBe("10.20.0.0/24");
    expect(of('{"instanceAddresses":{"from":["10.0.0.0/8"]}}', "127.88.0.0/16")).toEqual({
      ...others,
      from: ["10.0.0.0/8"],
    });
    expect(() => readConfig(undefined, { addresses: "somewhere" })).toThrow(
      "the environment: instanceAddresses.range",
    );
  });

  test("the environment names what is missing, and the token comes from its file", () => {
    const tokenFile = file("token", "pga_secret\n");
    const all = {
      PERIGEE_GROUND: "https://ground.example",
      PERIGEE_AGENT_TOKEN_FILE: tokenFile,
      PERIGEE_AGENT_DATA: directory,
    };
    expect(readEnvironment(all)).toMatchObject({ token: "pga_secret", config: undefined });
    for (const name of Object.keys(all)) {
      expect(() => readEnvironment({ ...all, [name]: "" })).toThrow(name);
    }
    const closed = (ports: string) => readEnvironment({ ...all, PERIGEE_INSTANCE_CLOSED_PORTS: ports });
    expect(closed("80,443").closedPorts).toEqual([80, 443]);
    expect(() => closed("80;443")).toThrow("PERIGEE_INSTANCE_CLOSED_PORTS must be ports");
    expect(() => readEnvironment({ ...all, PERIGEE_AGENT_TOKEN_FILE: file("empty", "\n") })).toThrow("empty");
  });
});
