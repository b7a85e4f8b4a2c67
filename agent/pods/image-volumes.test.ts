import { expect, test } from "vitest";
import { scratchVolumes } from "./image-volumes.ts";

test.each<[string[], string[]]>([
  [["/cache"], ["/cache"]],
  [["/data"], []],
  [["/data/"], []],
  [["//data"], []],
  [["data"], []],
  [["./data"], []],
  [["/./data"], []],
  [["/x/../data"], []],
  [["/data/results"], []],
  [["data/x"], []],
  [["//data//x"], []],
  [["/data/x/../../cache"], ["/cache"]],
  [["/data/../x"], ["/x"]],
  [["/data/.."], []],
  [["/database"], ["/database"]],
  [["/data x"], ["/data x"]],
  [["/DATA"], ["/DATA"]],
  [["/"], []],
  [[""], []],
  [["/../.."], []],
  [["/dev"], []],
  [["/dev/shm"], []],
  [["/proc/1"], []],
  [["/sys/fs"], []],
  [["/system"], ["/system"]],
  [["/etc"], ["/etc"]],
  [["/var/lib/x/"], ["/var/lib/x"]],
  [
    ["/b", "/a", "/b/", "//b", "b"],
    ["/a", "/b"],
  ],
  [["/a:b"], ["/a:b"]],
  [[], []],
])("of %j these are scratch: %j", (paths, scratch) => {
  expect(scratchVolumes(paths)).toEqual(scratch);
});
