import { expect, test } from "vitest";
import { EMPTY_RUN, type RunForm, runErrors, runFields } from "./run-form.ts";

const form: RunForm = { ...EMPTY_RUN, pod: "echo-test", image: "busybox" };

test("a form that is right has no errors, and becomes the fields of a run", () => {
  const full = {
    ...form,
    command: "echo hi",
    ports: "80, 443",
    envs: "A=1\nB=x=y\n",
    at: "2026-11-28T12:00",
  };
  expect(runErrors(full)).toEqual({});
  expect(runFields(full)).toEqual({
    pod_name: "echo-test",
    image: "busybox",
    node: "MPU",
    max_duration: "10",
    command: "echo hi",
    "ports[0]": "80",
    "ports[1]": "443",
    "envs[A]": "1",
    "envs[B]": "x=y",
    scheduled_time: "2026-11-28T12:00:00.000Z",
  });
  expect(runFields(form)).not.toHaveProperty("command");
});

test.each([
  [{ pod: "Echo" }, "pod"],
  [{ pod: "" }, "pod"],
  [{ pod: "-a" }, "pod"],
  [{ image: " " }, "image"],
  [{ minutes: "0" }, "minutes"],
  [{ minutes: "1.5" }, "minutes"],
  [{ ports: "80 http" }, "ports"],
  [{ ports: "70000" }, "ports"],
  [{ envs: "=x" }, "envs"],
  [{ at: "tomorrow" }, "at"],
] satisfies [Partial<RunForm>, keyof RunForm][])("%o is told at its field", (change, field) => {
  expect(Object.keys(runErrors({ ...form, ...change }))).toEqual([field]);
});
