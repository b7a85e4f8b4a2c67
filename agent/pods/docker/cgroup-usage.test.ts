import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cgroupOf, usageOf } from "./cgroup-usage.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "perigee-cgroup-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

describe("version 2", () => {
  const text = "0::/docker/abc\n";

  test("CPU time, peak of memory, and bytes of all block devices", () => {
    put("docker/abc/cpu.stat", "usage_usec 1500000\nuser_usec 1\nsystem_usec 2\n");
    put("docker/abc/memory.peak", "1048576\n");
    put("docker/abc/io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=1\n8:16 rbytes=100 wbytes=200 rios=1\n");
    expect(usageOf(cgroupOf(text, root)!)).toEqual({ cpuMs: 1500, memoryBytes: 1048576, ioBytes: 330 });
  });

  test("a kernel without a peak tells what is used now, one without io.stat no bytes", () => {
    put("docker/abc/cpu.stat", "usage_usec 1000\n");
    put("docker/abc/memory.current", "4096\n");
    expect(usageOf(cgroupOf(text, root)!)).toEqual({ cpuMs: 1, memoryBytes: 4096, ioBytes: 0 });
  });
});

describe("version 1", () => {
  const text = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n2:blkio:/docker/abc\n0::/\n";

  test("the same from each controller's own directory", () => {
    put("cpuacct/docker/abc/cpuacct.usage", "2500000000\n");
    put("memory/docker/abc/memory.max_usage_in_bytes", "2097152\n");
    put(
      "blkio/docker/abc/blkio.throttle.io_service_bytes",
      "8:0 Read 1\n8:0 Write 2\n8:0 Sync 9\n8:0 Total 3\nTotal 3\n",
    );
    const group = cgroupOf(text, root)!;
    expect(usageOf(group)).toEqual({ cpuMs: 2500, memoryBytes: 2097152, ioBytes: 3 });
    rmSync(root, { recursive: true });
    expect(usageOf(group)).toBeUndefined();
  });

  test("a path of another root is nobody's", () => {
    put("cpuacct/cpuacct.usage", "1\n");
    expect(cgroupOf("4:memory:/\n3:cpu,cpuacct:/\n0::/\n", root)).toBeUndefined();
  });
});
