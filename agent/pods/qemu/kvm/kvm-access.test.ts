import { expect, test } from "vitest";
import { KVM, kvmAccess } from "./kvm-access.ts";

test.for([
  ["everybody's", 0o20666, 0, {}],
  ["its group's", 0o20660, 104, { group: 104 }],
  ["root's group's", 0o20660, 0, `${KVM} belongs to the group root, which no machine is put into`],
  ["root's", 0o20600, 0, `no group may read and write ${KVM}`],
  ["its group's to read", 0o20640, 104, `no group may read and write ${KVM}`],
] as const)("a device that is %s is given with what that takes, or not at all", ([, mode, gid, access]) => {
  expect(kvmAccess({ mode, gid })).toEqual(access);
});
